#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

/** Where the columns of one shard begin in its file, in bytes: what src/data/corpus/shard-layout.ts reads of a shard of 16-bit ids and counts. */
struct ShardLayout {
  std::string file;
  int64_t numCells, indptr, ids, counts, total;
};

/** Where one cell lies. */
struct Row {
  int fd;
  int64_t ids, counts;
  int32_t n;
  double total;
};

/**
 * Random access to the cells of shards, as src/data/corpus/row-reader.ts has it: a cell costs two reads, four where not all shards can be
 * held open. Files are read, not mapped: one that is cut short under the map would end the process. One a thread.
 */
class RowReader {
 public:
  explicit RowReader(const std::vector<ShardLayout> &layouts);
  ~RowReader();
  RowReader(const RowReader &) = delete;

  /** Both return whether all of it could be read. The row is good until another one is found. */
  bool find(int64_t row, Row &found);
  bool read(const Row &row, uint16_t *ids, uint16_t *counts);

 private:
  struct Shard {
    int fd = -1;
    std::vector<int32_t> indptr; // [R + 1], and below [R]; only where all shards stay open
    std::vector<double> total;
    std::list<size_t>::iterator place;
  };
  const std::vector<ShardLayout> &layouts;
  std::vector<int64_t> firstRows;
  std::vector<Shard> shards;
  std::list<size_t> openShards; // the one unused for longest comes first
  bool allStayOpen;

  bool open(size_t index);
  void close(size_t index);
};

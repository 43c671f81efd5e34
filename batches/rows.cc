#include "rows.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace {

/** As many as row-reader.ts. */
constexpr size_t MAX_OPEN_SHARDS = 128;

bool readAll(int fd, void *to, size_t bytes, int64_t position) {
  char *at = static_cast<char *>(to);
  while (bytes > 0) {
    ssize_t n = pread(fd, at, bytes, position);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    position += n;
    bytes -= n;
  }
  return true;
}

} // namespace

RowReader::RowReader(const std::vector<ShardLayout> &layouts) : layouts(layouts), firstRows(1, 0), shards(layouts.size()), allStayOpen(layouts.size() <= MAX_OPEN_SHARDS) {
  for (const ShardLayout &layout : layouts) firstRows.push_back(firstRows.back() + layout.numCells);
}

RowReader::~RowReader() {
  while (!openShards.empty()) close(openShards.front());
}

bool RowReader::find(int64_t row, Row &found) {
  if (row < 0 || row >= firstRows.back()) return false;
  size_t index = std::upper_bound(firstRows.begin(), firstRows.end(), row) - firstRows.begin() - 1;
  if (!open(index)) return false;
  const Shard &shard = shards[index];
  const ShardLayout &layout = layouts[index];
  int64_t local = row - firstRows[index];
  int32_t bounds[2];
  if (allStayOpen) {
    std::copy_n(&shard.indptr[local], 2, bounds);
    found.total = shard.total[local];
  } else if (!readAll(shard.fd, bounds, 8, layout.indptr + local * 4) || !readAll(shard.fd, &found.total, 8, layout.total + local * 8)) {
    return false;
  }
  found.fd = shard.fd;
  found.n = bounds[1] - bounds[0];
  found.ids = layout.ids + bounds[0] * int64_t(2);
  found.counts = layout.counts + bounds[0] * int64_t(2);
  return bounds[0] >= 0 && found.n >= 0;
}

bool RowReader::read(const Row &row, uint16_t *ids, uint16_t *counts) {
  return readAll(row.fd, ids, row.n * size_t(2), row.ids) && readAll(row.fd, counts, row.n * size_t(2), row.counts);
}

bool RowReader::open(size_t index) {
  Shard &shard = shards[index];
  if (shard.fd >= 0) {
    if (!allStayOpen) openShards.splice(openShards.end(), openShards, shard.place);
    return true;
  }
  if (openShards.size() >= MAX_OPEN_SHARDS) close(openShards.front());
  const ShardLayout &layout = layouts[index];
  shard.fd = ::open(layout.file.c_str(), O_RDONLY | O_CLOEXEC);
  if (shard.fd < 0) return false;
  shard.place = openShards.insert(openShards.end(), index);
  if (!allStayOpen) return true;
  shard.indptr.resize(layout.numCells + 1);
  shard.total.resize(layout.numCells);
  if (readAll(shard.fd, shard.indptr.data(), shard.indptr.size() * 4, layout.indptr) && readAll(shard.fd, shard.total.data(), shard.total.size() * 8, layout.total)) return true;
  close(index);
  return false;
}

void RowReader::close(size_t index) {
  ::close(shards[index].fd);
  shards[index].fd = -1;
  openShards.erase(shards[index].place);
}

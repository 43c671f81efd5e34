#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "batch.h"

/** Threads that make batches, those asked for first first. */
class Crew {
 public:
  /** Told whether the batch was made, in the thread that made it. */
  using Done = std::function<void(bool isMade)>;

  Crew(BatchSettings settings, int numThreads);
  /** Waits for what threads are at; what nobody has begun is not made. */
  ~Crew();
  Crew(const Crew &) = delete;
  void add(Batch batch, Done done);

 private:
  struct Job {
    Batch batch;
    Done done;
  };
  const BatchSettings settings;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;
  bool isOver = false;
  std::vector<std::thread> threads;

  void work();
};

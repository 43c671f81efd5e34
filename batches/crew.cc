#include "crew.h"

#include <exception>

Crew::Crew(BatchSettings settings, int numThreads) : settings(std::move(settings)) {
  for (int i = 0; i < numThreads; i++) threads.emplace_back([this] { work(); });
}

Crew::~Crew() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    isOver = true;
  }
  wake.notify_all();
  for (std::thread &thread : threads) thread.join();
  for (Job &job : jobs) job.done(false);
}

void Crew::add(Batch batch, Done done) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    jobs.push_back({std::move(batch), std::move(done)});
  }
  wake.notify_one();
}

void Crew::work() {
  BatchMaker maker(settings);
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return isOver || !jobs.empty(); });
    if (isOver) return;
    Job job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    bool isMade = false;
    try {
      isMade = maker.fill(job.batch);
    } catch (const std::exception &) {
      // Out of memory, most likely: whoever makes the batch instead meets it again, and says so.
    }
    job.done(isMade);
    lock.lock();
  }
}

#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

// One job at a time. TensorFlow runs ops side by side: an op that finds the helpers busy works alone, for then no core is idle anyway.
namespace {

class Helpers {
 public:
  void start(int count) {
    for (; numStarted < count; numStarted++) std::thread([this] { help(); }).detach();
  }

  void run(int64_t numPieces, const std::function<void(int64_t)> &piece) {
    std::unique_lock<std::mutex> mine(busy, std::try_to_lock);
    if (!mine || numStarted == 0 || numPieces == 1) {
      for (int64_t i = 0; i < numPieces; i++) piece(i);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(mutex);
      job = &piece;
      size = numPieces;
      next = 0;
      generation++;
    }
    wake.notify_all();
    take(piece, numPieces);
    std::unique_lock<std::mutex> lock(mutex);
    job = nullptr; // whoever wakes up only now finds nothing to do
    idle.wait(lock, [this] { return numWorking == 0; });
  }

 private:
  std::mutex busy, mutex;
  std::condition_variable wake, idle;
  const std::function<void(int64_t)> *job = nullptr;
  int64_t size = 0;
  std::atomic<int64_t> next{0};
  uint64_t generation = 0;
  int numWorking = 0, numStarted = 0;

  void take(const std::function<void(int64_t)> &piece, int64_t numPieces) {
    for (int64_t i; (i = next.fetch_add(1)) < numPieces;) piece(i);
  }

  void help() {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return job && generation != seen; });
      seen = generation;
      numWorking++;
      auto piece = job;
      int64_t numPieces = size;
      lock.unlock();
      take(*piece, numPieces);
      lock.lock();
      if (--numWorking == 0) idle.notify_all();
    }
  }
};

// Never destroyed: helpers wait in it until the process ends.
Helpers &helpers() {
  static Helpers *instance = new Helpers;
  return *instance;
}

} // namespace

void parallel(int64_t size, int64_t grain, const std::function<void(int64_t, int64_t)> &work) {
  int64_t numPieces = (size + grain - 1) / grain;
  helpers().run(numPieces, [&](int64_t i) { work(i * grain, std::min(size, (i + 1) * grain)); });
}

void startHelpers(int count) { helpers().start(count); }

// A loop over independent pieces of work on several threads.
//
// Precision: which thread takes which piece is not fixed; pieces that write apart and read what no
//            other writes give the same bits for every number of threads.
// Threads:   returns when every piece is done.
#ifndef LBW_QUANT_PARALLEL_H_
#define LBW_QUANT_PARALLEL_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace lbw::quant {

// Asked within long work, on the thread that called it: anything but OK ends the work with it.
using KeepGoing = std::function<absl::Status()>;

// Calls work(i) once for each i in 0 .. count-1, on at most max_threads threads, the caller's among
// them.
template <typename Work>
void ParallelFor(int64_t count, int max_threads, const Work& work) {
  const int64_t threads = std::clamp<int64_t>(max_threads, 1, std::max<int64_t>(count, 1));
  std::atomic<int64_t> next{0};
  const auto run = [&] {
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < threads; ++i) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
}

// The same, while keep_going (may be empty) allows it: the calling thread asks it in front of each
// piece that it takes. Where it ends the work, pieces that others have begun are finished, the rest
// is left out.
template <typename Work>
absl::Status ParallelWhile(int64_t count, int max_threads, const KeepGoing& keep_going,
                           const Work& work) {
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> over{false};
  absl::Status status;  // of the calling thread alone
  ParallelFor(count, max_threads, [&](int64_t piece) {
    if (over.load()) return;
    if (keep_going && std::this_thread::get_id() == caller) {
      status = keep_going();
      if (!status.ok()) {
        over.store(true);
        return;
      }
    }
    work(piece);
  });
  return status;
}

}  // namespace lbw::quant

#endif  // LBW_QUANT_PARALLEL_H_

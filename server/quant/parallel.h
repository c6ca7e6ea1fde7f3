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
#include <thread>
#include <vector>

namespace lbw::quant {

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

}  // namespace lbw::quant

#endif  // LBW_QUANT_PARALLEL_H_

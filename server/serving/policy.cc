#include "serving/policy.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lbw::serving {

Admission Admit(const QueueSnapshot& queue, const QueueLimits& limits, size_t calls,
                uint64_t bytes) {
  if (calls > limits.calls || bytes > limits.bytes) return Admission::kNeverFits;
  const bool fits = queue.calls <= limits.calls - calls && queue.bytes <= limits.bytes - bytes;
  return fits ? Admission::kAdmit : Admission::kQueueFull;
}

int64_t RetryAfterMs(const QueueSnapshot& queue) {
  constexpr double kLeastMs = 10;
  constexpr double kMostMs = 30'000;
  constexpr int64_t kUnknownMs = 1'000;
  if (!(queue.seconds_per_call > 0)) return kUnknownMs;
  const double half_ms = queue.seconds_per_call * 1000 * static_cast<double>(queue.calls) / 2;
  return static_cast<int64_t>(std::ceil(std::clamp(half_ms, kLeastMs, kMostMs)));
}

double UpdateAverage(double average, double sample) {
  constexpr double kNewShare = 0.2;
  if (!(average > 0)) return sample;
  return average + kNewShare * (sample - average);
}

EvictionPlan PlanEviction(absl::Span<const Resident> residents, uint64_t needed, uint64_t budget) {
  EvictionPlan plan;
  if (needed > budget) {
    plan.verdict = RoomVerdict::kNeverFits;
    return plan;
  }
  uint64_t held = 0;
  for (const Resident& resident : residents) held += resident.bytes;
  std::vector<size_t> order(residents.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return residents[a].last_used < residents[b].last_used;
  });
  for (const size_t index : order) {
    if (held <= budget - needed) break;
    if (residents[index].in_use || residents[index].bytes == 0) continue;
    held -= residents[index].bytes;
    plan.evict.push_back(index);
  }
  if (held > budget - needed) return EvictionPlan{RoomVerdict::kBusy, {}};
  return plan;
}

size_t PicturesPerRun(int64_t graph_max_batch) {
  constexpr int64_t kMost = 16;
  if (graph_max_batch <= 0) return static_cast<size_t>(kMost);
  return static_cast<size_t>(std::min(graph_max_batch, kMost));
}

}  // namespace lbw::serving

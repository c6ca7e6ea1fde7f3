// The decisions of serving as functions of snapshots: no clock, no lock, same input same answer.
#ifndef LBW_SERVING_POLICY_H_
#define LBW_SERVING_POLICY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace lbw::serving {

// A version's queue: calls that were admitted and do not run yet (they wait for the load, are being
// decoded, or wait for their turn).
struct QueueSnapshot {
  size_t calls = 0;
  uint64_t bytes = 0;
  double seconds_per_call = 0;  // recent average that the instance was busy with one; 0: unknown
};
struct QueueLimits {
  size_t calls = 256;
  uint64_t bytes = uint64_t{512} << 20;
};

enum class Admission : uint8_t {
  kAdmit,
  kQueueFull,  // later
  kNeverFits,  // larger than the whole queue
};
// A call that brings `calls` more calls (0: one that is in already grows) and `bytes` more bytes.
Admission Admit(const QueueSnapshot& queue, const QueueLimits& limits, size_t calls,
                uint64_t bytes);

// When half of the queue will have gone: 10 ms to 30 s, 1 s while nothing is known.
int64_t RetryAfterMs(const QueueSnapshot& queue);

// Exponentially weighted: a fifth of what is new. The first sample is the average.
double UpdateAverage(double average, double sample);

// One loaded version.
struct Resident {
  uint64_t bytes = 0;
  absl::Time last_used;
  bool in_use = false;  // a call holds it, or it is being loaded
};
enum class RoomVerdict : uint8_t {
  kFits,       // after evicting `evict`
  kBusy,       // it would, if versions in use were not in use
  kNeverFits,  // larger than the whole budget
};
struct EvictionPlan {
  RoomVerdict verdict = RoomVerdict::kFits;
  std::vector<size_t> evict;  // indices, in the order in which they go; empty unless kFits
};
// Makes room for needed bytes: least recently used first, as few as it takes, none in use.
EvictionPlan PlanEviction(absl::Span<const Resident> residents, uint64_t needed, uint64_t budget);

// Pictures in one Run: at most 16 and at most the graph's max_batch (0 = any).
size_t PicturesPerRun(int64_t graph_max_batch);

}  // namespace lbw::serving

#endif  // LBW_SERVING_POLICY_H_

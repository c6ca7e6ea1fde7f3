// Activation ranges of a network whose weights are codes: the extremes of every rounding point over
// some pictures, with float activations.
//
// Precision: the same bits for every number of threads: a picture runs on one.
// Threads: one; uses up to `threads`.
#ifndef LBW_TASKS_OBSERVE_RANGES_H_
#define LBW_TASKS_OBSERVE_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "graph/rounding_points.h"
#include "model/model.h"

namespace lbw::tasks {

using VisitPicture = std::function<absl::Status(size_t done)>;

// pictures: [C, H, W] each. Empty where the network has no rounding points. visit is asked between
// pictures with the number that is done. Errors: the engine's; visit's.
absl::StatusOr<graph::Activations> ObserveRanges(const model::Model& model,
                                                 engine::ExecutorFactory& engine,
                                                 const std::vector<std::vector<float>>& pictures,
                                                 int threads, const VisitPicture& visit);

// The most memory that this process ever had, in bytes; 0 where it is not told.
uint64_t PeakMemoryBytes();

}  // namespace lbw::tasks

#endif  // LBW_TASKS_OBSERVE_RANGES_H_

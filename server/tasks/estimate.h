// What an evaluation will cost, before it is queued.
//
// Time:    pictures * the measured milliseconds a picture of earlier evaluations of the version
//          (their median), else from the graph's multiply-adds at 25 GMAC/s a thread and 8 ms of
//          decoding. Memory: the bundle's bytes three times, the activations' peak bound, 300 MB.
#ifndef LBW_TASKS_ESTIMATE_H_
#define LBW_TASKS_ESTIMATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/model.h"

namespace lbw::tasks {

struct Estimate {
  absl::Duration duration;
  uint64_t memory_bytes = 0;
  std::string basis;
};

struct EstimateInput {
  const model::Model* model = nullptr;  // borrowed
  uint64_t bundle_bytes = 0;
  uint64_t pictures = 0;
  int threads = 1;
  std::vector<double> measured_ms;  // a picture, of earlier evaluations
};
// Errors: those of shape inference.
absl::StatusOr<Estimate> EstimateEvaluation(const EstimateInput& input);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_ESTIMATE_H_

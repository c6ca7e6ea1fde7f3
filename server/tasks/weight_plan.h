// What quantizing a model would take, from the shapes of its weights alone: whether the options fit
// every weight, and the fewest bytes that a choice of widths can reach.
//
// Threads: pure.
#ifndef LBW_TASKS_WEIGHT_PLAN_H_
#define LBW_TASKS_WEIGHT_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "quant/calibrate.h"

namespace lbw::tasks {

struct WidthChoice {
  std::vector<int> bits;  // to choose from, rising; empty: nothing is chosen
  quant::ScaleKind scale = quant::ScaleKind::kPowerOfTwo;  // kReal: at 2 bits
};
struct WeightPlan {
  size_t quantized = 0;
  size_t trainable = 0;      // of those, that get nearest codes with an exponent a row
  size_t chosen = 0;         // of those, whose width is chosen: no rule names their bits
  uint64_t least_bytes = 0;  // of codes, exponents and scales of the chosen, each at its smallest
};
// Of the constants only shapes and types are looked at. options.tensor.bits is not looked at where
// widths are chosen.
// Errors: kInvalidArgument - BAD_OPTIONS (names the tensor), NOTHING_TO_QUANTIZE.
absl::StatusOr<WeightPlan> PlanWeights(const model::Model& outline,
                                       const model::QuantizeOptions& options,
                                       const WidthChoice& choice);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_WEIGHT_PLAN_H_

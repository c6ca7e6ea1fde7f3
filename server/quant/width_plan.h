// Mixed bit-widths: which width each layer gets, so that the sum of the layers' errors is least
// within a budget of bytes.
//
// Math:      minimise sum_l error_l(c_l) subject to sum_l bytes_l(c_l) <= budget: the multiple-
//            choice knapsack. Start, and multiplier of the bound: the steps of the layers' lower
//            convex hulls in the order of falling error per byte (P. Sinha and A. Zoltners, "The
//            Multiple-Choice Knapsack Problem", Operations Research 27(3), 1979). Then every
//            undominated (bytes, error) of the first k layers, k = 1, 2, ..., as far as the
//            Lagrangian bound of the other layers lets it beat the best plan known (dynamic
//            programming by lists: Kellerer, Pferschy, Pisinger, "Knapsack Problems", 2004,
//            sections 11.2 and 11.5).
// errors     Additive over layers. Measured errors are noisy: along rising bits they are first made
//            nonincreasing, by the least squares of pool-adjacent-violators, weights equal.
// Precision: `exact` plans have the least error of all assignments, sums taken in the order of the
//            layers; among equal errors the fewest bytes. At most kMaxPartialPlans partial plans
//            are kept; where more would be needed the plan is not exact, and its error is above
//            lower_bound by at most the largest step of a hull. Never worse than a uniform width
//            that fits the budget. Same input, same plan.
// Threads:   pure.
// Cost:      at most layers * kMaxPartialPlans partial plans of 24 bytes; few are left where bytes
//            and errors are of mixed sizes.
#ifndef LBW_QUANT_WIDTH_PLAN_H_
#define LBW_QUANT_WIDTH_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace lbw::quant {

inline constexpr size_t kMaxWidthLayers = 4096;
inline constexpr size_t kMaxWidthChoices = 16;
inline constexpr size_t kMaxPartialPlans = 4096;

struct WidthChoice {
  int bits = 0;
  uint64_t bytes = 0;  // of codes, exponents and scales; at most 2^50
  double error = 0;    // 0 .. 1e200
};

struct WidthLayer {
  std::string name;                  // for messages
  std::vector<WidthChoice> choices;  // at least one, any order, each bits once
};

struct WidthPlan {
  std::vector<int> bits;   // one a layer
  uint64_t bytes = 0;      // sum over the layers
  double error = 0;        // sum over the layers, of errors made nonincreasing
  double lower_bound = 0;  // no assignment within the budget has less, but for rounding
  bool exact = true;
};

// Errors: kInvalidArgument - BAD_OPTIONS: a budget below the least bytes (names both; field
//         "budget_bytes"), a layer without choices, with the same bits twice, an error or bytes out
//         of range; LIMIT_EXCEEDED: too many layers or choices.
absl::StatusOr<WidthPlan> PlanWidths(absl::Span<const WidthLayer> layers, uint64_t budget_bytes);

struct WidthPoint {
  uint64_t bytes = 0;
  double error = 0;
};
// Bytes and error of the plan of each budget. The same errors.
absl::StatusOr<std::vector<WidthPoint>> WidthCurve(absl::Span<const WidthLayer> layers,
                                                   absl::Span<const uint64_t> budgets);
// All layers at one width, with the errors that PlanWidths adds up; nullopt where a layer does not
// offer it. The same errors, without a budget.
absl::StatusOr<std::optional<WidthPoint>> UniformWidth(absl::Span<const WidthLayer> layers,
                                                       int bits);

// Errors along rising bits -> the nearest nonincreasing ones, in the sense of least squares.
std::vector<double> Nonincreasing(std::vector<double> errors);

}  // namespace lbw::quant

#endif  // LBW_QUANT_WIDTH_PLAN_H_

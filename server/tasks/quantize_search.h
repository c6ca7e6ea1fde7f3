// What a quantization tries before it settles: widths within a budget or a drop, and the free
// parameter of the paper's thresholds. Every attempt is kept in the bench's state, so that a job
// that goes on does not try it again.
//
// Threads: one.
#ifndef LBW_TASKS_QUANTIZE_SEARCH_H_
#define LBW_TASKS_QUANTIZE_SEARCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tasks/quantize_bench.h"
#include "tasks/quantize_measure.h"
#include "tasks/width_search.h"

namespace lbw::tasks {

// One calibration that was tried.
struct Attempt {
  std::string key;   // "widths 4434", "mu 0.75"
  std::string name;  // "uniform 4", "plan 123456 B", "mu 0.75"
  std::vector<int> bits;
  uint64_t bytes = 0;  // of the layers that are chosen for
  double predicted = 0;
  double output_error = 0;
  std::optional<Measured> measured;
};

struct WidthOutcome {
  std::vector<FreeLayer> free;
  std::vector<Attempt> attempts;
  std::string chosen;  // an attempt's key
  std::string verdict;
  bool reached = false;  // the budget, or the drop
  uint64_t budget_bytes = 0;
  std::optional<double> predicted_value;  // of the chosen one
};
// Leaves the chosen calibration standing. Errors: kInvalidArgument - BAD_OPTIONS (a budget below
// the least bytes), NOTHING_TO_QUANTIZE; kFailedPrecondition, BAD_DATASET - max_drop without
// labels; the bench's.
absl::StatusOr<WidthOutcome> SearchWidths(QuantizeBench& bench);

struct MuOutcome {
  // The nearest codes of exact projections behind the same correction of biases.
  Attempt exact;
  std::vector<std::pair<double, Measured>> points;
  double ratio = 0;  // chosen
};
absl::StatusOr<MuOutcome> SearchMu(QuantizeBench& bench);

// All free layers at one width; fewer bits where a layer does not offer it.
Attempt UniformAttempt(const std::vector<FreeLayer>& free, int bits);

// Pure: the value at an error, linear between what is known: (error, value), the float network's
// error being 0. Beyond the largest error the line from the float network through it goes on, at
// least 0. Nothing where no error but 0 is known.
std::optional<double> PredictValue(std::vector<std::pair<double, double>> known, double error);

// Pure: what is said of a measured drop beside its limit.
std::string DropVerdict(const Measured& measured, double limit);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_SEARCH_H_

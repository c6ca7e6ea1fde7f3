// What a calibrated quantization leaves: the measurements, the bundle, and lbw.v1's report.
//
// Threads: one.
#ifndef LBW_TASKS_QUANTIZE_RESULT_H_
#define LBW_TASKS_QUANTIZE_RESULT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "tasks/json.h"
#include "tasks/quantize_bench.h"
#include "tasks/quantize_search.h"

namespace lbw::tasks {

struct QuantizeFindings {
  std::optional<WidthOutcome> widths;
  std::optional<MuOutcome> mu;
  std::vector<Json> measurements;  // lbw.v1.Measurement
};

// The float network, nearest codes of the same widths with nothing else done, the exact projection
// where the search has it, the standing calibration, and that with rounded activations. finished:
// the standing one, with its ranges. Errors: the bench's.
absl::StatusOr<std::vector<Json>> MeasureResult(QuantizeBench& bench, const model::Model& finished,
                                                const QuantizeFindings& findings);

// Writes the bundle; answers the job's result (quantize.h). Errors: the store's.
absl::StatusOr<std::string> WriteResult(QuantizeBench& bench, const model::Model& finished,
                                        const QuantizeFindings& findings);

// lbw.v1.QuantizationOptions: as asked, with what was chosen; the first `added` rules of used are
// the search's. Pure.
Json UsedOptionsJson(const Json& asked, const ChoiceOptions& used, size_t added);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_RESULT_H_

// What a calibrated quantization is asked, as values: lbw.v1.QuantizeSpec with everything filled
// in.
#ifndef LBW_TASKS_QUANTIZE_SPEC_H_
#define LBW_TASKS_QUANTIZE_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "model/model.h"
#include "quant/calibrate.h"
#include "tasks/evaluate_spec.h"
#include "tasks/json.h"

namespace lbw::tasks {

struct CalibrationAsked {
  std::string dataset;      // name without "datasets/"
  std::string split;        // "": every picture
  int64_t count = 64;       // pictures, 1..4096; the split may have fewer
  uint64_t seed = 0;        // that draws them
  int64_t positions = 400;  // of a layer's output, a picture; 1..100000
  double damping = 0.01;    // above 0, at most 1
  int sweeps = 3;           // 1..100
  int threads = 0;          // 0: the context's
  // kReal: of the layers that get 2 bits; every other layer has powers of two alone.
  quant::ScaleKind scale = quant::ScaleKind::kReal;
};

// Exactly one of budget_bytes (above 0) and max_drop is set.
struct WidthsAsked {
  uint64_t budget_bytes = 0;
  std::optional<double> max_drop;  // 0..1
  std::vector<int> bits;           // rising, each once, in 2..6
};

struct MuAsked {
  std::vector<double> ratios;  // rising, each once, above 0 and at most 16; at least one
};

struct MeasureAsked {
  bool skip = false;  // then nothing else here is set
  std::string dataset;
  // "": the pictures that were not calibrated on, all where there are none of those.
  std::string split;
  int64_t max_pictures = 0;  // the first so many; 0: all
  EvaluateOptions options;   // max_pictures and checkpoint_pictures are 0
  Json options_json;         // as it stands in the spec
};

struct QuantizeSpec {
  base::ModelRef version;  // float, with its number
  // tensor.bits: 2..6, or 8 with kUniform; with `widths` it may be 0 and is not looked at: layers
  // whose rule names no bits get theirs from the search. mu_ratio is not looked at with `mu`.
  model::QuantizeOptions options;
  Json options_json;  // lbw.v1.QuantizationOptions as it stands in the spec
  CalibrationAsked calibration;
  std::optional<WidthsAsked> widths;  // at most one of widths and mu
  std::optional<MuAsked> mu;          // options.tensor.scheme is kThreshold
  MeasureAsked measure;               // not skipped with mu or widths->max_drop
};

// Errors: kInvalidArgument - a field that is wrong (names it, its value and its limit).
absl::StatusOr<QuantizeSpec> ParseQuantizeSpec(std::string_view spec_json);

// lbw.v1.CalibrationOptions as JSON -> values. Errors: kInvalidArgument, BAD_ARGUMENT.
absl::StatusOr<CalibrationAsked> ParseCalibration(const Json& json);

// lbw.v1.QuantizationOptions as JSON -> values; bits may be 0. Errors: kInvalidArgument,
// BAD_OPTIONS or BAD_ARGUMENT.
absl::StatusOr<model::QuantizeOptions> ParseQuantizeOptions(const Json& options_json);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_SPEC_H_

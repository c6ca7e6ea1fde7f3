// What a calibrated quantization tells, as protojson of lbw.v1. Pure.
#ifndef LBW_TASKS_QUANTIZE_REPORT_H_
#define LBW_TASKS_QUANTIZE_REPORT_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/rounding_points.h"
#include "model/model.h"
#include "quant/layer_rules.h"
#include "tasks/calibrate_network.h"
#include "tasks/calibration_pictures.h"
#include "tasks/json.h"
#include "tasks/layer_solve.h"
#include "tasks/layer_walk.h"
#include "tasks/quantize_spec.h"

namespace lbw::tasks {

// lbw.v1.QuantizationReport.
Json ReportJson(const std::vector<quant::TensorReport>& reports);
// A list of lbw.v1.RuleMatch.
Json RuleMatchesJson(const std::vector<std::vector<std::string>>& caught,
                     const std::vector<quant::LayerRule>& rules);

// 10 log10(power / error); unset where either is zero.
std::optional<double> OutputSqnr(double power, double error);

struct LayerLine {
  const WalkLayer* layer = nullptr;
  const SolvedLayer* solved = nullptr;
  std::string bias_in;  // as PlaceLayer answers
  double error_share = 0;
};
// lbw.v1.CalibratedLayer.
Json LayerJson(const LayerLine& line);

// A list of them: of network.solved.
Json CalibratedLayersJson(const std::vector<WalkLayer>& layers, const CalibratedNetwork& network);

// What lbw.v1.CalibrationReport says of where codes come from: dataset, pack, split, seed, pictures
// and activations. pack: SHA-256.
Json CalibrationJson(const CalibrationAsked& asked, const std::string& pack,
                     const CalibrationPictures& pictures, const graph::Activations& activations);

// Every tensor of a float model under its options, those of which codes_of knows codes with what
// the codes did. codes_of: nullptr where there are none. Errors: those of model::PlanQuantization.
using CodesOf = std::function<const quant::QuantizedTensor*(const std::string& weight)>;
absl::StatusOr<model::QuantizeOutcome> ReportCodes(const model::Model& floating,
                                                   const model::QuantizeOptions& options,
                                                   const CodesOf& codes_of);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_REPORT_H_

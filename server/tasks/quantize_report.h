// What a calibrated quantization tells, as protojson of lbw.v1. Pure.
#ifndef LBW_TASKS_QUANTIZE_REPORT_H_
#define LBW_TASKS_QUANTIZE_REPORT_H_

#include <string>
#include <vector>

#include "graph/rounding_points.h"
#include "model/model.h"
#include "quant/layer_rules.h"
#include "tasks/json.h"
#include "tasks/layer_solve.h"
#include "tasks/layer_walk.h"

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

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_REPORT_H_

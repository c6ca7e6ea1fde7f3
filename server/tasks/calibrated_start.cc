#include "tasks/calibrated_start.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "quant/report.h"
#include "quant/rows.h"
#include "tasks/calibrate_network.h"
#include "tasks/calibration_options.h"
#include "tasks/layer_walk.h"
#include "tasks/quantize_report.h"

namespace lbw::tasks {
namespace {

bool CanBeTrained(const quant::QuantizedTensor& tensor) {
  return tensor.options.scheme == quant::Scheme::kExact &&
         tensor.options.granularity == quant::Granularity::kChannel;
}

const base::Tensor& FloatOf(const model::Model& model, const std::string& name) {
  return std::get<base::Tensor>(model.constants.find(name)->second);
}

train::LayerStart StartOf(const SolvedLayer& solved, const model::Model& model) {
  train::LayerStart start;
  start.name = solved.weight;
  start.codes = solved.tensor;
  start.target = solved.target;
  const base::Tensor& weight = FloatOf(model, solved.weight);
  if (start.target.empty()) {
    const absl::Span<const float> values = weight.as<float>();
    start.target.assign(values.begin(), values.end());
  }
  start.dead = DeadRows(weight, solved.tensor.options);
  return start;
}

}  // namespace

std::vector<uint8_t> DeadRows(const base::Tensor& weight, const quant::TensorOptions& options) {
  const quant::RowLayout layout =
      quant::MakeRowLayout(weight.shape(), options.axis, options.groups);
  quant::RowReader reader(layout, weight.as<float>());
  std::vector<uint8_t> dead;
  for (int64_t r = 0; r < layout.rows; ++r) {
    dead.push_back(quant::IsDeadRow(reader.Row(r)) ? 1 : 0);
  }
  if (std::count(dead.begin(), dead.end(), 1) == 0) dead.clear();
  return dead;
}

absl::StatusOr<CalibratedStart> MakeStart(const StartInputs& inputs, const StartSteps& steps) {
  const FineTuneAsked& asked = *inputs.asked;
  const WalkFor purpose = asked.from_projection ? WalkFor::kMeans : WalkFor::kCodes;
  LBW_ASSIGN_OR_RETURN(
      const std::unique_ptr<LayerWalk> walk,
      LayerWalk::Open(
          *inputs.model, *inputs.engine, *inputs.pictures, HeadValues(*inputs.model),
          WalkOptionsOf(asked.calibration, inputs.threads, inputs.scratch_folder, purpose)));
  LBW_ASSIGN_OR_RETURN(
      LayerChoices choices,
      ChooseLayers(*inputs.model, walk->layers(), ChoicesOf(asked.options, asked.calibration)));
  for (std::optional<LayerChoice>& choice : choices) {
    if (choice.has_value()) choice->keep_target = !asked.from_projection;
  }
  CalibrateSteps calibrate;
  calibrate.keep_going = steps.keep_going;
  calibrate.solved = [&](const std::vector<SolvedLayer>& solved) {
    return steps.solved(solved.size());
  };
  LBW_ASSIGN_OR_RETURN(CalibratedNetwork network, CalibrateNetwork(*walk, *inputs.model, choices,
                                                                   {}, inputs.threads, calibrate));
  CalibratedStart start;
  start.model = *inputs.model;
  start.calibrated_layers = CalibratedLayersJson(walk->layers(), network);
  start.output_error = network.output_error;
  for (const SolvedLayer& solved : network.solved) {
    if (CanBeTrained(solved.tensor)) {
      start.layers.push_back(StartOf(solved, *inputs.model));
    } else {
      start.notes.push_back(base::StrCat(
          solved.weight, " keeps its codes: ", quant::Name(solved.tensor.options.scheme), ", ",
          quant::Name(solved.tensor.options.granularity)));
    }
  }
  start.model.constants = std::move(network.constants);
  if (!start.layers.empty()) return start;
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kNothingToQuantize,
                     "no layer can be trained on the grid: each is kept float, is 8-bit uniform or "
                     "has one exponent for all rows");
}

}  // namespace lbw::tasks

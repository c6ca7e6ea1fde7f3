#include "tasks/calibrated_start.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "quant/rows.h"
#include "tasks/calibrate_network.h"
#include "tasks/layer_walk.h"
#include "tasks/quantize_report.h"

namespace lbw::tasks {
namespace {

constexpr float kDeadBelow = 1e-12F;

ChoiceOptions ChoicesOf(const FineTuneAsked& asked) {
  ChoiceOptions options;
  options.quantize = asked.options;
  options.scale = asked.calibration.scale;
  options.damping = asked.calibration.damping;
  options.sweeps = asked.calibration.sweeps;
  return options;
}

absl::StatusOr<std::unique_ptr<LayerWalk>> Walk(const StartInputs& inputs) {
  const CalibrationAsked& asked = inputs.asked->calibration;
  WalkOptions options;
  options.threads = inputs.threads;
  options.seed = asked.seed;
  options.positions = asked.positions;
  options.scratch_folder = inputs.scratch_folder;
  // Means alone are enough to correct a bias.
  if (inputs.asked->from_projection) options.max_layer_bytes = 0;
  return LayerWalk::Open(*inputs.model, *inputs.engine, *inputs.pictures, HeadValues(*inputs.model),
                         options);
}

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

Json LayersJson(const LayerWalk& walk, const CalibratedNetwork& network) {
  std::map<std::string, const WalkLayer*> by_name;
  for (const WalkLayer& layer : walk.layers()) by_name[layer.weight.constant] = &layer;
  double sum = 0;
  const auto share = [](const SolvedLayer& solved) {
    const LayerFigures& figures = solved.figures;
    return figures.output_power > 0 ? figures.error / figures.output_power : 0.0;
  };
  for (const SolvedLayer& solved : network.solved) sum += share(solved);
  Json layers = Json::array();
  for (size_t i = 0; i < network.solved.size(); ++i) {
    const SolvedLayer& solved = network.solved[i];
    layers.push_back(LayerJson({by_name.at(solved.weight), &solved, network.bias_in[i],
                                sum > 0 ? share(solved) / sum : 0}));
  }
  return layers;
}

}  // namespace

std::vector<uint8_t> DeadRows(const base::Tensor& weight, const quant::TensorOptions& options) {
  const quant::RowLayout layout =
      quant::MakeRowLayout(weight.shape(), options.axis, options.groups);
  quant::RowReader reader(layout, weight.as<float>());
  std::vector<uint8_t> dead;
  for (int64_t r = 0; r < layout.rows; ++r) {
    const absl::Span<const float> row = reader.Row(r);
    dead.push_back(
        std::all_of(row.begin(), row.end(), [](float w) { return std::fabs(w) < kDeadBelow; }));
  }
  if (std::count(dead.begin(), dead.end(), 1) == 0) dead.clear();
  return dead;
}

absl::StatusOr<CalibratedStart> MakeStart(const StartInputs& inputs, const StartSteps& steps) {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<LayerWalk> walk, Walk(inputs));
  LBW_ASSIGN_OR_RETURN(LayerChoices choices,
                       ChooseLayers(*inputs.model, walk->layers(), ChoicesOf(*inputs.asked)));
  for (std::optional<LayerChoice>& choice : choices) {
    if (choice.has_value()) choice->keep_target = !inputs.asked->from_projection;
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
  start.calibrated_layers = LayersJson(*walk, network);
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

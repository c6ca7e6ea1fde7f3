#include "tasks/calibrate_network.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

// What an earlier attempt solved, where it is of this layer.
absl::Status CheckFits(const SolvedLayer& solved, const model::Model& model,
                       const WalkLayer& layer) {
  const std::string& name = layer.weight.constant;
  const base::Shape shape = graph::ShapeOf(model.constants.find(name)->second);
  const auto rows =
      static_cast<size_t>(quant::MakeRowLayout(shape, layer.weight.axis, layer.weight.groups).rows);
  const bool bias = solved.bias_change.empty() || solved.bias_change.size() == rows;
  if (solved.weight == name && solved.tensor.shape == shape && bias) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kDataLoss, base::reason::kDataLoss,
      base::StrCat("a solved layer is ", solved.weight, " ",
                   base::ShapeToString(solved.tensor.shape), " with a change of bias of ",
                   solved.bias_change.size(), "; expected ", name, " ", base::ShapeToString(shape),
                   " and ", rows));
}

}  // namespace

absl::StatusOr<CalibratedNetwork> CalibrateNetwork(LayerWalk& walk, const model::Model& model,
                                                   const LayerChoices& choices,
                                                   std::vector<SolvedLayer> before, int threads,
                                                   const CalibrateSteps& steps) {
  LBW_CHECK(walk.at() == 0 && choices.size() == walk.layers().size());
  CalibratedNetwork out;
  for (size_t i = 0; i < walk.layers().size(); ++i) {
    const WalkLayer& layer = walk.layers()[i];
    if (!choices[i].has_value()) {
      LBW_RETURN_IF_ERROR(walk.Advance({}, steps.keep_going));
      continue;
    }
    const size_t index = out.solved.size();
    if (index < before.size()) {
      LBW_RETURN_IF_ERROR(CheckFits(before[index], model, layer));
      out.solved.push_back(std::move(before[index]));
    } else {
      const auto& weights =
          std::get<base::Tensor>(model.constants.find(layer.weight.constant)->second);
      std::optional<LayerSums> sums;
      if (!layer.uses.empty()) {
        LBW_ASSIGN_OR_RETURN(sums, walk.Sums(steps.keep_going));
      }
      const base::Stopwatch watch;
      LBW_ASSIGN_OR_RETURN(SolvedLayer solved,
                           SolveLayer(layer, weights, sums.has_value() ? &*sums : nullptr,
                                      *choices[i], {threads, steps.keep_going}));
      out.solve_seconds += watch.ElapsedSeconds();
      out.solved.push_back(std::move(solved));
    }
    const Placed placed = PlaceLayer(model.graph, layer, out.solved.back(), walk.constants());
    out.bias_in.push_back(placed.bias_in);
    LBW_RETURN_IF_ERROR(walk.Advance(placed.changed, steps.keep_going));
    if (steps.solved && index >= before.size()) LBW_RETURN_IF_ERROR(steps.solved(out.solved));
  }
  LBW_ASSIGN_OR_RETURN(out.output_error, walk.OutputError());
  out.constants = std::move(walk.constants());
  out.walk_seconds = walk.seconds();
  return out;
}

absl::StatusOr<LayerChoices> ChooseLayers(const model::Model& model,
                                          const std::vector<WalkLayer>& layers,
                                          const ChoiceOptions& options) {
  LBW_ASSIGN_OR_RETURN(const model::QuantizeOutcome plan,
                       model::PlanQuantization(model, options.quantize));
  std::map<std::string, const quant::TensorReport*, std::less<>> reports;
  for (const quant::TensorReport& report : plan.reports) reports.emplace(report.name, &report);
  LayerChoices choices;
  for (const WalkLayer& layer : layers) {
    const auto found = reports.find(layer.weight.constant);
    if (found == reports.end() || !found->second->quantized) {
      choices.emplace_back();
      continue;
    }
    LayerChoice choice;
    choice.tensor = found->second->options;
    choice.scale = choice.tensor.bits == 2 ? options.scale : quant::ScaleKind::kPowerOfTwo;
    choice.damping = options.damping;
    choice.sweeps = options.sweeps;
    choices.emplace_back(std::move(choice));
  }
  return choices;
}

std::vector<std::string> HeadValues(const model::Model& model) {
  std::vector<std::string> values;
  std::set<std::string> seen;
  for (const detect::Role* role : {&model.spec.head.boxes, &model.spec.head.scores}) {
    const std::vector<detect::ValueSlice>& slices =
        role->logits.empty() ? role->values : role->logits;
    for (const detect::ValueSlice& slice : slices) {
      if (seen.insert(slice.value).second) values.push_back(slice.value);
    }
  }
  if (values.empty()) {
    for (const graph::ValueInfo& output : model.graph.outputs) values.push_back(output.name);
  }
  return values;
}

}  // namespace lbw::tasks

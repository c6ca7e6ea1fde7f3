#include "tasks/width_search.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr size_t kPicturesOfGain = 8;
constexpr int kPlanningBits = 4;
// Below this share of the worst width's error a width is exact but for rounding.
constexpr double kExact = 1e-4;

model::QuantizeOptions AtBits(model::QuantizeOptions options, int bits) {
  options.tensor.bits = bits;
  return options;
}

// A glob that matches this name alone.
std::string Escaped(const std::string& name) {
  std::string glob;
  for (const char c : name) {
    if (c == '*' || c == '?' || c == '[' || c == '\\' || c == '@') glob.push_back('\\');
    glob.push_back(c);
  }
  return glob;
}

// Where the network's error is measured: at 3 bits or in the middle of the asked widths; where the
// layer is exact there, at the width that is worst for it. errors: the layer's own.
size_t MeasuredWidth(const std::vector<quant::WidthChoice>& widths,
                     const std::vector<double>& errors) {
  const auto three = std::find_if(widths.begin(), widths.end(),
                                  [](const quant::WidthChoice& one) { return one.bits == 3; });
  const size_t middle =
      three == widths.end() ? widths.size() / 2 : static_cast<size_t>(three - widths.begin());
  const auto worst = std::max_element(errors.begin(), errors.end());
  if (errors[middle] > kExact * *worst) return middle;
  return static_cast<size_t>(worst - errors.begin());
}

using ChoicesByWidth = std::map<int, LayerChoices>;

// What every layer of the walk would get at every width that is asked for.
absl::StatusOr<ChoicesByWidth> ChoicesOf(const model::Model& model,
                                         const std::vector<WalkLayer>& walked,
                                         const ChoiceOptions& options,
                                         const std::vector<FreeLayer>& layers) {
  ChoicesByWidth choices;
  for (const FreeLayer& layer : layers) {
    for (const quant::WidthChoice& width : layer.widths) {
      if (choices.count(width.bits) != 0) continue;
      ChoiceOptions own = options;
      own.quantize = AtBits(options.quantize, width.bits);
      LBW_ASSIGN_OR_RETURN(choices[width.bits], ChooseLayers(model, walked, own));
    }
  }
  return choices;
}

struct Sensing {
  LayerWalk& walk;  // in front of the layer
  const model::Model& model;
  const ChoicesByWidth& choices;
  int threads;
  const KeepGoing& keep_going;
};

// The error of the network's outputs where this layer alone is replaced.
absl::StatusOr<double> ErrorOfOne(const Sensing& by, const WalkLayer& layer,
                                  const SolvedLayer& solved) {
  graph::Constants constants = by.walk.constants();
  PlaceLayer(by.model.graph, layer, solved, constants);
  return by.walk.ErrorOf(constants, kPicturesOfGain);
}

// Fills in the errors of the layer in front of which the walk stands.
absl::Status MeasureLayer(const Sensing& by, FreeLayer& free) {
  const WalkLayer& layer = by.walk.layers()[free.index];
  const auto& weights =
      std::get<base::Tensor>(by.model.constants.find(layer.weight.constant)->second);
  std::optional<LayerSums> sums;
  if (!layer.uses.empty()) {
    LBW_ASSIGN_OR_RETURN(sums, by.walk.Sums(by.keep_going));
  }
  std::vector<SolvedLayer> solved;
  std::vector<double> own;  // the layer's output error over its output power
  for (const quant::WidthChoice& width : free.widths) {
    LBW_RETURN_IF_ERROR(by.keep_going());
    const std::optional<LayerChoice>& choice = by.choices.at(width.bits)[free.index];
    LBW_ASSIGN_OR_RETURN(SolvedLayer one,
                         SolveLayer(layer, weights, sums.has_value() ? &*sums : nullptr, *choice,
                                    {by.threads, by.keep_going}));
    const LayerFigures& figures = one.figures;
    own.push_back(figures.output_power > 0 ? figures.error / figures.output_power : 0);
    solved.push_back(std::move(one));
  }
  if (!sums.has_value()) {
    for (size_t w = 0; w < solved.size(); ++w) {
      LBW_ASSIGN_OR_RETURN(free.widths[w].error, ErrorOfOne(by, layer, solved[w]));
    }
    return absl::OkStatus();
  }
  const size_t at = MeasuredWidth(free.widths, own);
  if (!(own[at] > 0)) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const double error, ErrorOfOne(by, layer, solved[at]));
  for (size_t w = 0; w < own.size(); ++w) free.widths[w].error = error * (own[w] / own[at]);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<FreeLayer>> FindFreeLayers(const model::Model& model,
                                                      const std::vector<WalkLayer>& layers,
                                                      const ChoiceOptions& options,
                                                      const std::vector<int>& bits) {
  std::map<std::string, FreeLayer, std::less<>> free;
  for (const int width : bits) {
    LBW_ASSIGN_OR_RETURN(const model::QuantizeOutcome plan,
                         model::PlanQuantization(model, AtBits(options.quantize, width)));
    for (const quant::TensorReport& report : plan.reports) {
      if (!report.quantized) continue;
      const bool named =
          report.rule_index >= 0 &&
          options.quantize.rules[static_cast<size_t>(report.rule_index)].bits.has_value();
      if (named) continue;
      FreeLayer& layer = free[report.name];
      layer.name = report.name;
      layer.rule_index = report.rule_index;
      quant::WidthChoice choice;
      choice.bits = width;
      choice.bytes = report.bytes_after;
      const bool channels = report.options.granularity == quant::Granularity::kChannel;
      if (width == 2 && channels && options.scale == quant::ScaleKind::kReal) {
        choice.bytes += sizeof(float) * static_cast<uint64_t>(report.rows);
      }
      layer.widths.push_back(choice);
    }
  }
  std::vector<FreeLayer> found;
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto it = free.find(layers[i].weight.constant);
    if (it == free.end()) continue;
    it->second.index = i;
    found.push_back(std::move(it->second));
  }
  return found;
}

absl::Status MeasureSensitivity(LayerWalk& walk, const model::Model& model,
                                const ChoiceOptions& options, const SensitivitySteps& steps,
                                std::vector<FreeLayer>& layers) {
  // In front of the first layer: the float head's values.
  LBW_RETURN_IF_ERROR(walk.ErrorOf(model.constants, kPicturesOfGain).status());
  LBW_ASSIGN_OR_RETURN(const ChoicesByWidth choices,
                       ChoicesOf(model, walk.layers(), options, layers));
  const KeepGoing keep_going = [&] {
    return steps.keep_going ? steps.keep_going() : absl::OkStatus();
  };
  size_t next = steps.before;
  for (size_t i = 0; i < walk.layers().size() && next < layers.size(); ++i) {
    if (layers[next].index == i) {
      LBW_RETURN_IF_ERROR(
          MeasureLayer({walk, model, choices, steps.threads, keep_going}, layers[next]));
      ++next;
      if (steps.solved) LBW_RETURN_IF_ERROR(steps.solved(next));
    }
    LBW_RETURN_IF_ERROR(walk.Advance({}, keep_going));
  }
  return absl::OkStatus();
}

ChoiceOptions WithWidths(const ChoiceOptions& options, const std::vector<FreeLayer>& layers,
                         const std::vector<int>& bits) {
  ChoiceOptions out = options;
  std::map<int, size_t> counts;
  for (const int width : bits) ++counts[width];
  int usual = kPlanningBits;
  size_t most = 0;
  for (const auto& [width, count] : counts) {
    if (count > most) {
      usual = width;
      most = count;
    }
  }
  out.quantize.tensor.bits = usual;
  std::vector<quant::LayerRule> rules;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (bits[i] == usual) continue;
    // What the rule that catches it says besides.
    quant::LayerRule rule;
    if (layers[i].rule_index >= 0) {
      rule = options.quantize.rules[static_cast<size_t>(layers[i].rule_index)];
    }
    rule.match = Escaped(layers[i].name);
    rule.bits = bits[i];
    rules.push_back(std::move(rule));
  }
  out.quantize.rules.insert(out.quantize.rules.begin(), rules.begin(), rules.end());
  return out;
}

std::vector<quant::WidthLayer> PlanLayers(const std::vector<FreeLayer>& layers) {
  std::vector<quant::WidthLayer> out;
  for (const FreeLayer& layer : layers) out.push_back({layer.name, layer.widths});
  return out;
}

Json ToJson(const std::vector<FreeLayer>& layers) {
  Json list = Json::array();
  for (const FreeLayer& layer : layers) {
    Json widths = Json::array();
    for (const quant::WidthChoice& width : layer.widths) {
      widths.push_back(
          {{"bits", width.bits}, {"bytes", base::StrCat(width.bytes)}, {"error", width.error}});
    }
    list.push_back({{"name", layer.name}, {"widths", std::move(widths)}});
  }
  return list;
}

absl::Status ReadErrors(const Json& json, std::vector<FreeLayer>& layers) {
  const auto bad = [](std::string_view what) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                       base::StrCat("sensitivities of a checkpoint: ", what));
  };
  if (!json.is_array() || json.size() != layers.size()) return bad("other layers");
  for (size_t i = 0; i < layers.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(const std::string name, TextOf(json[i], "name"));
    const auto widths = json[i].find("widths");
    if (name != layers[i].name || widths == json[i].end() || !widths->is_array() ||
        widths->size() != layers[i].widths.size()) {
      return bad(base::StrCat("layer ", name));
    }
    for (size_t w = 0; w < widths->size(); ++w) {
      LBW_ASSIGN_OR_RETURN(const auto error, NumberOf((*widths)[w], "error"));
      layers[i].widths[w].error = error.value_or(0);
    }
  }
  return absl::OkStatus();
}

}  // namespace lbw::tasks

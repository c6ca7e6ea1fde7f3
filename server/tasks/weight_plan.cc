#include "tasks/weight_plan.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "graph/graph.h"
#include "quant/layer_rules.h"
#include "quant/packing.h"

namespace lbw::tasks {
namespace {

// Bytes of codes, exponents and scales. options must be valid for the shape.
uint64_t BytesAt(int bits, const base::Shape& shape, const quant::TensorOptions& options,
                 quant::ScaleKind scale) {
  const quant::RowLayout layout = quant::MakeRowLayout(shape, options.axis, options.groups);
  const bool per_row = options.granularity == quant::Granularity::kChannel;
  const bool real = per_row && bits == quant::kMinBits && scale == quant::ScaleKind::kReal;
  const int64_t exponents = per_row ? layout.rows : 1;
  const int64_t bytes = layout.rows * quant::RowBytes(layout.row_elements, bits) +
                        exponents * static_cast<int64_t>(sizeof(int16_t)) +
                        (real ? layout.rows * static_cast<int64_t>(sizeof(float)) : 0);
  return static_cast<uint64_t>(bytes);
}

bool HasExponentARow(const quant::TensorOptions& options) {
  return options.scheme == quant::Scheme::kExact &&
         options.granularity == quant::Granularity::kChannel;
}

}  // namespace

absl::StatusOr<WeightPlan> PlanWeights(const model::Model& outline,
                                       const model::QuantizeOptions& options,
                                       const WidthChoice& choice) {
  const std::vector<graph::Weight> weights =
      graph::FindWeights(outline.graph, outline.constants, model::RoleValues(outline.spec));
  WeightPlan plan;
  for (const graph::Weight& weight : weights) {
    const base::Shape shape = graph::ShapeOf(outline.constants.find(weight.constant)->second);
    const quant::RuleTarget target{weight.constant,
                                   weight.nodes.empty() ? std::string() : weight.nodes[0],
                                   weight.first, weight.output, weight.depthwise};
    quant::TensorOptions call = options.tensor;
    call.axis = weight.axis;
    call.groups = weight.groups;
    if (!choice.bits.empty()) call.bits = choice.bits.back();
    quant::LayerDecision decision = quant::Decide(options.rules, target, call);
    if (!decision.quantize) continue;
    // Groups were counted along the node's own axis.
    if (decision.options.axis != weight.axis) decision.options.groups = 1;
    const absl::Status valid = quant::ValidateOptions(decision.options, shape);
    if (!valid.ok()) return base::WithContext(valid, base::StrCat("tensor ", weight.constant));
    ++plan.quantized;
    if (HasExponentARow(decision.options)) ++plan.trainable;
    const bool ruled = decision.rule_index >= 0 &&
                       options.rules[static_cast<size_t>(decision.rule_index)].bits.has_value();
    if (choice.bits.empty() || ruled) continue;
    ++plan.chosen;
    uint64_t least = std::numeric_limits<uint64_t>::max();
    for (const int bits : choice.bits) {
      least = std::min(least, BytesAt(bits, shape, decision.options, choice.scale));
    }
    plan.least_bytes += least;
  }
  if (plan.quantized > 0) return plan;
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kNothingToQuantize,
      base::StrCat("the rules keep every one of the ", weights.size(), " weights float"));
}

}  // namespace lbw::tasks

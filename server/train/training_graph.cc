#include "train/training_graph.h"

#include <variant>

#include "base/status.h"
#include "graph/passes.h"
#include "quant/quantize.h"

namespace lbw::train {
namespace {

// The node, where it alone reads the weight and has no bias.
const graph::Node* OnlyReader(const graph::Graph& graph, const std::string& weight) {
  const graph::Node* found = nullptr;
  for (const graph::Node& node : graph.nodes) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] != weight) continue;
      if (found != nullptr || i != 1) return nullptr;
      found = &node;
    }
  }
  if (found == nullptr) return nullptr;
  const bool layer = found->op_type == "Conv" || found->op_type == "ConvTranspose";
  const bool biased = found->inputs.size() > 2 && !found->inputs[2].empty();
  return layer && !biased ? found : nullptr;
}

}  // namespace

absl::StatusOr<TrainingGraph> MakeTrainingGraph(const model::Model& model) {
  std::map<std::string, std::string> weight_of;  // node -> weight
  for (const auto& [name, constant] : model.constants) {
    const auto* codes = std::get_if<quant::QuantizedTensor>(&constant);
    if (codes == nullptr || codes->bias.empty()) continue;
    if (const graph::Node* node = OnlyReader(model.graph, name)) weight_of[node->name] = name;
  }
  TrainingGraph out{model.graph, model.constants, {}};
  LBW_RETURN_IF_ERROR(graph::MaterializeWeights(out.graph, out.constants));
  for (const graph::Node& node : out.graph.nodes) {
    const auto found = weight_of.find(node.name);
    if (found == weight_of.end()) continue;
    LBW_CHECK(node.inputs.size() > 2 && model.constants.count(node.inputs[2]) == 0);
    out.stored_bias.emplace(node.inputs[2], found->second);
  }
  return out;
}

}  // namespace lbw::train

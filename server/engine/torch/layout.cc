#include "engine/torch/layout.h"

#include <algorithm>
#include <string_view>

#include "graph/moves.h"

namespace lbw::engine {
namespace {

bool IsOneOf(std::string_view op, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), op) != names.end();
}

}  // namespace

bool PrefersChannelsLast(const graph::Graph& graph) {
  LaidOut moved;
  for (const graph::Node& node : graph.nodes) {
    const bool reads_moved =
        std::any_of(node.inputs.begin(), node.inputs.end(),
                    [&](const std::string& input) { return moved.count(input) != 0; });
    if (reads_moved && IsOneOf(node.op_type, {"Conv", "ConvTranspose"})) return false;
    if (reads_moved ||
        IsOneOf(node.op_type, {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"})) {
      moved.insert(node.outputs.begin(), node.outputs.end());
    }
  }
  return true;
}

LaidOut LayOutWeights(const graph::Graph& graph, graph::Constants& constants) {
  LaidOut weights;
  LaidOut others;
  for (const graph::Node& node : graph.nodes) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      (node.op_type == "Conv" && i == 1 ? weights : others).insert(node.inputs[i]);
    }
  }
  LaidOut result;
  for (const std::string& name : weights) {
    const auto it = constants.find(name);
    if (it == constants.end() || others.count(name) != 0) continue;
    auto* tensor = std::get_if<base::Tensor>(&it->second);
    if (tensor == nullptr || tensor->shape().size() != 4) continue;
    const base::Shape shape = tensor->shape();
    *tensor = graph::ReshapeTensor(graph::TransposeTensor(*tensor, {0, 2, 3, 1}), shape);
    result.insert(name);
  }
  return result;
}

}  // namespace lbw::engine

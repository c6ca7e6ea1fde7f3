#include "train/divergence.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>

#include "base/strings.h"

namespace lbw::train {
namespace {

bool AllFinite(const at::Tensor& tensor) { return at::isfinite(tensor).all().item<bool>(); }

}  // namespace

std::vector<LayerOutput> LayerOutputs(const graph::Graph& graph,
                                      const graph::Constants& constants) {
  std::vector<LayerOutput> layers;
  const std::vector<graph::Weight> weights = graph::FindWeights(graph, constants, {});
  for (const graph::Node& node : graph.nodes) {
    const bool reads = std::any_of(weights.begin(), weights.end(), [&](const graph::Weight& one) {
      return std::count(one.nodes.begin(), one.nodes.end(), node.name) != 0;
    });
    if (reads) layers.push_back({node.name, node.outputs[0]});
  }
  return layers;
}

std::string FirstNonFinite(const engine::Trainable::Values& values) {
  for (const auto& [name, value] : values) {
    if (!AllFinite(value)) return base::StrCat("constant ", name);
  }
  return "";
}

std::string FirstNonFinite(const std::vector<LayerOutput>& layers,
                           const std::vector<at::Tensor>& outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!AllFinite(outputs[i])) return base::StrCat("layer ", layers[i].node);
  }
  return "the loss alone";
}

}  // namespace lbw::train

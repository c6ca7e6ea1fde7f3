// Which constants are weights, how their rows lie, and where in the network they stand.
#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "graph/graph.h"
#include "graph/views.h"

namespace lbw::graph {
namespace {

// A floating constant of two dimensions or more, read with least_rank dimensions or more.
std::optional<ConstantView> ReadWeight(std::string_view value, size_t least_rank,
                                       const Constants& constants, const ConstantViews& views) {
  std::optional<ConstantView> view = ViewOf(value, constants, views);
  if (!view.has_value() || !base::IsFloating(view->dtype) || view->shape.size() < least_rank) {
    return std::nullopt;
  }
  const Constant& stored = constants.find(view->constant)->second;
  if (!base::IsFloating(DTypeOf(stored)) || ShapeOf(stored).size() < 2) return std::nullopt;
  return view;
}

// The weight whose output channels are dimension `axis` of the view; nullopt where the stored
// constant has no such dimension, so that its rows could not be told.
std::optional<Weight> WithRows(const ConstantView& view, size_t axis) {
  if (view.axes[axis] < 0) return std::nullopt;
  Weight weight;
  weight.constant = view.constant;
  weight.axis = view.axes[axis];
  return weight;
}

// The weight that a node reads, if any; name, axis, groups and depthwise are filled.
std::optional<Weight> WeightOf(const Node& node, const Constants& constants,
                               const ConstantViews& views) {
  if (node.inputs.size() < 2) return std::nullopt;
  const std::string& op = node.op_type;
  if (op == "MatMul") {
    for (const bool right : {true, false}) {
      const auto view = ReadWeight(node.inputs[right ? 1 : 0], 2, constants, views);
      if (view.has_value()) return WithRows(*view, view->shape.size() - (right ? 1 : 2));
    }
    return std::nullopt;
  }
  const bool conv = op == "Conv";
  const bool transposed = op == "ConvTranspose";
  if (!conv && !transposed && op != "Gemm") return std::nullopt;
  const auto view = ReadWeight(node.inputs[1], op == "Gemm" ? 2 : 3, constants, views);
  if (!view.has_value()) return std::nullopt;
  if (op == "Gemm") return WithRows(*view, node.Int("transB", 0) != 0 ? 0 : 1);
  std::optional<Weight> weight = WithRows(*view, transposed ? 1 : 0);
  if (!weight.has_value()) return std::nullopt;
  const int64_t group = std::clamp<int64_t>(node.Int("group", 1), 1, 1 << 24);
  if (conv) weight->depthwise = group > 1 && view->shape[1] == 1;
  if (transposed && group > 1) {
    // Groups are counted along dimension 0 of what is stored.
    if (view->axes[0] != 0) return std::nullopt;
    weight->groups = static_cast<int>(group);
  }
  return weight;
}

// Nodes with weights that reach one of the values without passing another weight.
std::set<size_t> LastNodes(const Graph& graph, const std::map<size_t, std::string>& weight_of,
                           const std::vector<std::string>& heads) {
  std::map<std::string, size_t, std::less<>> producer;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& output : graph.nodes[i].outputs) producer.emplace(output, i);
  }
  std::deque<std::string> open(heads.begin(), heads.end());
  if (open.empty()) {
    for (const ValueInfo& output : graph.outputs) open.push_back(output.name);
  }
  std::set<size_t> last;
  std::vector<bool> seen(graph.nodes.size(), false);
  while (!open.empty()) {
    const auto it = producer.find(open.front());
    open.pop_front();
    if (it == producer.end() || seen[it->second]) continue;
    seen[it->second] = true;
    if (weight_of.count(it->second) != 0) {
      last.insert(it->second);
      continue;
    }
    for (const std::string& input : graph.nodes[it->second].inputs) open.push_back(input);
  }
  return last;
}

}  // namespace

std::vector<Weight> FindWeights(const Graph& graph, const Constants& constants,
                                const std::vector<std::string>& heads) {
  const ConstantViews views = FindConstantViews(graph, constants);
  std::vector<Weight> weights;
  std::map<std::string, size_t, std::less<>> index;
  std::map<size_t, std::string> weight_of;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    std::optional<Weight> weight = WeightOf(node, constants, views);
    if (!weight.has_value()) continue;
    weight_of.emplace(i, weight->constant);
    const auto [it, added] = index.emplace(weight->constant, weights.size());
    if (added) {
      weight->first = weights.empty();
      weights.push_back(*std::move(weight));
    }
    weights[it->second].nodes.push_back(node.name);
  }
  for (const size_t node : LastNodes(graph, weight_of, heads)) {
    weights[index.find(weight_of.at(node))->second].output = true;
  }
  return weights;
}

}  // namespace lbw::graph

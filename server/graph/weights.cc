// Which constants are weights, how their rows lie, and where in the network they stand.
#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "graph/graph.h"

namespace lbw::graph {
namespace {

bool IsWeight(const Constants& constants, const std::string& name, size_t least_rank) {
  const auto it = constants.find(name);
  if (it == constants.end() || ShapeOf(it->second).size() < least_rank) return false;
  const auto* tensor = std::get_if<base::Tensor>(&it->second);
  return tensor == nullptr || base::IsFloating(tensor->dtype());
}

// The weight that a node reads, if any; name, axis, groups and depthwise are filled.
std::optional<Weight> WeightOf(const Node& node, const Constants& constants) {
  Weight weight;
  if (node.inputs.size() < 2) return std::nullopt;
  const std::string& op = node.op_type;
  const std::string& second = node.inputs[1];
  if (op == "Conv" && IsWeight(constants, second, 3)) {
    weight.constant = second;
    const int64_t per_group = ShapeOf(constants.find(second)->second)[1];
    weight.depthwise = node.Int("group", 1) > 1 && per_group == 1;
    return weight;
  }
  if (op == "ConvTranspose" && IsWeight(constants, second, 3)) {
    weight.constant = second;
    weight.axis = 1;
    weight.groups = static_cast<int>(std::clamp<int64_t>(node.Int("group", 1), 1, 1 << 24));
    return weight;
  }
  if (op == "Gemm" && IsWeight(constants, second, 2)) {
    weight.constant = second;
    weight.axis = node.Int("transB", 0) != 0 ? 0 : 1;
    return weight;
  }
  if (op != "MatMul") return std::nullopt;
  for (const bool right : {true, false}) {
    const std::string& name = node.inputs[right ? 1 : 0];
    if (!IsWeight(constants, name, 2)) continue;
    const auto rank = static_cast<int>(ShapeOf(constants.find(name)->second).size());
    weight.constant = name;
    weight.axis = right ? rank - 1 : rank - 2;
    return weight;
  }
  return std::nullopt;
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
  std::vector<Weight> weights;
  std::map<std::string, size_t, std::less<>> index;
  std::map<size_t, std::string> weight_of;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    std::optional<Weight> weight = WeightOf(node, constants);
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

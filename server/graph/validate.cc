#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "base/status.h"
#include "base/strings.h"
#include "graph/graph.h"
#include "graph/operators.h"

namespace lbw::graph {
namespace {

base::Error Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph, message);
}

absl::Status CheckArity(const Node& node) {
  const OperatorInfo* info = FindOperator(node.op_type);
  if (info == nullptr) return UnsupportedNode(node, "the operator is not known");
  if (node.inputs.size() > info->max_inputs) {
    return BadNode(
        node, base::StrCat("takes ", info->max_inputs, " inputs at most: ", node.inputs.size()));
  }
  for (size_t i = 0; i < info->min_inputs; ++i) {
    if (i >= node.inputs.size() || node.inputs[i].empty()) {
      return BadNode(node, base::StrCat("input ", i, " is missing"));
    }
  }
  if (node.outputs.empty() || node.outputs.front().empty()) return BadNode(node, "has no output");
  if (node.outputs.size() > info->max_outputs) {
    for (size_t i = info->max_outputs; i < node.outputs.size(); ++i) {
      if (!node.outputs[i].empty()) {
        return UnsupportedNode(node, base::StrCat("its output ", i, " (", node.outputs[i], ")"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const Graph& graph, const Constants& constants) {
  absl::flat_hash_set<std::string> produced;
  for (const ValueInfo& input : graph.inputs) {
    if (input.name.empty()) return Bad("an input of the graph has no name");
    if (!produced.insert(input.name).second || constants.find(input.name) != constants.end()) {
      return Bad(base::StrCat("two values are called ", input.name));
    }
  }
  const auto exists = [&](const std::string& name) {
    return produced.contains(name) || constants.find(name) != constants.end();
  };
  for (const Node& node : graph.nodes) {
    if (node.name.empty()) return Bad("a node has no name");
    LBW_RETURN_IF_ERROR(CheckArity(node));
    LBW_RETURN_IF_ERROR(CheckAttributes(node));
    for (const std::string& name : node.inputs) {
      if (!name.empty() && !exists(name)) {
        return BadNode(node, base::StrCat("input ", name, " is not produced before it is read"));
      }
    }
    for (const std::string& name : node.outputs) {
      if (name.empty()) continue;
      if (constants.find(name) != constants.end() || !produced.insert(name).second) {
        return BadNode(node, base::StrCat("two values are called ", name));
      }
    }
  }
  if (graph.outputs.empty()) return Bad("the graph has no output");
  for (const ValueInfo& output : graph.outputs) {
    if (!exists(output.name)) {
      return Bad(base::StrCat("the graph's output ", output.name, " is not produced"));
    }
  }
  return absl::OkStatus();
}

}  // namespace lbw::graph

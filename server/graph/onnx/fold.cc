// Constants that are only another form of one initializer, and constants that nothing reads.
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/strings.h"
#include "graph/moves.h"
#include "graph/onnx/steps.h"
#include "graph/operators.h"

namespace lbw::graph {
namespace {

bool IsFoldable(const std::string& op) {
  return op == "Transpose" || op == "Reshape" || op == "Identity" || op == "Cast" ||
         op == "Squeeze" || op == "Unsqueeze" || op == "Flatten";
}

// The folded value; nullopt where the node stays (its parameters are not constants, or a cast that
// is not worth it).
absl::StatusOr<std::optional<base::Tensor>> FoldNode(const Node& node, int64_t opset,
                                                     const Constants& constants) {
  InferredShapes inferred;
  for (const std::string& input : node.inputs) {
    const auto it = constants.find(input);
    if (it == constants.end()) {
      if (!input.empty()) return std::optional<base::Tensor>();
      continue;
    }
    LBW_RETURN_IF_ERROR(CountElements(node, ShapeOf(it->second)).status());
    inferred.values.emplace(input, ValueInfo{input, DTypeOf(it->second), ShapeOf(it->second)});
  }
  const OperatorInfo* info = FindOperator(node.op_type);
  const Operands operands = MakeOperands(node, opset, inferred, constants);
  for (size_t i = 0; i < info->min_inputs; ++i) {
    if (!operands.has(i)) return BadNode(node, base::StrCat("input ", i, " is missing"));
  }
  std::vector<ValueInfo> outputs = {ValueInfo{node.outputs.front(), {}, {}}};
  LBW_RETURN_IF_ERROR(info->infer(operands, outputs));
  LBW_RETURN_IF_ERROR(CountElements(node, outputs[0].shape).status());
  const base::Tensor& tensor = *operands.known[0];
  if (node.op_type == "Transpose") {
    LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> perm, ResolveTranspose(operands));
    return std::optional<base::Tensor>(TransposeTensor(tensor, perm));
  }
  if (node.op_type == "Cast" && outputs[0].dtype != tensor.dtype()) {
    std::vector<base::Tensor> value = EvaluateKnown(operands, outputs);
    if (value.empty()) return std::optional<base::Tensor>();
    return std::optional<base::Tensor>(std::move(value[0]));
  }
  return std::optional<base::Tensor>(ReshapeTensor(tensor, outputs[0].shape));
}

}  // namespace

absl::Status FoldConstants(Imported& imported) {
  Graph& graph = imported.graph;
  Constants& constants = imported.constants;
  std::map<std::string, size_t> readers;
  for (const Node& node : graph.nodes) {
    for (const std::string& input : node.inputs) ++readers[input];
  }
  std::set<std::string> declared;
  for (const ValueInfo& output : graph.outputs) {
    ++readers[output.name];
    declared.insert(output.name);
  }
  std::map<std::string, std::string> renamed;
  std::vector<Node> kept;
  for (Node& node : graph.nodes) {
    for (std::string& input : node.inputs) {
      if (const auto it = renamed.find(input); it != renamed.end()) input = it->second;
    }
    std::optional<base::Tensor> value;
    const std::string& output = node.outputs.front();
    if (IsFoldable(node.op_type) && declared.count(output) == 0 && !node.inputs.empty() &&
        constants.count(node.inputs[0]) != 0) {
      LBW_ASSIGN_OR_RETURN(value, FoldNode(node, graph.opset, constants));
    }
    if (!value.has_value()) {
      kept.push_back(std::move(node));
      continue;
    }
    const std::string& source = node.inputs[0];
    for (size_t i = 1; i < node.inputs.size(); ++i) --readers[node.inputs[i]];
    if (readers[source] == 1) {
      imported.notes.push_back(
          base::StrCat("constant ", source, " was folded with ", node.op_type, " ", node.name));
      constants.find(source)->second = *std::move(value);
      readers[source] = readers[output];
      renamed.emplace(output, source);
    } else {
      imported.notes.push_back(base::StrCat("constant ", output, " is ", node.op_type, " of ",
                                            source, ", which others read too"));
      --readers[source];
      constants.insert_or_assign(output, *std::move(value));
    }
  }
  graph.nodes = std::move(kept);
  return absl::OkStatus();
}

void DropUnused(Imported& imported) {
  std::set<std::string, std::less<>> read;
  for (const Node& node : imported.graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
  for (const ValueInfo& output : imported.graph.outputs) read.insert(output.name);
  for (auto it = imported.constants.begin(); it != imported.constants.end();) {
    if (read.count(it->first) != 0) {
      ++it;
      continue;
    }
    imported.dropped.push_back(it->first);
    it = imported.constants.erase(it);
  }
}

}  // namespace lbw::graph

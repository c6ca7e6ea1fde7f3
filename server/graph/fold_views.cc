// Views of constants become constants: a pass on an executor's own copies.
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/status.h"
#include "graph/moves.h"
#include "graph/operators.h"
#include "graph/passes.h"
#include "graph/views.h"

namespace lbw::graph {
namespace {

// The folded value; nullopt where the node stays: an input is not a constant, or it is a cast that
// shape arithmetic does not know.
absl::StatusOr<std::optional<base::Tensor>> FoldNode(const Node& node, int64_t opset,
                                                     const Constants& constants) {
  InferredShapes inferred;
  for (const std::string& input : node.inputs) {
    if (input.empty()) continue;
    const auto it = constants.find(input);
    if (it == constants.end() || !std::holds_alternative<base::Tensor>(it->second)) {
      return std::optional<base::Tensor>();
    }
    LBW_RETURN_IF_ERROR(CountElements(node, ShapeOf(it->second)).status());
    inferred.values.emplace(input, ValueInfo{input, DTypeOf(it->second), ShapeOf(it->second)});
  }
  const OperatorInfo* info = FindOperator(node.op_type);
  const Operands operands = MakeOperands(node, opset, inferred, constants);
  for (size_t i = 0; i < info->min_inputs; ++i) {
    if (!operands.has(i)) return std::optional<base::Tensor>();
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

absl::Status FoldConstantViews(Graph& graph, Constants& constants,
                               const std::vector<std::string>& fetch) {
  const std::set<std::string> fetched(fetch.begin(), fetch.end());
  std::vector<Node> kept;
  for (Node& node : graph.nodes) {
    std::optional<base::Tensor> value;
    if (IsViewOperator(node.op_type) && fetched.count(node.outputs.front()) == 0) {
      LBW_ASSIGN_OR_RETURN(value, FoldNode(node, graph.opset, constants));
    }
    if (value.has_value()) {
      constants.insert_or_assign(node.outputs.front(), *std::move(value));
    } else {
      kept.push_back(std::move(node));
    }
  }
  graph.nodes = std::move(kept);
  return absl::OkStatus();
}

}  // namespace lbw::graph

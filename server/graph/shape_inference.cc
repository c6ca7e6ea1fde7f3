#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "graph/graph.h"
#include "graph/operators.h"
#include "graph/views.h"

namespace lbw::graph {
namespace {

// Of all values that are evaluated: a hostile file must not make arithmetic of it.
constexpr int64_t kKnownBudget = 64 << 20;
// Floating constants that shape arithmetic moves (scales of a Resize) are smaller; weights are not.
constexpr int64_t kMaxMovedFloats = 1 << 12;

// A weight in another form: FoldConstantViews is for those.
bool MovesWeight(const Node& node, const Constants& constants, const ValueInfo& output) {
  return IsViewOperator(node.op_type) && constants.count(node.inputs[0]) != 0 &&
         base::IsFloating(output.dtype) &&
         !base::CheckedElementCount(output.shape, kMaxMovedFloats).ok();
}

absl::Status AddInputs(const Graph& graph, const std::map<std::string, base::Shape>& inputs,
                       InferredShapes& inferred) {
  for (const ValueInfo& input : graph.inputs) {
    const auto it = inputs.find(input.name);
    if (it == inputs.end()) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                         base::StrCat("no shape for the graph's input ", input.name));
    }
    ValueInfo info = input;
    info.shape = it->second;
    const Node place{
        .name = input.name, .op_type = "input", .inputs = {}, .outputs = {}, .attributes = {}};
    LBW_RETURN_IF_ERROR(CountElements(place, info.shape).status());
    inferred.values.insert_or_assign(input.name, std::move(info));
  }
  return absl::OkStatus();
}

absl::Status InferNode(const Graph& graph, const Node& node, const Constants& constants,
                       InferredShapes& inferred, int64_t& budget) {
  const OperatorInfo* info = FindOperator(node.op_type);
  if (info == nullptr) return UnsupportedNode(node, "the operator is not known");
  for (const std::string& name : node.inputs) {
    if (name.empty() || inferred.values.count(name) != 0) continue;
    const auto constant = constants.find(name);
    if (constant == constants.end()) {
      return BadNode(node, base::StrCat("input ", name, " is not produced before it is read"));
    }
    base::Shape shape = ShapeOf(constant->second);
    LBW_RETURN_IF_ERROR(CountElements(node, shape).status());
    inferred.values.insert_or_assign(name,
                                     ValueInfo{name, DTypeOf(constant->second), std::move(shape)});
  }
  const Operands operands = MakeOperands(node, graph.opset, inferred, constants);
  for (size_t i = 0; i < info->min_inputs; ++i) {
    if (!operands.has(i)) return BadNode(node, base::StrCat("input ", i, " is missing"));
  }
  if (info->max_inputs == kManyInputs) {
    for (size_t i = 0; i < operands.inputs.size(); ++i) {
      if (!operands.has(i)) return BadNode(node, base::StrCat("input ", i, " is missing"));
    }
  }
  std::vector<ValueInfo> outputs;
  for (const std::string& name : node.outputs) outputs.push_back(ValueInfo{name, {}, {}});
  LBW_RETURN_IF_ERROR(info->infer(operands, outputs));
  for (const ValueInfo& output : outputs) {
    LBW_RETURN_IF_ERROR(CountElements(node, output.shape).status());
  }
  std::vector<base::Tensor> known;
  if (!MovesWeight(node, constants, outputs[0])) known = EvaluateKnown(operands, outputs);
  for (const base::Tensor& value : known) budget -= static_cast<int64_t>(value.size_bytes());
  if (budget < 0) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("shape arithmetic may hold ", kKnownBudget, " bytes in all"));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = node.outputs[i];
    if (name.empty()) continue;
    if (!known.empty()) inferred.known.insert_or_assign(name, std::move(known[i]));
    inferred.values.insert_or_assign(name, std::move(outputs[i]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InferredShapes> InferShapes(const Graph& graph, const Constants& constants,
                                           const std::map<std::string, base::Shape>& inputs) {
  InferredShapes inferred;
  LBW_RETURN_IF_ERROR(AddInputs(graph, inputs, inferred));
  int64_t budget = kKnownBudget;
  for (const Node& node : graph.nodes) {
    LBW_RETURN_IF_ERROR(InferNode(graph, node, constants, inferred, budget));
  }
  for (const ValueInfo& output : graph.outputs) {
    const auto constant = constants.find(output.name);
    if (inferred.values.count(output.name) != 0 || constant == constants.end()) continue;
    inferred.values.insert_or_assign(
        output.name, ValueInfo{output.name, DTypeOf(constant->second), ShapeOf(constant->second)});
  }
  return inferred;
}

}  // namespace lbw::graph

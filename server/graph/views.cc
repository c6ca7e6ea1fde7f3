#include "graph/views.h"

#include <numeric>
#include <utility>

#include "graph/operators.h"

namespace lbw::graph {
namespace {

// Dimension of `from` that each dimension of `to` is, where the same elements are seen as both:
// equal sizes behind equally many elements.
std::vector<int> MatchDimensions(const base::Shape& from, const base::Shape& to) {
  std::vector<int> match(to.size(), -1);
  int64_t before_to = 1;
  for (size_t i = 0; i < to.size(); ++i) {
    int64_t before_from = 1;
    for (size_t j = 0; j < from.size() && match[i] < 0; ++j) {
      if (from[j] == to[i] && before_from == before_to) match[i] = static_cast<int>(j);
      before_from *= from[j];
    }
    before_to *= to[i];
  }
  return match;
}

class Finder {
 public:
  Finder(const Graph& graph, const Constants& constants) : graph_(graph), constants_(constants) {}

  ConstantViews Run() {
    for (const Node& node : graph_.nodes) {
      if (!IsViewOperator(node.op_type) || node.inputs.empty() || node.outputs.empty()) continue;
      if (auto from = ViewOf(node.inputs[0], constants_, views_); from.has_value()) {
        Add(node, *std::move(from));
      }
    }
    return std::move(views_);
  }

 private:
  void Add(const Node& node, ConstantView view) {
    InferredShapes inferred;
    for (const std::string& input : node.inputs) {
      if (input.empty()) continue;
      const auto read = ViewOf(input, constants_, views_);
      if (!read.has_value()) return;
      inferred.values.emplace(input, ValueInfo{input, read->dtype, read->shape});
      if (const auto it = known_.find(input); it != known_.end()) {
        inferred.known.emplace(input, it->second);
      }
    }
    const Operands operands = MakeOperands(node, graph_.opset, inferred, constants_);
    const OperatorInfo* info = FindOperator(node.op_type);
    for (size_t i = 0; i < info->min_inputs; ++i) {
      if (!operands.has(i)) return;
    }
    std::vector<ValueInfo> outputs = {ValueInfo{node.outputs[0], {}, {}}};
    if (!CountElements(node, view.shape).ok() || !info->infer(operands, outputs).ok()) return;
    if (!CountElements(node, outputs[0].shape).ok()) return;
    view.axes = Axes(operands, view, outputs[0]);
    view.dtype = outputs[0].dtype;
    view.shape = outputs[0].shape;
    if (!base::IsFloating(view.dtype)) {
      // It may be the shape or the axes of another view.
      std::vector<base::Tensor> value = EvaluateKnown(operands, outputs);
      if (!value.empty()) known_.insert_or_assign(node.outputs[0], std::move(value[0]));
    }
    views_.insert_or_assign(node.outputs[0], std::move(view));
  }

  static std::vector<int> Axes(const Operands& operands, const ConstantView& from,
                               const ValueInfo& to) {
    std::vector<int> match(to.shape.size());
    std::iota(match.begin(), match.end(), 0);
    const std::string& op = operands.node->op_type;
    if (op == "Transpose") {
      const auto perm = ResolveTranspose(operands);  // inference has checked it
      if (perm.ok()) match.assign(perm->begin(), perm->end());
    } else if (op == "Cast") {
      if (base::IsFloating(from.dtype) != base::IsFloating(to.dtype)) {
        match.assign(match.size(), -1);
      }
    } else if (op != "Identity") {
      match = MatchDimensions(from.shape, to.shape);
    }
    for (int& axis : match) axis = axis < 0 ? -1 : from.axes[static_cast<size_t>(axis)];
    return match;
  }

  const Graph& graph_;
  const Constants& constants_;
  ConstantViews views_;
  std::map<std::string, base::Tensor, std::less<>> known_;
};

}  // namespace

bool IsViewOperator(std::string_view op_type) {
  return op_type == "Transpose" || op_type == "Reshape" || op_type == "Identity" ||
         op_type == "Cast" || op_type == "Squeeze" || op_type == "Unsqueeze" ||
         op_type == "Flatten";
}

ConstantViews FindConstantViews(const Graph& graph, const Constants& constants) {
  return Finder(graph, constants).Run();
}

std::optional<ConstantView> ViewOf(std::string_view value, const Constants& constants,
                                   const ConstantViews& views) {
  if (const auto view = views.find(value); view != views.end()) return view->second;
  const auto it = constants.find(value);
  if (it == constants.end()) return std::nullopt;
  ConstantView view{it->first, DTypeOf(it->second), ShapeOf(it->second), {}};
  view.axes.resize(view.shape.size());
  std::iota(view.axes.begin(), view.axes.end(), 0);
  return view;
}

}  // namespace lbw::graph

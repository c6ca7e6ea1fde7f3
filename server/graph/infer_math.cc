// Shapes of element-wise operators, products and reductions.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "graph/operators.h"

namespace lbw::graph {
namespace {

absl::Status Set(ValueInfo& output, base::DType dtype, base::Shape shape) {
  output.dtype = dtype;
  output.shape = std::move(shape);
  return absl::OkStatus();
}

absl::Status SameTypes(const Operands& operands, size_t from) {
  for (size_t i = from + 1; i < operands.inputs.size(); ++i) {
    if (operands.dtype(i) != operands.dtype(from)) {
      return BadNode(*operands.node,
                     base::StrCat("inputs differ in type: ", base::Name(operands.dtype(from)), ", ",
                                  base::Name(operands.dtype(i))));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<base::Shape> BroadcastAll(const Operands& operands) {
  base::Shape shape = operands.shape(0);
  for (size_t i = 1; i < operands.inputs.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(shape, BroadcastShapes(*operands.node, shape, operands.shape(i)));
  }
  return shape;
}

}  // namespace

absl::Status InferSame(const Operands& operands, std::vector<ValueInfo>& outputs) {
  return Set(outputs[0], operands.dtype(0), operands.shape(0));
}

absl::Status InferBroadcast(const Operands& operands, std::vector<ValueInfo>& outputs) {
  // Pow takes an exponent of any type.
  if (operands.node->op_type != "Pow") LBW_RETURN_IF_ERROR(SameTypes(operands, 0));
  LBW_ASSIGN_OR_RETURN(base::Shape shape, BroadcastAll(operands));
  return Set(outputs[0], operands.dtype(0), std::move(shape));
}

absl::Status InferCompare(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_RETURN_IF_ERROR(SameTypes(operands, 0));
  LBW_ASSIGN_OR_RETURN(base::Shape shape, BroadcastAll(operands));
  return Set(outputs[0], base::DType::kBool, std::move(shape));
}

absl::Status InferWhere(const Operands& operands, std::vector<ValueInfo>& outputs) {
  if (operands.dtype(0) != base::DType::kBool)
    return BadNode(*operands.node, "condition: not bool");
  LBW_RETURN_IF_ERROR(SameTypes(operands, 1));
  LBW_ASSIGN_OR_RETURN(base::Shape shape, BroadcastAll(operands));
  return Set(outputs[0], operands.dtype(1), std::move(shape));
}

absl::Status InferPRelu(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(base::Shape shape, BroadcastAll(operands));
  if (shape != operands.shape(0)) return BadNode(*operands.node, "slope does not fit the input");
  return Set(outputs[0], operands.dtype(0), std::move(shape));
}

absl::Status InferClip(const Operands& operands, std::vector<ValueInfo>& outputs) {
  if (base::IsFloating(operands.dtype(0))) LBW_RETURN_IF_ERROR(ResolveClip(operands).status());
  return InferSame(operands, outputs);
}

absl::Status InferSoftmax(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_RETURN_IF_ERROR(ResolveSoftmax(operands).status());
  return InferSame(operands, outputs);
}

absl::Status InferDropout(const Operands& operands, std::vector<ValueInfo>& outputs) {
  if (operands.node->outputs.size() > 1 && !operands.node->outputs[1].empty()) {
    return UnsupportedNode(*operands.node, "the output mask");
  }
  return InferSame(operands, outputs);
}

absl::Status InferCast(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const base::DType dtype, ResolveCast(operands));
  return Set(outputs[0], dtype, operands.shape(0));
}

absl::Status InferMatMul(const Operands& operands, std::vector<ValueInfo>& outputs) {
  const Node& node = *operands.node;
  LBW_RETURN_IF_ERROR(SameTypes(operands, 0));
  base::Shape a = operands.shape(0);
  base::Shape b = operands.shape(1);
  if (a.empty() || b.empty()) return BadNode(node, "a scalar operand");
  const bool vector_a = a.size() == 1;
  const bool vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), 1);
  if (vector_b) b.push_back(1);
  if (a.back() != b[b.size() - 2]) {
    return BadNode(
        node, base::StrCat("operands do not fit: ", base::ShapeToString(operands.shape(0)), ", ",
                           base::ShapeToString(operands.shape(1))));
  }
  LBW_ASSIGN_OR_RETURN(base::Shape out, BroadcastShapes(node, absl::MakeSpan(a).first(a.size() - 2),
                                                        absl::MakeSpan(b).first(b.size() - 2)));
  if (!vector_a) out.push_back(a[a.size() - 2]);
  if (!vector_b) out.push_back(b.back());
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferGemm(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(GemmParams params, ResolveGemm(operands));
  return Set(outputs[0], operands.dtype(0), std::move(params.output));
}

absl::Status InferReduce(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const ReduceParams params, ResolveReduce(operands));
  base::Shape out;
  for (size_t i = 0; i < operands.shape(0).size(); ++i) {
    const bool reduced =
        std::binary_search(params.axes.begin(), params.axes.end(), static_cast<int64_t>(i));
    if (!reduced) {
      out.push_back(operands.shape(0)[i]);
    } else if (params.keep_dims) {
      out.push_back(1);
    }
  }
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

}  // namespace lbw::graph

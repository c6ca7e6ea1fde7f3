#include "graph/resolve.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/strings.h"

namespace lbw::graph {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 31;
constexpr size_t kMaxRank = 16;

template <typename T>
std::vector<int64_t> Widen(const base::Tensor& tensor) {
  const auto values = tensor.as<T>();
  return std::vector<int64_t>(values.begin(), values.end());
}

}  // namespace

base::Error BadNode(const Node& node, std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                     base::StrCat("node ", node.name, " (", node.op_type, "): ", message));
}

base::Error UnsupportedNode(const Node& node, std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedOperator,
                     base::StrCat("node ", node.name, " (", node.op_type, "): ", message));
}

Operands MakeOperands(const Node& node, int64_t opset, const InferredShapes& inferred,
                      const Constants& constants) {
  Operands operands;
  operands.node = &node;
  operands.opset = opset;
  for (const std::string& name : node.inputs) {
    const auto value = inferred.values.find(name);
    operands.inputs.push_back(name.empty() || value == inferred.values.end() ? nullptr
                                                                             : &value->second);
    const base::Tensor* known = nullptr;
    if (const auto it = inferred.known.find(name); it != inferred.known.end()) {
      known = &it->second;
    } else if (const auto constant = constants.find(name); constant != constants.end()) {
      known = std::get_if<base::Tensor>(&constant->second);
    }
    operands.known.push_back(name.empty() ? nullptr : known);
  }
  return operands;
}

absl::StatusOr<std::vector<int64_t>> KnownInts(const Operands& operands, size_t i) {
  const base::Tensor* tensor = i < operands.known.size() ? operands.known[i] : nullptr;
  if (tensor == nullptr) {
    return UnsupportedNode(
        *operands.node, base::StrCat("input ", i, " must follow from constants and shapes alone"));
  }
  switch (tensor->dtype()) {
    case base::DType::kI64:
      return Widen<int64_t>(*tensor);
    case base::DType::kI32:
      return Widen<int32_t>(*tensor);
    case base::DType::kU8:
    case base::DType::kBool:
      return Widen<uint8_t>(*tensor);
    case base::DType::kI8:
      return Widen<int8_t>(*tensor);
    default:
      return BadNode(
          *operands.node,
          base::StrCat("input ", i, " must hold integers: type=", base::Name(tensor->dtype())));
  }
}

absl::StatusOr<std::vector<float>> KnownFloats(const Operands& operands, size_t i) {
  const base::Tensor* tensor = i < operands.known.size() ? operands.known[i] : nullptr;
  if (tensor == nullptr) {
    return UnsupportedNode(
        *operands.node, base::StrCat("input ", i, " must follow from constants and shapes alone"));
  }
  return base::ToF32(tensor->view());
}

absl::StatusOr<int64_t> NormalizeAxis(const Operands& operands, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    return BadNode(*operands.node,
                   base::StrCat("axis must lie within the rank: axis=", axis, " rank=", rank));
  }
  return axis < 0 ? axis + rank : axis;
}

absl::StatusOr<std::optional<std::vector<int64_t>>> ResolveAxes(const Operands& operands,
                                                                int64_t rank) {
  std::vector<int64_t> axes;
  if (operands.has(1)) {
    LBW_ASSIGN_OR_RETURN(axes, KnownInts(operands, 1));
  } else if (operands.node->Has("axes")) {
    axes = operands.node->Ints("axes");
  } else {
    return std::optional<std::vector<int64_t>>();
  }
  for (int64_t& axis : axes) {
    LBW_ASSIGN_OR_RETURN(axis, NormalizeAxis(operands, axis, rank));
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    return BadNode(*operands.node, "axes names a dimension twice");
  }
  return std::optional<std::vector<int64_t>>(std::move(axes));
}

absl::StatusOr<base::Shape> BroadcastShapes(const Node& node, absl::Span<const int64_t> a,
                                            absl::Span<const int64_t> b) {
  base::Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      return BadNode(node, base::StrCat("shapes do not broadcast: ", base::ShapeToString(a),
                                        " and ", base::ShapeToString(b)));
    }
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

absl::StatusOr<int64_t> CountElements(const Node& node, absl::Span<const int64_t> shape) {
  if (shape.size() > kMaxRank) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("node ", node.name, " (", node.op_type, "): a tensor may have ",
                                    kMaxRank, " dimensions: ", shape.size()));
  }
  absl::StatusOr<int64_t> count = base::CheckedElementCount(shape, kMaxElements);
  // A dimension of 0 hides the others from the product, but strides and parts are products too.
  base::Shape without_zeros(shape.begin(), shape.end());
  std::replace(without_zeros.begin(), without_zeros.end(), int64_t{0}, int64_t{1});
  if (count.ok() && base::CheckedElementCount(without_zeros, kMaxElements).ok()) return count;
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
      base::StrCat("node ", node.name, " (", node.op_type,
                   "): a tensor may have 2^31 elements: shape=", base::ShapeToString(shape)));
}

absl::StatusOr<base::DType> ResolveCast(const Operands& operands) {
  // TensorProto.DataType of ONNX.
  switch (operands.node->Int("to", 0)) {
    case 1:
    case 10:
    case 11:
    case 16:
      return base::DType::kF32;
    case 2:
      return base::DType::kU8;
    case 3:
      return base::DType::kI8;
    case 6:
      return base::DType::kI32;
    case 7:
      return base::DType::kI64;
    case 9:
      return base::DType::kBool;
    default:
      return UnsupportedNode(*operands.node,
                             base::StrCat("a cast to ONNX type ", operands.node->Int("to", 0)));
  }
}

absl::StatusOr<ClipParams> ResolveClip(const Operands& operands) {
  ClipParams params{std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()};
  params.low = operands.node->Float("min", params.low);
  params.high = operands.node->Float("max", params.high);
  for (size_t i = 1; i <= 2; ++i) {
    if (!operands.has(i)) continue;
    LBW_ASSIGN_OR_RETURN(const std::vector<float> bound, KnownFloats(operands, i));
    if (bound.size() != 1) return BadNode(*operands.node, "min and max must be scalars");
    (i == 1 ? params.low : params.high) = bound[0];
  }
  return params;
}

absl::StatusOr<SoftmaxParams> ResolveSoftmax(const Operands& operands) {
  SoftmaxParams params;
  params.flatten = operands.opset < 13;
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  LBW_ASSIGN_OR_RETURN(params.axis,
                       NormalizeAxis(operands, operands.node->Int("axis", params.flatten ? 1 : -1),
                                     std::max<int64_t>(rank, 1)));
  return params;
}

absl::StatusOr<GemmParams> ResolveGemm(const Operands& operands) {
  const Node& node = *operands.node;
  GemmParams params;
  params.trans_a = node.Int("transA", 0) != 0;
  params.trans_b = node.Int("transB", 0) != 0;
  params.alpha = node.Float("alpha", 1);
  params.beta = node.Float("beta", 1);
  const base::Shape& a = operands.shape(0);
  const base::Shape& b = operands.shape(1);
  if (a.size() != 2 || b.size() != 2) {
    return BadNode(node, base::StrCat("A and B must be matrices: ", base::ShapeToString(a), ", ",
                                      base::ShapeToString(b)));
  }
  const int64_t inner_a = a[params.trans_a ? 0 : 1];
  const int64_t inner_b = b[params.trans_b ? 1 : 0];
  if (inner_a != inner_b) {
    return BadNode(node, base::StrCat("A and B do not fit: ", base::ShapeToString(a), ", ",
                                      base::ShapeToString(b)));
  }
  params.output = {a[params.trans_a ? 1 : 0], b[params.trans_b ? 0 : 1]};
  if (operands.has(2)) {
    LBW_ASSIGN_OR_RETURN(const base::Shape with_c,
                         BroadcastShapes(node, params.output, operands.shape(2)));
    if (with_c != params.output) return BadNode(node, "C does not broadcast to the product");
  }
  return params;
}

}  // namespace lbw::graph

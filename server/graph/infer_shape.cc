// Shapes of operators that move elements.
#include <algorithm>
#include <cmath>
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

int64_t RankOf(const Operands& operands) { return static_cast<int64_t>(operands.shape(0).size()); }

}  // namespace

absl::Status InferReshape(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(base::Shape shape, ResolveReshape(operands));
  return Set(outputs[0], operands.dtype(0), std::move(shape));
}

absl::Status InferFlatten(const Operands& operands, std::vector<ValueInfo>& outputs) {
  const int64_t rank = RankOf(operands);
  int64_t axis = operands.node->Int("axis", 1);
  if (axis != rank) {
    LBW_ASSIGN_OR_RETURN(axis, NormalizeAxis(operands, axis, std::max<int64_t>(rank, 1)));
  }
  const absl::Span<const int64_t> shape = operands.shape(0);
  LBW_RETURN_IF_ERROR(CountElements(*operands.node, shape).status());
  const auto split = static_cast<size_t>(std::min(axis, rank));
  LBW_ASSIGN_OR_RETURN(const int64_t rows, CountElements(*operands.node, shape.first(split)));
  LBW_ASSIGN_OR_RETURN(const int64_t cols, CountElements(*operands.node, shape.subspan(split)));
  return Set(outputs[0], operands.dtype(0), {rows, cols});
}

absl::Status InferSqueeze(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const std::optional<std::vector<int64_t>> axes,
                       ResolveAxes(operands, RankOf(operands)));
  base::Shape out;
  for (size_t i = 0; i < operands.shape(0).size(); ++i) {
    const int64_t size = operands.shape(0)[i];
    const bool named =
        axes.has_value() && std::binary_search(axes->begin(), axes->end(), static_cast<int64_t>(i));
    if (named && size != 1) {
      return BadNode(*operands.node, base::StrCat("dimension ", i, " is not 1: shape=",
                                                  base::ShapeToString(operands.shape(0))));
    }
    if (axes.has_value() ? !named : size != 1) out.push_back(size);
  }
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferUnsqueeze(const Operands& operands, std::vector<ValueInfo>& outputs) {
  // Axes count in the result, whose rank depends on how many there are.
  size_t count = operands.node->Ints("axes").size();
  if (operands.has(1)) {
    LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> given, KnownInts(operands, 1));
    count = given.size();
  }
  const int64_t rank = RankOf(operands) + static_cast<int64_t>(count);
  LBW_ASSIGN_OR_RETURN(const std::optional<std::vector<int64_t>> axes, ResolveAxes(operands, rank));
  if (!axes.has_value()) return BadNode(*operands.node, "axes is missing");
  base::Shape out = operands.shape(0);
  for (const int64_t axis : *axes) out.insert(out.begin() + axis, 1);
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferTranspose(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> perm, ResolveTranspose(operands));
  base::Shape out;
  for (const int64_t axis : perm) out.push_back(operands.shape(0)[axis]);
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferConcat(const Operands& operands, std::vector<ValueInfo>& outputs) {
  const Node& node = *operands.node;
  if (!node.Has("axis")) return BadNode(node, "axis is missing");
  LBW_ASSIGN_OR_RETURN(const int64_t axis,
                       NormalizeAxis(operands, node.Int("axis", 0), RankOf(operands)));
  base::Shape out = operands.shape(0);
  for (size_t i = 1; i < operands.inputs.size(); ++i) {
    base::Shape other = operands.shape(i);
    if (other.size() != out.size() || operands.dtype(i) != operands.dtype(0)) {
      return BadNode(node, base::StrCat("inputs 0 and ", i, " differ in rank or type"));
    }
    const int64_t more = other[axis];
    other[axis] = out[axis];
    if (other != out) {
      return BadNode(node, base::StrCat("inputs 0 and ", i, " differ beside the axis: ",
                                        base::ShapeToString(operands.shape(0)), ", ",
                                        base::ShapeToString(operands.shape(i))));
    }
    out[axis] += more;
  }
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferSplit(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const SplitParams params, ResolveSplit(operands));
  for (size_t i = 0; i < outputs.size(); ++i) {
    base::Shape out = operands.shape(0);
    out[params.axis] = params.sizes[i];
    LBW_RETURN_IF_ERROR(Set(outputs[i], operands.dtype(0), std::move(out)));
  }
  return absl::OkStatus();
}

absl::Status InferSlice(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const std::vector<SliceRange> ranges, ResolveSlice(operands));
  base::Shape out = operands.shape(0);
  for (const SliceRange& range : ranges) out[range.axis] = range.length;
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferPad(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const PadParams params, ResolvePad(operands));
  base::Shape out = operands.shape(0);
  for (size_t i = 0; i < out.size(); ++i) out[i] += params.begin[i] + params.end[i];
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferShapeOf(const Operands& operands, std::vector<ValueInfo>& outputs) {
  if (operands.node->Has("start") || operands.node->Has("end")) {
    return UnsupportedNode(*operands.node, "start and end");
  }
  return Set(outputs[0], base::DType::kI64, {RankOf(operands)});
}

absl::Status InferGather(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const int64_t axis,
                       NormalizeAxis(operands, operands.node->Int("axis", 0), RankOf(operands)));
  const base::DType indices = operands.dtype(1);
  if (indices != base::DType::kI64 && indices != base::DType::kI32) {
    return BadNode(*operands.node, base::StrCat("indices of type ", base::Name(indices)));
  }
  const base::Shape& input = operands.shape(0);
  if (operands.known[1] != nullptr) {
    LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> values, KnownInts(operands, 1));
    for (const int64_t value : values) {
      if (value < -input[axis] || value >= input[axis]) {
        return BadNode(*operands.node, base::StrCat("index ", value, " is outside dimension ", axis,
                                                    " of ", base::ShapeToString(input)));
      }
    }
  }
  base::Shape out(input.begin(), input.begin() + axis);
  out.insert(out.end(), operands.shape(1).begin(), operands.shape(1).end());
  out.insert(out.end(), input.begin() + axis + 1, input.end());
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferExpand(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, KnownInts(operands, 1));
  LBW_ASSIGN_OR_RETURN(base::Shape out, BroadcastShapes(*operands.node, operands.shape(0), shape));
  return Set(outputs[0], operands.dtype(0), std::move(out));
}

absl::Status InferConstantOfShape(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(base::Shape shape, KnownInts(operands, 0));
  base::DType dtype = base::DType::kF32;
  if (const auto it = operands.node->attributes.find("value");
      it != operands.node->attributes.end()) {
    const auto* value = std::get_if<base::Tensor>(&it->second);
    if (value == nullptr || value->elements() != 1) {
      return BadNode(*operands.node, "value must be a tensor of one element");
    }
    dtype = value->dtype();
  }
  return Set(outputs[0], dtype, std::move(shape));
}

absl::Status InferRange(const Operands& operands, std::vector<ValueInfo>& outputs) {
  constexpr double kMost = 1 << 24;
  double bound[3];
  for (size_t i = 0; i < 3; ++i) {
    if (base::IsFloating(operands.dtype(i))) {
      LBW_ASSIGN_OR_RETURN(const std::vector<float> value, KnownFloats(operands, i));
      if (value.size() != 1) return BadNode(*operands.node, "bounds must be scalars");
      bound[i] = static_cast<double>(value[0]);
    } else {
      LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> value, KnownInts(operands, i));
      if (value.size() != 1) return BadNode(*operands.node, "bounds must be scalars");
      bound[i] = static_cast<double>(value[0]);
    }
  }
  const double count = std::ceil((bound[1] - bound[0]) / bound[2]);
  if (!(count <= kMost)) return BadNode(*operands.node, "delta is 0, or the range is too long");
  return Set(outputs[0], operands.dtype(0), {static_cast<int64_t>(std::max(count, 0.0))});
}

}  // namespace lbw::graph

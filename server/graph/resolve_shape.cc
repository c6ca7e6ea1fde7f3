// Operators that move elements without computing: their shapes and indices.
#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/checked.h"
#include "base/strings.h"
#include "graph/resolve.h"

namespace lbw::graph {

absl::StatusOr<base::Shape> ResolveReshape(const Operands& operands) {
  const Node& node = *operands.node;
  const base::Shape& input = operands.shape(0);
  LBW_ASSIGN_OR_RETURN(base::Shape shape, KnownInts(operands, 1));
  LBW_ASSIGN_OR_RETURN(const int64_t elements, CountElements(node, input));
  const auto misfit = [&] {
    return BadNode(node, base::StrCat("cannot reshape ", base::ShapeToString(input), " to ",
                                      base::ShapeToString(shape)));
  };
  const bool copy_zero = node.Int("allowzero", 0) == 0;
  std::optional<size_t> open;
  int64_t product = 1;
  base::Shape out = shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      if (open.has_value()) return misfit();
      open = i;
      continue;
    }
    if (shape[i] == 0 && copy_zero) {
      if (i >= input.size()) return misfit();
      out[i] = input[i];
    }
    const std::optional<int64_t> next =
        out[i] < 0 ? std::nullopt : base::CheckedMul(product, out[i]);
    if (!next.has_value()) return misfit();
    product = *next;
  }
  if (open.has_value()) {
    if (product == 0 || elements % product != 0) return misfit();
    out[*open] = elements / product;
    product *= out[*open];
  }
  if (product != elements) return misfit();
  return out;
}

absl::StatusOr<std::vector<int64_t>> ResolveTranspose(const Operands& operands) {
  const size_t rank = operands.shape(0).size();
  std::vector<int64_t> perm = operands.node->Ints("perm");
  if (perm.empty()) {
    perm.resize(rank);
    std::iota(perm.rbegin(), perm.rend(), int64_t{0});
  }
  std::vector<bool> seen(rank, false);
  bool good = perm.size() == rank;
  for (const int64_t axis : perm) {
    good = good && axis >= 0 && axis < static_cast<int64_t>(rank) && !seen[axis];
    if (!good) break;
    seen[axis] = true;
  }
  if (!good) {
    return BadNode(*operands.node, base::StrCat("perm is not a permutation of the ", rank,
                                                " dimensions: ", absl::StrJoin(perm, ",")));
  }
  return perm;
}

namespace {

// start, end as ONNX gives them -> the elements of a dimension that are taken.
SliceRange ClampRange(int64_t axis, int64_t size, int64_t start, int64_t end, int64_t step) {
  const auto absolute = [size](int64_t at) { return at < 0 ? at + size : at; };
  SliceRange range{axis, 0, step, 0};
  if (size == 0) return range;
  if (step > 0) {
    range.start = std::clamp<int64_t>(absolute(start), 0, size);
    const int64_t stop = std::clamp<int64_t>(absolute(end), 0, size);
    if (stop > range.start) range.length = (stop - range.start - 1) / step + 1;
  } else {
    // Backwards, a start before the first element is the first element; an end is not.
    range.start = std::clamp<int64_t>(absolute(start), 0, size - 1);
    const int64_t stop = std::clamp<int64_t>(absolute(end), -1, size - 1);
    // step may be the least int64: its negative does not exist.
    if (range.start > stop) {
      const int64_t by =
          step == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max() : -step;
      range.length = (range.start - stop - 1) / by + 1;
      range.step = -by;
    }
  }
  return range;
}

}  // namespace

absl::StatusOr<std::vector<SliceRange>> ResolveSlice(const Operands& operands) {
  const Node& node = *operands.node;
  const base::Shape& input = operands.shape(0);
  const auto rank = static_cast<int64_t>(input.size());
  std::vector<int64_t> starts = node.Ints("starts");
  std::vector<int64_t> ends = node.Ints("ends");
  std::vector<int64_t> axes = node.Ints("axes");
  std::vector<int64_t> steps;
  if (operands.has(1) && operands.has(2)) {
    LBW_ASSIGN_OR_RETURN(starts, KnownInts(operands, 1));
    LBW_ASSIGN_OR_RETURN(ends, KnownInts(operands, 2));
  }
  if (operands.has(3)) {
    LBW_ASSIGN_OR_RETURN(axes, KnownInts(operands, 3));
  }
  if (operands.has(4)) {
    LBW_ASSIGN_OR_RETURN(steps, KnownInts(operands, 4));
  }
  if (axes.empty()) {
    axes.resize(starts.size());
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (starts.size() != ends.size() || starts.size() != axes.size() ||
      starts.size() != steps.size() || static_cast<int64_t>(starts.size()) > rank) {
    return BadNode(node, "starts, ends, axes and steps differ in length");
  }
  std::vector<bool> seen(input.size(), false);
  std::vector<SliceRange> ranges;
  for (size_t i = 0; i < starts.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(const int64_t axis, NormalizeAxis(operands, axes[i], rank));
    if (seen[axis]) return BadNode(node, base::StrCat("axes names dimension ", axis, " twice"));
    seen[axis] = true;
    if (steps[i] == 0) return BadNode(node, "steps must not be 0");
    ranges.push_back(ClampRange(axis, input[axis], starts[i], ends[i], steps[i]));
  }
  return ranges;
}

namespace {

// begin and end of every dimension from 2 * axes.size() pads.
absl::Status SpreadPads(const Operands& operands, const std::vector<int64_t>& pads,
                        PadParams& params) {
  const Node& node = *operands.node;
  const size_t rank = operands.shape(0).size();
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (operands.has(3)) {
    LBW_ASSIGN_OR_RETURN(axes, KnownInts(operands, 3));
  }
  if (pads.size() != 2 * axes.size()) {
    return BadNode(node,
                   base::StrCat("pads must have ", 2 * axes.size(), " entries: ", pads.size()));
  }
  params.begin.assign(rank, 0);
  params.end.assign(rank, 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(const int64_t axis,
                         NormalizeAxis(operands, axes[i], static_cast<int64_t>(rank)));
    params.begin[axis] = pads[i];
    params.end[axis] = pads[axes.size() + i];
  }
  return absl::OkStatus();
}

absl::Status CheckPads(const Operands& operands, const PadParams& params) {
  const Node& node = *operands.node;
  const base::Shape& input = operands.shape(0);
  constexpr int64_t kMaxPad = int64_t{1} << 24;
  for (size_t i = 0; i < input.size(); ++i) {
    const int64_t begin = params.begin[i];
    const int64_t end = params.end[i];
    const int64_t most = std::max(begin, end);
    const int64_t least = std::min(begin, end);
    const bool too_far = (params.mode == PadMode::kReflect && most > 0 && most >= input[i]) ||
                         (params.mode == PadMode::kEdge && most > 0 && input[i] == 0);
    if (most > kMaxPad || least < -kMaxPad || too_far || input[i] + begin + end < 0) {
      return BadNode(node, base::StrCat("pads do not fit dimension ", i, ": pads=", begin, ",", end,
                                        " shape=", base::ShapeToString(input)));
    }
    if (params.mode != PadMode::kConstant && least < 0) {
      return UnsupportedNode(node, "negative pads of mode reflect or edge");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PadParams> ResolvePad(const Operands& operands) {
  const Node& node = *operands.node;
  PadParams params;
  const std::string mode = node.String("mode", "constant");
  if (mode == "reflect") {
    params.mode = PadMode::kReflect;
  } else if (mode == "edge") {
    params.mode = PadMode::kEdge;
  } else if (mode != "constant") {
    return UnsupportedNode(node, base::StrCat("mode=", mode));
  }
  params.value = node.Float("value", 0);
  std::vector<int64_t> pads = node.Ints("pads");
  if (operands.has(1)) {
    LBW_ASSIGN_OR_RETURN(pads, KnownInts(operands, 1));
  }
  if (operands.has(2) && params.mode == PadMode::kConstant && base::IsFloating(operands.dtype(2))) {
    LBW_ASSIGN_OR_RETURN(const std::vector<float> value, KnownFloats(operands, 2));
    if (value.size() > 1) return BadNode(node, "constant_value must be a scalar");
    if (value.size() == 1) params.value = value[0];
  }
  LBW_RETURN_IF_ERROR(SpreadPads(operands, pads, params));
  LBW_RETURN_IF_ERROR(CheckPads(operands, params));
  return params;
}

absl::StatusOr<SplitParams> ResolveSplit(const Operands& operands) {
  const Node& node = *operands.node;
  const base::Shape& input = operands.shape(0);
  SplitParams params;
  LBW_ASSIGN_OR_RETURN(params.axis, NormalizeAxis(operands, node.Int("axis", 0),
                                                  static_cast<int64_t>(input.size())));
  const int64_t size = input[params.axis];
  const auto parts = static_cast<int64_t>(node.outputs.size());
  if (operands.has(1)) {
    LBW_ASSIGN_OR_RETURN(params.sizes, KnownInts(operands, 1));
  } else {
    params.sizes = node.Ints("split");
  }
  if (params.sizes.empty()) {
    // Equal parts; since opset 18 the last may be smaller.
    const int64_t part = base::CeilDiv(size, parts);
    if (operands.opset < 18 && part * parts != size) {
      return BadNode(node, base::StrCat(parts, " parts do not divide ", size));
    }
    for (int64_t i = 0; i < parts; ++i) {
      params.sizes.push_back(std::clamp<int64_t>(size - i * part, 0, part));
    }
  }
  int64_t sum = 0;
  bool good = static_cast<int64_t>(params.sizes.size()) == parts;
  for (const int64_t part : params.sizes) {
    good = good && part >= 0 && part <= size;
    if (good) sum += part;
  }
  if (!good || sum != size) {
    return BadNode(node, base::StrCat("split must give ", parts, " parts of ", size,
                                      " in all: ", absl::StrJoin(params.sizes, ",")));
  }
  return params;
}

absl::StatusOr<ReduceParams> ResolveReduce(const Operands& operands) {
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  ReduceParams params;
  params.keep_dims = operands.node->Int("keepdims", 1) != 0;
  LBW_ASSIGN_OR_RETURN(const std::optional<std::vector<int64_t>> axes, ResolveAxes(operands, rank));
  if (axes.has_value() && !axes->empty()) {
    params.axes = *axes;
  } else if (operands.node->Int("noop_with_empty_axes", 0) == 0) {
    params.axes.resize(static_cast<size_t>(rank));
    std::iota(params.axes.begin(), params.axes.end(), int64_t{0});
  }
  return params;
}

}  // namespace lbw::graph

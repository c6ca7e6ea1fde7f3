// Convolution and pooling windows: kernel, strides, dilations, explicit and automatic padding.
#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "graph/resolve.h"

namespace lbw::graph {
namespace {

// Keeps every product below within int64.
constexpr int64_t kMaxAttribute = int64_t{1} << 24;

absl::StatusOr<std::vector<int64_t>> Sizes(const Node& node, std::string_view attribute,
                                           size_t count, int64_t least) {
  std::vector<int64_t> values = node.Ints(attribute);
  if (values.empty()) values.assign(count, least);
  if (values.size() != count) {
    return BadNode(node, base::StrCat(attribute, " must have ", count,
                                      " entries: ", absl::StrJoin(values, ",")));
  }
  for (const int64_t value : values) {
    if (value < least || value > kMaxAttribute) {
      return BadNode(
          node, base::StrCat(attribute, " must lie in ", least, "..", kMaxAttribute, ": ", value));
    }
  }
  return values;
}

// Spatial dimensions of input 0.
absl::StatusOr<size_t> SpatialRank(const Operands& operands) {
  const size_t rank = operands.shape(0).size();
  if (rank < 3 || rank > 5) {
    return UnsupportedNode(*operands.node, base::StrCat("1 to 3 spatial dimensions: input shape=",
                                                        base::ShapeToString(operands.shape(0))));
  }
  return rank - 2;
}

absl::StatusOr<Window> ResolveWindow(const Operands& operands, std::vector<int64_t> kernel) {
  const Node& node = *operands.node;
  const size_t count = kernel.size();
  Window window;
  if (node.Has("kernel_shape") || kernel.front() == 0) {
    LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> given, Sizes(node, "kernel_shape", count, 1));
    if (kernel.front() != 0 && given != kernel) {
      return BadNode(
          node, base::StrCat("kernel_shape contradicts the weight: ", absl::StrJoin(given, ","),
                             " and ", absl::StrJoin(kernel, ",")));
    }
    kernel = given;
  }
  window.kernel = std::move(kernel);
  for (const int64_t size : window.kernel) {
    if (size < 1 || size > kMaxAttribute) return BadNode(node, "the kernel is empty or too large");
  }
  LBW_ASSIGN_OR_RETURN(window.strides, Sizes(node, "strides", count, 1));
  LBW_ASSIGN_OR_RETURN(window.dilations, Sizes(node, "dilations", count, 1));
  LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> pads, Sizes(node, "pads", 2 * count, 0));
  window.begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(count));
  window.end.assign(pads.begin() + static_cast<std::ptrdiff_t>(count), pads.end());
  return window;
}

int64_t Extent(const Window& window, size_t i) {
  return (window.kernel[i] - 1) * window.dilations[i] + 1;
}

// auto_pad: true where it replaces the pads. SAME_*: ceil(in / stride) outputs, the odd element of
// padding at the end (UPPER) or at the beginning (LOWER).
absl::StatusOr<bool> ApplyAutoPad(const Operands& operands, Window& window) {
  const Node& node = *operands.node;
  const std::string mode = node.String("auto_pad", "NOTSET");
  if (mode == "NOTSET" || mode.empty()) return false;
  const size_t count = window.kernel.size();
  if (mode == "VALID") {
    window.begin.assign(count, 0);
    window.end.assign(count, 0);
    return true;
  }
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") {
    return UnsupportedNode(node, base::StrCat("auto_pad=", mode));
  }
  for (size_t i = 0; i < count; ++i) {
    const int64_t in = operands.shape(0)[i + 2];
    const int64_t out = (in + window.strides[i] - 1) / window.strides[i];
    const int64_t total =
        std::max<int64_t>(0, (out - 1) * window.strides[i] + Extent(window, i) - in);
    const int64_t small = total / 2;
    window.begin[i] = mode == "SAME_UPPER" ? small : total - small;
    window.end[i] = total - window.begin[i];
  }
  return true;
}

absl::StatusOr<int64_t> OutputSize(const Operands& operands, const Window& window, size_t i,
                                   bool ceil_mode) {
  const int64_t in = operands.shape(0)[i + 2];
  const int64_t room = in + window.begin[i] + window.end[i] - Extent(window, i);
  if (room < 0 || in < 1) {
    return BadNode(*operands.node,
                   base::StrCat("the window is larger than the padded input: input shape=",
                                base::ShapeToString(operands.shape(0)), " window=",
                                Extent(window, i), " pads=", window.begin[i], ",", window.end[i]));
  }
  const int64_t stride = window.strides[i];
  int64_t out = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (out - 1) * stride >= in + window.begin[i]) --out;
  return out;
}

absl::Status CheckBias(const Operands& operands, int64_t channels) {
  if (operands.has(2) && operands.shape(2) != base::Shape{channels}) {
    return BadNode(*operands.node, base::StrCat("the bias must be [", channels,
                                                "]: ", base::ShapeToString(operands.shape(2))));
  }
  return absl::OkStatus();
}

// The weight's kernel, after checking ranks and groups; channels are checked by the caller.
absl::StatusOr<std::vector<int64_t>> WeightKernel(const Operands& operands, int64_t groups) {
  const Node& node = *operands.node;
  LBW_ASSIGN_OR_RETURN(const size_t spatial, SpatialRank(operands));
  const base::Shape& weight = operands.shape(1);
  if (weight.size() != spatial + 2) {
    return BadNode(node, base::StrCat("input and weight differ in rank: ",
                                      base::ShapeToString(operands.shape(0)), ", ",
                                      base::ShapeToString(weight)));
  }
  if (groups < 1 || groups > kMaxAttribute || weight[0] < 1 || weight[1] < 1 ||
      weight[0] % groups != 0) {
    return BadNode(node, base::StrCat("group must divide the weight's first dimension: group=",
                                      groups, " weight shape=", base::ShapeToString(weight)));
  }
  std::vector<int64_t> kernel(weight.begin() + 2, weight.end());
  for (const int64_t size : kernel) {
    if (size < 1) return BadNode(node, "the weight has an empty kernel");
  }
  return kernel;
}

}  // namespace

absl::StatusOr<ConvParams> ResolveConv(const Operands& operands) {
  ConvParams params;
  params.groups = operands.node->Int("group", 1);
  LBW_ASSIGN_OR_RETURN(std::vector<int64_t> kernel, WeightKernel(operands, params.groups));
  LBW_ASSIGN_OR_RETURN(params.window, ResolveWindow(operands, std::move(kernel)));
  LBW_RETURN_IF_ERROR(ApplyAutoPad(operands, params.window).status());
  const base::Shape& input = operands.shape(0);
  const base::Shape& weight = operands.shape(1);
  if (input[1] != weight[1] * params.groups) {
    return BadNode(
        *operands.node,
        base::StrCat("input channels do not fit: input shape=", base::ShapeToString(input),
                     " weight shape=", base::ShapeToString(weight), " group=", params.groups));
  }
  LBW_RETURN_IF_ERROR(CheckBias(operands, weight[0]));
  params.output = {input[0], weight[0]};
  for (size_t i = 0; i + 2 < input.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(const int64_t out, OutputSize(operands, params.window, i, false));
    params.output.push_back(out);
  }
  return params;
}

absl::StatusOr<ConvParams> ResolveConvTranspose(const Operands& operands) {
  const Node& node = *operands.node;
  ConvParams params;
  params.groups = node.Int("group", 1);
  LBW_ASSIGN_OR_RETURN(std::vector<int64_t> kernel, WeightKernel(operands, params.groups));
  const size_t count = kernel.size();
  LBW_ASSIGN_OR_RETURN(params.window, ResolveWindow(operands, std::move(kernel)));
  LBW_ASSIGN_OR_RETURN(params.output_padding, Sizes(node, "output_padding", count, 0));
  const base::Shape& input = operands.shape(0);
  const base::Shape& weight = operands.shape(1);
  if (input[1] != weight[0]) {
    return BadNode(
        node, base::StrCat("input channels do not fit: input shape=", base::ShapeToString(input),
                           " weight shape=", base::ShapeToString(weight)));
  }
  LBW_RETURN_IF_ERROR(CheckBias(operands, weight[1] * params.groups));
  const std::string auto_pad = node.String("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  std::vector<int64_t> wanted = node.Ints("output_shape");
  if (!wanted.empty()) {
    LBW_ASSIGN_OR_RETURN(wanted, Sizes(node, "output_shape", count, 1));
  }
  params.output = {input[0], weight[1] * params.groups};
  Window& window = params.window;
  for (size_t i = 0; i < count; ++i) {
    const int64_t stride = window.strides[i];
    const int64_t full = (input[i + 2] - 1) * stride + Extent(window, i) + params.output_padding[i];
    if (params.output_padding[i] >= std::max(stride, window.dilations[i])) {
      return UnsupportedNode(node, "output_padding must be below stride or dilation");
    }
    if (!wanted.empty() || same) {
      const int64_t out = wanted.empty() ? input[i + 2] * stride : wanted[i];
      const int64_t total = std::max<int64_t>(0, full - out);
      const int64_t small = total / 2;
      window.begin[i] = auto_pad == "SAME_UPPER" ? small : total - small;
      window.end[i] = full - out - window.begin[i];
      if (window.end[i] < 0) return UnsupportedNode(node, "output_shape beyond the full result");
    } else if (auto_pad == "VALID") {
      window.begin[i] = window.end[i] = 0;
    }
    const int64_t out = full - window.begin[i] - window.end[i];
    if (out < 1 || input[i + 2] < 1) return BadNode(node, "the padding leaves no output");
    params.output.push_back(out);
  }
  return params;
}

absl::StatusOr<PoolParams> ResolvePool(const Operands& operands) {
  const Node& node = *operands.node;
  PoolParams params;
  LBW_ASSIGN_OR_RETURN(const size_t spatial, SpatialRank(operands));
  if (spatial > 2) return UnsupportedNode(node, "pooling over 1 or 2 spatial dimensions only");
  if (!node.Has("kernel_shape")) return BadNode(node, "kernel_shape is missing");
  LBW_ASSIGN_OR_RETURN(params.window, ResolveWindow(operands, std::vector<int64_t>(spatial, 0)));
  LBW_RETURN_IF_ERROR(ApplyAutoPad(operands, params.window).status());
  params.ceil_mode = node.Int("ceil_mode", 0) != 0;
  params.count_include_pad = node.Int("count_include_pad", 0) != 0;
  const Window& window = params.window;
  const base::Shape& input = operands.shape(0);
  params.output = {input[0], input[1]};
  for (size_t i = 0; i < spatial; ++i) {
    if (node.op_type == "AveragePool" && window.dilations[i] != 1) {
      return UnsupportedNode(node, "dilations of an average");
    }
    if (window.begin[i] >= Extent(window, i) || window.end[i] >= Extent(window, i)) {
      return UnsupportedNode(node, "padding as large as the window");
    }
    LBW_ASSIGN_OR_RETURN(const int64_t out, OutputSize(operands, window, i, params.ceil_mode));
    params.output.push_back(out);
  }
  if (node.outputs.size() > 1 && !node.outputs[1].empty()) {
    return UnsupportedNode(node, "the output Indices");
  }
  return params;
}

}  // namespace lbw::graph

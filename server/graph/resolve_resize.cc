// Resize and Upsample: sizes, and where each output element reads.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "graph/resolve.h"

namespace lbw::graph {
namespace {

// An index table is made for every dimension.
constexpr int64_t kMaxSize = 1 << 16;

struct ResizeOptions {
  std::string mode;
  std::string coordinates;
  std::string nearest_mode;
};

absl::StatusOr<ResizeOptions> ReadOptions(const Operands& operands) {
  const Node& node = *operands.node;
  ResizeOptions options;
  options.mode = node.String("mode", "nearest");
  // Upsample and the Resize of opset 10 know only this way.
  const bool old = node.op_type == "Upsample" || operands.opset < 11;
  options.coordinates =
      old ? "asymmetric" : node.String("coordinate_transformation_mode", "half_pixel");
  options.nearest_mode = old ? "floor" : node.String("nearest_mode", "round_prefer_floor");
  if (options.mode == "bilinear") options.mode = "linear";
  if (options.mode != "nearest" && options.mode != "linear") {
    return UnsupportedNode(node, base::StrCat("mode=", options.mode));
  }
  for (const std::string_view known :
       {"half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"}) {
    if (options.coordinates == known) return options;
  }
  return UnsupportedNode(node,
                         base::StrCat("coordinate_transformation_mode=", options.coordinates));
}

// Scale and output size of every dimension.
struct Target {
  std::vector<double> scales;
  base::Shape sizes;
};

absl::Status SpreadTarget(const Operands& operands, const std::vector<float>& scales,
                          const std::vector<int64_t>& sizes, Target& target) {
  const Node& node = *operands.node;
  const base::Shape& input = operands.shape(0);
  std::vector<int64_t> axes = node.Ints("axes");
  if (axes.empty()) {
    for (size_t i = 0; i < input.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  const size_t given = sizes.empty() ? scales.size() : sizes.size();
  if (given != axes.size()) {
    return BadNode(node,
                   base::StrCat("scales or sizes must have ", axes.size(), " entries: ", given));
  }
  target.scales.assign(input.size(), 1.0);
  target.sizes = input;
  for (size_t i = 0; i < axes.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(const int64_t axis,
                         NormalizeAxis(operands, axes[i], static_cast<int64_t>(input.size())));
    const auto in = static_cast<double>(input[axis]);
    if (sizes.empty()) {
      const double scale = scales[i];
      if (!(scale > 0) || !(scale * in < 0x1p31)) {
        return BadNode(node, base::StrCat("scales must be positive: ", scale));
      }
      target.scales[axis] = scale;
      target.sizes[axis] = static_cast<int64_t>(std::floor(in * scale));
    } else {
      if (sizes[i] < 1 || in < 1) return BadNode(node, base::StrCat("sizes: ", sizes[i]));
      target.sizes[axis] = sizes[i];
      target.scales[axis] = static_cast<double>(sizes[i]) / in;
    }
    if (target.sizes[axis] < 1 || target.sizes[axis] > kMaxSize) {
      return BadNode(node, base::StrCat("a resized dimension must have 1..", kMaxSize,
                                        " elements: ", target.sizes[axis]));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Target> ReadTarget(const Operands& operands) {
  const Node& node = *operands.node;
  Target target;
  std::vector<float> scales;
  std::vector<int64_t> sizes;
  if (node.op_type == "Upsample" || operands.opset < 11) {
    if (operands.has(1)) {
      LBW_ASSIGN_OR_RETURN(scales, KnownFloats(operands, 1));
    } else if (const auto it = node.attributes.find("scales"); it != node.attributes.end()) {
      if (const auto* values = std::get_if<std::vector<float>>(&it->second)) scales = *values;
    }
  } else {
    if (operands.has(2)) {
      LBW_ASSIGN_OR_RETURN(scales, KnownFloats(operands, 2));
    }
    if (operands.has(3)) {
      LBW_ASSIGN_OR_RETURN(sizes, KnownInts(operands, 3));
    }
  }
  if (scales.empty() == sizes.empty()) return BadNode(node, "one of scales and sizes is needed");
  LBW_RETURN_IF_ERROR(SpreadTarget(operands, scales, sizes, target));
  return target;
}

double SourceOf(const ResizeOptions& options, int64_t i, double scale, int64_t in, int64_t out) {
  const auto x = static_cast<double>(i);
  if (options.coordinates == "align_corners") {
    return out == 1 ? 0 : x * static_cast<double>(in - 1) / static_cast<double>(out - 1);
  }
  if (options.coordinates == "asymmetric") return x / scale;
  if (options.coordinates == "pytorch_half_pixel" && out == 1) return 0;
  return (x + 0.5) / scale - 0.5;
}

double Nearest(const std::string& mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  if (mode == "round_prefer_ceil") return std::floor(x + 0.5);
  return std::ceil(x - 0.5);  // round_prefer_floor
}

ResizeAxis MakeAxis(const ResizeOptions& options, int64_t axis, double scale, int64_t in,
                    int64_t out) {
  ResizeAxis result;
  result.axis = axis;
  const auto last = static_cast<double>(in - 1);
  for (int64_t i = 0; i < out; ++i) {
    const double x = SourceOf(options, i, scale, in, out);
    if (options.mode == "nearest") {
      const auto at = static_cast<int64_t>(std::clamp(Nearest(options.nearest_mode, x), 0.0, last));
      result.low.push_back(at);
      result.high.push_back(at);
      result.low_weight.push_back(1);
      continue;
    }
    const double inside = std::clamp(x, 0.0, last);
    const double low = std::floor(inside);
    result.low.push_back(static_cast<int64_t>(low));
    result.high.push_back(std::min(static_cast<int64_t>(low) + 1, in - 1));
    result.low_weight.push_back(static_cast<float>(1.0 - (inside - low)));
  }
  return result;
}

}  // namespace

absl::StatusOr<ResizeParams> ResolveResize(const Operands& operands) {
  const Node& node = *operands.node;
  if (node.Int("antialias", 0) != 0) return UnsupportedNode(node, "antialias=1");
  if (node.String("keep_aspect_ratio_policy", "stretch") != "stretch") {
    return UnsupportedNode(node, "keep_aspect_ratio_policy other than stretch");
  }
  LBW_ASSIGN_OR_RETURN(const ResizeOptions options, ReadOptions(operands));
  LBW_ASSIGN_OR_RETURN(const Target target, ReadTarget(operands));
  const base::Shape& input = operands.shape(0);
  LBW_RETURN_IF_ERROR(CountElements(node, input).status());
  LBW_RETURN_IF_ERROR(CountElements(node, target.sizes).status());
  ResizeParams params;
  params.nearest = options.mode == "nearest";
  params.output = target.sizes;
  for (size_t i = 0; i < input.size(); ++i) {
    if (target.scales[i] == 1.0 && target.sizes[i] == input[i]) continue;
    if (input[i] < 1) return BadNode(node, "the input is empty");
    params.axes.push_back(
        MakeAxis(options, static_cast<int64_t>(i), target.scales[i], input[i], target.sizes[i]));
  }
  return params;
}

}  // namespace lbw::graph

// A node's operands and attributes for given shapes, resolved and checked: what shape inference and
// every executor share, so that none of them reads an ONNX attribute by itself.
//
// Every Resolve function: Errors: kInvalidArgument - BAD_GRAPH (shapes or attributes that
// contradict each other), UNSUPPORTED_OPERATOR (a combination that is not implemented); the message
// names node and operator. Threads: pure.
#ifndef LBW_GRAPH_RESOLVE_H_
#define LBW_GRAPH_RESOLVE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/status.h"
#include "base/tensor.h"
#include "graph/graph.h"

namespace lbw::graph {

// BAD_GRAPH and UNSUPPORTED_OPERATOR with "node NAME (OP): message".
base::Error BadNode(const Node& node, std::string_view message);
base::Error UnsupportedNode(const Node& node, std::string_view message);

// A node and what is known of its inputs. Borrows everything.
struct Operands {
  const Node* node = nullptr;
  int64_t opset = 13;
  std::vector<const ValueInfo*> inputs;    // nullptr where an optional input is left out
  std::vector<const base::Tensor*> known;  // nullptr where the value is not known

  bool has(size_t i) const { return i < inputs.size() && inputs[i] != nullptr; }
  // Input i must be there.
  const base::Shape& shape(size_t i) const { return inputs[i]->shape; }
  base::DType dtype(size_t i) const { return inputs[i]->dtype; }
};
// inferred must come from the same graph and constants, and outlive the result.
Operands MakeOperands(const Node& node, int64_t opset, const InferredShapes& inferred,
                      const Constants& constants);

// Known input i as integers, in row-major order. Errors: also when it is not known.
absl::StatusOr<std::vector<int64_t>> KnownInts(const Operands& operands, size_t i);
// Known input i as f32.
absl::StatusOr<std::vector<float>> KnownFloats(const Operands& operands, size_t i);

// axis counted from the back when negative, into 0 .. rank-1.
absl::StatusOr<int64_t> NormalizeAxis(const Operands& operands, int64_t axis, int64_t rank);
// The `axes` of Squeeze, Unsqueeze, Reduce*: attribute, or input 1. Sorted, unique, in 0 .. rank-1;
// nullopt where they are left out.
absl::StatusOr<std::optional<std::vector<int64_t>>> ResolveAxes(const Operands& operands,
                                                                int64_t rank);

// ---- Windows. One entry a spatial dimension (1 to 3 of them).
struct Window {
  std::vector<int64_t> kernel, strides, dilations, begin, end;  // begin, end: padding
};
struct ConvParams {
  Window window;
  int64_t groups = 1;
  std::vector<int64_t> output_padding;  // ConvTranspose
  base::Shape output;                   // [N, C_out, spatial...]
};
absl::StatusOr<ConvParams> ResolveConv(const Operands& operands);
absl::StatusOr<ConvParams> ResolveConvTranspose(const Operands& operands);

struct PoolParams {
  Window window;
  bool ceil_mode = false;
  bool count_include_pad = false;
  base::Shape output;
};
// MaxPool and AveragePool. A window of ceil_mode that would start in the padding at the end is left
// out, as in ONNX 1.16 and torch.
absl::StatusOr<PoolParams> ResolvePool(const Operands& operands);

// ---- Shapes and indices
// The shape that Reshape gives (0, -1, allowzero).
absl::StatusOr<base::Shape> ResolveReshape(const Operands& operands);
absl::StatusOr<std::vector<int64_t>> ResolveTranspose(const Operands& operands);

struct SliceRange {
  int64_t axis = 0;
  int64_t start = 0;
  int64_t step = 1;    // not 0
  int64_t length = 0;  // elements taken
};
absl::StatusOr<std::vector<SliceRange>> ResolveSlice(const Operands& operands);

enum class PadMode : uint8_t { kConstant, kReflect, kEdge };
struct PadParams {
  PadMode mode = PadMode::kConstant;
  float value = 0;
  std::vector<int64_t> begin, end;  // one a dimension; negative ones crop (kConstant only)
};
absl::StatusOr<PadParams> ResolvePad(const Operands& operands);

struct SplitParams {
  int64_t axis = 0;
  std::vector<int64_t> sizes;  // one an output
};
absl::StatusOr<SplitParams> ResolveSplit(const Operands& operands);

struct ReduceParams {
  std::vector<int64_t> axes;  // sorted; empty: nothing is reduced
  bool keep_dims = true;
};
absl::StatusOr<ReduceParams> ResolveReduce(const Operands& operands);

// Softmax: before opset 13 over all dimensions from the axis on, seen as one; since then over it.
struct SoftmaxParams {
  int64_t axis = 0;
  bool flatten = false;
};
absl::StatusOr<SoftmaxParams> ResolveSoftmax(const Operands& operands);

struct ClipParams {
  float low;
  float high;
};
absl::StatusOr<ClipParams> ResolveClip(const Operands& operands);

struct GemmParams {
  bool trans_a = false;
  bool trans_b = false;
  float alpha = 1;
  float beta = 1;
  base::Shape output;
};
absl::StatusOr<GemmParams> ResolveGemm(const Operands& operands);

// The type that Cast gives. Floating types of other widths are computed in f32.
absl::StatusOr<base::DType> ResolveCast(const Operands& operands);

// ---- Resize and Upsample, as separable interpolation: along a resized dimension, output i is
// low_weight[i] * in[low[i]] + (1 - low_weight[i]) * in[high[i]]; nearest has weight 1.
struct ResizeAxis {
  int64_t axis = 0;
  std::vector<int64_t> low, high;
  std::vector<float> low_weight;
};
struct ResizeParams {
  bool nearest = true;
  std::vector<ResizeAxis> axes;  // those whose size or content changes
  base::Shape output;
};
absl::StatusOr<ResizeParams> ResolveResize(const Operands& operands);

// Numpy's rule: aligned from the right, equal or 1.
absl::StatusOr<base::Shape> BroadcastShapes(const Node& node, absl::Span<const int64_t> a,
                                            absl::Span<const int64_t> b);
// Element count: at most 2^31, in at most 16 dimensions. Errors: LIMIT_EXCEEDED.
absl::StatusOr<int64_t> CountElements(const Node& node, absl::Span<const int64_t> shape);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_RESOLVE_H_

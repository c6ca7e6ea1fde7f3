// A network as a small dataflow graph in ONNX's words: nodes, values, attributes, and constants
// beside it.
//
// The graph is the structure as imported and is never rewritten: folding, fusing, layouts and dead
// code are compile passes of an executor. Declared outputs keep their names and meaning. Constants:
// name -> any ONNX type; weights in f32, packed, or 8-bit uniform. Threads: values.
#ifndef LBW_GRAPH_GRAPH_H_
#define LBW_GRAPH_GRAPH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/tensor.h"
#include "quant/quantize.h"
#include "tensorfile/packed.h"

namespace lbw::graph {

// The first dimension of an input that stands for the number of pictures.
inline constexpr int64_t kBatch = -1;
// Any other dimension that the file leaves open.
inline constexpr int64_t kUnknownSize = -1;

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>,
                               std::vector<float>, std::vector<std::string>, base::Tensor>;

struct Node {
  std::string name;                 // never empty: a nameless node is called by its first output
  std::string op_type;              // ONNX operator of the default domain: "Conv", "Relu", ...
  std::vector<std::string> inputs;  // value or constant names; "" for an optional input left out
  std::vector<std::string> outputs;
  std::map<std::string, Attribute> attributes;

  // The attribute, or the default when it is absent. Validate has checked its type.
  int64_t Int(std::string_view attribute, int64_t fallback) const;
  float Float(std::string_view attribute, float fallback) const;
  std::string String(std::string_view attribute, std::string_view fallback) const;
  std::vector<int64_t> Ints(std::string_view attribute) const;  // empty when absent
  bool Has(std::string_view attribute) const;
};

struct ValueInfo {
  std::string name;
  base::DType dtype = base::DType::kF32;
  // kBatch in the first place where the batch is symbolic; kUnknownSize where a picture's height or
  // width is fixed only when an executor compiles.
  base::Shape shape;
};

struct Graph {
  std::string name;
  int64_t opset = 13;
  std::vector<Node> nodes;  // in topological order
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  int64_t max_batch = 0;  // 0 = any; 1 where the batch could not be proved symbolic
};

// A constant as it is, or as codes.
using Constant = tensorfile::AnyTensor;
using Constants = std::map<std::string, Constant, std::less<>>;

// Reads a constant as f32, dequantized where it is codes.
// Errors: kInvalidArgument - not a floating tensor.
absl::StatusOr<base::Tensor> ConstantAsF32(const Constant& constant);
base::Shape ShapeOf(const Constant& constant);
// The type that a graph computes with: kF32 for floating constants and codes.
base::DType DTypeOf(const Constant& constant);

// Checks that the graph is well formed: unique outputs, every input produced before it is read,
// known operators with the number of inputs they need and attributes they know, declared outputs
// produced. Errors: kInvalidArgument, BAD_GRAPH or UNSUPPORTED_OPERATOR - names node, and value or
// attribute.
absl::Status Validate(const Graph& graph, const Constants& constants);

// Shape of every value for inputs of the given shape (batch included). Integer values that depend
// only on shapes and constants (Shape, Gather, Concat, ... before a Reshape) are evaluated too.
// Errors: kInvalidArgument, BAD_GRAPH - names the node, its shapes and what does not fit;
// LIMIT_EXCEEDED.
struct InferredShapes {
  std::map<std::string, ValueInfo, std::less<>> values;
  std::map<std::string, base::Tensor, std::less<>> known;  // integer values that are known
};
absl::StatusOr<InferredShapes> InferShapes(const Graph& graph, const Constants& constants,
                                           const std::map<std::string, base::Shape>& inputs);

// A picture for which what depends on open sizes is tried: dimensions 1 to 3 of an input with four.
// Open dimensions of other inputs are taken as the height.
struct PictureSize {
  int64_t channels = 3;
  int64_t height = 256;
  int64_t width = 256;
};

// The operators that the graph's users (shape inference and every executor) know.
bool IsKnownOperator(std::string_view op_type);

// JSON that a bundle stores; the inverse checks everything. Attributes of tensor type are stored as
// JSON too (they are small).
std::string ToJson(const Graph& graph);
// Errors: kInvalidArgument, BAD_FILE or BAD_GRAPH.
absl::StatusOr<Graph> FromJson(std::string_view json);

// A weight: a constant that is the weight input of Conv, ConvTranspose, Gemm or MatMul, directly or
// through Transpose, Reshape and the like (views.h), and how its rows lie. Where the output
// channels are no dimension of what is stored (a Reshape merged them), it is not a weight and stays
// float.
struct Weight {
  std::string constant;
  std::vector<std::string> nodes;  // every node that reads it, in graph order
  int axis = 0;                    // dimension of the output channels, in the constant as stored
  int groups = 1;                  // as LBW.md section 6 counts them for ConvTranspose; 1 otherwise
  bool first = false;              // read by the first such node
  bool depthwise = false;          // Conv with group == input channels > 1
  bool output = false;  // no other weight lies between it and a graph output, or a value in `heads`
};
// In graph order. heads: values that head roles read; the graph's outputs when empty.
std::vector<Weight> FindWeights(const Graph& graph, const Constants& constants,
                                const std::vector<std::string>& heads);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_GRAPH_H_

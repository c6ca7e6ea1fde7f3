// The operators that the graph knows: arity, which inputs carry data, and the shape of their
// outputs.
#ifndef LBW_GRAPH_OPERATORS_H_
#define LBW_GRAPH_OPERATORS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "graph/graph.h"
#include "graph/resolve.h"

namespace lbw::graph {

// Fills type and shape of the node's outputs (their names are set already).
using InferFunction = absl::Status (*)(const Operands& operands, std::vector<ValueInfo>& outputs);

struct OperatorInfo {
  std::string_view name;
  size_t min_inputs;
  size_t max_inputs;
  // Inputs from here on are parameters (shapes, axes, bounds): they must be known when a graph is
  // compiled, and an executor takes them from the resolved parameters.
  size_t data_inputs;
  size_t max_outputs;
  InferFunction infer;
};

inline constexpr size_t kManyInputs = 1024;

// nullptr for an operator that is not known.
const OperatorInfo* FindOperator(std::string_view op_type);
absl::Span<const OperatorInfo> AllOperators();

// Type of an attribute; its number is the index in graph::Attribute.
enum class AttributeKind : uint8_t { kInt, kFloat, kString, kInts, kFloats, kStrings, kTensor };

struct AttributeInfo {
  std::string_view op_type;
  std::string_view name;
  AttributeKind kind;
};

// Every attribute of the node is known to its operator and has the type that it must have.
// Errors: kInvalidArgument - BAD_GRAPH: another type; UNSUPPORTED_OPERATOR: a name that the
// operator does not have. Both name node and attribute.
absl::Status CheckAttributes(const Node& node);

// The outputs of a node whose inputs are all known (or that only asks for a shape), where they are
// small and the operator is one that shape arithmetic uses; empty otherwise.
std::vector<base::Tensor> EvaluateKnown(const Operands& operands,
                                        const std::vector<ValueInfo>& outputs);

// Inference by family; one file each.
absl::Status InferSame(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferBroadcast(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferCompare(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferWhere(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferPRelu(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferClip(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferSoftmax(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferDropout(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferCast(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferMatMul(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferGemm(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferReduce(const Operands& operands, std::vector<ValueInfo>& outputs);

absl::Status InferConv(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferConvTranspose(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferBatchNormalization(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferPool(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferGlobalPool(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferResize(const Operands& operands, std::vector<ValueInfo>& outputs);

absl::Status InferReshape(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferFlatten(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferSqueeze(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferUnsqueeze(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferTranspose(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferConcat(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferSplit(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferSlice(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferPad(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferShapeOf(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferGather(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferExpand(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferConstantOfShape(const Operands& operands, std::vector<ValueInfo>& outputs);
absl::Status InferRange(const Operands& operands, std::vector<ValueInfo>& outputs);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_OPERATORS_H_

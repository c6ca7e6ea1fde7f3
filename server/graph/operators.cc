#include "graph/operators.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/strings.h"

namespace lbw::graph {
namespace {

// name, least and most inputs, inputs that carry data, most outputs, inference.
constexpr std::array kOperators = {
    OperatorInfo{"Abs", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Add", 2, 2, 2, 1, InferBroadcast},
    OperatorInfo{"AveragePool", 1, 1, 1, 1, InferPool},
    OperatorInfo{"BatchNormalization", 5, 5, 5, 1, InferBatchNormalization},
    OperatorInfo{"Cast", 1, 1, 1, 1, InferCast},
    OperatorInfo{"Ceil", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Clip", 1, 3, 1, 1, InferClip},
    OperatorInfo{"Concat", 1, kManyInputs, kManyInputs, 1, InferConcat},
    OperatorInfo{"ConstantOfShape", 1, 1, 0, 1, InferConstantOfShape},
    OperatorInfo{"Conv", 2, 3, 3, 1, InferConv},
    OperatorInfo{"ConvTranspose", 2, 3, 3, 1, InferConvTranspose},
    OperatorInfo{"Div", 2, 2, 2, 1, InferBroadcast},
    OperatorInfo{"Dropout", 1, 3, 1, 1, InferDropout},
    OperatorInfo{"Elu", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Equal", 2, 2, 2, 1, InferCompare},
    OperatorInfo{"Erf", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Exp", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Expand", 2, 2, 1, 1, InferExpand},
    OperatorInfo{"Flatten", 1, 1, 1, 1, InferFlatten},
    OperatorInfo{"Floor", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Gather", 2, 2, 2, 1, InferGather},
    OperatorInfo{"Gemm", 2, 3, 3, 1, InferGemm},
    OperatorInfo{"GlobalAveragePool", 1, 1, 1, 1, InferGlobalPool},
    OperatorInfo{"GlobalMaxPool", 1, 1, 1, 1, InferGlobalPool},
    OperatorInfo{"Greater", 2, 2, 2, 1, InferCompare},
    OperatorInfo{"HardSigmoid", 1, 1, 1, 1, InferSame},
    OperatorInfo{"HardSwish", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Identity", 1, 1, 1, 1, InferSame},
    OperatorInfo{"LeakyRelu", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Less", 2, 2, 2, 1, InferCompare},
    OperatorInfo{"Log", 1, 1, 1, 1, InferSame},
    OperatorInfo{"MatMul", 2, 2, 2, 1, InferMatMul},
    OperatorInfo{"Max", 1, kManyInputs, kManyInputs, 1, InferBroadcast},
    OperatorInfo{"MaxPool", 1, 1, 1, 1, InferPool},
    OperatorInfo{"Min", 1, kManyInputs, kManyInputs, 1, InferBroadcast},
    OperatorInfo{"Mul", 2, 2, 2, 1, InferBroadcast},
    OperatorInfo{"Neg", 1, 1, 1, 1, InferSame},
    OperatorInfo{"PRelu", 2, 2, 2, 1, InferPRelu},
    OperatorInfo{"Pad", 1, 4, 1, 1, InferPad},
    OperatorInfo{"Pow", 2, 2, 2, 1, InferBroadcast},
    OperatorInfo{"Range", 3, 3, 0, 1, InferRange},
    OperatorInfo{"Reciprocal", 1, 1, 1, 1, InferSame},
    OperatorInfo{"ReduceMax", 1, 2, 1, 1, InferReduce},
    OperatorInfo{"ReduceMean", 1, 2, 1, 1, InferReduce},
    OperatorInfo{"ReduceMin", 1, 2, 1, 1, InferReduce},
    OperatorInfo{"ReduceSum", 1, 2, 1, 1, InferReduce},
    OperatorInfo{"Relu", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Reshape", 2, 2, 1, 1, InferReshape},
    OperatorInfo{"Resize", 1, 4, 1, 1, InferResize},
    OperatorInfo{"Shape", 1, 1, 0, 1, InferShapeOf},
    OperatorInfo{"Sigmoid", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Slice", 1, 5, 1, 1, InferSlice},
    OperatorInfo{"Softmax", 1, 1, 1, 1, InferSoftmax},
    OperatorInfo{"Softplus", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Split", 1, 2, 1, kManyInputs, InferSplit},
    OperatorInfo{"Sqrt", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Squeeze", 1, 2, 1, 1, InferSqueeze},
    OperatorInfo{"Sub", 2, 2, 2, 1, InferBroadcast},
    OperatorInfo{"Tanh", 1, 1, 1, 1, InferSame},
    OperatorInfo{"Transpose", 1, 1, 1, 1, InferTranspose},
    OperatorInfo{"Unsqueeze", 1, 2, 1, 1, InferUnsqueeze},
    OperatorInfo{"Upsample", 1, 2, 1, 1, InferResize},
    OperatorInfo{"Where", 3, 3, 3, 1, InferWhere},
};

// operator, attribute, type: of every operator set that is read. Some change nothing here: momentum
// and ratio belong to training, storage_order to Indices, cubic_coeff_a and the like to modes that
// are refused.
constexpr std::array kAttributes = {
    AttributeInfo{"AveragePool", "auto_pad", AttributeKind::kString},
    AttributeInfo{"AveragePool", "ceil_mode", AttributeKind::kInt},
    AttributeInfo{"AveragePool", "count_include_pad", AttributeKind::kInt},
    AttributeInfo{"AveragePool", "dilations", AttributeKind::kInts},
    AttributeInfo{"AveragePool", "kernel_shape", AttributeKind::kInts},
    AttributeInfo{"AveragePool", "pads", AttributeKind::kInts},
    AttributeInfo{"AveragePool", "strides", AttributeKind::kInts},
    AttributeInfo{"BatchNormalization", "epsilon", AttributeKind::kFloat},
    AttributeInfo{"BatchNormalization", "is_test", AttributeKind::kInt},
    AttributeInfo{"BatchNormalization", "momentum", AttributeKind::kFloat},
    AttributeInfo{"BatchNormalization", "spatial", AttributeKind::kInt},
    AttributeInfo{"BatchNormalization", "training_mode", AttributeKind::kInt},
    AttributeInfo{"Cast", "saturate", AttributeKind::kInt},
    AttributeInfo{"Cast", "to", AttributeKind::kInt},
    AttributeInfo{"Clip", "max", AttributeKind::kFloat},
    AttributeInfo{"Clip", "min", AttributeKind::kFloat},
    AttributeInfo{"Concat", "axis", AttributeKind::kInt},
    AttributeInfo{"ConstantOfShape", "value", AttributeKind::kTensor},
    AttributeInfo{"Conv", "auto_pad", AttributeKind::kString},
    AttributeInfo{"Conv", "dilations", AttributeKind::kInts},
    AttributeInfo{"Conv", "group", AttributeKind::kInt},
    AttributeInfo{"Conv", "kernel_shape", AttributeKind::kInts},
    AttributeInfo{"Conv", "pads", AttributeKind::kInts},
    AttributeInfo{"Conv", "strides", AttributeKind::kInts},
    AttributeInfo{"ConvTranspose", "auto_pad", AttributeKind::kString},
    AttributeInfo{"ConvTranspose", "dilations", AttributeKind::kInts},
    AttributeInfo{"ConvTranspose", "group", AttributeKind::kInt},
    AttributeInfo{"ConvTranspose", "kernel_shape", AttributeKind::kInts},
    AttributeInfo{"ConvTranspose", "output_padding", AttributeKind::kInts},
    AttributeInfo{"ConvTranspose", "output_shape", AttributeKind::kInts},
    AttributeInfo{"ConvTranspose", "pads", AttributeKind::kInts},
    AttributeInfo{"ConvTranspose", "strides", AttributeKind::kInts},
    AttributeInfo{"Dropout", "is_test", AttributeKind::kInt},
    AttributeInfo{"Dropout", "ratio", AttributeKind::kFloat},
    AttributeInfo{"Dropout", "seed", AttributeKind::kInt},
    AttributeInfo{"Elu", "alpha", AttributeKind::kFloat},
    AttributeInfo{"Flatten", "axis", AttributeKind::kInt},
    AttributeInfo{"Gather", "axis", AttributeKind::kInt},
    AttributeInfo{"Gemm", "alpha", AttributeKind::kFloat},
    AttributeInfo{"Gemm", "beta", AttributeKind::kFloat},
    AttributeInfo{"Gemm", "transA", AttributeKind::kInt},
    AttributeInfo{"Gemm", "transB", AttributeKind::kInt},
    AttributeInfo{"HardSigmoid", "alpha", AttributeKind::kFloat},
    AttributeInfo{"HardSigmoid", "beta", AttributeKind::kFloat},
    AttributeInfo{"LeakyRelu", "alpha", AttributeKind::kFloat},
    AttributeInfo{"MaxPool", "auto_pad", AttributeKind::kString},
    AttributeInfo{"MaxPool", "ceil_mode", AttributeKind::kInt},
    AttributeInfo{"MaxPool", "dilations", AttributeKind::kInts},
    AttributeInfo{"MaxPool", "kernel_shape", AttributeKind::kInts},
    AttributeInfo{"MaxPool", "pads", AttributeKind::kInts},
    AttributeInfo{"MaxPool", "storage_order", AttributeKind::kInt},
    AttributeInfo{"MaxPool", "strides", AttributeKind::kInts},
    AttributeInfo{"Pad", "mode", AttributeKind::kString},
    AttributeInfo{"Pad", "pads", AttributeKind::kInts},
    AttributeInfo{"Pad", "value", AttributeKind::kFloat},
    AttributeInfo{"ReduceMax", "axes", AttributeKind::kInts},
    AttributeInfo{"ReduceMax", "keepdims", AttributeKind::kInt},
    AttributeInfo{"ReduceMax", "noop_with_empty_axes", AttributeKind::kInt},
    AttributeInfo{"ReduceMean", "axes", AttributeKind::kInts},
    AttributeInfo{"ReduceMean", "keepdims", AttributeKind::kInt},
    AttributeInfo{"ReduceMean", "noop_with_empty_axes", AttributeKind::kInt},
    AttributeInfo{"ReduceMin", "axes", AttributeKind::kInts},
    AttributeInfo{"ReduceMin", "keepdims", AttributeKind::kInt},
    AttributeInfo{"ReduceMin", "noop_with_empty_axes", AttributeKind::kInt},
    AttributeInfo{"ReduceSum", "axes", AttributeKind::kInts},
    AttributeInfo{"ReduceSum", "keepdims", AttributeKind::kInt},
    AttributeInfo{"ReduceSum", "noop_with_empty_axes", AttributeKind::kInt},
    AttributeInfo{"Reshape", "allowzero", AttributeKind::kInt},
    AttributeInfo{"Resize", "antialias", AttributeKind::kInt},
    AttributeInfo{"Resize", "axes", AttributeKind::kInts},
    AttributeInfo{"Resize", "coordinate_transformation_mode", AttributeKind::kString},
    AttributeInfo{"Resize", "cubic_coeff_a", AttributeKind::kFloat},
    AttributeInfo{"Resize", "exclude_outside", AttributeKind::kInt},
    AttributeInfo{"Resize", "extrapolation_value", AttributeKind::kFloat},
    AttributeInfo{"Resize", "keep_aspect_ratio_policy", AttributeKind::kString},
    AttributeInfo{"Resize", "mode", AttributeKind::kString},
    AttributeInfo{"Resize", "nearest_mode", AttributeKind::kString},
    AttributeInfo{"Shape", "end", AttributeKind::kInt},
    AttributeInfo{"Shape", "start", AttributeKind::kInt},
    AttributeInfo{"Slice", "axes", AttributeKind::kInts},
    AttributeInfo{"Slice", "ends", AttributeKind::kInts},
    AttributeInfo{"Slice", "starts", AttributeKind::kInts},
    AttributeInfo{"Softmax", "axis", AttributeKind::kInt},
    AttributeInfo{"Split", "axis", AttributeKind::kInt},
    AttributeInfo{"Split", "num_outputs", AttributeKind::kInt},
    AttributeInfo{"Split", "split", AttributeKind::kInts},
    AttributeInfo{"Squeeze", "axes", AttributeKind::kInts},
    AttributeInfo{"Transpose", "perm", AttributeKind::kInts},
    AttributeInfo{"Unsqueeze", "axes", AttributeKind::kInts},
    AttributeInfo{"Upsample", "mode", AttributeKind::kString},
    AttributeInfo{"Upsample", "scales", AttributeKind::kFloats},
};

// Written by exporters of the first operator sets on almost any operator: nothing depends on it.
constexpr std::string_view kLegacyAttribute = "consumed_inputs";

constexpr std::string_view Name(AttributeKind kind) {
  constexpr std::string_view kNames[] = {"INT",    "FLOAT",   "STRING", "INTS",
                                         "FLOATS", "STRINGS", "TENSOR"};
  return kNames[static_cast<size_t>(kind)];
}

std::string KnownNames(std::string_view op_type) {
  std::string names;
  for (const AttributeInfo& info : kAttributes) {
    if (info.op_type == op_type) base::StrAppend(&names, names.empty() ? "" : ", ", info.name);
  }
  return names.empty() ? "none" : names;
}

constexpr bool Sorted() {
  for (size_t i = 1; i < kOperators.size(); ++i) {
    if (!(kOperators[i - 1].name < kOperators[i].name)) return false;
  }
  return true;
}
static_assert(Sorted(), "FindOperator searches by halves");

}  // namespace

const OperatorInfo* FindOperator(std::string_view op_type) {
  const auto it = std::lower_bound(
      kOperators.begin(), kOperators.end(), op_type,
      [](const OperatorInfo& info, std::string_view name) { return info.name < name; });
  return it != kOperators.end() && it->name == op_type ? &*it : nullptr;
}

absl::Status CheckAttributes(const Node& node) {
  for (const auto& [name, value] : node.attributes) {
    if (name == kLegacyAttribute) continue;
    const auto info = std::find_if(
        kAttributes.begin(), kAttributes.end(), [&node, attribute = &name](const auto& known) {
          return known.op_type == node.op_type && known.name == *attribute;
        });
    if (info == kAttributes.end()) {
      return UnsupportedNode(
          node,
          base::StrCat("attribute ", name, " is not known; known are: ", KnownNames(node.op_type)));
    }
    const auto kind = static_cast<AttributeKind>(value.index());
    if (kind != info->kind) {
      return BadNode(node, base::StrCat("attribute ", name, " is of type ", Name(kind), "; ",
                                        Name(info->kind), " is expected"));
    }
  }
  return absl::OkStatus();
}

absl::Span<const OperatorInfo> AllOperators() { return kOperators; }

bool IsKnownOperator(std::string_view op_type) { return FindOperator(op_type) != nullptr; }

}  // namespace lbw::graph

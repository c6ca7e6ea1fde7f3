#include "graph/operators.h"

#include <algorithm>
#include <array>

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

absl::Span<const OperatorInfo> AllOperators() { return kOperators; }

bool IsKnownOperator(std::string_view op_type) { return FindOperator(op_type) != nullptr; }

}  // namespace lbw::graph

// Shapes of convolutions, pooling, batch normalization and resizing.
#include <utility>

#include "base/strings.h"
#include "graph/operators.h"

namespace lbw::graph {
namespace {

absl::Status Set(const Operands& operands, ValueInfo& output, base::Shape shape) {
  if (!base::IsFloating(operands.dtype(0))) {
    return UnsupportedNode(*operands.node,
                           base::StrCat("an input of type ", base::Name(operands.dtype(0))));
  }
  output.dtype = operands.dtype(0);
  output.shape = std::move(shape);
  return absl::OkStatus();
}

}  // namespace

absl::Status InferConv(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(ConvParams params, ResolveConv(operands));
  return Set(operands, outputs[0], std::move(params.output));
}

absl::Status InferConvTranspose(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(ConvParams params, ResolveConvTranspose(operands));
  return Set(operands, outputs[0], std::move(params.output));
}

absl::Status InferBatchNormalization(const Operands& operands, std::vector<ValueInfo>& outputs) {
  const Node& node = *operands.node;
  if (node.Int("training_mode", 0) != 0) return UnsupportedNode(node, "training_mode=1");
  if (node.Int("spatial", 1) != 1) return UnsupportedNode(node, "spatial=0");
  const base::Shape& input = operands.shape(0);
  if (input.size() < 2) return BadNode(node, "the input has no channels");
  for (size_t i = 1; i < 5; ++i) {
    if (operands.shape(i) != base::Shape{input[1]}) {
      return BadNode(node, base::StrCat("input ", i, " must be [", input[1],
                                        "]: ", base::ShapeToString(operands.shape(i))));
    }
  }
  return Set(operands, outputs[0], input);
}

absl::Status InferPool(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(PoolParams params, ResolvePool(operands));
  return Set(operands, outputs[0], std::move(params.output));
}

absl::Status InferGlobalPool(const Operands& operands, std::vector<ValueInfo>& outputs) {
  base::Shape shape = operands.shape(0);
  if (shape.size() < 3) return BadNode(*operands.node, "the input has no spatial dimensions");
  for (size_t i = 2; i < shape.size(); ++i) {
    if (shape[i] < 1) return BadNode(*operands.node, "the input is empty");
    shape[i] = 1;
  }
  return Set(operands, outputs[0], std::move(shape));
}

absl::Status InferResize(const Operands& operands, std::vector<ValueInfo>& outputs) {
  LBW_ASSIGN_OR_RETURN(ResizeParams params, ResolveResize(operands));
  return Set(operands, outputs[0], std::move(params.output));
}

}  // namespace lbw::graph

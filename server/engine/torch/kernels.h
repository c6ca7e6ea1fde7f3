// What a node does to tensors of LibTorch, with its parameters resolved for given shapes. Internal
// to the room; free of torch's headers.
#ifndef LBW_ENGINE_TORCH_KERNELS_H_
#define LBW_ENGINE_TORCH_KERNELS_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/graph.h"
#include "graph/resolve.h"
#include "graph/rounding_points.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::engine {

// in[i]: the node's data input i, nullptr where it is left out. out: as many as the node has
// outputs, to be assigned. Throws what torch throws.
using KernelFunction = std::function<void(const at::Tensor* const* in, at::Tensor* out)>;

struct Kernel {
  KernelFunction run;
  // The same, overwriting in[0]: may be used where nothing else needs its storage. Often empty.
  KernelFunction run_in_place;
  // The outputs share no storage with the inputs.
  bool fresh = true;
};

// operands and outputs come from shape inference; they are not needed after the call. device:
// torch's word for where its index and weight tables live. Gradients flow through `run`.
// Errors: kInvalidArgument, UNSUPPORTED_OPERATOR, BAD_GRAPH.
absl::StatusOr<Kernel> MakeKernel(const graph::Operands& operands,
                                  const std::vector<graph::ValueInfo>& outputs,
                                  const std::string& device);

// A batch normalization over the statistics of its batch, which are mixed into the storage of in[3]
// and in[4]: running = (1 - momentum) * running + momentum * batch. The batch is divided by its
// biased variance, and the unbiased one (n - 1) is mixed in, as torch does; ONNX's training mode
// mixes in the biased one.
KernelFunction TrainingBatchNormalization(const graph::Node& node, double momentum);

// x -> scale * clamp(round(x / scale)), half to even, between the range's codes less its zero
// point: the rounding of CompileOptions::emulate. in[0]: f32. NaN stays NaN.
Kernel RoundKernel(const graph::ActivationRange& range);

// By family; nullopt for an operator of another one.
using MaybeKernel = absl::StatusOr<std::optional<Kernel>>;
MaybeKernel MakeMathKernel(const graph::Operands& operands);
MaybeKernel MakeWindowKernel(const graph::Operands& operands, const std::string& device);
MaybeKernel MakeMoveKernel(const graph::Operands& operands,
                           const std::vector<graph::ValueInfo>& outputs, const std::string& device);

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_KERNELS_H_

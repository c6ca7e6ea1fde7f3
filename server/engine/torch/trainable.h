// A graph whose constants are handed in with every run, so that gradients flow to them.
//
// Nothing is folded, no step overwrites its input, codes are refused: the caller gives values.
// Precision: with the graph's own constants the outputs of the torch executor within 1e-4; on the
//            CPU the same bits for the same inputs, values and thread count.
// Threads:   one run at a time, always from the same thread.
#ifndef LBW_ENGINE_TORCH_TRAINABLE_H_
#define LBW_ENGINE_TORCH_TRAINABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/graph.h"

namespace at {
class Tensor;
}  // namespace at

namespace lbw::engine {

struct TrainableConstant {
  enum class Kind : uint8_t {
    kWeight,  // of Conv, ConvTranspose, Gemm, MatMul: graph::FindWeights
    kBias,    // of those, also an Add behind a MatMul
    kGamma,   // of a batch normalization, also a PRelu's slope
    kBeta,
    kMean,  // running; written by runs with batch_norm training, no gradient
    kVariance,
  };
  std::string name;
  Kind kind = Kind::kWeight;
};

struct TrainableOptions {
  // f32 values of the graph with the batch in front; empty: the graph's outputs.
  std::vector<std::string> fetch;
  int64_t height = 0;
  int64_t width = 0;
  int threads = 1;
  std::string device = "cpu";  // of ResolveDevice
  // 0..1: running = (1 - momentum) * running + momentum * batch, of the variance the unbiased one
  // (n - 1), as torch has it; ONNX's training mode takes the biased one.
  double batch_norm_momentum = 0.1;
};

class Trainable {
 public:
  // graph and constants are copied as far as they are needed. Errors: those of
  // ExecutorFactory::Compile and ResolveDevice; kInvalidArgument, BAD_ARGUMENT - a constant is
  // codes, a fetched value is not f32.
  static absl::StatusOr<std::unique_ptr<Trainable>> Open(const graph::Graph& graph,
                                                         const graph::Constants& constants,
                                                         const TrainableOptions& options);
  virtual ~Trainable() = default;
  // f32 constants (narrower ones are widened) that a run needs and that may be trained, in graph
  // order, each once. Left out: what a node needs when it is compiled, and running values that are
  // read as anything else as well.
  virtual const std::vector<TrainableConstant>& constants() const = 0;
  // The graph's own value on the device, a copy. Errors: kInvalidArgument - not in constants().
  virtual absl::StatusOr<at::Tensor> Initial(const std::string& name) const = 0;

  enum class BatchNormRun : uint8_t { kFrozen, kTraining };
  // Names of constants() -> value; what is left out is the graph's own. Constants of the graph that
  // no fetched value needs may be among them.
  using Values = std::map<std::string, at::Tensor, std::less<>>;
  // pictures [N, C, H, W] f32 on the device. Answers the fetched values, on the device, f32 also
  // under autocast, with graphs where values ask for them and gradients are on. kTraining divides
  // by the batch's statistics and writes into the storage of `values`' kMean and kVariance (of the
  // graph's own where they are left out); a normalization whose running values are not among
  // constants() stays frozen. Errors: kInvalidArgument - shapes, types, devices, names; running
  // values that ask for gradients or are not contiguous; kTraining where a normalization has one
  // value a channel; kResourceExhausted; kInternal - names the node.
  virtual absl::StatusOr<std::vector<at::Tensor>> Run(const at::Tensor& pictures,
                                                      const Values& values,
                                                      BatchNormRun batch_norm) = 0;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TRAINABLE_H_

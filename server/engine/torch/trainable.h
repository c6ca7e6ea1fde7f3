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
  std::vector<std::string> fetch;  // f32 values of the graph
  int64_t height = 0;
  int64_t width = 0;
  int threads = 1;
  std::string device = "cpu";        // of ResolveDevice
  double batch_norm_momentum = 0.1;  // running = (1 - momentum) * running + momentum * batch
};

class Trainable {
 public:
  // graph and constants are copied as far as they are needed. Errors: those of
  // ExecutorFactory::Compile; kInvalidArgument, BAD_ARGUMENT - a constant is codes.
  static absl::StatusOr<std::unique_ptr<Trainable>> Open(const graph::Graph& graph,
                                                         const graph::Constants& constants,
                                                         const TrainableOptions& options);
  virtual ~Trainable() = default;
  // f32 constants that a run needs and that may be trained, in graph order, each once.
  virtual const std::vector<TrainableConstant>& constants() const = 0;
  // The graph's own value on the device, a copy.
  virtual absl::StatusOr<at::Tensor> Initial(const std::string& name) const = 0;

  enum class BatchNormRun : uint8_t { kFrozen, kTraining };
  // Names of constants() -> value; what is left out is the graph's own.
  using Values = std::map<std::string, at::Tensor, std::less<>>;
  // pictures [N, C, H, W] f32 on the device. Answers the fetched values, on the device, with graphs
  // where values ask for them and gradients are on. kTraining writes into the storage of `values`'
  // kMean and kVariance (of the graph's own where they are left out). Errors: kInvalidArgument -
  // shapes; kResourceExhausted; kInternal - names the node.
  virtual absl::StatusOr<std::vector<at::Tensor>> Run(const at::Tensor& pictures,
                                                      const Values& values,
                                                      BatchNormRun batch_norm) = 0;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_TRAINABLE_H_

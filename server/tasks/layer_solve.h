// One layer's codes from its sums, and the change of its bias put where it belongs.
//
// Bias: to the constant bias of every node that reads the weight, where nothing else reads it; else
//       to the running mean of the batch normalization that is the only reader of the only node;
//       else it is stored with the codes (QuantizedTensor::bias).
// Threads: pure; SolveLayer uses up to effort.max_threads, and asks effort.keep_going on the
//          caller's.
#ifndef LBW_TASKS_LAYER_SOLVE_H_
#define LBW_TASKS_LAYER_SOLVE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/tensor.h"
#include "graph/graph.h"
#include "quant/calibrate.h"
#include "quant/quantize.h"
#include "tasks/layer_walk.h"

namespace lbw::tasks {

struct LayerChoice {
  quant::TensorOptions tensor;  // with the weight's axis and groups
  quant::ScaleKind scale = quant::ScaleKind::kPowerOfTwo;
  double damping = 0.01;
  int sweeps = 3;
  bool keep_target = false;
};

// What was found; sums over the rows that are not dead.
struct LayerFigures {
  int64_t samples = 0;
  // gain * max|w| < 1e-12, the gain being that of what stands behind the layer (WalkLayer::gains).
  int64_t dead_rows = 0;
  double output_power = 0;   // of the float outputs about their means
  double nearest_error = 0;  // of nearest codes behind their own change of bias; an estimate where
                             // the layer is limited
  double error = 0;          // of the codes chosen
  // Why they are the nearest ones, and why the bias stays where its change is not finite; empty
  // where they were calibrated.
  std::string plain;
};

struct SolvedLayer {
  std::string weight;
  quant::QuantizedTensor tensor;   // bias empty
  std::vector<float> bias_change;  // [rows], before the node's own output scale; empty: none
  // LayerChoice::keep_target: what the codes aimed at, [elements] in the tensor's own order. Empty
  // where they were projected plainly.
  std::vector<float> target;
  LayerFigures figures;
};

struct SolveEffort {
  // NOLINTNEXTLINE(google-explicit-constructor): a number of threads is all that most say.
  SolveEffort(int threads, KeepGoing asked = {})
      : max_threads(threads), keep_going(std::move(asked)) {}
  int max_threads = 1;
  KeepGoing keep_going;  // between blocks of rows and of columns, or groups
};

// weights: the stored tensor, f32. sums: nullptr where there are none: plain, without a
// bias. Layers whose granularity is a tensor or whose scheme is not kExact are projected plainly;
// their bias is corrected all the same; so are limited layers. Errors: those of
// quant::QuantizeTensor; keep_going's.
absl::StatusOr<SolvedLayer> SolveLayer(const WalkLayer& layer, const base::Tensor& weights,
                                       const LayerSums* sums, const LayerChoice& choice,
                                       const SolveEffort& effort);

// Puts codes and bias into constants. Answers the names that were replaced, and where the bias went
// ("bias", "batch_norm", "stored", "").
struct Placed {
  std::vector<std::string> changed;
  std::string bias_in;
};
Placed PlaceLayer(const graph::Graph& graph, const WalkLayer& layer, const SolvedLayer& solved,
                  graph::Constants& constants);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_LAYER_SOLVE_H_

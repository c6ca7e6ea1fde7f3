// Constants that are trained as they are: every weight in float, and in any case biases, gammas and
// betas; batch norm's running values beside them.
//
// Threads: one.
#ifndef LBW_TRAIN_PLAIN_PARAMETERS_H_
#define LBW_TRAIN_PLAIN_PARAMETERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/torch/trainable.h"
#include "graph/graph.h"
#include "train/low_bit_layer.h"
#include "train/parameter.h"
#include "train/training_graph.h"

namespace lbw::train {

struct PlainChoice {
  bool weights = true;  // false: biases, gammas and betas alone
  // Name of a bias -> rows that are not trained.
  std::map<std::string, std::vector<uint8_t>> dead;
  // Biases of all other layers that lie beside codes and cannot be written back: not trained.
  std::vector<std::string> fixed;
};

// Beside layers on the grid, or in float where there are none: biases of dead rows, and biases that
// have no constant of the model to be written back to. constants: the model's.
PlainChoice ChoosePlain(const TrainingGraph& graph, const graph::Constants& constants,
                        const std::vector<LayerStart>& layers);

class PlainParameters {
 public:
  // network: borrowed; weights: graph::FindWeights of what it trains, for the rows of units.
  // Errors: those of Trainable::Initial; torch's.
  static absl::StatusOr<PlainParameters> Make(const engine::Trainable& network,
                                              const std::vector<graph::Weight>& weights,
                                              const PlainChoice& choice);
  PlainParameters(PlainParameters&&) noexcept;
  ~PlainParameters();

  // Leaves with requires_grad, and running values, for a run.
  void AddTo(engine::Trainable::Values& values) const;
  // The leaves' gradients to the parameters'. Throws what torch throws.
  void TakeGradients();
  const std::vector<Parameter>& parameters() const { return parameters_; }
  // Running means and variances, by name: handles.
  const std::map<std::string, at::Tensor>& running() const { return running_; }
  std::map<std::string, at::Tensor>& running() { return running_; }

 private:
  PlainParameters();
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> masks_;  // beside parameters_; undefined: all rows
  std::map<std::string, at::Tensor> running_;
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_PLAIN_PARAMETERS_H_

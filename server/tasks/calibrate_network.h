// A whole network calibrated: every layer's codes, in the order in which it is run, from what the
// layers before it have become.
//
// Precision: the same bits for every number of threads; a run that goes on from layers that were
//            solved before ends in the bits of an undisturbed one.
#ifndef LBW_TASKS_CALIBRATE_NETWORK_H_
#define LBW_TASKS_CALIBRATE_NETWORK_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "tasks/layer_solve.h"
#include "tasks/layer_walk.h"

namespace lbw::tasks {

// One a layer of the walk; nullopt: stays float.
using LayerChoices = std::vector<std::optional<LayerChoice>>;

struct CalibratedNetwork {
  graph::Constants constants;
  std::vector<SolvedLayer> solved;   // of the layers that have a choice, in order
  std::vector<std::string> bias_in;  // beside solved
  double output_error = 0;           // LayerWalk::OutputError
  double solve_seconds = 0;
  WalkSeconds walk_seconds;
};

struct CalibrateSteps {
  KeepGoing keep_going;  // asked within a layer
  // A layer is solved; the list holds all so far.
  std::function<absl::Status(const std::vector<SolvedLayer>&)> solved;
};

// walk stands in front of its first layer. before: layers that were solved by an earlier attempt.
// Errors: those of SolveLayer, LayerWalk and steps; kDataLoss - `before` does not fit.
absl::StatusOr<CalibratedNetwork> CalibrateNetwork(LayerWalk& walk, const model::Model& model,
                                                   const LayerChoices& choices,
                                                   std::vector<SolvedLayer> before, int threads,
                                                   const CalibrateSteps& steps);

// Choices from rules: what PlanQuantization says of every weight. scale: of layers with 2 bits; all
// others have powers of two. Errors: those of PlanQuantization.
struct ChoiceOptions {
  model::QuantizeOptions quantize;
  quant::ScaleKind scale = quant::ScaleKind::kPowerOfTwo;
  double damping = 0.01;
  int sweeps = 3;
};
absl::StatusOr<LayerChoices> ChooseLayers(const model::Model& model,
                                          const std::vector<WalkLayer>& layers,
                                          const ChoiceOptions& options);

// Values whose errors count: the logits of the head's roles, or what the roles read.
std::vector<std::string> HeadValues(const model::Model& model);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CALIBRATE_NETWORK_H_

// Which width each layer gets: what a layer alone does to the network's outputs at every width, and
// the plans that follow from it.
//
// Math:    E_l(b), the relative squared error of the head's values where layer l alone has b bits,
//          is measured at one width b0 on a few pictures; at the others E_l(b) = E_l(b0) *
//          n_l(b) / n_l(b0), n_l(b) = the layer's own output error over its output power. Errors of
//          layers add up to first order; the plan is quant/width_plan.h's. Source: ours.
// Threads: one; uses up to the walk's threads.
#ifndef LBW_TASKS_WIDTH_SEARCH_H_
#define LBW_TASKS_WIDTH_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quant/width_plan.h"
#include "tasks/calibrate_network.h"
#include "tasks/json.h"

namespace lbw::tasks {

// A layer whose width is chosen.
struct FreeLayer {
  size_t index = 0;  // in the walk
  std::string name;
  int rule_index = -1;                     // of the caller's rules
  std::vector<quant::WidthChoice> widths;  // rising bits
};

// Layers that are quantized and whose rule names no bits. bytes are filled in, errors are 0.
absl::StatusOr<std::vector<FreeLayer>> FindFreeLayers(const model::Model& model,
                                                      const std::vector<WalkLayer>& layers,
                                                      const ChoiceOptions& options,
                                                      const std::vector<int>& bits);

// Fills in the errors of layers[steps.before] and the following. walk stands in front of its first
// layer and is used up.
struct SensitivitySteps {
  int threads = 1;
  size_t before = 0;                                // layers whose errors are known
  KeepGoing keep_going;                             // asked within a layer
  std::function<absl::Status(size_t done)> solved;  // so many layers have their errors
};
absl::Status MeasureSensitivity(LayerWalk& walk, const model::Model& model,
                                const ChoiceOptions& options, const SensitivitySteps& steps,
                                std::vector<FreeLayer>& layers);

// options.quantize with one width for each free layer, as rules with their names in front of the
// others. bits: beside layers.
ChoiceOptions WithWidths(const ChoiceOptions& options, const std::vector<FreeLayer>& layers,
                         const std::vector<int>& bits);

// As quant/width_plan.h wants them.
std::vector<quant::WidthLayer> PlanLayers(const std::vector<FreeLayer>& layers);

// For checkpoints: {"name", "widths": [{"bits", "bytes", "error"}]}, the reader's errors being
// kInvalidArgument, BAD_FILE.
Json ToJson(const std::vector<FreeLayer>& layers);
absl::Status ReadErrors(const Json& json, std::vector<FreeLayer>& layers);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_WIDTH_SEARCH_H_

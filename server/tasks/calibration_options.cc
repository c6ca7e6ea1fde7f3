#include "tasks/calibration_options.h"

#include <utility>

namespace lbw::tasks {

ChoiceOptions ChoicesOf(const model::QuantizeOptions& options, const CalibrationAsked& asked) {
  ChoiceOptions choices;
  choices.quantize = options;
  choices.scale = asked.scale;
  choices.damping = asked.damping;
  choices.sweeps = asked.sweeps;
  return choices;
}

WalkOptions WalkOptionsOf(const CalibrationAsked& asked, int threads, std::string scratch_folder,
                          WalkFor purpose) {
  WalkOptions options;
  options.threads = threads;
  options.seed = asked.seed;
  options.positions = asked.positions;
  options.scratch_folder = std::move(scratch_folder);
  if (purpose == WalkFor::kMeans) options.max_layer_bytes = 0;
  return options;
}

}  // namespace lbw::tasks

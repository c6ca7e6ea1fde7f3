// What a calibrated quantization has reached, and its checkpoint.
//
// Checkpoint: one packed safetensors blob: "layer.N" the codes of the N-th solved layer, "bias.N"
//             F32 its change of bias, "run.N.*" (evaluate_state.h) what the N-th network that is
//             measured found; metadata lbw.checkpoint "2", lbw.state JSON: the digest of spec and
//             inputs, where it was written, what finished stages found, the stage's key, the
//             layers' figures, the runs' names and pictures.
// Precision:  what is written is read back bit for bit.
#ifndef LBW_TASKS_QUANTIZE_STATE_H_
#define LBW_TASKS_QUANTIZE_STATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "tasks/json.h"
#include "tasks/layer_solve.h"
#include "tasks/quantize_measure.h"
#include "tasks/quantize_pace.h"

namespace lbw::tasks {

struct QuantizeState {
  Steps steps;
  // Where it was reached; filled in by whoever writes it.
  std::string isa;
  int64_t threads = 0;
  // By the key of a stage: what it found.
  Json finished = Json::object();
  // The calibration in work, and its layers so far.
  std::string calibration;
  std::vector<SolvedLayer> solved;
  // Networks whose figures are still to come, the float one while any are.
  std::map<std::string, PartialRun> runs;
};

// origin: of the spec and the inputs.
absl::Status WriteQuantizeState(const QuantizeState& state, std::string_view origin,
                                base::ByteSink& sink);
// Errors: kInvalidArgument, BAD_FILE - no such file; kFailedPrecondition - of another origin.
absl::StatusOr<QuantizeState> ReadQuantizeState(const base::RandomAccessReader& reader,
                                                std::string_view origin);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_STATE_H_

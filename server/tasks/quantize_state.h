// What a calibrated quantization has reached, and its checkpoint.
//
// Checkpoint: one packed safetensors blob: "layer.N" the codes of the N-th solved layer, "bias.N"
//             F32 its change of bias; metadata lbw.checkpoint "1", lbw.state JSON: the digest of
//             spec and inputs, what finished stages found, the stage's key, the layers' figures.
// Precision:  what is written is read back bit for bit.
#ifndef LBW_TASKS_QUANTIZE_STATE_H_
#define LBW_TASKS_QUANTIZE_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "tasks/json.h"
#include "tasks/layer_solve.h"

namespace lbw::tasks {

struct QuantizeState {
  int64_t step = 0;  // layers that were solved, over all stages
  // By the key of a stage: what it found.
  Json finished = Json::object();
  // The calibration in work, and its layers so far.
  std::string calibration;
  std::vector<SolvedLayer> solved;
};

// origin: of the spec and the inputs.
absl::Status WriteQuantizeState(const QuantizeState& state, std::string_view origin,
                                base::ByteSink& sink);
// Errors: kInvalidArgument, BAD_FILE - no such file; kFailedPrecondition - of another origin.
absl::StatusOr<QuantizeState> ReadQuantizeState(const base::RandomAccessReader& reader,
                                                std::string_view origin);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_STATE_H_

// What an evaluation has found so far, and its checkpoint. Private to the room.
//
// Checkpoint: one safetensors blob. Metadata lbw.checkpoint "1", lbw.kind, lbw.step, lbw.epoch,
//             lbw.position, lbw.spec_sha256, lbw.inputs_sha256, lbw.threads, lbw.isa. Tensors
//             state.boxes F32 [n, 4], state.scores F32 [n], state.classes I32 [n],
//             state.pictures I32 [n]; state.against_* the same of the other version;
//             state.judged_pictures, state.labels, state.predicted, state.ranks,
//             state.against_predicted I32 [m] of classifiers; state.failed I32 [k];
//             state.timings F64 [4], milliseconds; state.timed I32 [1], pictures.
// Same bits:  a state that was written and read is equal to what it was. A run that goes on from it
//             cuts the pictures into the same batches.
// Threads:    values and pure functions.
#ifndef LBW_TASKS_EVALUATE_STATE_H_
#define LBW_TASKS_EVALUATE_STATE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "eval/boxes.h"
#include "eval/classification.h"

namespace lbw::tasks {

// Sums of milliseconds over pictures.
struct TimingSums {
  enum Stage : uint8_t { kDecode, kPreprocess, kCompute, kPostprocess };
  std::array<double, 4> ms = {0, 0, 0, 0};
  int32_t pictures = 0;
  bool operator==(const TimingSums&) const = default;
};

// A picture is named by its place among those evaluated.
struct EvaluateState {
  int64_t position = 0;  // pictures that are done, from the first on
  // Detection: in the order of the pictures, best first within one; classes are the dataset's.
  std::vector<eval::FoundBox> found;
  std::vector<eval::FoundBox> against_found;
  // Classification: one entry a picture that was judged; classes are the model's.
  std::vector<int32_t> judged_pictures;
  std::vector<eval::JudgedPicture> judged;
  std::vector<int32_t> against_predicted;  // as judged, or empty; -1: a class of its own
  std::vector<int32_t> failed;             // rising
  TimingSums timings;
};

// What a state belongs to, and where it was made.
struct CheckpointKey {
  std::string spec_sha256;
  std::string inputs_sha256;
  int threads = 1;
  std::string isa;
};

absl::Status WriteCheckpoint(const EvaluateState& state, const CheckpointKey& key,
                             base::ByteSink& sink);

struct ReadState {
  EvaluateState state;
  CheckpointKey key;  // as it was written
};
// Errors: kInvalidArgument, BAD_FILE - no checkpoint of an evaluation, another layout, numbers that
// contradict each other; the reader's.
absl::StatusOr<ReadState> ReadCheckpoint(const base::RandomAccessReader& reader);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_EVALUATE_STATE_H_

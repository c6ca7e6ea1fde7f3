// What an evaluation has found so far, and its checkpoint.
//
// Checkpoint: one safetensors blob: state.<run>.{boxes F32 [n, 4], scores F32, classes I32,
// pictures
//             I32}, state.<run>.{labels, ranks, predicted} I32 for classifiers, run = main |
//             against; state.failed I32 (pictures), state.seconds F64 [4]; metadata lbw.checkpoint
//             "1", step (pictures that are done), epoch, position, spec (SHA-256), threads, isa.
// Precision:  what is written is read back bit for bit.
#ifndef LBW_TASKS_EVALUATE_STATE_H_
#define LBW_TASKS_EVALUATE_STATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "base/tensor.h"
#include "eval/boxes.h"
#include "eval/classification.h"
#include "tasks/predict.h"

namespace lbw::tasks {

// Of one version. Picture indices are those of the split, from 0.
struct RunState {
  std::vector<eval::FoundBox> found;
  std::vector<eval::JudgedPicture> judged;  // classifiers, pictures that did not fail
  std::vector<int32_t> judged_pictures;     // their indices
};

struct EvaluateState {
  int64_t done = 0;  // pictures
  RunState main;
  RunState against;
  std::vector<int32_t> failed;  // pictures
  StageSeconds seconds;         // of the main run
};

struct CheckpointHeader {
  std::string spec_sha256;  // of the spec and of the digests that its names stood for
  int64_t threads = 0;
  std::string isa;
};

absl::Status WriteState(const EvaluateState& state, const CheckpointHeader& header,
                        base::ByteSink& sink);
// Errors: kInvalidArgument, BAD_FILE - not such a file, or lists that do not fit each other;
// kFailedPrecondition - of another spec.
absl::StatusOr<EvaluateState> ReadState(const base::RandomAccessReader& reader,
                                        std::string_view spec_sha256);
// Where it was written. Errors: kInvalidArgument, BAD_FILE.
absl::StatusOr<CheckpointHeader> ReadHeader(const base::RandomAccessReader& reader);

// One run as tensors "<prefix>boxes", ..., and back. read: a tensor by its name, of whatever type.
// Errors: read's; kInvalidArgument, BAD_FILE - lists that do not fit each other, or a picture that
// is not among the first `done`.
void AddRun(const std::string& prefix, const RunState& run,
            std::map<std::string, base::Tensor>& tensors);
using ReadTensor = std::function<absl::StatusOr<base::Tensor>(const std::string& name)>;
absl::StatusOr<RunState> ReadRun(const std::string& prefix, int64_t done, const ReadTensor& read);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_EVALUATE_STATE_H_

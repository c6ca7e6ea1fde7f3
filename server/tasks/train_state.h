// What a training has reached, and its checkpoint: a bundle of the model as it is, which can be
// served, with the run beside it (model::BundleExtra).
//
// Checkpoint: tensors "lbw.train/": those of train::Trainer::State ("param.*", "unit.*", "ema.*",
//             "opt.*", "layer.*", "buffer.*"), and "start.NAME", the codes that training began
//             with; metadata lbw.checkpoint "1", lbw.state JSON: the digest of spec and inputs,
//             where it was written, the step, what the report knows so far.
// Precision:  what is written is read back bit for bit.
#ifndef LBW_TASKS_TRAIN_STATE_H_
#define LBW_TASKS_TRAIN_STATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "model/model.h"
#include "quant/quantize.h"
#include "tasks/json.h"
#include "tasks/quantize_pace.h"
#include "train/named_tensors.h"

namespace lbw::tasks {

struct TrainState {
  int64_t step = 0;  // of training
  Steps steps;       // of the job
  std::string isa;   // where it was reached
  int64_t threads = 0;
  std::string device;
  bool bit_exact = true;
  train::NamedTensors trainer;
  std::map<std::string, quant::QuantizedTensor> starts;  // by weight
  // "history": of lbw.v1.EpochReport; "sums": of the epoch in work; values, seconds, notes.
  Json told = Json::object();
};

// model: what is served of the checkpoint. origin: of the spec and the inputs.
absl::Status WriteTrainState(const TrainState& state, const model::Model& model,
                             std::string_view origin, base::ByteSink& sink);
struct TrainCheckpoint {
  model::Model model;
  TrainState state;
};
// Errors: kInvalidArgument, BAD_FILE - no such file; kFailedPrecondition - of another origin.
absl::StatusOr<TrainCheckpoint> ReadTrainState(const base::RandomAccessReader& reader,
                                               std::string_view origin);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_TRAIN_STATE_H_

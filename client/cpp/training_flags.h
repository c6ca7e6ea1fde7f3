// What a person says on the command line of a training, and in its file -> TrainSpec and
// FineTuneSpec. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_TRAINING_FLAGS_H_
#define LBW_CLIENT_TRAINING_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/rules.h"
#include "lbw/v1/training.pb.h"

namespace lbw::client {

// Empty and unset: what the file says, else the server's default.
struct TrainingFlags {
  std::string spec_file = {};  // its path, for messages
  std::string spec_text = {};  // its content; empty: none
  std::string dataset = {};    // DATASET or FOLDER; not looked at here
  std::string split = {};
  std::string eval = {};  // DATASET[:SPLIT], :SPLIT or none
  std::optional<uint32_t> max_pictures = {};
  bool no_augment = false;
  std::optional<uint32_t> epochs = {};
  std::optional<uint32_t> batch = {};
  std::optional<uint32_t> steps = {};  // an epoch
  std::optional<uint64_t> seed = {};   // of the calibration too
  std::optional<uint32_t> threads = {};
  std::optional<uint32_t> loader_threads = {};
  std::string device = {};
  bool autocast = false;
  std::string batch_norm = {};  // "train", "frozen"
  bool reestimate_batch_norm = false;
  std::optional<double> ema = {};
  std::string optimizer = {};  // "adam", "sgd"
  std::optional<double> rate = {};
  std::optional<double> bias_rate = {};
  std::optional<double> scale_rate = {};
  std::optional<double> momentum = {};
  std::optional<double> weight_decay = {};
  std::optional<double> clip_norm = {};
  std::string schedule = {};  // "cosine", "constant" or "step:0.5,0.75"
  std::optional<uint32_t> warmup = {};
  std::string loss = {};  // labels=1,distill=0.5,focal,...
  std::optional<uint32_t> evaluate_every = {};
  std::optional<uint32_t> checkpoint_steps = {};
};

struct FineTuneFlags {
  std::string calibrate = {};  // DATASET or FOLDER; not looked at here
  std::string calibrate_split = {};
  std::optional<uint32_t> images = {};
  std::optional<uint32_t> positions = {};
  std::string scale = {};  // "pow2" or "real"
  bool from_projection = false;
  std::optional<uint32_t> exponent_every = {};
  std::optional<double> blend = {};
  std::optional<double> freeze_flips = {};
  std::optional<double> codes_until = {};
  std::vector<uint32_t> stages = {};
};

// Terms of the loss: labels, distill, box (box_weight), negatives, smoothing (label_smoothing),
// focal_alpha, focal_gamma, each =NUMBER; focal alone turns it on. Errors: kInvalidArgument,
// BAD_ARGUMENT - names the term and those known.
absl::Status ApplyLoss(std::string_view text, v1::TrainingOptions& options);

// The specs without the version; datasets that are names in the file stand in them. grid: bits 0
// where the file says them. Flags go before what the file says.
// Errors: kInvalidArgument - BAD_SPEC, those of ReadMessage; BAD_ARGUMENT, BAD_OPTIONS or BAD_NAME
// - a word or number that is none, named by its option. Ranges are the server's to judge.
absl::StatusOr<v1::TrainSpec> BuildTrainSpec(const TrainingFlags& flags);
absl::StatusOr<v1::FineTuneSpec> BuildFineTuneSpec(const TrainingFlags& flags,
                                                   const FineTuneFlags& codes,
                                                   const QuantizeFlags& grid);

}  // namespace lbw::client

#endif  // LBW_CLIENT_TRAINING_FLAGS_H_

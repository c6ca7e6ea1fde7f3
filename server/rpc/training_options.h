// What a caller asks of a training run (optimizer, schedule, loss, augmentation, codes), checked
// and filled in. Pure. Defaults and limits stand in one table each, in training_options.cc.
//
// path: where the message stands in the request ("spec.fine_tune.training"). Errors of every
// function: kInvalidArgument, BAD_ARGUMENT - a field that is out of range or that contradicts
// another; names the field, its value and its limits.
#ifndef LBW_RPC_TRAINING_OPTIONS_H_
#define LBW_RPC_TRAINING_OPTIONS_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lbw/v1/training.pb.h"

namespace lbw::rpc {

// Which of the defaults that proto/lbw/v1/training.proto lists: of training in float, on the grid,
// and at 2 bits with a real scale a row.
enum class TrainingColumn : uint8_t { kFloat, kGrid, kTernary };

struct TrainingDefaults {
  TrainingColumn column = TrainingColumn::kFloat;
  bool has_labels = true;  // the dataset
  int threads = 1;
};

// Every field set but step_at, which belongs to STEP. Also an error: labels and distill both 0.
absl::StatusOr<v1::TrainingOptions> FillInTraining(const v1::TrainingOptions& asked,
                                                   const TrainingDefaults& defaults,
                                                   std::string_view path);
absl::StatusOr<v1::Augmentation> FillInAugmentation(const v1::Augmentation& asked,
                                                    std::string_view path);
// bits: of the call; stages must be wider.
absl::StatusOr<v1::LowBitTrainingOptions> FillInLowBit(const v1::LowBitTrainingOptions& asked,
                                                       TrainingColumn column, uint32_t bits,
                                                       std::string_view path);

// "auto", "cpu", "cuda" or "cuda:N" with N below 1,024; the words alone, not what the machine has.
absl::Status CheckDeviceWord(std::string_view device, std::string_view field);

}  // namespace lbw::rpc

#endif  // LBW_RPC_TRAINING_OPTIONS_H_

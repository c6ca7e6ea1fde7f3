// What a layer on the grid remembers from step to step beside its values, and its tensors in a
// checkpoint: "exponents", "centres" (I16 [rows]), "levels" (I8 [rows, row_elements]), "progress"
// (I64: width, whether codes are fixed, the last step whose flips were counted).
//
// Threads: values.
#ifndef LBW_TRAIN_LAYER_STATE_H_
#define LBW_TRAIN_LAYER_STATE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "train/named_tensors.h"

namespace lbw::train {

struct LayerState {
  int bits = 0;                     // of the grid in force
  std::vector<int16_t> exponents;   // [rows]
  std::vector<int16_t> centres;     // [rows]: a search of exponents looks around these
  std::vector<int8_t> seen_levels;  // [rows * row_elements]: SignedLevels at the last TakeFacts
  bool fixed = false;
  int64_t counted = -1;
};

void PutState(const LayerState& state, NamedTensors& tensors);
// into: of the same layer, which gives the sizes. Errors: kDataLoss - a tensor is missing, of
// another shape, or out of range; into is as before.
absl::Status TakeState(const NamedTensors& tensors, LayerState& into);

}  // namespace lbw::train

#endif  // LBW_TRAIN_LAYER_STATE_H_

// What a layer's grid is in a step of the run.
//
// Math:    stages: n widths and the layer's own share the codes' part of the run, [0, CodesEnd), in
//          equal parts. Blend: the network reads share * q + (1 - share) * w, share = lambda / (1 +
//          lambda), lambda = blend_start * blend_growth^epoch; 1 where lambda is above 1e4 and in
//          the last tenth of the codes' part.
// Source:  P. Yin et al., "BinaryRelax", arXiv 1801.06313 (2018), section 3.
// Threads: pure.
#ifndef LBW_TRAIN_LAYER_PLAN_H_
#define LBW_TRAIN_LAYER_PLAN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "quant/quantize.h"
#include "train/options.h"
#include "train/projection.h"

namespace lbw::train {

// Errors: kInvalidArgument, BAD_OPTIONS - a stage below own_bits or above 6.
absl::Status CheckStages(const LowBitOptions& options, int own_bits);

int StageBits(const LowBitOptions& options, int own_bits, int64_t t, int64_t total);
// The grid of a stage of a layer with these codes. At 2 bits both books are one: its stages have
// the full one.
GridShape StageGrid(int bits, const quant::TensorOptions& codes);

// steps_an_epoch 0: the run is one epoch.
double BlendShare(const LowBitOptions& options, int64_t steps_an_epoch, int64_t t, int64_t total);

}  // namespace lbw::train

#endif  // LBW_TRAIN_LAYER_PLAN_H_

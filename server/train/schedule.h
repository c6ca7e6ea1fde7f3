// How long a step is, as a share of the full one.
//
// Threads: pure.
#ifndef LBW_TRAIN_SCHEDULE_H_
#define LBW_TRAIN_SCHEDULE_H_

#include <cstdint>

#include "train/options.h"

namespace lbw::train {

// Of step t = 0 .. total-1: min(1, (t + 1) / warmup_steps) times the schedule over [0, total).
// codes_until < 1: the schedule is taken over [0, T') and again over [T', total), the second with a
// third and without a warm-up; T' = CodesEnd.
double RateFactor(const OptimizerOptions& options, double codes_until, int64_t t, int64_t total);
// First step with fixed codes; total where there is none.
int64_t CodesEnd(double codes_until, int64_t total);
// The moving average's decay at step t: min(ema, (1 + t) / (10 + t)).
double EmaDecay(double ema, int64_t t);

}  // namespace lbw::train

#endif  // LBW_TRAIN_SCHEDULE_H_

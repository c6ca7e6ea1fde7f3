#include "train/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"

namespace lbw::train {
namespace {

constexpr double kPi = 3.14159265358979323846;
// Of the full step, once codes are fixed.
constexpr double kFixedShare = 1.0 / 3;

double ScheduleFactor(const OptimizerOptions& options, int64_t t, int64_t total) {
  const auto length = static_cast<double>(total);
  switch (options.schedule) {
    case Schedule::kConstant:
      return 1;
    case Schedule::kStep: {
      double factor = 1;
      for (const double at : options.step_at) {
        if (t >= std::llround(at * length)) factor *= options.step_gamma;
      }
      return factor;
    }
    case Schedule::kCosine:
      return (1 + std::cos(kPi * static_cast<double>(t) / length)) / 2;
  }
  return 1;
}

}  // namespace

int64_t CodesEnd(double codes_until, int64_t total) {
  if (codes_until >= 1) return total;
  const int64_t end = std::llround(codes_until * static_cast<double>(total));
  return std::clamp<int64_t>(end, std::min<int64_t>(1, total), total);
}

double RateFactor(const OptimizerOptions& options, double codes_until, int64_t t, int64_t total) {
  LBW_CHECK(0 <= t && t < total);
  const int64_t end = CodesEnd(codes_until, total);
  if (t >= end) return kFixedShare * ScheduleFactor(options, t - end, total - end);
  double warm = 1;
  if (t + 1 < options.warmup_steps) {
    warm = static_cast<double>(t + 1) / static_cast<double>(options.warmup_steps);
  }
  return warm * ScheduleFactor(options, t, end);
}

double EmaDecay(double ema, int64_t t) {
  return std::min(ema, static_cast<double>(1 + t) / static_cast<double>(10 + t));
}

}  // namespace lbw::train

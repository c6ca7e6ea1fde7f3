#include "quant/threshold.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/status.h"
#include "quant/grid.h"
#include "quant/wide_int.h"

namespace lbw::quant {
namespace {

constexpr int kMaxMagnitudes = 31;
constexpr int kZero = -1;

// |w| = significand * 2^(exponent - 23), the significand of 24 bits; 0 for a zero.
struct Split {
  int exponent = 0;
  uint32_t significand = 0;
};
Split SplitWeight(float weight) {
  const uint32_t bits = std::bit_cast<uint32_t>(weight) & 0x7fffffff;
  if (bits >= 0x00800000) {
    return {static_cast<int>(bits >> 23) - 127, (bits & 0x007fffff) | 0x00800000};
  }
  if (bits == 0) return {};
  const int top = std::bit_width(bits) - 1;
  return {top - 149, bits << (23 - top)};
}

// mu split once: |w| >= 2^-t mu is a comparison of exponents and, where these are equal, of
// significands. Nothing is rounded.
class Thresholds {
 public:
  Thresholds(int magnitudes, double mu) : last_(magnitudes - 1) {
    LBW_CHECK(magnitudes >= 2 && magnitudes <= kMaxMagnitudes && mu > 0 && std::isfinite(mu));
    const double fraction = std::frexp(mu, &mu_exponent_);
    mu_exponent_ -= 1;
    // A whole number reaches mu's significand where it reaches the next whole number above.
    mu_significand_ = static_cast<uint32_t>(std::ceil(std::ldexp(fraction, 24)));
    lower_times_3_ = std::ldexp(mu, 2 - magnitudes);
  }

  // t, or kZero. split = SplitWeight(weight).
  int IndexOf(float weight, const Split& split) const {
    if (split.significand == 0) return kZero;
    const int below = split.significand >= mu_significand_ ? 0 : 1;
    const int t = std::max(0, mu_exponent_ - split.exponent + below);
    if (t < last_) return t;
    // 3|w| is exact: 24 bits and two more.
    return 3 * std::fabs(static_cast<double>(weight)) >= lower_times_3_ ? last_ : kZero;
  }

 private:
  int last_;
  int mu_exponent_ = 0;
  uint32_t mu_significand_ = 0;
  double lower_times_3_ = 0;
};

// B in units of 2^-kUnit, and A in units of 4^-(n-1).
constexpr int kLeast = -149 - (kMaxMagnitudes - 1);  // of exponent - t
constexpr int kUnit = 23 - kLeast + 8;
constexpr size_t kSums = 127 - kLeast + 1;

struct PatternSums {
  std::array<uint64_t, kSums> by_exponent{};  // of significands, by exponent - t
  std::array<uint64_t, kMaxMagnitudes> count{};
};

// The largest s with 4B >= 3A * 2^s.
int ExponentOf(const PatternSums& sums, int magnitudes) {
  WideInt b_times_4;
  for (size_t i = 0; i < kSums; ++i) {
    if (sums.by_exponent[i] == 0) continue;
    b_times_4.AddShifted(sums.by_exponent[i], static_cast<int>(i) + kLeast - 23 + kUnit + 2);
  }
  const auto a_times_3_shifted = [&](int s) {
    WideInt a;
    for (int t = 0; t < magnitudes; ++t) {
      for (int times = 0; times < 3; ++times) {
        a.AddShifted(sums.count[static_cast<size_t>(t)], s - 2 * t + kUnit);
      }
    }
    return a;
  };
  if (b_times_4.BitWidth() == 0) return 0;
  // Bit widths give s to within one; the walk settles it.
  const int guess = b_times_4.BitWidth() - a_times_3_shifted(0).BitWidth() + 1;
  int s = std::clamp(guess, kMinExponent, kMaxExponent);
  while (s > kMinExponent && b_times_4 < a_times_3_shifted(s)) --s;
  return s;
}

}  // namespace

void ThresholdPattern(absl::Span<const float> weights, int bits, int magnitudes, double mu,
                      absl::Span<uint8_t> codes) {
  LBW_CHECK(codes.size() >= weights.size());
  const Thresholds thresholds(magnitudes, mu);
  for (size_t i = 0; i < weights.size(); ++i) {
    const int t = thresholds.IndexOf(weights[i], SplitWeight(weights[i]));
    const int sign = std::signbit(weights[i]) ? 1 << (bits - 1) : 0;
    codes[i] = static_cast<uint8_t>(t == kZero ? 0 : sign | (t + 1));
  }
}

int ThresholdExponent(absl::Span<const float> weights, int magnitudes, double mu) {
  const Thresholds thresholds(magnitudes, mu);
  PatternSums sums;
  for (const float weight : weights) {
    const Split split = SplitWeight(weight);
    const int t = thresholds.IndexOf(weight, split);
    if (t == kZero) continue;
    sums.by_exponent[static_cast<size_t>(split.exponent - t - kLeast)] += split.significand;
    sums.count[static_cast<size_t>(t)] += 1;
  }
  return ExponentOf(sums, magnitudes);
}

int ThresholdCodes(absl::Span<const float> weights, int bits, int magnitudes, double mu,
                   absl::Span<uint8_t> codes) {
  ThresholdPattern(weights, bits, magnitudes, mu, codes);
  return ThresholdExponent(weights, magnitudes, mu);
}

}  // namespace lbw::quant

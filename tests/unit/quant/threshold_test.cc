#include "quant/threshold.h"

#include <cmath>

#include "exact_oracle.h"
#include "gtest/gtest.h"
#include "quant/grid.h"
#include "quant/projection.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

// The formula as it is written, in long double; mu is a power of two or three halves of one, so
// nothing rounds but the third.
int NaiveIndex(float weight, int magnitudes, double mu) {
  const long double w = std::fabs(static_cast<long double>(weight));
  if (w >= mu) return 0;
  for (int t = 1; t <= magnitudes - 2; ++t) {
    if (std::ldexp(static_cast<long double>(mu), -t) <= w) return t;
  }
  return 3 * w >= std::ldexp(static_cast<long double>(mu), 2 - magnitudes) ? magnitudes - 1 : -1;
}

constexpr int kMagnitudes[] = {2, 3, 4, 7, 8, 15, 16, 31};
int BitsFor(int magnitudes) {
  for (int bits = 3; bits <= 6; ++bits) {
    if (magnitudes == MagnitudeCount(bits, CodeBook::kPaper) ||
        magnitudes == MagnitudeCount(bits, CodeBook::kFull)) {
      return bits;
    }
  }
  return 0;
}

TEST(ThresholdPattern, FollowsTheFormulaOnAndBesideEveryBoundary) {
  for (const int magnitudes : kMagnitudes) {
    const int bits = BitsFor(magnitudes);
    for (const double mu : {1.0, 0.75, 1.5, 0.1, 3e-39, 1e30}) {
      std::vector<float> weights = {0.0F, -0.0F};
      for (int t = -2; t <= magnitudes + 2; ++t) {
        for (const double factor : {1.0, 1.0 / 3, 2.0 / 3}) {
          const auto boundary = static_cast<float>(std::ldexp(mu * factor, -t));
          for (const float w :
               {boundary, std::nextafter(boundary, 0.0F), std::nextafter(boundary, 3e38F)}) {
            weights.push_back((t & 1) != 0 ? -w : w);
          }
        }
      }
      std::vector<uint8_t> codes(weights.size());
      ThresholdPattern(weights, bits, magnitudes, mu, absl::MakeSpan(codes));
      for (size_t i = 0; i < weights.size(); ++i) {
        const int t = weights[i] == 0 ? -1 : NaiveIndex(weights[i], magnitudes, mu);
        const int sign = std::signbit(weights[i]) ? 1 << (bits - 1) : 0;
        ASSERT_EQ(codes[i], t < 0 ? 0 : sign | (t + 1))
            << weights[i] << " n=" << magnitudes << " mu=" << mu;
      }
    }
  }
}

TEST(ThresholdExponent, IsTheFloorOfTheFormula) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const auto weights =
        testing::NormalWeights(1 + seed, seed, std::ldexp(1.0F, static_cast<int>(seed % 90) - 60));
    double max_abs = 0;
    for (const float w : weights) max_abs = std::max(max_abs, std::fabs(static_cast<double>(w)));
    for (const int magnitudes : kMagnitudes) {
      long double b = 0;
      long double a = 0;
      for (const float w : weights) {
        const int t = NaiveIndex(w, magnitudes, 0.75 * max_abs);
        if (t < 0) continue;
        b += std::ldexp(std::fabs(static_cast<long double>(w)), -t);
        a += std::ldexp(1.0L, -2 * t);
      }
      const long double exact = std::log2(4 * b / (3 * a));
      // A random tie within 1e-15 does not happen.
      EXPECT_EQ(ThresholdExponent(weights, magnitudes, 0.75 * max_abs),
                static_cast<int>(std::floor(exact)));
    }
  }
}

// B = 1.5, A = 1: 4B / 3A = 2 exactly, so that s = 0 and s = 1 are equally good: the formula takes
// the larger.
TEST(ThresholdExponent, TakesTheLargerOnAnExactTie) {
  EXPECT_EQ(ThresholdExponent({1.5F}, 2, 1.0), 1);
  EXPECT_EQ(ThresholdExponent({std::nextafter(1.5F, 1.0F)}, 2, 1.0), 0);
  EXPECT_EQ(ThresholdExponent({1.5F, 1.5F, -1.5F}, 31, 1.0), 1);
}

TEST(ThresholdExponent, StaysWithinItsBounds) {
  EXPECT_EQ(ThresholdExponent({}, 4, 1.0), 0);
  EXPECT_EQ(ThresholdExponent({0.01F, 0.0F}, 2, 1.0), 0);
  EXPECT_EQ(ThresholdExponent({3.4e38F, -3.4e38F}, 4, 2.5e38), kMaxExponent);
  EXPECT_EQ(ThresholdExponent({1e-45F}, 31, 0x1p-149), kMinExponent);
  EXPECT_EQ(ThresholdExponent({1e-45F, 3.4e38F}, 31, 0x1p-1000), kMaxExponent);
}

TEST(ThresholdCodes, NeverBeatTheExactOptimum) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    const auto weights = testing::NormalWeights(15, seed);
    for (const int magnitudes : kMagnitudes) {
      const int bits = BitsFor(magnitudes);
      std::vector<uint8_t> codes(weights.size());
      const int s = ThresholdCodes(weights, bits, magnitudes, 1.5, absl::MakeSpan(codes));
      double error = 0;
      for (size_t i = 0; i < weights.size(); ++i) {
        const double d =
            static_cast<double>(weights[i]) - static_cast<double>(DecodeValue(codes[i], bits, s));
        error += d * d;
      }
      const int best = oracle::BestExponent(weights, magnitudes);
      const double optimum = oracle::ToDouble(oracle::ErrorAt(weights, magnitudes, best), -298);
      EXPECT_GE(error, optimum * (1 - 1e-12));
    }
  }
}

}  // namespace
}  // namespace lbw::quant

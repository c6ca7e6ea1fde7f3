#include "quant/projection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "exact_oracle.h"
#include "gtest/gtest.h"
#include "quant/grid.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

constexpr int kAllMagnitudes[] = {1, 2, 3, 4, 7, 8, 15, 16, 31};

Histogram HistogramOf(absl::Span<const float> weights) {
  Histogram histogram;
  histogram.Add(weights);
  return histogram;
}

int ExponentOf(absl::Span<const float> weights, int magnitudes) {
  return ExactExponent(HistogramOf(weights), magnitudes);
}

std::vector<Histogram::Bin> BinsOf(const Histogram& histogram) {
  std::array<Histogram::Bin, Histogram::kAllBins> storage;
  const auto bins = histogram.Bins(storage);
  return {bins.begin(), bins.end()};
}

void ExpectSameBins(const Histogram& a, const Histogram& b) {
  const auto bins_a = BinsOf(a);
  const auto bins_b = BinsOf(b);
  ASSERT_EQ(bins_a.size(), bins_b.size());
  for (size_t i = 0; i < bins_a.size(); ++i) {
    EXPECT_EQ(bins_a[i].exponent, bins_b[i].exponent);
    EXPECT_EQ(bins_a[i].upper, bins_b[i].upper);
    EXPECT_EQ(bins_a[i].count, bins_b[i].count);
    EXPECT_EQ(bins_a[i].significand_sum, bins_b[i].significand_sum);
  }
  EXPECT_EQ(a.total(), b.total());
  EXPECT_EQ(a.max_abs(), b.max_abs());
}

// Every exponent of float32, every grid, exact integers: no tolerance anywhere.
TEST(ExactExponent, EqualsExactBruteForceOnHostileWeights) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    const auto weights = testing::HostileWeights(1 + seed % 9, seed);
    for (const int magnitudes : kAllMagnitudes) {
      const int s = ExponentOf(weights, magnitudes);
      const bool all_zero =
          std::all_of(weights.begin(), weights.end(), [](float w) { return w == 0; });
      const int expected = all_zero ? 0 : oracle::BestExponent(weights, magnitudes);
      EXPECT_EQ(s, expected) << "n=" << magnitudes;
    }
  }
}

TEST(ExactExponent, EqualsExactBruteForceOnNormalWeights) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    const float sigma = std::ldexp(1.0F, static_cast<int>(seed * 37 % 200) - 120);
    const auto weights = testing::NormalWeights(12, seed, sigma);
    for (const int magnitudes : kAllMagnitudes) {
      EXPECT_EQ(ExponentOf(weights, magnitudes), oracle::BestExponent(weights, magnitudes))
          << "n=" << magnitudes;
    }
  }
}

// 1.5 is as far from 1 as from 2.
TEST(ExactExponent, TakesTheSmallerOnAnExactTie) {
  EXPECT_EQ(ExponentOf({1.5F}, 1), 0);
  EXPECT_EQ(ExponentOf({1.5F, -1.5F, 0.0F}, 1), 0);
  EXPECT_EQ(ExponentOf({1.0F, 1.0F}, 31), 0);
}

// Beside 2^20 ties, one weight that is an ulp off decides, though the errors agree to 12 digits.
TEST(ExactExponent, SeesAnUlpAmongAMillionTies) {
  std::vector<float> weights(size_t{1} << 20, 1.5F);
  weights[12345] = std::nextafter(1.5F, 2.0F);
  EXPECT_EQ(ExponentOf(weights, 1), 1);
  weights[12345] = std::nextafter(1.5F, 1.0F);
  EXPECT_EQ(ExponentOf(weights, 1), 0);
}

TEST(ExactExponent, EmptyAndZerosGiveZero) {
  EXPECT_EQ(ExponentOf({}, 7), 0);
  EXPECT_EQ(ExponentOf({0.0F, -0.0F}, 7), 0);
}

TEST(ExactExponent, StaysWithinItsBounds) {
  const float largest = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  for (const int magnitudes : kAllMagnitudes) {
    EXPECT_EQ(ExponentOf({largest}, magnitudes), kMaxExponent);
    EXPECT_EQ(ExponentOf({-least}, magnitudes), kMinExponent);
    EXPECT_EQ(ExponentOf({1e-30F, -1e-30F}, magnitudes), -100);
    EXPECT_EQ(ExponentOf({1e-38F, 1e38F}, magnitudes),
              oracle::BestExponent({1e-38F, 1e38F}, magnitudes));
  }
}

// The formula of the paper for three values, by sorting.
TEST(ExactExponent, AgreesWithThePapersTernaryFormula) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::vector<float> weights = testing::NormalWeights(1 + seed * 7 % 400, seed, 0.05F);
    std::vector<double> sorted(weights.begin(), weights.end());
    for (double& w : sorted) w = std::fabs(w);
    std::sort(sorted.rbegin(), sorted.rend());
    double l1 = 0;
    double best = 0;
    for (size_t t = 1; t <= sorted.size(); ++t) {
      l1 += sorted[t - 1];
      const double count = static_cast<double>(t);
      const double scale = std::exp2(std::floor(std::log2(4 * l1 / (3 * count))));
      best = std::min(best, -2 * scale * l1 + scale * scale * count);
    }
    double sum_w2 = 0;
    for (const double w : sorted) sum_w2 += w * w;
    const Histogram histogram = HistogramOf(weights);
    const double error = ProjectionError(histogram, sum_w2, 1, ExactExponent(histogram, 1));
    EXPECT_NEAR(error, sum_w2 + best, 1e-12 * sum_w2);
  }
}

TEST(ProjectionError, IsWithinItsBoundOfTheExactError) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    const auto weights = testing::NormalWeights(20, seed);
    double sum_w2 = 0;
    for (const float w : weights) sum_w2 += static_cast<double>(w) * static_cast<double>(w);
    const Histogram histogram = HistogramOf(weights);
    for (const int magnitudes : kAllMagnitudes) {
      for (int s = -12; s <= 4; ++s) {
        const double exact = oracle::ToDouble(oracle::ErrorAt(weights, magnitudes, s), -298);
        EXPECT_NEAR(ProjectionError(histogram, sum_w2, magnitudes, s), exact, 1e-12 * sum_w2);
      }
    }
  }
}

// Counts and sums against a map, for lengths around the sizes where the code changes its way.
TEST(Histogram, CountsAndSumsExactly) {
  for (const size_t length : {1, 2, 9, 1023, 1024, 1025, 65535, 65536, 65537, 200001}) {
    SCOPED_TRACE(length);
    auto weights = testing::NormalWeights(length, length);
    weights[length / 2] = 1e-40F;
    weights[length / 3] = -0.0F;
    std::map<std::pair<int, bool>, std::pair<uint64_t, uint64_t>> expected;
    for (const float w : weights) {
      if (w == 0) continue;
      int exponent = 0;
      const double fraction = std::frexp(std::fabs(static_cast<double>(w)), &exponent);
      auto& [count, sum] = expected[{exponent - 1, fraction >= 0.75}];
      count += 1;
      sum += static_cast<uint64_t>(std::ldexp(fraction, 24));
    }
    const auto bins = BinsOf(HistogramOf(weights));
    ASSERT_EQ(bins.size(), expected.size());
    size_t i = 0;
    for (const auto& [key, value] : expected) {
      EXPECT_EQ(bins[i].exponent, key.first);
      EXPECT_EQ(bins[i].upper, key.second);
      EXPECT_EQ(bins[i].count, value.first);
      EXPECT_EQ(bins[i].significand_sum, value.second);
      ++i;
    }
  }
}

TEST(Histogram, DoesNotDependOnOrderOrChunks) {
  auto weights = testing::NormalWeights(5000, 11);
  for (size_t i = 0; i < 300; ++i) weights[i] = std::ldexp(weights[i], -140);
  const Histogram whole = HistogramOf(weights);
  std::mt19937_64 random(5);
  std::shuffle(weights.begin(), weights.end(), random);
  Histogram merged = HistogramOf(absl::MakeConstSpan(weights).subspan(0, 17));
  Histogram rest;
  for (size_t i = 17; i < weights.size(); i += 901)
    rest.Add(absl::MakeConstSpan(weights).subspan(i, 901));
  merged.Merge(rest);
  ExpectSameBins(whole, merged);
}

TEST(Histogram, ClearLeavesNothingBehind) {
  Histogram histogram = HistogramOf(testing::HostileWeights(5000, 3));
  histogram.Clear();
  EXPECT_TRUE(BinsOf(histogram).empty());
  const auto weights = testing::NormalWeights(9, 4);
  histogram.Add(weights);
  ExpectSameBins(histogram, HistogramOf(weights));
}

// Against the definition: the nearest of all grid values, the larger magnitude on a tie.
TEST(NearestCodes, EqualsTheDefinition) {
  std::vector<float> weights = {0.0F, -0.0F, std::numeric_limits<float>::max(),
                                std::numeric_limits<float>::denorm_min()};
  for (int exponent = -149; exponent <= 127; ++exponent) {
    for (const float mantissa : {1.0F, 1.25F, 1.5F, 1.75F}) {
      const float w = std::ldexp(mantissa, exponent);
      for (const float v : {w, std::nextafter(w, 0.0F), -w}) {
        if (std::isfinite(v)) weights.push_back(v);
      }
    }
  }
  std::vector<uint8_t> codes(weights.size());
  for (const int s : {-149, -148, -140, -130, -126, -120, -101, -1, 0, 1, 90, 127}) {
    for (int bits = 2; bits <= 6; ++bits) {
      const int magnitudes = MagnitudeCount(bits, CodeBook::kFull);
      NearestCodes(weights, bits, magnitudes, s, absl::MakeSpan(codes));
      for (size_t i = 0; i < weights.size(); ++i) {
        const double magnitude = std::fabs(static_cast<double>(weights[i]));
        int best_m = 0;
        double best = magnitude;
        for (int m = magnitudes; m >= 1; --m) {
          const double distance = std::fabs(magnitude - std::ldexp(1.0, s - m + 1));
          if (distance > best) continue;
          best = distance;
          best_m = m;
        }
        const int sign = std::signbit(weights[i]) && best_m > 0 ? 1 << (bits - 1) : 0;
        if (magnitude == 0) best_m = 0;
        ASSERT_EQ(codes[i], best_m == 0 ? 0 : sign | best_m)
            << weights[i] << " s=" << s << " bits=" << bits;
      }
    }
  }
}

TEST(FirstNonFinite, FindsTheFirst) {
  EXPECT_EQ(FirstNonFinite({}), -1);
  std::vector<float> weights(100, 3e38F);
  EXPECT_EQ(FirstNonFinite(weights), -1);
  weights[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(FirstNonFinite(weights), 77);
  weights[5] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(FirstNonFinite(weights), 5);
}

}  // namespace
}  // namespace lbw::quant

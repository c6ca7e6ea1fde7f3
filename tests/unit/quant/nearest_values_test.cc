#include "quant/nearest_values.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "quant/grid.h"
#include "quant/projection.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

std::vector<uint32_t> Bits(absl::Span<const float> values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

std::vector<float> ThroughCodes(absl::Span<const float> weights, int bits, CodeBook book,
                                int exponent) {
  std::vector<uint8_t> codes(weights.size());
  NearestCodes(weights, bits, MagnitudeCount(bits, book), exponent, absl::MakeSpan(codes));
  std::vector<float> values;
  for (const uint8_t code : codes) values.push_back(DecodeValue(code, bits, exponent));
  return values;
}

void ExpectTheSame(absl::Span<const float> weights, int exponent) {
  for (int bits = kMinBits; bits <= kMaxBits; ++bits) {
    for (const CodeBook book : {CodeBook::kPaper, CodeBook::kFull}) {
      std::vector<float> values(weights.size(), -7.0F);
      NearestValues(weights, MagnitudeCount(bits, book), exponent, absl::MakeSpan(values));
      ASSERT_EQ(Bits(values), Bits(ThroughCodes(weights, bits, book, exponent)))
          << "bits " << bits << " book " << Name(book) << " exponent " << exponent;
    }
  }
}

TEST(NearestValues, AreThoseOfTheCodesWhateverTheWeights) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::vector<float> weights = testing::HostileWeights(1 + random() % 61, seed);
    ExpectTheSame(weights, static_cast<int>(random() % 277) - 149);
    Histogram histogram;
    histogram.Add(weights);
    ExpectTheSame(weights, ExactExponent(histogram, 7));
  }
}

// Both ends of float32, and the exponents from which on the bits alone no longer tell.
TEST(NearestValues, AreThoseOfTheCodesAtEveryExponent) {
  std::vector<float> weights = {0.0F,
                                -0.0F,
                                std::numeric_limits<float>::max(),
                                -std::numeric_limits<float>::max(),
                                std::numeric_limits<float>::denorm_min(),
                                -std::numeric_limits<float>::denorm_min(),
                                std::numeric_limits<float>::min()};
  for (int k = -149; k <= 127; ++k) {
    for (const float factor : {1.0F, 1.5F}) {
      const float at = factor * PowerOfTwo(k);
      for (const float w : {std::nextafter(at, 0.0F), at, std::nextafter(at, 3e38F)}) {
        if (std::isfinite(w)) weights.insert(weights.end(), {w, -w});
      }
    }
  }
  for (int exponent = kMinExponent; exponent <= kMaxExponent; ++exponent) {
    ExpectTheSame(weights, exponent);
  }
}

TEST(NearestValues, WorkInPlaceAndTouchNothingBeside) {
  for (size_t count = 0; count <= 19; ++count) {
    std::vector<float> weights = testing::NormalWeights(count, 5 + count);
    const std::vector<float> expected = ThroughCodes(weights, 4, CodeBook::kFull, 1);
    weights.push_back(42.0F);
    NearestValues(absl::MakeConstSpan(weights.data(), count), 7, 1,
                  absl::MakeSpan(weights.data(), count));
    EXPECT_EQ(weights.back(), 42.0F);
    weights.pop_back();
    EXPECT_EQ(Bits(weights), Bits(expected));
  }
}

TEST(TernaryValues, AreSignTimesValueFromTheThresholdOn) {
  const float below = std::nextafter(0.25F, 0.0F);
  std::vector<float> weights = {0.0F,  -0.0F, below,  -below,  0.25F, -0.25F,
                                9e30F, -1e9F, 1e-40F, -1e-40F, 0.3F};
  std::vector<float> values(weights.size());
  TernaryValues(weights, {.threshold = 0.25F, .value = 0.7F}, absl::MakeSpan(values));
  EXPECT_EQ(Bits(values),
            Bits({0.0F, 0.0F, 0.0F, 0.0F, 0.7F, -0.7F, 0.7F, -0.7F, 0.0F, 0.0F, 0.7F}));
}

TEST(ExactExponentOfRange, IsTheBestOfItsRange) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<float> weights = testing::NormalWeights(40, seed, 0.3F);
    Histogram histogram;
    histogram.Add(weights);
    std::array<Histogram::Bin, Histogram::kAllBins> storage;
    const absl::Span<const Histogram::Bin> bins = histogram.Bins(storage);
    double sum_w2 = 0;
    for (const float w : weights) sum_w2 += static_cast<double>(w) * static_cast<double>(w);
    for (const int magnitudes : {1, 3, 7}) {
      for (int first = -12; first <= 6; ++first) {
        const int s = ExactExponent(bins, magnitudes, {.first = first, .last = first + 2});
        ASSERT_GE(s, first);
        ASSERT_LE(s, first + 2);
        for (int other = first; other <= first + 2; ++other) {
          EXPECT_LE(ProjectionError(histogram, sum_w2, magnitudes, s),
                    ProjectionError(histogram, sum_w2, magnitudes, other) + 1e-9 * sum_w2);
        }
      }
      EXPECT_EQ(ExactExponent(bins, magnitudes, {.first = kMinExponent, .last = kMaxExponent}),
                ExactExponent(bins, magnitudes));
    }
  }
}

TEST(ExactExponentOfRange, StaysInTheRangeOfNothing) {
  EXPECT_EQ(ExactExponent({}, 3, {.first = 2, .last = 4}), 2);
  EXPECT_EQ(ExactExponent({}, 3, {.first = -4, .last = 4}), 0);
}

}  // namespace
}  // namespace lbw::quant

#include "quant/gram.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace lbw::quant {
namespace {

std::vector<float> Samples(int64_t samples, int64_t columns, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.5F, 2.0F);
  std::vector<float> values(static_cast<size_t>(samples * columns));
  for (float& value : values) value = normal(generator);
  return values;
}

TEST(GramSums, AreTheCentredMoments) {
  for (const int64_t columns : {1, 5, 96, 100}) {
    constexpr int64_t kSamples = 700;  // not a multiple of a chunk
    const std::vector<float> quantized = Samples(kSamples, columns, 1);
    const std::vector<float> floating = Samples(kSamples, columns, 2);
    GramSums sums(columns);
    sums.Add(quantized, floating, 2);
    const Gram gram = sums.Finish();
    ASSERT_EQ(gram.samples, kSamples);
    for (int64_t i = 0; i < columns; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        double h = 0;
        double g = 0;
        double mean_qi = 0;
        double mean_qj = 0;
        double mean_fi = 0;
        for (int64_t t = 0; t < kSamples; ++t) {
          const double qi = quantized[static_cast<size_t>(t * columns + i)];
          const double qj = quantized[static_cast<size_t>(t * columns + j)];
          const double fi = floating[static_cast<size_t>(t * columns + i)];
          h += qi * qj / kSamples;
          g += fi * qj / kSamples;
          mean_qi += qi / kSamples;
          mean_qj += qj / kSamples;
          mean_fi += fi / kSamples;
        }
        const auto at = static_cast<size_t>(i * columns + j);
        ASSERT_NEAR(gram.h[at], h - mean_qi * mean_qj, 1e-4) << i << " " << j;
        ASSERT_NEAR(gram.g[at], g - mean_fi * mean_qj, 1e-4) << i << " " << j;
        ASSERT_EQ(gram.h[at], gram.h[static_cast<size_t>(j * columns + i)]);
      }
    }
  }
}

TEST(GramSums, ThreadsIsaAndCutsChangeNoBit) {
  constexpr int64_t kColumns = 130;
  const std::vector<float> quantized = Samples(4 * kChunkSamples, kColumns, 3);
  const std::vector<float> floating = Samples(4 * kChunkSamples, kColumns, 4);
  GramSums whole(kColumns);
  whole.Add(quantized, floating, 3);
  GramSums pieces(kColumns, Isa::kScalar);
  const auto cut = static_cast<size_t>(kChunkSamples * kColumns);
  const absl::Span<const float> q = quantized;
  const absl::Span<const float> f = floating;
  pieces.Add(q.subspan(0, cut), f.subspan(0, cut), 1);
  pieces.Add(q.subspan(cut), f.subspan(cut), 2);
  const Gram a = whole.Finish();
  const Gram b = pieces.Finish();
  EXPECT_EQ(std::memcmp(a.h.data(), b.h.data(), a.h.size() * sizeof(double)), 0);
  EXPECT_EQ(std::memcmp(a.g.data(), b.g.data(), a.g.size() * sizeof(double)), 0);
  EXPECT_EQ(a.mean_float, b.mean_float);
}

// A layer whose inputs no quantized layer has touched: G is H, computed once or twice.
TEST(GramSums, OneSpanForBothGivesTheSameBits) {
  constexpr int64_t kColumns = 130;
  const std::vector<float> quantized = Samples(kChunkSamples + 9, kColumns, 5);
  const std::vector<float> copy = quantized;
  GramSums shared(kColumns);
  shared.Add(quantized, quantized, 2);
  GramSums apart(kColumns);
  apart.Add(quantized, copy, 1);
  EXPECT_EQ(shared.Finish().g, apart.Finish().g);
  EXPECT_EQ(shared.Finish().h, apart.Finish().h);
}

TEST(GramSums, OfNothingAreZero) {
  const Gram gram = GramSums(3).Finish();
  EXPECT_EQ(gram.samples, 0);
  EXPECT_EQ(gram.h, std::vector<double>(9, 0.0));
}

// What never changes has neither variance nor anything in common with the others, though 0.3 * 0.3
// rounds in every sum.
TEST(GramSums, AConstantInputHasNoVariance) {
  constexpr int64_t kColumns = 3;
  constexpr int64_t kSamples = 1'000;
  std::vector<float> quantized = Samples(kSamples, kColumns, 6);
  std::vector<float> floating = Samples(kSamples, kColumns, 7);
  for (size_t t = 0; t < kSamples; ++t) {
    quantized[t * kColumns] = 0.1F;
    floating[t * kColumns] = 0.3F;
    quantized[t * kColumns + 1] = floating[t * kColumns + 1] = 0.3F;
  }
  GramSums sums(kColumns);
  sums.Add(quantized, floating, 1);
  const Gram gram = sums.Finish();
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      if (i == 2 && j == 2) continue;
      EXPECT_EQ(gram.h[i * 3 + j], 0) << i << " " << j;
      EXPECT_EQ(gram.g[i * 3 + j], 0) << i << " " << j;
    }
  }
  EXPECT_GT(gram.h[8], 1);
  EXPECT_EQ(gram.mean_quantized[0], static_cast<double>(0.1F));
  EXPECT_EQ(gram.mean_float[0], static_cast<double>(0.3F));
}

TEST(GramSums, OfTheDiagonalAreThoseOfTheWhole) {
  constexpr int64_t kColumns = 7;
  const std::vector<float> quantized = Samples(600, kColumns, 8);
  const std::vector<float> floating = Samples(600, kColumns, 9);
  GramSums whole(kColumns);
  GramSums diagonal(kColumns, BestIsa(), Moments::kDiagonal);
  whole.Add(quantized, floating, 1);
  diagonal.Add(quantized, floating, 1);
  const Gram all = whole.Finish();
  const Gram some = std::move(diagonal).Finish();
  EXPECT_EQ(some.moments, Moments::kDiagonal);
  EXPECT_EQ(some.samples, 600);
  EXPECT_EQ(some.mean_quantized, all.mean_quantized);
  EXPECT_EQ(some.mean_float, all.mean_float);
  EXPECT_TRUE(some.g.empty());
  ASSERT_EQ(some.h.size(), 7U);
  for (size_t j = 0; j < 7; ++j) EXPECT_NEAR(some.h[j], all.h[j * 8], 1e-4);
}

// One use of a weight reads the same in both networks, the other does not.
TEST(GramSums, SharedAndOtherSpansMayFollowOneAnother) {
  constexpr int64_t kColumns = 5;
  const std::vector<float> a = Samples(300, kColumns, 10);
  const std::vector<float> b = Samples(300, kColumns, 11);
  const std::vector<float> copy = a;
  for (const bool shared_first : {true, false}) {
    GramSums shared(kColumns);
    GramSums apart(kColumns);
    if (!shared_first) shared.Add(b, a, 1);
    if (!shared_first) apart.Add(b, a, 1);
    shared.Add(a, a, 1);
    apart.Add(a, copy, 1);
    if (shared_first) shared.Add(b, a, 1);
    if (shared_first) apart.Add(b, a, 1);
    EXPECT_EQ(shared.Finish().g, apart.Finish().g);
    EXPECT_EQ(shared.Finish().mean_float, apart.Finish().mean_float);
  }
}

}  // namespace
}  // namespace lbw::quant

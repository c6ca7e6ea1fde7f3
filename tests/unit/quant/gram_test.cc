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

}  // namespace
}  // namespace lbw::quant

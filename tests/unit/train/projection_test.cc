#include "train/projection.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "quant/grid.h"
#include "quant/projection.h"
#include "unit/quant/random_weights.h"

namespace lbw::train {
namespace {

using quant::CodeBook;

at::Tensor Rows(const std::vector<float>& values, int64_t rows) {
  const auto columns = static_cast<int64_t>(values.size()) / rows;
  return at::from_blob(const_cast<float*>(values.data()), {rows, columns}).clone();
}

std::vector<uint32_t> Bits(const at::Tensor& tensor) {
  std::vector<uint32_t> bits;
  const float* const values = tensor.data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) bits.push_back(std::bit_cast<uint32_t>(values[i]));
  return bits;
}

// Rows of every kind that a projection may meet.
std::vector<float> ManyRows(int64_t columns, int64_t& rows) {
  std::vector<float> all;
  rows = 0;
  const auto add = [&](std::vector<float> row) {
    row.resize(static_cast<size_t>(columns));
    all.insert(all.end(), row.begin(), row.end());
    ++rows;
  };
  for (uint64_t seed = 0; seed < 40; ++seed) {
    add(quant::testing::NormalWeights(static_cast<size_t>(columns), seed,
                                      std::ldexp(1.0F, static_cast<int>(seed * 7 % 60) - 30)));
    add(quant::testing::HostileWeights(static_cast<size_t>(columns), seed));
  }
  add({});                                                        // zeros
  add({1e30F});                                                   // one outlier
  add(std::vector<float>(static_cast<size_t>(columns), -0.75F));  // ties
  std::vector<float> denormals;
  for (int64_t i = 0; i < columns; ++i) {
    denormals.push_back(std::bit_cast<float>(static_cast<uint32_t>(1 + 37 * i * i) |
                                             static_cast<uint32_t>(i % 2) << 31));
  }
  add(denormals);
  std::vector<float> huge(static_cast<size_t>(columns), std::numeric_limits<float>::max());
  huge[0] = -1.5F * quant::PowerOfTwo(126);
  huge.back() = std::numeric_limits<float>::denorm_min();
  add(huge);
  std::vector<float> outlier = quant::testing::NormalWeights(static_cast<size_t>(columns), 99);
  outlier[0] = 1e6F;
  add(outlier);
  return all;
}

struct Case {
  int bits;
  CodeBook book;
};
class ProjectionOfRows : public ::testing::TestWithParam<Case> {
 protected:
  GridShape Grid() const {
    return {GetParam().bits, quant::MagnitudeCount(GetParam().bits, GetParam().book)};
  }
};

TEST_P(ProjectionOfRows, IsQuantsOnBothPaths) {
  for (const int64_t columns : {1, 9, 67}) {
    int64_t count = 0;
    const std::vector<float> values = ManyRows(columns, count);
    const at::Tensor rows = Rows(values, count);
    std::vector<int16_t> expected_exponents;
    std::vector<uint32_t> expected;
    for (int64_t r = 0; r < count; ++r) {
      const auto row = absl::MakeConstSpan(values).subspan(static_cast<size_t>(r * columns),
                                                           static_cast<size_t>(columns));
      quant::Histogram histogram;
      histogram.Add(row);
      const int s = quant::ExactExponent(histogram, Grid().magnitudes);
      expected_exponents.push_back(static_cast<int16_t>(s));
      std::vector<uint8_t> codes(row.size());
      quant::NearestCodes(row, Grid().bits, Grid().magnitudes, s, absl::MakeSpan(codes));
      for (const uint8_t code : codes) {
        expected.push_back(std::bit_cast<uint32_t>(quant::DecodeValue(code, Grid().bits, s)));
      }
    }
    for (const ProjectionPath path : {ProjectionPath::kAuto, ProjectionPath::kTorch}) {
      SCOPED_TRACE(path == ProjectionPath::kTorch ? "torch" : "auto");
      const auto exponents = ExactExponents(rows, Grid(), path);
      ASSERT_TRUE(exponents.ok()) << exponents.status();
      EXPECT_EQ(*exponents, expected_exponents);
      at::Tensor out = at::empty_like(rows);
      ASSERT_TRUE(NearestValues(rows, *exponents, Grid(), out, path).ok());
      EXPECT_EQ(Bits(out), expected);
    }
  }
}

// Exponents that were chosen elsewhere need not fit the row.
TEST_P(ProjectionOfRows, PathsAgreeUnderAnyExponent) {
  int64_t count = 0;
  const std::vector<float> values = ManyRows(33, count);
  const at::Tensor rows = Rows(values, count);
  std::mt19937_64 random(7);
  for (int round = 0; round < 6; ++round) {
    std::vector<int16_t> exponents;
    for (int64_t r = 0; r < count; ++r) {
      // The first rounds leave no row whose least magnitude is denormal.
      exponents.push_back(static_cast<int16_t>(round < 3 ? static_cast<int>(random() % 200) - 80
                                                         : static_cast<int>(random() % 277) - 149));
    }
    at::Tensor by_quant = at::empty_like(rows);
    at::Tensor by_torch = rows.clone();
    ASSERT_TRUE(NearestValues(rows, exponents, Grid(), by_quant).ok());
    // In place.
    ASSERT_TRUE(NearestValues(by_torch, exponents, Grid(), by_torch, ProjectionPath::kTorch).ok());
    EXPECT_EQ(Bits(by_torch), Bits(by_quant));
  }
}

TEST_P(ProjectionOfRows, SearchesNearGivenExponents) {
  int64_t count = 0;
  const std::vector<float> values = ManyRows(33, count);
  const at::Tensor rows = Rows(values, count);
  const auto best = ExactExponents(rows, Grid());
  ASSERT_TRUE(best.ok());
  std::vector<int16_t> around;
  for (size_t r = 0; r < best->size(); ++r) {
    const int shifted = (*best)[r] + static_cast<int>(r % 7) - 3;
    around.push_back(static_cast<int16_t>(
        std::min(quant::kMaxExponent, std::max(quant::kMinExponent, shifted))));
  }
  const ExponentSearch search{around, 1};
  const auto by_quant = ExactExponentsNear(rows, Grid(), search);
  const auto by_torch = ExactExponentsNear(rows, Grid(), search, ProjectionPath::kTorch);
  ASSERT_TRUE(by_quant.ok() && by_torch.ok());
  EXPECT_EQ(*by_quant, *by_torch);
  for (size_t r = 0; r < best->size(); ++r) {
    EXPECT_LE(std::abs((*by_quant)[r] - around[r]), 1);
    const bool zeros = values[33 * r] == 0 && values[33 * r + 1] == 0 && values[33 * r + 2] == 0;
    if (!zeros && std::abs((*best)[r] - around[r]) <= 1) {
      EXPECT_EQ((*by_quant)[r], (*best)[r]);
    }
  }
  const auto everywhere = ExactExponentsNear(rows, Grid(), {around, 1 << 30});
  ASSERT_TRUE(everywhere.ok());
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) {
  return "Bits" + std::to_string(info.param.bits) +
         (info.param.book == CodeBook::kPaper ? "Paper" : "Full");
}
INSTANTIATE_TEST_SUITE_P(Grids, ProjectionOfRows,
                         ::testing::Values(Case{2, CodeBook::kPaper}, Case{3, CodeBook::kPaper},
                                           Case{3, CodeBook::kFull}, Case{4, CodeBook::kPaper},
                                           Case{4, CodeBook::kFull}, Case{5, CodeBook::kPaper},
                                           Case{5, CodeBook::kFull}, Case{6, CodeBook::kPaper},
                                           Case{6, CodeBook::kFull}),
                         NameOf);

TEST(TernaryProjection, PathsAgree) {
  int64_t count = 0;
  const std::vector<float> values = ManyRows(21, count);
  const at::Tensor rows = Rows(values, count);
  std::vector<float> v;
  for (int64_t r = 0; r < count; ++r) v.push_back(0.1F + 0.3F * static_cast<float>(r));
  const at::Tensor value = Rows(v, 1).reshape({count});
  const at::Tensor threshold = value.mul(0.5);
  at::Tensor by_quant = at::empty_like(rows);
  at::Tensor by_torch = at::empty_like(rows);
  ASSERT_TRUE(TernaryValues(rows, threshold, value, by_quant).ok());
  ASSERT_TRUE(TernaryValues(rows, threshold, value, by_torch, ProjectionPath::kTorch).ok());
  EXPECT_EQ(Bits(by_torch), Bits(by_quant));
  EXPECT_EQ(by_quant[5][3].item<float>(), std::fabs(values[5 * 21 + 3]) < 0.5F * v[5] ? 0.0F
                                          : values[5 * 21 + 3] < 0                    ? -v[5]
                                                                                      : v[5]);
}

// More elements than one block of a histogram, and rows that several threads share.
TEST(ProjectionOfManyElements, PathsAgree) {
  const std::vector<float> values = quant::testing::NormalWeights(2200 * 2000, 3);
  const at::Tensor rows = Rows(values, 2200);
  const GridShape grid{4, 7};
  const auto by_quant = ExactExponents(rows, grid);
  const auto by_torch = ExactExponents(rows, grid, ProjectionPath::kTorch);
  ASSERT_TRUE(by_quant.ok() && by_torch.ok());
  EXPECT_EQ(*by_quant, *by_torch);
  at::Tensor a = at::empty_like(rows);
  at::Tensor b = at::empty_like(rows);
  ASSERT_TRUE(NearestValues(rows, *by_quant, grid, a).ok());
  ASSERT_TRUE(NearestValues(rows, *by_quant, grid, b, ProjectionPath::kTorch).ok());
  EXPECT_TRUE(a.equal(b));
}

}  // namespace
}  // namespace lbw::train

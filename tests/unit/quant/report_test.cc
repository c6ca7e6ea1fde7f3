#include "quant/report.h"

#include <cmath>

#include "gtest/gtest.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

TEST(RowSums, AddsUpExactlyWhatIsExact) {
  RowSums sums;
  const std::vector<float> weights = {1, 2, 3, 4, 5, 6, 7};
  sums.Add(weights, [](size_t i) { return i % 2 == 0 ? 1.0F : 0.0F; });
  EXPECT_EQ(sums.w2(), 140);
  EXPECT_EQ(sums.q2(), 4);
  EXPECT_EQ(sums.wq(), 16);
  EXPECT_EQ(sums.error2(), 0 + 4 + 4 + 16 + 16 + 36 + 36);
  EXPECT_EQ(sums.zeros(), 3);
  EXPECT_EQ(sums.elements(), 7);
  EXPECT_FALSE(sums.dead());
}

TEST(RowSums, IsDeadBelowItsLimitOnly) {
  RowSums dead;
  dead.Add({-9.9e-13F}, [](size_t) { return 0.0F; });
  EXPECT_TRUE(dead.dead());
  RowSums live;
  live.Add({0.0F, 1e-13F, -1.01e-12F}, [](size_t) { return 0.0F; });
  EXPECT_FALSE(live.dead());
  EXPECT_FALSE(RowSums().dead());
}

TEST(RowSums, DoesNotDependOnCutsAtEvenPlaces) {
  const auto weights = testing::NormalWeights(101, 8);
  const auto value = [](size_t) { return 0.5F; };
  RowSums whole;
  whole.Add(weights, value);
  RowSums cut;
  cut.Add(absl::MakeConstSpan(weights).subspan(0, 42), value);
  cut.Add(absl::MakeConstSpan(weights).subspan(42), value);
  EXPECT_EQ(whole.error2(), cut.error2());
  EXPECT_EQ(whole.w2(), cut.w2());
  EXPECT_EQ(whole.zeros(), cut.zeros());
}

TEST(SumReports, LeavesDeadRowsOutOfTheLiveTotals) {
  std::vector<float> weights(4 * 10, 1e-20F);
  const auto live = testing::NormalWeights(20, 1);
  std::copy(live.begin(), live.end(), weights.begin());
  const auto mixed = QuantizeTensor(base::Tensor::FromF32({4, 10}, weights).view(), {.bits = 4});
  const auto alone = QuantizeTensor(base::Tensor::FromF32({2, 10}, live).view(), {.bits = 4});
  ASSERT_TRUE(mixed.ok() && alone.ok());
  const base::Tensor bias(base::DType::kF32, {4});
  const ReportTotals totals = SumReports({mixed->report, ReportUnquantized(bias.view())});
  EXPECT_EQ(totals.tensors, 2);
  EXPECT_EQ(totals.tensors_quantized, 1);
  EXPECT_EQ(totals.weights_quantized, 40);
  EXPECT_EQ(totals.dead_rows, 2);
  EXPECT_EQ(totals.bytes_before, 160U + 16U);
  EXPECT_EQ(totals.bytes_after, mixed->report.bytes_after + 16U);
  EXPECT_NEAR(totals.mse_live, alone->report.mse, 1e-12);
  EXPECT_NEAR(*totals.sqnr_db_live, *alone->report.sqnr_db, 1e-9);
  EXPECT_NEAR(totals.mse, alone->report.mse / 2, 1e-12);
}

TEST(SumReports, OfNothingIsZero) {
  const ReportTotals totals = SumReports({});
  EXPECT_EQ(totals.mse, 0);
  EXPECT_EQ(totals.sqnr_db, std::nullopt);
  EXPECT_EQ(totals.sqnr_db_live, std::nullopt);
}

}  // namespace
}  // namespace lbw::quant

#include "quant/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

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

void ExpectSameReport(const TensorReport& report, const TensorReport& expected,
                      const std::string& what) {
  EXPECT_EQ(report.shape, expected.shape) << what;
  EXPECT_EQ(report.source_dtype, expected.source_dtype) << what;
  EXPECT_EQ(report.quantized, expected.quantized) << what;
  EXPECT_EQ(report.options, expected.options) << what;
  EXPECT_EQ(report.rows, expected.rows) << what;
  EXPECT_EQ(report.elements, expected.elements) << what;
  EXPECT_EQ(report.exponent_min, expected.exponent_min) << what;
  EXPECT_EQ(report.exponent_max, expected.exponent_max) << what;
  EXPECT_EQ(report.zeros, expected.zeros) << what;
  EXPECT_EQ(report.zero_fraction, expected.zero_fraction) << what;
  EXPECT_EQ(report.bytes_before, expected.bytes_before) << what;
  EXPECT_EQ(report.bytes_after, expected.bytes_after) << what;
  EXPECT_EQ(report.dead_rows, expected.dead_rows) << what;
  EXPECT_EQ(report.dead_elements, expected.dead_elements) << what;
  EXPECT_EQ(report.dead_zeros, expected.dead_zeros) << what;
  // The uniform scheme adds a strided row up in another order.
  const double tolerance = report.options.scheme == Scheme::kUniform ? 1e-13 : 0;
  const auto near = [&](double a, double b) { EXPECT_NEAR(a, b, tolerance * (1 + b)) << what; };
  near(report.sum_w2, expected.sum_w2);
  near(report.sum_error2, expected.sum_error2);
  near(report.mse, expected.mse);
  near(report.dead_sum_w2, expected.dead_sum_w2);
  near(report.dead_sum_error2, expected.dead_sum_error2);
  ASSERT_EQ(report.sqnr_db.has_value(), expected.sqnr_db.has_value()) << what;
  ASSERT_EQ(report.cosine.has_value(), expected.cosine.has_value()) << what;
  if (report.sqnr_db.has_value()) near(*report.sqnr_db, *expected.sqnr_db);
  if (report.cosine.has_value()) near(*report.cosine, *expected.cosine);
}

TEST(ReportTensor, IsTheReportThatQuantizingGave) {
  std::vector<float> weights = testing::NormalWeights(6 * 4 * 9, 12);
  std::fill(weights.begin(), weights.begin() + 36, 1e-20F);  // dead where axis is 0
  const base::Tensor tensor = base::Tensor::FromF32({6, 4, 3, 3}, weights);
  for (const Scheme scheme : {Scheme::kExact, Scheme::kThreshold, Scheme::kUniform}) {
    for (const Granularity granularity : {Granularity::kChannel, Granularity::kTensor}) {
      for (const int layout : {0, 1, 2}) {
        for (const CodeBook book : {CodeBook::kFull, CodeBook::kPaper}) {
          TensorOptions options;
          options.scheme = scheme;
          options.bits = scheme == Scheme::kUniform ? 8 : 3;
          options.code_book = book;
          options.granularity = granularity;
          options.axis = layout == 0 ? 0 : 1;
          options.groups = layout == 2 ? 3 : 1;
          options.mu_ratio = 0.6;
          const auto made = QuantizeTensor(tensor.view(), options);
          ASSERT_TRUE(made.ok()) << made.status();
          const auto report = ReportTensor(tensor.view(), made->tensor, options);
          ASSERT_TRUE(report.ok()) << report.status();
          ExpectSameReport(*report, made->report,
                           std::string(Name(scheme)) + " " + std::string(Name(granularity)) +
                               " layout=" + std::to_string(layout));
        }
      }
    }
  }
}

TEST(ReportTensor, ReadsEveryFloatingType) {
  base::Tensor half(base::DType::kF16, {5, 7});
  base::Tensor wide(base::DType::kF64, {5, 7});
  const std::vector<float> weights = testing::NormalWeights(35, 13);
  for (size_t i = 0; i < weights.size(); ++i) {
    half.mutable_as<uint16_t>()[i] = base::F32ToF16(weights[i]);
    wide.mutable_as<double>()[i] = static_cast<double>(weights[i]);
  }
  for (const base::Tensor* tensor : {&half, &wide}) {
    const auto made = QuantizeTensor(tensor->view(), TensorOptions());
    ASSERT_TRUE(made.ok()) << made.status();
    const auto report = ReportTensor(tensor->view(), made->tensor, TensorOptions());
    ASSERT_TRUE(report.ok()) << report.status();
    ExpectSameReport(*report, made->report, std::string(base::Name(tensor->dtype())));
  }
}

// Codes chosen elsewhere, with real scales and a bias: their own values, and their own bytes.
TEST(ReportTensor, CountsScalesAndBias) {
  const base::Tensor weights = base::Tensor::FromF32({2, 3}, {1, 2, 0, -3, 3, 0.1F});
  TensorOptions options;
  options.bits = 2;
  auto made = QuantizeTensor(base::Tensor::FromF32({2, 3}, {1, 1, 0, -2, 2, 0}).view(), options);
  ASSERT_TRUE(made.ok()) << made.status();
  made->tensor.scales = {1.5F, 1.5F};  // values 1.5, 1.5, 0 and -3, 3, 0
  const auto report = ReportTensor(weights.view(), made->tensor, options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_NEAR(report->sum_error2, 0.25 + 0.25 + 0.01, 1e-8);
  EXPECT_NEAR(report->sum_w2, 23.01, 1e-6);
  EXPECT_EQ(report->zeros, 2);
  EXPECT_EQ(report->exponent_min, 0);
  EXPECT_EQ(report->exponent_max, 1);
  EXPECT_EQ(report->bytes_after, made->report.bytes_after + 8);
  made->tensor.bias = {0.5F, 0.5F};
  const auto with_bias = ReportTensor(weights.view(), made->tensor, options);
  ASSERT_TRUE(with_bias.ok());
  EXPECT_EQ(with_bias->bytes_after, report->bytes_after + 8);
  EXPECT_EQ(with_bias->mse, report->mse);
}

TEST(ReportTensor, OfTensorsWithoutElementsIsEmpty) {
  const base::Tensor none(base::DType::kF32, {3, 0});
  const auto made = QuantizeTensor(none.view(), TensorOptions());
  ASSERT_TRUE(made.ok()) << made.status();
  const auto report = ReportTensor(none.view(), made->tensor, TensorOptions());
  ASSERT_TRUE(report.ok()) << report.status();
  ExpectSameReport(*report, made->report, "empty");
}

TEST(ReportTensor, RefusesOtherSizesAndTypes) {
  const base::Tensor weights = base::Tensor::FromF32({2, 2}, {1, 2, 3, 4});
  const auto made = QuantizeTensor(weights.view(), TensorOptions());
  ASSERT_TRUE(made.ok());
  const base::Tensor longer = base::Tensor::FromF32({2, 3}, {1, 2, 3, 4, 5, 6});
  const absl::Status size = ReportTensor(longer.view(), made->tensor, TensorOptions()).status();
  EXPECT_EQ(size.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(size.message()),
              ::testing::HasSubstr("codes of 4 elements beside weights of 6"));
  const base::Tensor integers(base::DType::kI32, {2, 2});
  EXPECT_EQ(ReportTensor(integers.view(), made->tensor, TensorOptions()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::quant

#include "quant/quantize.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/projection.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

using ::testing::HasSubstr;

base::Tensor TensorOf(base::Shape shape, const std::vector<float>& values) {
  return base::Tensor::FromF32(std::move(shape), values);
}

QuantizeResult Quantize(const base::Tensor& tensor, const TensorOptions& options) {
  auto result = QuantizeTensor(tensor.view(), options);
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

double ErrorOf(absl::Span<const float> w, absl::Span<const float> q) {
  double error = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    const double d = static_cast<double>(w[i]) - static_cast<double>(q[i]);
    error += d * d;
  }
  return error;
}

// The error of one row at its best exponent, every exponent tried, in float64 on weights of
// ordinary size.
double BruteForceError(const std::vector<float>& row, int magnitudes) {
  double best = std::numeric_limits<double>::infinity();
  for (int s = -60; s <= 20; ++s) {
    double error = 0;
    for (const float w : row) {
      const double magnitude = std::fabs(static_cast<double>(w));
      double nearest = magnitude;
      for (int t = 0; t < magnitudes; ++t)
        nearest = std::min(nearest, std::fabs(magnitude - std::ldexp(1.0, s - t)));
      error += nearest * nearest;
    }
    best = std::min(best, error);
  }
  return best;
}

TEST(QuantizeTensor, IsOptimalForEveryWidthBookGranularityAndAxis) {
  struct Case {
    base::Shape shape;
    int axis;
    int groups;
  };
  const Case cases[] = {
      {{6, 3, 3, 3}, 0, 1}, {{9, 18}, 1, 1}, {{6, 4, 2, 2}, 1, 3}, {{31}, 0, 1}, {{}, 0, 1}};
  for (const Case& c : cases) {
    const auto count = static_cast<size_t>(
        std::accumulate(c.shape.begin(), c.shape.end(), int64_t{1}, std::multiplies<>()));
    std::vector<float> weights = testing::NormalWeights(count, count, 0.1F);
    for (size_t i = 0; i < count; ++i) weights[i] *= std::exp2(static_cast<float>(i % 7));
    const base::Tensor tensor = TensorOf(c.shape, weights);
    const RowLayout layout = MakeRowLayout(c.shape, c.axis, c.groups);
    for (int bits = 2; bits <= 6; ++bits) {
      for (const CodeBook book : {CodeBook::kPaper, CodeBook::kFull}) {
        for (const Granularity granularity : {Granularity::kTensor, Granularity::kChannel}) {
          SCOPED_TRACE(base::ShapeToString(c.shape) + " bits " + std::to_string(bits));
          const QuantizeResult result = Quantize(tensor, {.bits = bits,
                                                          .code_book = book,
                                                          .granularity = granularity,
                                                          .axis = c.axis,
                                                          .groups = c.groups});
          ASSERT_TRUE(Validate(result.tensor).ok()) << Validate(result.tensor);
          double expected = 0;
          const int n = MagnitudeCount(bits, book);
          if (granularity == Granularity::kTensor) {
            expected = BruteForceError(weights, n);
          } else {
            for (int64_t r = 0; r < layout.rows; ++r) {
              std::vector<float> row;
              for (int64_t j = 0; j < layout.row_elements; ++j) {
                row.push_back(weights[static_cast<size_t>(layout.Offset(r, j))]);
              }
              expected += BruteForceError(row, n);
            }
          }
          const double error = ErrorOf(weights, Dequantize(result.tensor));
          EXPECT_NEAR(error, expected, 1e-12 * expected);
          EXPECT_NEAR(result.report.sum_error2, error, 1e-12 * error);
        }
      }
    }
  }
}

TEST(QuantizeTensor, PacksKnownBytes) {
  // s = 0, FULL at 3 bits: magnitudes 1, 1/2, 1/4 are m = 1, 2, 3; the sign is bit 2.
  const base::Tensor tensor = TensorOf({2, 3}, {1.0F, -0.5F, 0.25F, 0.0F, -1.0F, 1.0F});
  const QuantizeResult result = Quantize(tensor, {.bits = 3});
  EXPECT_EQ(result.tensor.exponents, (std::vector<int16_t>{0, 0}));
  EXPECT_EQ(result.tensor.codes, (std::vector<uint8_t>{0b11110001, 0b0, 0b01101000, 0b0}));
  EXPECT_EQ(result.report.sum_error2, 0);
  EXPECT_EQ(result.report.sqnr_db, std::nullopt);
  EXPECT_EQ(result.report.cosine, 1.0);
  EXPECT_DOUBLE_EQ(result.report.zero_fraction, 1.0 / 6);
  EXPECT_EQ(result.report.bytes_before, 24U);
  EXPECT_EQ(result.report.bytes_after, 8U);
}

TEST(QuantizeTensor, NamesTheFirstWeightThatIsNotFinite) {
  std::vector<float> weights(24, 1.0F);
  weights[17] = std::numeric_limits<float>::quiet_NaN();
  weights[20] = std::numeric_limits<float>::infinity();
  const absl::Status status = QuantizeTensor(TensorOf({4, 6}, weights).view(), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(status).reason, "NON_FINITE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("element 17 of shape [4, 6] is NaN"));
}

TEST(QuantizeTensor, RefusesOtherTypesAndF64BeyondF32) {
  EXPECT_EQ(QuantizeTensor(base::Tensor(base::DType::kI64, {2, 2}).view(), {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  base::Tensor wide(base::DType::kF64, {2, 2});
  wide.mutable_as<double>()[3] = 1e300;
  const absl::Status status = QuantizeTensor(wide.view(), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("3"));
}

TEST(QuantizeTensor, WidensEveryFloatingType) {
  const std::vector<float> values = {0.5F, -0.25F, 0.125F, 1.0F};
  const QuantizeResult expected = Quantize(TensorOf({2, 2}, values), {});
  base::Tensor half(base::DType::kF16, {2, 2});
  base::Tensor brain(base::DType::kBF16, {2, 2});
  base::Tensor wide(base::DType::kF64, {2, 2});
  for (size_t i = 0; i < values.size(); ++i) {
    half.mutable_as<uint16_t>()[i] = base::F32ToF16(values[i]);
    brain.mutable_as<uint16_t>()[i] = base::F32ToBF16(values[i]);
    wide.mutable_as<double>()[i] = values[i];
  }
  for (const base::Tensor* tensor : {&half, &brain, &wide}) {
    const QuantizeResult result = Quantize(*tensor, {});
    EXPECT_EQ(result.tensor.codes, expected.tensor.codes);
    EXPECT_EQ(result.tensor.source_dtype, tensor->dtype());
    EXPECT_EQ(result.report.bytes_before, tensor->size_bytes());
  }
}

TEST(QuantizeTensor, ReadsUnalignedBytes) {
  const auto weights = testing::NormalWeights(12, 1);
  std::vector<std::byte> shifted(12 * 4 + 1);
  std::memcpy(shifted.data() + 1, weights.data(), 48);
  const base::TensorView view{base::DType::kF32, {3, 4}, {shifted.data() + 1, 48}};
  EXPECT_EQ(QuantizeTensor(view, {})->tensor, Quantize(TensorOf({3, 4}, weights), {}).tensor);
}

TEST(QuantizeTensor, HandlesEmptyTensorsAndZeros) {
  for (const base::Shape& shape :
       {base::Shape{0}, base::Shape{0, 3}, base::Shape{3, 0}, base::Shape{2, 0, 4}}) {
    for (const Scheme scheme : {Scheme::kExact, Scheme::kThreshold, Scheme::kUniform}) {
      for (const Granularity granularity : {Granularity::kTensor, Granularity::kChannel}) {
        SCOPED_TRACE(base::ShapeToString(shape));
        const int bits = scheme == Scheme::kUniform ? 8 : 4;
        const QuantizeResult result =
            Quantize(base::Tensor(base::DType::kF32, shape),
                     {.bits = bits, .granularity = granularity, .scheme = scheme});
        EXPECT_TRUE(Validate(result.tensor).ok()) << Validate(result.tensor);
        EXPECT_TRUE(result.tensor.codes.empty());
        EXPECT_TRUE(Dequantize(result.tensor).empty());
        EXPECT_EQ(result.report.mse, 0);
        EXPECT_EQ(result.report.dead_rows, 0);
      }
    }
  }
  for (const Scheme scheme : {Scheme::kExact, Scheme::kThreshold}) {
    const QuantizeResult zeros =
        Quantize(TensorOf({2, 2}, {0.0F, -0.0F, 0.0F, 0.0F}), {.scheme = scheme});
    EXPECT_EQ(zeros.tensor.exponents, (std::vector<int16_t>{0, 0}));
    EXPECT_EQ(zeros.tensor.codes, (std::vector<uint8_t>{0, 0}));
    EXPECT_EQ(zeros.report.zero_fraction, 1.0);
    EXPECT_EQ(zeros.report.sqnr_db, std::nullopt);
    EXPECT_EQ(zeros.report.cosine, std::nullopt);
  }
}

// Rows of 1e-30 are real: dead channels of trained networks.
TEST(QuantizeTensor, QuantizesDeadRowsRightAndCountsThem) {
  std::vector<float> weights = testing::NormalWeights(4 * 9, 2);
  for (size_t i = 9; i < 18; ++i) weights[i] *= 1e-30F;
  for (size_t i = 27; i < 36; ++i) weights[i] *= 1e-41F;
  const QuantizeResult result = Quantize(TensorOf({4, 9}, weights), {.bits = 4});
  EXPECT_EQ(result.report.dead_rows, 2);
  EXPECT_EQ(result.report.dead_elements, 18);
  EXPECT_LT(result.report.exponent_min, -130);
  const std::vector<float> q = Dequantize(result.tensor);
  for (const size_t row : {size_t{1}, size_t{3}}) {
    const auto w = absl::MakeConstSpan(weights).subspan(row * 9, 9);
    const double error = ErrorOf(w, absl::MakeConstSpan(q).subspan(row * 9, 9));
    EXPECT_LT(error, 0.1 * ErrorOf(w, std::vector<float>(9)));
  }
}

TEST(QuantizeTensor, ThresholdSchemeHasOneMuATensorOrARow) {
  const base::Tensor tensor = TensorOf({2, 2}, {1.0F, 0.5F, 0.1F, 0.05F});
  const TensorOptions options = {
      .bits = 3, .code_book = CodeBook::kPaper, .scheme = Scheme::kThreshold};
  TensorOptions per_tensor = options;
  per_tensor.granularity = Granularity::kTensor;
  // mu = 0.75: 1 -> t=0, 0.5 -> t=1, below 0.25 zero.
  EXPECT_EQ(Dequantize(Quantize(tensor, per_tensor).tensor),
            (std::vector<float>{1.0F, 0.5F, 0.0F, 0.0F}));
  EXPECT_EQ(Quantize(tensor, options).tensor.exponents.size(), 2U);
  EXPECT_GT(Dequantize(Quantize(tensor, options).tensor)[3], 0.0F);
  EXPECT_EQ(Quantize(tensor, options).report.options.scheme, Scheme::kThreshold);
  EXPECT_EQ(Quantize(tensor, options).tensor.options.scheme, Scheme::kExact);
}

TEST(QuantizeTensor, TinyMuRatioIsNoError) {
  const base::Tensor tensor = TensorOf({1, 2}, {1e-38F, 1e-45F});
  const QuantizeResult result =
      Quantize(tensor, {.scheme = Scheme::kThreshold, .mu_ratio = 1e-300});
  EXPECT_TRUE(Validate(result.tensor).ok());
}

// The table of SQNR on N(0,1), dB. The threshold column depends on the sample's maximum.
TEST(QuantizeTensor, ReachesTheKnownSqnrOnNormalWeights) {
  const base::Tensor tensor = TensorOf({200000}, testing::NormalWeights(200000, 20240501));
  const auto sqnr = [&](int bits, CodeBook book, Scheme scheme) {
    return Quantize(tensor, {.bits = bits,
                             .code_book = book,
                             .granularity = Granularity::kTensor,
                             .scheme = scheme})
        .report.sqnr_db.value_or(0);
  };
  EXPECT_NEAR(sqnr(3, CodeBook::kPaper, Scheme::kExact), 10.4, 0.1);
  EXPECT_NEAR(sqnr(3, CodeBook::kFull, Scheme::kExact), 13.2, 0.1);
  EXPECT_NEAR(sqnr(4, CodeBook::kPaper, Scheme::kExact), 13.8, 0.1);
  EXPECT_NEAR(sqnr(4, CodeBook::kFull, Scheme::kExact), 14.2, 0.1);
  EXPECT_NEAR(sqnr(6, CodeBook::kPaper, Scheme::kExact), 14.2, 0.1);
  EXPECT_NEAR(sqnr(6, CodeBook::kFull, Scheme::kExact), 14.2, 0.1);
  EXPECT_NEAR(sqnr(3, CodeBook::kPaper, Scheme::kThreshold), 4.2, 1.5);
  EXPECT_NEAR(sqnr(4, CodeBook::kPaper, Scheme::kThreshold), 10.9, 1.5);
  EXPECT_NEAR(sqnr(6, CodeBook::kPaper, Scheme::kThreshold), 11.2, 1.5);
}

TEST(QuantizeTensor, PerChannelExponentsHelpWhereChannelsDiffer) {
  std::vector<float> weights = testing::NormalWeights(16 * 100, 6);
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] *= std::exp2(static_cast<float>(i / 100) / 2);
  const base::Tensor tensor = TensorOf({16, 100}, weights);
  const double per_tensor =
      *Quantize(tensor, {.bits = 3, .granularity = Granularity::kTensor}).report.sqnr_db;
  const double per_channel = *Quantize(tensor, {.bits = 3}).report.sqnr_db;
  EXPECT_GT(per_channel, per_tensor + 0.5);
}

}  // namespace
}  // namespace lbw::quant

#include "quant/uniform.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

constexpr TensorOptions kUniformOptions = {.bits = 8, .scheme = Scheme::kUniform};

QuantizeResult Quantize(base::Shape shape, const std::vector<float>& values,
                        const TensorOptions& options) {
  auto result = QuantizeTensor(base::Tensor::FromF32(std::move(shape), values).view(), options);
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

TEST(QuantizeUniform, RoundsToNearestAndHalvesToEven) {
  const QuantizeResult result =
      Quantize({1, 5}, {127.0F, -127.0F, 2.5F, 3.5F, -2.5F}, kUniformOptions);
  EXPECT_EQ(result.tensor.scales, (std::vector<float>{1.0F}));
  const std::vector<float> expected = {127.0F, -127.0F, 2.0F, 4.0F, -2.0F};
  EXPECT_EQ(Dequantize(result.tensor), expected);
  EXPECT_EQ(result.report.exponent_min, 0);
  EXPECT_EQ(result.report.exponent_max, 0);
  EXPECT_EQ(result.report.bytes_after, 5U + 4U);
}

TEST(QuantizeUniform, ErrsByHalfAStepAtMostOnEveryAxis) {
  const auto weights = testing::NormalWeights(6 * 4 * 5, 3);
  for (const int axis : {0, 1, 2}) {
    for (const Granularity granularity : {Granularity::kTensor, Granularity::kChannel}) {
      TensorOptions options = kUniformOptions;
      options.axis = axis;
      options.granularity = granularity;
      const QuantizeResult result = Quantize({6, 4, 5}, weights, options);
      ASSERT_TRUE(Validate(result.tensor).ok()) << Validate(result.tensor);
      const RowLayout layout = MakeRowLayout(result.tensor.shape, axis, 1);
      const std::vector<float> values = Dequantize(result.tensor);
      for (int64_t r = 0; r < layout.rows; ++r) {
        const float scale =
            result.tensor.scales[granularity == Granularity::kTensor ? 0 : static_cast<size_t>(r)];
        for (int64_t j = 0; j < layout.row_elements; ++j) {
          const auto at = static_cast<size_t>(layout.Offset(r, j));
          EXPECT_LE(std::fabs(weights[at] - values[at]), 0.5001F * scale);
        }
      }
      EXPECT_GT(*result.report.sqnr_db, 38.0);
    }
  }
}

TEST(QuantizeUniform, HandlesZeroRowsAndTheEndsOfTheRange) {
  const float largest = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  const QuantizeResult result = Quantize(
      {4, 2}, {0.0F, -0.0F, largest, -largest, least, -least, 1e-30F, 0.0F}, kUniformOptions);
  ASSERT_TRUE(Validate(result.tensor).ok()) << Validate(result.tensor);
  EXPECT_EQ(result.tensor.scales[0], 0.0F);
  const std::vector<float> values = Dequantize(result.tensor);
  EXPECT_EQ(values[0], 0.0F);
  EXPECT_NEAR(values[2] / largest, 1.0F, 1e-6F);
  EXPECT_EQ(values[4], least);
  EXPECT_EQ(values[5], -least);
  EXPECT_NEAR(values[6] / 1e-30F, 1.0F, 1e-6F);
}

}  // namespace
}  // namespace lbw::quant

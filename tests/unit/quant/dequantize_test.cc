#include <cmath>
#include <functional>
#include <limits>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/quantize.h"
#include "random_weights.h"

namespace lbw::quant {
namespace {

using ::testing::HasSubstr;

QuantizedTensor Make(base::Shape shape, const TensorOptions& options, uint64_t seed = 1) {
  const base::Tensor zeros(base::DType::kF32, shape);
  const auto weights = testing::NormalWeights(static_cast<size_t>(zeros.elements()), seed);
  auto result = QuantizeTensor(base::Tensor::FromF32(std::move(shape), weights).view(), options);
  EXPECT_TRUE(result.ok()) << result.status();
  return result->tensor;
}

TEST(Dequantize, MultipliesByTheRealScale) {
  QuantizedTensor tensor = Make({3, 5}, {.bits = 4});
  const std::vector<float> plain = Dequantize(tensor);
  tensor.scales = {1.25F, -3.0F, 0.5F};
  ASSERT_TRUE(Validate(tensor).ok()) << Validate(tensor);
  const std::vector<float> scaled = Dequantize(tensor);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(scaled[i], plain[i] * tensor.scales[i / 5]);
  tensor.scales = {2.0F};
  ASSERT_TRUE(Validate(tensor).ok());
  EXPECT_EQ(Dequantize(tensor)[14], plain[14] * 2.0F);
}

TEST(Dequantize, GivesBackGridWeightsUnchanged) {
  for (int bits = 2; bits <= 6; ++bits) {
    const QuantizedTensor tensor = Make({7, 3, 5}, {.bits = bits, .axis = 2});
    const std::vector<float> values = Dequantize(tensor);
    const auto again =
        QuantizeTensor(base::Tensor::FromF32({7, 3, 5}, values).view(), {.bits = bits, .axis = 2});
    EXPECT_EQ(Dequantize(again->tensor), values) << bits;
    EXPECT_EQ(again->report.sum_error2, 0);
  }
}

TEST(DequantizeAs, IsExactInEveryTypeThatHoldsTheValue) {
  const QuantizedTensor tensor = Make({4, 8}, {.bits = 3});
  const std::vector<float> values = Dequantize(tensor);
  for (const base::DType dtype :
       {base::DType::kF16, base::DType::kBF16, base::DType::kF32, base::DType::kF64}) {
    const base::Tensor out = DequantizeAs(tensor, dtype);
    EXPECT_EQ(out.dtype(), dtype);
    EXPECT_EQ(out.shape(), tensor.shape);
    const auto widened = base::ToF32(out.view());
    ASSERT_TRUE(widened.ok());
    EXPECT_EQ(*widened, values);
  }
}

// 60000 fits f16; the nearest power of two does not.
TEST(DequantizeAs, NeverMakesInfinity) {
  const auto result =
      QuantizeTensor(base::Tensor::FromF32({1, 2}, {60000.0F, -60000.0F}).view(), {.bits = 4});
  EXPECT_EQ(Dequantize(result->tensor), (std::vector<float>{65536.0F, -65536.0F}));
  EXPECT_EQ(*base::ToF32(DequantizeAs(result->tensor, base::DType::kF16).view()),
            (std::vector<float>{65504.0F, -65504.0F}));
}

struct Breakage {
  const char* name;
  std::function<void(QuantizedTensor&)> apply;
  const char* message;
};

TEST(Validate, FindsEveryContradictionOfAGridTensor) {
  const QuantizedTensor good = Make({4, 5}, {.bits = 3, .code_book = CodeBook::kPaper});
  ASSERT_TRUE(Validate(good).ok());
  const Breakage cases[] = {
      {"bits", [](QuantizedTensor& t) { t.options.bits = 7; }, "bits"},
      {"axis", [](QuantizedTensor& t) { t.options.axis = 2; }, "axis"},
      {"scheme", [](QuantizedTensor& t) { t.options.scheme = Scheme::kThreshold; }, "stored form"},
      {"source", [](QuantizedTensor& t) { t.source_dtype = base::DType::kI8; }, "floating"},
      {"codes", [](QuantizedTensor& t) { t.codes.pop_back(); }, "2 bytes a row: got 7"},
      {"exponents", [](QuantizedTensor& t) { t.exponents.pop_back(); }, "4 values: got 3"},
      {"exponent low", [](QuantizedTensor& t) { t.exponents[2] = -150; },
       "exponent[2] must be in -149..127: -150"},
      {"exponent high", [](QuantizedTensor& t) { t.exponents[0] = 128; }, "128"},
      {"padding", [](QuantizedTensor& t) { t.codes[1] |= 0x80; }, "padding bits of row 0"},
      {"negative zero", [](QuantizedTensor& t) { t.codes[0] = 0b100; }, "not in the paper book"},
      {"m above n", [](QuantizedTensor& t) { t.codes[2] = 0b011; }, "row 1, element 0"},
      {"scale count",
       [](QuantizedTensor& t) {
         t.scales = {1, 2};
       },
       "scale must have 4"},
      {"scale NaN", [](QuantizedTensor& t) { t.scales = {std::nanf("")}; },
       "scale[0] is not finite"},
      {"scale overflow",
       [](QuantizedTensor& t) {
         t.exponents[3] = 100;
         t.scales = {3e38F};
       },
       "beyond float32"},
      {"bias count",
       [](QuantizedTensor& t) {
         t.bias = {1, 2, 3};
       },
       "bias must have 4"},
      {"bias Inf",
       [](QuantizedTensor& t) {
         t.bias = {1, 2, 3, INFINITY};
       },
       "bias[3] is not finite"},
      {"shape",
       [](QuantizedTensor& t) {
         t.shape = {5, 5};
       },
       "5 rows"},
      {"negative shape",
       [](QuantizedTensor& t) {
         t.shape = {-4, -5};
       },
       "negative"},
  };
  for (const Breakage& c : cases) {
    SCOPED_TRACE(c.name);
    QuantizedTensor broken = good;
    c.apply(broken);
    const absl::Status status = Validate(broken);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_FILE");
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(Validate, FindsEveryContradictionOfAUniformTensor) {
  const QuantizedTensor good = Make({4, 5}, {.bits = 8, .scheme = Scheme::kUniform});
  ASSERT_TRUE(Validate(good).ok());
  const Breakage cases[] = {
      {"codes", [](QuantizedTensor& t) { t.codes.push_back(0); }, "got 21 bytes"},
      {"-128", [](QuantizedTensor& t) { t.codes[7] = 0x80; }, "code 7 must be in -127..127"},
      {"exponents", [](QuantizedTensor& t) { t.exponents = {0}; }, "exponent must have 0"},
      {"scales", [](QuantizedTensor& t) { t.scales.clear(); }, "scale must have 4"},
      {"one scale", [](QuantizedTensor& t) { t.scales.resize(1); }, "scale must have 4"},
      {"scale overflow", [](QuantizedTensor& t) { t.scales[2] = 3e37F; }, "beyond float32"},
  };
  for (const Breakage& c : cases) {
    SCOPED_TRACE(c.name);
    QuantizedTensor broken = good;
    c.apply(broken);
    EXPECT_THAT(std::string(Validate(broken).message()), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace lbw::quant

#include "base/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace lbw::base {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kBig = int64_t{1} << 62;

// The value of a half by its definition, in double.
double HalfValue(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

bool IsHalfNan(uint16_t bits) { return (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff) != 0; }
bool IsHalfInf(uint16_t bits) { return (bits & 0x7fff) == 0x7c00; }

TEST(F16, All65536WidenExactlyAndComeBack) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const float wide = F16ToF32(bits);
    if (IsHalfNan(bits)) {
      ASSERT_TRUE(std::isnan(wide)) << bits;
      ASSERT_TRUE(IsHalfNan(F32ToF16(wide))) << bits;
      continue;
    }
    if (IsHalfInf(bits)) {
      ASSERT_TRUE(std::isinf(wide)) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(wide), HalfValue(bits)) << bits;
    }
    ASSERT_EQ(std::signbit(wide), (bits & 0x8000) != 0) << bits;
    ASSERT_EQ(F32ToF16(wide), bits);
  }
}

// Between each pair of neighbours: the middle goes to the even one, a hair beside it to the nearer
// one.
TEST(F16, RoundsToNearestEvenBetweenAllNeighbours) {
  for (uint16_t low = 0; low < 0x7bff; ++low) {
    const auto high = static_cast<uint16_t>(low + 1);
    const auto middle =
        static_cast<float>((HalfValue(low) + HalfValue(high)) / 2);  // exact in float32
    const uint16_t even = (low & 1) == 0 ? low : high;
    ASSERT_EQ(F32ToF16(middle), even) << low;
    ASSERT_EQ(F32ToF16(-middle), even | 0x8000) << low;
    ASSERT_EQ(F32ToF16(std::nextafter(middle, 0.0f)), low) << low;
    ASSERT_EQ(F32ToF16(std::nextafter(middle, 1e9f)), high) << low;
  }
}

TEST(F16, OverflowsToInfinityFromHalfWayOn) {
  EXPECT_EQ(F32ToF16(65519.996f), 0x7bff);
  EXPECT_EQ(F32ToF16(65520.0f), 0x7c00);
  EXPECT_EQ(F32ToF16(-1e30f), 0xfc00);
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(F32ToF16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(F32ToF16(-0.0f), 0x8000);
}

TEST(BF16, All65536WidenAndComeBack) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const float wide = BF16ToF32(bits);
    ASSERT_EQ(std::bit_cast<uint32_t>(wide), i << 16);
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(BF16ToF32(F32ToBF16(wide)))) << bits;
    } else {
      ASSERT_EQ(F32ToBF16(wide), bits);
    }
  }
}

TEST(BF16, RoundsToNearestEvenBetweenAllNeighbours) {
  for (uint32_t low = 0; low < 0x7f7f; ++low) {
    const uint32_t middle = (low << 16) | 0x8000u;
    const uint32_t even = (low & 1) == 0 ? low : low + 1;
    ASSERT_EQ(F32ToBF16(std::bit_cast<float>(middle)), even);
    ASSERT_EQ(F32ToBF16(std::bit_cast<float>(middle - 1)), low);
    ASSERT_EQ(F32ToBF16(std::bit_cast<float>(middle + 1)), low + 1);
    ASSERT_EQ(F32ToBF16(std::bit_cast<float>(middle | 0x80000000u)), even | 0x8000u);
  }
  EXPECT_EQ(F32ToBF16(std::numeric_limits<float>::max()), 0x7f80);  // rounds up to infinity
}

TEST(CheckedElementCount, MultipliesWithinTheLimit) {
  EXPECT_EQ(CheckedElementCount({}, 1).value(), 1);
  EXPECT_EQ(CheckedElementCount({64, 3, 3, 3}, 1728).value(), 1728);
  EXPECT_EQ(CheckedElementCount({5, 0, 7}, 100).value(), 0);
  EXPECT_FALSE(CheckedElementCount({64, 3, 3, 3}, 1727).ok());
  EXPECT_FALSE(CheckedElementCount({}, 0).ok());
}

TEST(CheckedElementCount, RefusesNegativeAndOverflowingShapesAndNamesThem) {
  const absl::Status negative = CheckedElementCount({2, -1}, 100).status();
  EXPECT_EQ(negative.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(negative.message()), HasSubstr("[2, -1]"));
  EXPECT_FALSE(CheckedElementCount({kBig, 4}, std::numeric_limits<int64_t>::max()).ok());
  EXPECT_FALSE(CheckedElementCount({kBig, kBig, 0}, 100).ok());
  EXPECT_FALSE(CheckedElementCount({0, kBig, kBig}, 100).ok());
  EXPECT_FALSE(CheckedElementCount({0, -5}, 100).ok());
  const absl::Status large = CheckedElementCount({11, 10}, 109).status();
  EXPECT_THAT(std::string(large.message()), HasSubstr("109"));
}

TEST(Tensor, StartsZeroFilledAndAligned) {
  const Tensor tensor(DType::kF32, {3, 5});
  EXPECT_EQ(tensor.elements(), 15);
  EXPECT_EQ(tensor.size_bytes(), 60u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes().data()) % 64, 0u);
  EXPECT_THAT(tensor.as<float>(), Each(0.0f));
}

TEST(Tensor, CopiesDeepAndMovesLeaveAnEmptyOne) {
  Tensor first = Tensor::FromF32({2}, {1.0f, 2.0f});
  Tensor copy = first;
  copy.mutable_as<float>()[0] = 9.0f;
  EXPECT_THAT(first.as<float>(), ElementsAre(1.0f, 2.0f));
  const std::byte* storage = first.bytes().data();
  const Tensor moved = std::move(first);
  EXPECT_EQ(moved.bytes().data(), storage);
  EXPECT_THAT(moved.as<float>(), ElementsAre(1.0f, 2.0f));
  copy = moved;
  EXPECT_THAT(copy.as<float>(), ElementsAre(1.0f, 2.0f));
  copy = *&copy;
  EXPECT_THAT(copy.as<float>(), ElementsAre(1.0f, 2.0f));
}

TEST(Tensor, ScalarsAndEmptyTensors) {
  const Tensor scalar = Tensor::FromI64({}, {7});
  EXPECT_EQ(scalar.elements(), 1);
  EXPECT_THAT(scalar.as<int64_t>(), ElementsAre(7));
  const Tensor empty(DType::kF64, {4, 0});
  EXPECT_EQ(empty.elements(), 0);
  EXPECT_TRUE(empty.as<double>().empty());
  const Tensor copy(empty.view());
  EXPECT_EQ(copy.shape(), (Shape{4, 0}));
  EXPECT_EQ(Tensor().elements(), 0);
}

TEST(TensorDeathTest, AbortsOnBrokenInvariants) {
  EXPECT_DEATH(Tensor(DType::kF32, {-1}), "check failed");
  EXPECT_DEATH(Tensor(DType::kF64, {int64_t{1} << 60, 2}), "check failed");
  EXPECT_DEATH(Tensor::FromF32({3}, {1.0f}), "check failed");
  EXPECT_DEATH(Tensor(DType::kF32, {1}).as<double>(), "check failed");
}

TEST(ToF32, WidensEveryFloatingTypeFromUnalignedBytes) {
  const uint16_t halves[] = {0x3c00, 0xc000};
  const uint16_t brains[] = {0x3f80, 0xc000};
  const double doubles[] = {1.0, -2.0};
  const float floats[] = {1.0f, -2.0f};
  const auto convert = [](DType dtype, const void* data, size_t bytes) {
    std::vector<std::byte> shifted(bytes + 1);
    std::memcpy(shifted.data() + 1, data, bytes);
    return ToF32(TensorView{dtype, {2}, {shifted.data() + 1, bytes}}).value();
  };
  EXPECT_THAT(convert(DType::kF16, halves, sizeof halves), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(convert(DType::kBF16, brains, sizeof brains), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(convert(DType::kF32, floats, sizeof floats), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(convert(DType::kF64, doubles, sizeof doubles), ElementsAre(1.0f, -2.0f));
}

TEST(ToF32, RefusesIntegersAndDoublesBeyondRange) {
  EXPECT_EQ(ToF32(Tensor::FromI64({1}, {1}).view()).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto from = [](std::vector<double> values) {
    const Shape shape = {static_cast<int64_t>(values.size())};
    return ToF32(TensorView{
        DType::kF64,
        shape,
        {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(double)}});
  };
  const double limit = 0x1.ffffffp127;
  EXPECT_EQ(from({std::nextafter(limit, 0.0)}).value()[0], std::numeric_limits<float>::max());
  const absl::Status beyond = from({0.0, -limit}).status();
  EXPECT_EQ(beyond.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(beyond.message()), HasSubstr("element 1"));
  const std::vector<float> odd = from({std::numeric_limits<double>::infinity(),
                                       std::numeric_limits<double>::quiet_NaN(), 1e-300})
                                     .value();
  EXPECT_TRUE(std::isinf(odd[0]));
  EXPECT_TRUE(std::isnan(odd[1]));
  EXPECT_EQ(odd[2], 0.0f);
}

}  // namespace
}  // namespace lbw::base

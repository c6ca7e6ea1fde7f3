#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/status.h"
#include "graph/rounding_points.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::HasSubstr;
using testing_support::MakeNode;
using testing_support::Net;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(ChooseRange, TakesTheFormThatTheExtremesAskFor) {
  EXPECT_EQ(ChooseRange({0, 510}), (ActivationRange{false, 2, 0, "max"}));
  EXPECT_EQ(ChooseRange({5, 255}), (ActivationRange{false, 1, 0, "max"}));
  EXPECT_EQ(ChooseRange({-127, 100}), (ActivationRange{true, 1, 0, "max"}));
  EXPECT_EQ(ChooseRange({-50, 254}), (ActivationRange{false, 304.0F / 255, 42, "max"}));
  // HardSwish of [-3, 6]: 6 / 127 against 6.375 / 255.
  EXPECT_EQ(ChooseRange({-0.375F, 6}), (ActivationRange{false, 0.025F, 15, "max"}));
  EXPECT_EQ(ChooseRange({-255, 0}), (ActivationRange{false, 1, 255, "max"}));
  EXPECT_EQ(ChooseRange({-255, -10}), (ActivationRange{false, 1, 255, "max"}));
}

// 127 * 1.5 * affine = max |x|: high = 255 / 190.5 * (high - low) ... low = -(1 - 190.5 / 255)
// high.
TEST(ChooseRange, AffineMustBeOneAndAHalfTimesFiner) {
  const float border = 170.0F / 127 - 1;  // of |low| / high
  EXPECT_FALSE(ChooseRange({-(border - 0.01F), 1}).is_signed);
  EXPECT_TRUE(ChooseRange({-(border + 0.01F), 1}).is_signed);
  EXPECT_FALSE(ChooseRange({-1, border - 0.01F}).is_signed);
  EXPECT_TRUE(ChooseRange({-1, border + 0.01F}).is_signed);
}

TEST(ChooseRange, DegenerateExtremesHaveScaleOne) {
  const ActivationRange one{false, 1, 0, "max"};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Extremes& extremes :
       {Extremes{0, 0}, Extremes{-0.0F, 0}, Extremes{1, -1}, Extremes{nan, 1}, Extremes{0, nan},
        Extremes{0, kInfinity}, Extremes{-kInfinity, 0}, Extremes{0, 1e-40F},
        Extremes{-1e-40F, 1e-40F}}) {
    EXPECT_EQ(ChooseRange(extremes), one) << extremes.low << " " << extremes.high;
  }
}

// Zero has an exact code; no value within the extremes is further than half a step from its code,
// but for the zero point's own rounding.
TEST(ChooseRange, CoversWhatLiesBetween) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> exponent(-100, 126);
  std::uniform_real_distribution<float> share(-1.5F, 1);
  for (int i = 0; i < 20000; ++i) {
    const float high = std::exp2(exponent(random));
    float low = high * share(random);
    if (i % 2 == 0) low = std::min(low, 0.0F);
    const Extremes extremes{std::min(low, high), std::max(low, high)};
    const ActivationRange range = ChooseRange(extremes);
    ASSERT_TRUE(std::isfinite(range.scale) && range.scale > 0);
    ASSERT_GE(range.zero_point, range.least_code());
    ASSERT_LE(range.zero_point, range.greatest_code());
    for (const float x : {extremes.low, extremes.high, 0.5F * extremes.high}) {
      const double code = std::clamp(
          std::nearbyint(static_cast<double>(x) / static_cast<double>(range.scale)) +
              range.zero_point,
          static_cast<double>(range.least_code()), static_cast<double>(range.greatest_code()));
      const double back = static_cast<double>(range.scale) * (code - range.zero_point);
      ASSERT_LE(std::fabs(back - static_cast<double>(x)), 1.001 * static_cast<double>(range.scale))
          << extremes.low << " " << extremes.high;
    }
  }
}

TEST(PictureRange, IsThePixelsWhereOneScaleAndAWholeMeanAllowIt) {
  const std::vector<float> third = {1.0F / 255, 1.0F / 255, 1.0F / 255};
  const std::vector<float> zero = {0, 0, 0};
  EXPECT_EQ(PictureRange(zero, third), (ActivationRange{false, 1.0F / 255, 0, "picture"}));
  const std::vector<float> mean = {127};
  const std::vector<float> scale = {1.0F / 128};
  const ActivationRange centred = PictureRange(mean, scale);
  EXPECT_EQ(centred, (ActivationRange{false, 1.0F / 128, 127, "picture"}));
  // Every pixel's value has its pixel as code.
  for (int pixel = 0; pixel < 256; ++pixel) {
    const float x = (static_cast<float>(pixel) - 127) / 128;
    ASSERT_EQ(std::nearbyint(x / centred.scale) + 127, pixel);
  }
}

TEST(PictureRange, ElseIsWhatAPictureCanHold) {
  const std::vector<float> mean = {123.675F, 116.28F, 103.53F};
  const std::vector<float> scale = {1 / 58.395F, 1 / 57.12F, 1 / 57.375F};
  const ActivationRange range = PictureRange(mean, scale);
  EXPECT_EQ(range.method, "max");
  EXPECT_TRUE(range.is_signed);
  EXPECT_NEAR(range.scale, (255 - 103.53F) / 57.375F / 127, 1e-6F);
  for (const float bad : {-1.0F, 256.0F, 0.5F}) {
    const std::vector<float> one_mean = {bad};
    const std::vector<float> one = {1};
    EXPECT_EQ(PictureRange(one_mean, one).method, "max") << bad;
  }
  const std::vector<float> black = {0};
  const std::vector<float> negative = {-1};
  EXPECT_EQ(PictureRange(black, negative), (ActivationRange{false, 1, 255, "max"}));
}

TEST(ChooseActivations, JoinsTheExtremesOfAGroup) {
  const ActivationRange picture{false, 1.0F / 255, 0, "picture"};
  const std::vector<RoundingPoint> points = {
      {"x", 0, true}, {"a", 1, false}, {"b", 2, false}, {"c", 1, false}};
  const auto chosen =
      ChooseActivations(points, {{"a", {0, 10}}, {"b", {-127, 1}}, {"c", {0, 510}}}, picture);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(*chosen, (Activations{{"x", picture},
                                  {"a", {false, 2, 0, "max"}},
                                  {"b", ChooseRange({-127, 1})},
                                  {"c", {false, 2, 0, "max"}}}));
  // A picture beside features gives up its own codes.
  const auto shared =
      ChooseActivations({{"x", 0, true}, {"a", 0, false}}, {{"a", {-2, 0.5F}}}, picture);
  ASSERT_TRUE(shared.ok()) << shared.status();
  EXPECT_EQ(shared->at("x"), ChooseRange({-2, 1}));
  EXPECT_EQ(shared->at("a"), shared->at("x"));
  const auto missing = ChooseActivations(points, {{"a", {0, 10}}}, picture);
  EXPECT_EQ(base::GetErrorDetails(missing.status()).reason, "BAD_ARGUMENT");
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("point b"));
}

TEST(CheckActivations, NamesTheKey) {
  Net net;
  net.Input("x", {kBatch, 4});
  net.Add(MakeNode("Relu", {"x"}, {"y", ""}));
  const ActivationRange good{true, 0.5F, -128, "max"};
  EXPECT_EQ(CheckActivations({{"x", good}, {"y", good}}, net.graph), absl::OkStatus());
  EXPECT_THAT(std::string(CheckActivations({{"z", good}}, net.graph).message()),
              HasSubstr("no value z"));
  EXPECT_FALSE(CheckActivations({{"", good}}, net.graph).ok());
  for (const ActivationRange& bad :
       {ActivationRange{false, 0, 0, "max"}, ActivationRange{false, -1, 0, "max"},
        ActivationRange{false, kInfinity, 0, "max"},
        ActivationRange{false, std::numeric_limits<float>::quiet_NaN(), 0, "max"},
        ActivationRange{false, 1, -1, "max"}, ActivationRange{false, 1, 256, "max"},
        ActivationRange{true, 1, 128, "max"}, ActivationRange{true, 1, -129, "max"},
        ActivationRange{false, 1, 0, ""}, ActivationRange{false, 1, 0, std::string(65, 'a')}}) {
    const absl::Status status = CheckActivations({{"y", bad}}, net.graph);
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_ARGUMENT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("activations.y."));
  }
}

}  // namespace
}  // namespace lbw::graph

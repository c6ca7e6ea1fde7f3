#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "detect/decoder.h"
#include "support/test_data.h"
#include "unit/detect/golden.h"

namespace lbw::detect {
namespace {

InputSpec Input(int64_t height, int64_t width) {
  InputSpec input;
  input.height = height;
  input.width = width;
  return input;
}

TEST(MakePriors, GoesByRowColumnThenSize) {
  PriorLevel level;
  level.rows = 1;
  level.cols = 2;
  level.wh = {{0.25F, 0.5F}, {0.125F, 0.125F}};
  const auto priors = MakePriors({level}, Input(100, 200));
  ASSERT_EQ(priors.size(), 4U);
  EXPECT_EQ(priors[0], (BoxCxcywhNorm{0.25F, 0.5F, 0.25F, 0.5F}));
  EXPECT_EQ(priors[1], (BoxCxcywhNorm{0.25F, 0.5F, 0.125F, 0.125F}));
  EXPECT_EQ(priors[2], (BoxCxcywhNorm{0.75F, 0.5F, 0.25F, 0.5F}));
}

TEST(MakePriors, StepInPixelsIsRelativeToTheInput) {
  PriorLevel level;
  level.rows = 2;
  level.cols = 1;
  level.wh = {{0.5F, 0.5F}};
  level.step_px = 20.0F;
  const auto priors = MakePriors({level}, Input(100, 200));
  ASSERT_EQ(priors.size(), 2U);
  EXPECT_EQ(priors[1], (BoxCxcywhNorm{0.05F, 0.3F, 0.5F, 0.5F}));
}

TEST(MakePriors, ClipCutsAtTheEdgeAndMovesTheCentre) {
  PriorLevel level;
  level.rows = 1;
  level.cols = 2;
  level.wh = {{1.0F, 0.5F}};
  level.clip = true;
  const auto priors = MakePriors({level}, Input(8, 8));
  ASSERT_EQ(priors.size(), 2U);
  EXPECT_EQ(priors[0], (BoxCxcywhNorm{0.375F, 0.5F, 0.75F, 0.5F}));
}

struct Reference {
  const char* name;
  std::vector<std::array<double, 2>> wh_px;
  std::optional<float> step_px;
  bool clip;
};

// Caffe's PriorBox as OpenCV computes it: min_size, sqrt(min_size * max_size), then each aspect
// ratio (and its inverse with flip) map to `wh`, step to `step_px`, clip to `clip`; offset .5 is
// ours. The first half of `expected` holds the corners, relative.
TEST(MakePriors, EqualsOpenCvPriorBox) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const auto ratio = [](double size, double r) {
    return std::array<double, 2>{size * std::sqrt(r), size / std::sqrt(r)};
  };
  const double mid1 = std::sqrt(30.0 * 60.0);
  const double mid2 = std::sqrt(60.0 * 111.0);
  const std::vector<Reference> references = {
      {"ssd300_conv4_3_like",
       {{30, 30}, {mid1, mid1}, ratio(30, 2), ratio(30, 0.5)},
       100.0F,
       false},
      {"mbox_multi_ar",
       {{60, 60}, {mid2, mid2}, ratio(60, 2), ratio(60, 0.5), ratio(60, 3), ratio(60, 1.0 / 3)},
       std::nullopt,
       true},
      {"no_max_nonsquare", {{32, 32}, ratio(32, 2)}, std::nullopt, false}};
  const auto cases = ReadJson(*data + "/golden_metrics/ssd_priorbox_opencv.json");
  ASSERT_EQ(cases.size(), references.size());
  for (size_t i = 0; i < references.size(); ++i) {
    ASSERT_EQ(cases[i]["name"], references[i].name);
    const auto width = cases[i]["image_wh"][0].get<int64_t>();
    const auto height = cases[i]["image_wh"][1].get<int64_t>();
    PriorLevel level;
    level.cols = cases[i]["feature_wh"][0].get<int64_t>();
    level.rows = cases[i]["feature_wh"][1].get<int64_t>();
    level.step_px = references[i].step_px;
    level.clip = references[i].clip;
    for (const auto& wh : references[i].wh_px) {
      level.wh.push_back({static_cast<float>(wh[0] / static_cast<double>(width)),
                          static_cast<float>(wh[1] / static_cast<double>(height))});
    }
    const auto priors = MakePriors({level}, Input(height, width));
    const auto expected = Floats(cases[i]["expected"]["data"]);
    ASSERT_EQ(priors.size() * 8, expected.size()) << references[i].name;
    for (size_t p = 0; p < priors.size(); ++p) {
      const BoxCxcywhNorm& b = priors[p];
      const float corners[] = {b.cx - b.w / 2, b.cy - b.h / 2, b.cx + b.w / 2, b.cy + b.h / 2};
      for (size_t k = 0; k < 4; ++k) {
        EXPECT_NEAR(corners[k], expected[4 * p + k], 1e-6) << references[i].name << " " << p;
      }
    }
  }
}

}  // namespace
}  // namespace lbw::detect

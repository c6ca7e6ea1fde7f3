#include "eval/average_precision.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "support/test_data.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

constexpr detect::BoxXyxyPx kLeft{0, 0, 100, 100};
constexpr detect::BoxXyxyPx kRight{200, 0, 300, 100};
constexpr detect::BoxXyxyPx kSmall{400, 0, 420, 20};
constexpr detect::BoxXyxyPx kNowhere{500, 500, 600, 600};

VocResult Evaluate(const Lists& lists, const VocOptions& options = VocOptions()) {
  auto result = EvaluateVoc(lists.Set(), options);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return result.ok() ? *std::move(result) : VocResult();
}

// Two easy truths and a difficult one; the difficult is found first and twice, one easy is found,
// one box is wrong. Ranking without the neutral ones: T F of 2.
TEST(EvaluateVoc, LeavesDifficultObjectsOutOfTheCurve) {
  const VocResult result = Evaluate({{Difficult({0, kLeft}), Truth({0, kRight}), Truth({1, kLeft})},
                                     {Found({0, kLeft}, 0.9F), Found({0, kLeft}, 0.8F),
                                      Found({0, kRight}, 0.7F), Found({1, kNowhere}, 0.6F)},
                                     2,
                                     1});
  const ClassPrecision& only = result.classes[0];
  EXPECT_EQ(only.truths, 2);
  EXPECT_EQ(only.not_counted, 1);
  EXPECT_EQ(only.true_positives, 1);
  EXPECT_EQ(only.false_positives, 1);
  EXPECT_EQ(only.neutral, 2);
  EXPECT_DOUBLE_EQ(only.ap->area, 0.5);
  EXPECT_DOUBLE_EQ(only.ap->eleven_point, 6.0 / 11);
  ASSERT_EQ(only.curve.size(), 2U);
  EXPECT_DOUBLE_EQ(only.curve[0].precision, 1);
}

TEST(EvaluateVoc, LeavesAClassWithoutTruthsOutOfTheMeanButCountsItsBoxes) {
  Lists lists = {{Truth({0, kLeft}), Truth({0, kRight}, 1)},
                 {Found({0, kLeft}, 0.9F), Found({0, kLeft}, 0.9F, 2)},
                 1,
                 3};
  VocResult result = Evaluate(lists);
  EXPECT_DOUBLE_EQ(result.classes[0].ap->area, 1);
  EXPECT_DOUBLE_EQ(result.classes[1].ap->area, 0);  // truths, nothing found
  EXPECT_FALSE(result.classes[2].ap.has_value());
  EXPECT_TRUE(result.classes[2].curve.empty());
  EXPECT_EQ(result.classes_with_truths, 2);
  EXPECT_DOUBLE_EQ(result.mean->area, 0.5);
  EXPECT_EQ(result.true_positives, 1);
  EXPECT_EQ(result.false_positives, 1);
  // Only difficult truths: no AP either.
  lists.truths = {Difficult({0, kLeft})};
  result = Evaluate(lists);
  EXPECT_FALSE(result.mean.has_value());
  EXPECT_EQ(result.classes[0].neutral, 1);
}

TEST(EvaluateVoc, IsEmptyForNothing) {
  const VocResult result = Evaluate({{}, {}, 0, 0});
  EXPECT_TRUE(result.classes.empty());
  EXPECT_FALSE(result.mean.has_value());
}

TEST(EvaluateVoc, SplitsBySize) {
  VocOptions options;
  options.areas = CocoAreas();
  const VocResult result =
      Evaluate({{Truth({0, kLeft}), Truth({0, kRight}), Truth({0, kSmall})},
                {Found({0, kNowhere}, 0.95F), Found({0, kLeft}, 0.9F), Found({0, kSmall}, 0.8F)}},
               options);
  const auto& by_area = result.classes[0].by_area;
  ASSERT_EQ(by_area.size(), 3U);
  EXPECT_DOUBLE_EQ(by_area[0]->area, 1);  // the large wrong box is no small one
  EXPECT_FALSE(by_area[1].has_value());
  EXPECT_DOUBLE_EQ(by_area[2]->area, 0.25);  // F T of 2
  EXPECT_FALSE(result.mean_by_area[1].has_value());
  EXPECT_DOUBLE_EQ(result.mean_by_area[2]->area, 0.25);
}

TEST(EvaluateVoc, TakesTheAreaOfATruthWhereItIsGiven) {
  VocOptions options;
  options.areas = CocoAreas();
  Lists lists = {{Truth({0, kLeft})}, {Found({0, kLeft}, 0.9F)}};
  lists.truths[0].area_px2 = 100;
  const VocResult result = Evaluate(lists, options);
  EXPECT_TRUE(result.classes[0].by_area[0].has_value());
  EXPECT_FALSE(result.classes[0].by_area[2].has_value());
}

TEST(EvaluateVoc, ChecksItsOptionsAtTheLimits) {
  const auto code = [](const VocOptions& options) {
    return EvaluateVoc(Lists().Set(), options).status().code();
  };
  VocOptions options;
  options.max_curve_points = kMaxCurvePoints;
  options.areas.assign(kMaxAreas, AreaRange{1, 1});
  EXPECT_EQ(code(options), absl::StatusCode::kOk);
  options.max_curve_points = kMaxCurvePoints + 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options.max_curve_points = 1;
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options = VocOptions();
  options.areas.assign(kMaxAreas + 1, AreaRange());
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
  options.areas = {AreaRange{2, 1}};
  EXPECT_EQ(code(options), absl::StatusCode::kInvalidArgument);
}

// Lines of `class [score] x y w h`.
void ReadCase(const std::string& folder, Lists* lists) {
  for (int32_t image = 0; image < 7; ++image) {
    const std::string name = "/0000" + std::to_string(image + 1) + ".txt";
    std::string label;
    float score = 0;
    float x = 0;
    float y = 0;
    float w = 0;
    float h = 0;
    std::ifstream truths(folder + "/gts" + name);
    while (truths >> label >> x >> y >> w >> h) {
      lists->truths.push_back(Truth({image, {x, y, x + w, y + h}}));
    }
    std::ifstream found(folder + "/dets" + name);
    while (found >> label >> score >> x >> y >> w >> h) {
      lists->found.push_back(Found({image, {x, y, x + w, y + h}}, score));
    }
  }
  lists->image_count = 7;
}

TEST(EvaluateVoc, ReproducesTheGoldenCase) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const std::string folder = *data + "/golden_metrics/voc_ap_case1";
  Lists lists;
  ReadCase(folder, &lists);
  ASSERT_EQ(lists.truths.size(), 15U);
  ASSERT_EQ(lists.found.size(), 24U);
  std::ifstream file(folder + "/expected.json");
  const nlohmann::json expected = nlohmann::json::parse(file);
  int compared = 0;
  for (const auto& [threshold, values] : expected.at("iou").items()) {
    VocOptions options;
    options.match.iou_threshold = std::stod(threshold);
    const VocResult result = Evaluate(lists, options);
    EXPECT_NEAR(result.mean->eleven_point, values.at("ap_11pt").get<double>(), 1e-6) << threshold;
    EXPECT_NEAR(result.mean->area, values.at("ap_area").get<double>(), 1e-6) << threshold;
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

}  // namespace
}  // namespace lbw::eval

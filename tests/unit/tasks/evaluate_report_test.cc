#include "tasks/evaluate_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "tasks/report_size.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// Every picture has one object of each of `classes`, found with an uneven score; every second box
// is beside its object, so that curves have many steps.
struct Scene {
  Truth truth;
  EvaluateState state;
};
Scene ManyClasses(int classes, int pictures) {
  Scene scene;
  scene.truth.pictures = pictures;
  for (int c = 0; c < classes; ++c) scene.truth.labels.push_back(base::StrCat("class ", c));
  for (int p = 0; p < pictures; ++p) {
    for (int c = 0; c < classes; ++c) {
      const auto at = static_cast<float>(20 * c);
      eval::TruthBox truth;
      truth.image_index = p;
      truth.class_index = c;
      truth.box = {at, 10, at + 15, 30};
      scene.truth.boxes.push_back(truth);
      const float shift = p % 2 == 0 ? 0.0F : 200.0F;
      const auto score = static_cast<float>(1.0 / (1.37 + p + c * 0.013));
      scene.state.main.found.push_back({p, {{at, 10 + shift, at + 15, 30 + shift}, c, score}});
    }
  }
  scene.state.done = pictures;
  return scene;
}

TEST(Report, CountsByHand) {
  const Scene scene = ManyClasses(2, 4);
  const auto report = Report(scene.truth, EvaluateSpec(), scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  const Json& one = (*report)["voc"]["classes"][1];
  EXPECT_EQ(one["label"], "class 1");
  EXPECT_EQ(one["truths"], "4");
  EXPECT_EQ(one["true_positives"], "2");
  EXPECT_EQ(one["false_positives"], "2");
  // Ranks: true, false, true, false: precision 1 up to recall 1/4, then 2/3 up to 1/2.
  EXPECT_NEAR(one["ap"].get<double>(), 0.25 + 0.25 * 2 / 3, 1e-12);
  EXPECT_NEAR(one["ap_11"].get<double>(), (3 * 1.0 + 3 * 2.0 / 3) / 11, 1e-12);
}

TEST(Report, MetricsAreThoseThatAreDefined) {
  const Scene scene = ManyClasses(2, 4);
  const auto report = Report(scene.truth, EvaluateSpec(), scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  const auto metrics = MetricsOf(*report);
  EXPECT_THAT(metrics, SizeIs(4));
  EXPECT_EQ(metrics.count("map_coco"), 1U);
  EXPECT_EQ(metrics.at("map_50"), (*report)["voc"]["map_50"].get<double>());
  Scene nothing = scene;
  nothing.truth.boxes.clear();
  const auto undefined = Report(nothing.truth, EvaluateSpec(), nothing.state);
  ASSERT_TRUE(undefined.ok()) << undefined.status();
  EXPECT_THAT(MetricsOf(*undefined), SizeIs(0));
}

TEST(Report, CocoDatasetsArePromotedByCocosFigure) {
  Scene scene = ManyClasses(2, 4);
  scene.truth.format = dataset::Format::kCoco;
  scene.truth.pixels = eval::PixelRule::kContinuous;
  const auto report = Report(scene.truth, EvaluateSpec(), scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ((*report)["metric"], "map_coco");
  EXPECT_EQ((*report)["value"], (*report)["coco"]["ap"]);
}

TEST(Report, SummaryHasNoCurves) {
  const Scene scene = ManyClasses(3, 10);
  const auto report = Report(scene.truth, EvaluateSpec(), scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(Dump(*report), HasSubstr("curve"));
  EXPECT_THAT(Dump(Summary(*report)), Not(HasSubstr("curve")));
}

TEST(Report, AClassifierByHand) {
  Truth truth;
  truth.task = dataset::Task::kClassification;
  truth.labels = {"a", "b", "c"};
  truth.pictures = 4;
  EvaluateSpec spec;
  spec.options.top_k = 2;
  EvaluateState state;
  state.done = 4;
  state.main.judged = {{0, 0, 0}, {0, 1, 1}, {1, 2, 2}, {1, 1, 0}};
  state.main.judged_pictures = {0, 1, 2, 3};
  const auto report = Report(truth, spec, state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(MetricsOf(*report), UnorderedElementsAre(Pair("top1", 0.5), Pair("top_k", 0.75)));
  EXPECT_EQ((*report)["metric"], "top1");
  const Json& classification = (*report)["classification"];
  EXPECT_EQ(classification["confusion"].dump(), R"(["1","1","0","0","1","1","0","0","0"])");
  EXPECT_FALSE(classification["classes"][2].contains("accuracy"));
  EXPECT_FALSE(Summary(*report)["classification"].contains("confusion"));
}

// A result is a line of the jobs' protocol: what is longer fails the job at its very end. COCO has
// 80 classes, Objects365 365, LVIS 1,203.
class ReportSize : public ::testing::TestWithParam<int> {};
TEST_P(ReportSize, FitsIntoAResultWithManyClasses) {
  Scene scene = ManyClasses(GetParam(), 110);
  scene.state.against = scene.state.main;
  EvaluateSpec spec;
  spec.against = base::ModelRef{"m", 1, std::nullopt};
  auto report = Report(scene.truth, spec, scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  const auto left_out = ShrinkToFit(kMostReportBytes, *report);
  EXPECT_LE(Dump(*report).size(), kMostReportBytes);
  EXPECT_EQ(left_out.empty(), GetParam() <= 80) << "COCO's classes have everything";
  EXPECT_TRUE((*report)["voc"].contains("map_50"));
}
INSTANTIATE_TEST_SUITE_P(Classes, ReportSize, ::testing::Values(20, 80, 365, 1203));

TEST(RunningMap, LooksOnlyAtWhatWasSeen) {
  Scene scene = ManyClasses(1, 4);
  scene.state.done = 1;
  scene.state.main.found.resize(1);
  EXPECT_DOUBLE_EQ(RunningMap(scene.truth, scene.state), 1.0);
}

}  // namespace
}  // namespace lbw::tasks

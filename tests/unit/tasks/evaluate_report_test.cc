#include "tasks/evaluate_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

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
  EXPECT_EQ((*undefined)["metric"], "map_50");
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

TEST(Report, NamesOfFieldsAreTheApis) {
  Scene scene = ManyClasses(1, 4);
  scene.state.failed = {3};
  scene.state.seconds = {0.3, 0.6, 0.9, 1.2};
  scene.truth.pixels = eval::PixelRule::kContinuous;
  const auto report = Report(scene.truth, EvaluateSpec(), scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  const auto keys = [](const Json& object) {
    std::vector<std::string> names;
    for (const auto& item : object.items()) names.push_back(item.key());
    return names;
  };
  EXPECT_THAT(keys(*report), UnorderedElementsAre("pictures", "pictures_failed", "voc", "coco",
                                                  "timings", "metric", "value"));
  EXPECT_EQ((*report)["pictures"], "3");
  EXPECT_EQ((*report)["pictures_failed"], "1");
  const Json& voc = (*report)["voc"];
  EXPECT_THAT(keys(voc), UnorderedElementsAre("map_50", "map_11", "map_50_interval", "classes",
                                              "sizes", "pixel_rule"));
  EXPECT_EQ(voc["pixel_rule"], "continuous");
  EXPECT_THAT(keys(voc["map_50_interval"]), UnorderedElementsAre("low", "high", "level"));
  EXPECT_THAT(keys(voc["classes"][0]),
              UnorderedElementsAre("label", "truths", "not_counted", "true_positives",
                                   "false_positives", "ap", "ap_11", "curve", "sizes"));
  EXPECT_THAT(keys(voc["classes"][0]["curve"][0]),
              UnorderedElementsAre("recall", "precision", "score"));
  // Every object is 15 x 20 px: there is a figure for small ones only.
  ASSERT_THAT(voc["sizes"], SizeIs(3));
  EXPECT_EQ(voc["sizes"][0]["size"], "small");
  EXPECT_TRUE(voc["sizes"][0].contains("map_50"));
  EXPECT_FALSE(voc["sizes"][1].contains("map_50"));
  EXPECT_FALSE(voc["sizes"][2].contains("map_11"));
  EXPECT_TRUE((*report)["coco"].contains("ap_small"));
  EXPECT_FALSE((*report)["coco"].contains("ap_large"));
  // A mean over the three pictures that were read.
  EXPECT_NEAR((*report)["timings"]["decode_ms"].get<double>(), 100, 1e-9);
  EXPECT_NEAR((*report)["timings"]["postprocess_ms"].get<double>(), 400, 1e-9);
}

TEST(Report, CurvesHaveFewerPointsWhereThereAreMoreClasses) {
  for (const auto& [classes, most] : {std::pair<int, size_t>{2, 50}, {200, 20}}) {
    const Scene scene = ManyClasses(classes, 150);
    const auto report = Report(scene.truth, EvaluateSpec(), scene.state);
    ASSERT_TRUE(report.ok()) << report.status();
    for (const Json& one : (*report)["voc"]["classes"]) {
      ASSERT_GT(one["curve"].size(), 1U);
      ASSERT_LE(one["curve"].size(), most) << classes;
    }
  }
}

// The other version's sure boxes are the truth, whatever the dataset says: it is sure of the first
// picture's box only, which is found ahead of all others.
TEST(Report, AgreementIsWithTheSureBoxesOfTheOther) {
  Scene scene = ManyClasses(1, 4);
  scene.state.against.found = {scene.state.main.found[0], scene.state.main.found[1]};
  scene.state.against.found[0].detection.score = 0.9F;
  scene.state.against.found[1].detection.score = 0.4F;
  EvaluateSpec spec;
  spec.against = base::ModelRef{"m", 7, std::nullopt};
  const auto report = Report(scene.truth, spec, scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  const Json& agreement = (*report)["agreement"];
  EXPECT_EQ(agreement["against"], "models/m/versions/7");
  EXPECT_DOUBLE_EQ(agreement["map_50"].get<double>(), 1.0);
  EXPECT_EQ(agreement["classes"][0]["truths"], "1");
  EXPECT_EQ(agreement["classes"][0]["false_positives"], "3");
  EXPECT_FALSE(agreement["classes"][0].contains("curve"));
}

// Each version failed at another picture: places in the two lists are not the same pictures.
TEST(Report, ClassifiersAreComparedPictureByPicture) {
  Truth truth;
  truth.task = dataset::Task::kClassification;
  truth.labels = {"a", "b"};
  truth.pictures = 4;
  EvaluateSpec spec;
  spec.against = base::ModelRef{"m", 2, std::nullopt};
  EvaluateState state;
  state.done = 4;
  state.failed = {1};
  state.main.judged = {{0, 0, 0}, {0, 1, 1}, {0, 0, 0}};
  state.main.judged_pictures = {0, 2, 3};
  state.against.judged = {{0, 1, 1}, {0, 1, 1}, {0, 1, 1}};
  state.against.judged_pictures = {1, 2, 3};
  const auto report = Report(truth, spec, state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ((*report)["agreement"]["same_top1"], 0.5);
  state.against = {};
  const auto none = Report(truth, spec, state);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE((*none)["agreement"].contains("same_top1"));
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
  EXPECT_EQ(RunningMap(scene.truth, scene.state), 1.0);
}

// Was told as 0, which reads as a detector that finds nothing.
TEST(Report, AFigureThatIsNotDefinedIsLeftOut) {
  Scene scene = ManyClasses(2, 4);
  scene.truth.boxes.clear();
  scene.state.done = 0;
  scene.state.seconds = {0.3, 0.6, 0.9, 1.2};
  scene.state.against.found = {};
  EvaluateSpec spec;
  spec.against = base::ModelRef{"m", 7, std::nullopt};
  const auto report = Report(scene.truth, spec, scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->contains("value"));
  const Json& voc = (*report)["voc"];
  for (const char* key : {"map_50", "map_11", "map_50_interval"}) EXPECT_FALSE(voc.contains(key));
  for (const Json& one : voc["classes"]) {
    EXPECT_FALSE(one.contains("ap"));
    EXPECT_FALSE(one.contains("ap_11"));
    EXPECT_EQ(one["false_positives"], "4");
  }
  EXPECT_THAT((*report)["coco"], SizeIs(0));
  EXPECT_FALSE((*report)["agreement"].contains("map_50"));
  EXPECT_FALSE((*report)["agreement"]["classes"][0].contains("ap"));
  for (const char* key : {"decode_ms", "preprocess_ms", "compute_ms", "postprocess_ms"}) {
    EXPECT_FALSE((*report)["timings"].contains(key)) << "of no pictures";
  }
  EXPECT_EQ(RunningMap(scene.truth, scene.state), std::nullopt);
}

// The second class is found in every picture and there in none.
TEST(Report, TheMeanIsOverTheClassesThatHaveTruths) {
  Scene scene = ManyClasses(2, 4);
  std::vector<eval::TruthBox> first;
  for (const eval::TruthBox& box : scene.truth.boxes) {
    if (box.class_index == 0) first.push_back(box);
  }
  scene.truth.boxes = first;
  const auto report = Report(scene.truth, EvaluateSpec(), scene.state);
  ASSERT_TRUE(report.ok()) << report.status();
  const Json& voc = (*report)["voc"];
  EXPECT_FALSE(voc["classes"][1].contains("ap"));
  EXPECT_EQ(voc["map_50"], voc["classes"][0]["ap"]);
  EXPECT_EQ(voc["map_11"], voc["classes"][0]["ap_11"]);
  EXPECT_EQ((*report)["value"], voc["map_50"]);
}

// Whichever of the figures is being computed.
TEST(Report, CancelActsWhileFiguresAreComputed) {
  Scene scene = ManyClasses(3, 400);
  scene.state.against = scene.state.main;
  EvaluateSpec spec;
  spec.against = base::ModelRef{"m", 1, std::nullopt};
  int asked = 0;
  int no_from = 1 << 30;
  const base::CancelToken cancel([&] { return ++asked >= no_from; }, absl::InfiniteFuture());
  ASSERT_TRUE(Report(scene.truth, spec, scene.state, cancel).ok());
  const int undisturbed = asked;
  ASSERT_GE(undisturbed, 5) << "matching, bootstrap, COCO and agreement";
  for (no_from = 1; no_from <= undisturbed; ++no_from) {
    asked = 0;
    const absl::Status status = Report(scene.truth, spec, scene.state, cancel).status();
    EXPECT_TRUE(absl::IsCancelled(status)) << no_from << ": " << status;
    EXPECT_EQ(asked, no_from) << "it goes on after it was told";
  }
  asked = 0;
  no_from = 1;
  EXPECT_EQ(RunningMap(scene.truth, scene.state, cancel), std::nullopt);
}

}  // namespace
}  // namespace lbw::tasks

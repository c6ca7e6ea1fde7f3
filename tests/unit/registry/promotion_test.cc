#include "registry/promotion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"

namespace lbw::registry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReasonOf(const absl::Status& status) { return base::GetErrorDetails(status).reason; }

PromotionRule AtLeast(double value) {
  PromotionRule rule;
  rule.dataset = "faces";
  rule.min_value = value;
  return rule;
}

PromotionRule DropAtMost(double drop) {
  PromotionRule rule;
  rule.dataset = "faces";
  rule.max_drop = drop;
  rule.against_version = 1;
  return rule;
}

Evaluation Found(double map_50, const std::string& id = "e1") {
  Evaluation evaluation;
  evaluation.id = id;
  evaluation.dataset = "faces";
  evaluation.pack_artifact = "pack";
  evaluation.split = "val";
  evaluation.options_json = R"({"threshold":0.02})";
  evaluation.metric = "map_50";
  evaluation.metrics = {{"map_50", map_50}, {"map_11", map_50 - 0.04}};
  return evaluation;
}

Candidate With(std::vector<Evaluation> evaluations, std::vector<Evaluation> against = {}) {
  Candidate candidate;
  candidate.version_name = "models/m/versions/3";
  candidate.against_name = "models/m/versions/1";
  candidate.content = "pack";
  candidate.evaluations = std::move(evaluations);
  candidate.against = std::move(against);
  return candidate;
}

struct RuleCase {
  const char* name;
  PromotionRule rule;
  const char* field;  // that is wrong; "": the rule is right
  const char* message = "";
};

class CheckRuleTest : public ::testing::TestWithParam<RuleCase> {};

TEST_P(CheckRuleTest, FollowsTheTable) {
  const RuleCase& given = GetParam();
  const absl::Status status = CheckRule(given.rule, "require[2]");
  if (std::string(given.field).empty()) {
    EXPECT_TRUE(status.ok()) << status;
    return;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "BAD_ARGUMENT");
  EXPECT_THAT(base::GetErrorDetails(status).fields,
              ElementsAre("require[2]." + std::string(given.field)));
  EXPECT_THAT(std::string(status.message()), HasSubstr(given.message));
}

template <typename Change>
PromotionRule Changed(PromotionRule rule, Change change) {
  change(rule);
  return rule;
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

INSTANTIATE_TEST_SUITE_P(
    Table, CheckRuleTest,
    ::testing::Values(
        RuleCase{"MinValue", AtLeast(0.85), ""}, RuleCase{"MaxDrop", DropAtMost(0), ""},
        RuleCase{"KnownMetric", Changed(AtLeast(0), [](auto& r) { r.metric = "top_k"; }), ""},
        RuleCase{"NoDataset", Changed(AtLeast(0), [](auto& r) { r.dataset = ""; }), "dataset"},
        RuleCase{"BadDataset", Changed(AtLeast(0), [](auto& r) { r.dataset = "a/b"; }), "dataset"},
        RuleCase{"UnknownMetric", Changed(AtLeast(0), [](auto& r) { r.metric = "map"; }), "metric",
                 "map_coco"},
        RuleCase{"Neither", Changed(AtLeast(0), [](auto& r) { r.min_value.reset(); }), "min_value",
                 "missing"},
        RuleCase{"Both", Changed(DropAtMost(0), [](auto& r) { r.min_value = 0.5; }), "max_drop"},
        RuleCase{"NanMinimum", AtLeast(kNan), "min_value", "finite"},
        RuleCase{"InfiniteMinimum", AtLeast(-kInf), "min_value", "finite"},
        RuleCase{"InfiniteDrop", DropAtMost(kInf), "max_drop", "finite"},
        RuleCase{"NegativeDrop", DropAtMost(-0.01), "max_drop", "max_drop=-0.01"},
        RuleCase{"DropWithoutAgainst",
                 Changed(DropAtMost(0), [](auto& r) { r.against_version.reset(); }), "against"},
        RuleCase{"MinimumWithAgainst", Changed(AtLeast(0), [](auto& r) { r.against_version = 1; }),
                 "against"},
        RuleCase{"AgainstZero", Changed(DropAtMost(0), [](auto& r) { r.against_version = 0; }),
                 "against", "against=0"}),
    [](const auto& given) { return std::string(given.param.name); });

TEST(Judge, TellsWhatWasRequiredAndFound) {
  EXPECT_EQ(Judge(AtLeast(0.85), With({Found(0.8957)})).value(),
            "map_50 on datasets/faces (val): 0.8957 >= 0.85");
  EXPECT_EQ(Judge(DropAtMost(0.01), With({Found(0.89)}, {Found(0.8957)})).value(),
            "map_50 on datasets/faces (val): 0.89 >= 0.8957 - 0.01 (models/m/versions/1 less "
            "max_drop)");
}

TEST(Judge, TheLimitItselfPassesAndLessFails) {
  EXPECT_TRUE(Judge(AtLeast(0.85), With({Found(0.85)})).ok());
  const absl::Status below =
      Judge(AtLeast(0.85), With({Found(std::nextafter(0.85, 0.0))})).status();
  EXPECT_EQ(below.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(below), "EVALUATION_FAILED");
  // 0.9 - 0.85 is 0.05000000000000004 in binary.
  EXPECT_TRUE(Judge(DropAtMost(0.05), With({Found(0.85)}, {Found(0.9)})).ok());
  EXPECT_EQ(ReasonOf(Judge(DropAtMost(0.05), With({Found(0.8499)}, {Found(0.9)})).status()),
            "EVALUATION_FAILED");
  EXPECT_TRUE(Judge(DropAtMost(0), With({Found(0.95)}, {Found(0.9)})).ok());
}

TEST(Judge, AFailureNamesBothFigures) {
  const absl::Status low = Judge(AtLeast(0.9), With({Found(0.8957)})).status();
  EXPECT_THAT(std::string(low.message()),
              AllOf(HasSubstr("models/m/versions/3"), HasSubstr("0.8957 < 0.9")));
  const absl::Status near = Judge(AtLeast(0.85), With({Found(0.8499999999)})).status();
  EXPECT_THAT(std::string(near.message()), HasSubstr("0.8499999999 < 0.85"));
  const absl::Status drop = Judge(DropAtMost(0.001), With({Found(0.89)}, {Found(0.8957)})).status();
  EXPECT_THAT(std::string(drop.message()), HasSubstr("0.89 < 0.8957 - 0.001"));
}

TEST(Judge, TheNewestCountsAlsoWhereAnOlderOneWasBetter) {
  EXPECT_EQ(ReasonOf(Judge(AtLeast(0.85), With({Found(0.8, "new"), Found(0.9, "old")})).status()),
            "EVALUATION_FAILED");
  EXPECT_TRUE(Judge(AtLeast(0.85), With({Found(0.9, "new"), Found(0.8, "old")})).ok());
}

TEST(Judge, LooksAtTheRulesDatasetSplitAndMetric) {
  Evaluation other_dataset = Found(0.99, "other");
  other_dataset.dataset = "cats";
  Evaluation test = Found(0.7, "test");
  test.split = "test";
  const Candidate candidate = With({other_dataset, test, Found(0.9, "val")});
  EXPECT_EQ(ReasonOf(Judge(AtLeast(0.85), candidate).status()), "EVALUATION_FAILED");
  PromotionRule rule = AtLeast(0.85);
  rule.split = "val";
  EXPECT_TRUE(Judge(rule, candidate).ok());
  rule.metric = "map_11";
  EXPECT_EQ(Judge(rule, candidate).value(), "map_11 on datasets/faces (val): 0.86 >= 0.85");
  rule.min_value = 0.87;
  EXPECT_EQ(ReasonOf(Judge(rule, candidate).status()), "EVALUATION_FAILED");
}

TEST(Judge, AMissingEvaluationIsNamedWithHowToMakeIt) {
  PromotionRule rule = AtLeast(0.5);
  rule.split = "val";
  rule.metric = "map_11";
  const absl::Status missing = Judge(rule, With({})).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(missing), "EVALUATION_MISSING");
  EXPECT_THAT(std::string(missing.message()),
              AllOf(HasSubstr("models/m/versions/3 has no evaluation with map_11 on datasets/faces "
                              "(val)"),
                    HasSubstr("lbw evaluate m/3 --dataset faces --split val")));
  const absl::Status any = Judge(AtLeast(0.5), With({})).status();
  EXPECT_THAT(std::string(any.message()),
              AllOf(HasSubstr("has no evaluation on datasets/faces;"), Not(HasSubstr("--split"))));
}

TEST(Judge, AMetricThatTheNewestDoesNotDefineIsMissing) {
  PromotionRule rule = AtLeast(0.5);
  rule.metric = "top1";
  const absl::Status missing = Judge(rule, With({Found(0.9)})).status();
  EXPECT_EQ(ReasonOf(missing), "EVALUATION_MISSING");
  EXPECT_THAT(std::string(missing.message()),
              AllOf(HasSubstr("does not define top1"), HasSubstr("map_11, map_50")));
  EXPECT_EQ(ReasonOf(Judge(AtLeast(0.5), With({Found(kNan)})).status()), "EVALUATION_MISSING");
}

// The default options, and what may not pass for them.
struct OtherwiseCase {
  const char* name;
  std::function<void(Evaluation&)> change;
  const char* why;  // that it is passed over; "": it counts
};

class OtherwiseTest : public ::testing::TestWithParam<OtherwiseCase> {};

PromotionRule WholeSplit() {
  PromotionRule rule = AtLeast(0.5);
  rule.split = "val";
  rule.options_json =
      R"({"score_threshold":0.02,"iou_threshold":0.4,"max_pictures":0,"top_k":5,"pixel_rule":""})";
  return rule;
}

TEST_P(OtherwiseTest, OnlyTheWholeSplitWithTheOptionsOfTheRuleCounts) {
  Evaluation asked = Found(0.9, "asked");
  asked.options_json = R"({"score_threshold":0.02,"iou_threshold":0.4,"max_pictures":0,"top_k":5})";
  GetParam().change(asked);
  const std::string why = GetParam().why;
  EXPECT_EQ(Judge(WholeSplit(), With({asked})).ok(), why.empty());
  if (why.empty()) return;
  const absl::Status alone = Judge(WholeSplit(), With({asked})).status();
  EXPECT_EQ(ReasonOf(alone), "EVALUATION_MISSING");
  EXPECT_THAT(std::string(alone.message()),
              AllOf(HasSubstr("passed over: evaluations/asked " + why),
                    HasSubstr("lbw evaluate m/3 --dataset faces --split val")));
  // Behind it stands one that counts, and does not pass: both are told.
  Evaluation counts = Found(0.4, "counts");
  counts.options_json = *WholeSplit().options_json;
  const absl::Status low = Judge(WholeSplit(), With({asked, counts})).status();
  EXPECT_EQ(ReasonOf(low), "EVALUATION_FAILED");
  EXPECT_THAT(std::string(low.message()),
              AllOf(HasSubstr("0.4 < 0.5"), HasSubstr("passed over: evaluations/asked " + why)));
  // A rule that says so takes it.
  PromotionRule rule = WholeSplit();
  rule.split = asked.split;
  rule.options_json = asked.options_json;
  EXPECT_EQ(Judge(rule, With({asked})).ok(), asked.pack_artifact == "pack");
}

INSTANTIATE_TEST_SUITE_P(
    Table, OtherwiseTest,
    ::testing::Values(
        OtherwiseCase{"Defaults", [](Evaluation&) {}, ""},
        OtherwiseCase{"AnyThreads",
                      [](Evaluation& e) {
                        e.options_json = R"({"score_threshold":0.02,"iou_threshold":0.4,"top_k":5,)"
                                         R"("threads":8,"checkpoint_pictures":3})";
                      },
                      ""},
        OtherwiseCase{
            "FivePictures",
            [](Evaluation& e) {
              e.options_json =
                  R"({"score_threshold":0.02,"iou_threshold":0.4,"max_pictures":5,"top_k":5})";
            },
            "has max_pictures=5, not 0"},
        OtherwiseCase{"AnotherThresholdAndOverlap",
                      [](Evaluation& e) {
                        e.options_json = R"({"score_threshold":0.5,"iou_threshold":0.6,"top_k":5})";
                      },
                      "has iou_threshold=0.6, not 0.4; score_threshold=0.5, not 0.02"},
        OtherwiseCase{"AnotherSplit", [](Evaluation& e) { e.split = "train"; },
                      "is on split \"train\", not \"val\""},
        OtherwiseCase{"EarlierContent", [](Evaluation& e) { e.pack_artifact = "earlier"; },
                      "is on other content (earlier, now pack)"},
        OtherwiseCase{"DamagedOptions", [](Evaluation& e) { e.options_json = "{"; },
                      "has options \"{\""}),
    [](const auto& given) { return std::string(given.param.name); });

TEST(Judge, ManyThatArePassedOverAreCounted) {
  std::vector<Evaluation> evaluations;
  for (int i = 0; i < 6; ++i) {
    evaluations.push_back(Found(0.9, "e" + std::to_string(i)));
    evaluations.back().split = "train";
  }
  const absl::Status missing = Judge(WholeSplit(), With(evaluations)).status();
  EXPECT_THAT(std::string(missing.message()),
              AllOf(HasSubstr("evaluations/e3"), Not(HasSubstr("evaluations/e4")),
                    HasSubstr("and 2 more")));
}

TEST(Judge, AnEvaluationOnWhatTheDatasetWasBeforeDoesNotCount) {
  Candidate candidate = With({Found(0.9)});
  candidate.content = "made anew";
  const absl::Status stale = Judge(AtLeast(0.5), candidate).status();
  EXPECT_EQ(ReasonOf(stale), "EVALUATION_MISSING");
  EXPECT_THAT(std::string(stale.message()),
              AllOf(HasSubstr("other content"), HasSubstr("made anew"), HasSubstr("e1")));
  candidate.content.clear();
  EXPECT_EQ(ReasonOf(Judge(AtLeast(0.5), candidate).status()), "EVALUATION_MISSING");
}

TEST(Judge, ADropComparesOnlyLikeWithLike) {
  Evaluation content = Found(0.9, "content");
  content.pack_artifact = "another pack";
  Evaluation split = Found(0.9, "split");
  split.split = "test";
  Evaluation options = Found(0.9, "options");
  options.options_json = R"({"threshold":0.5})";
  const struct {
    Evaluation against;
    const char* says;
  } cases[] = {{content, "evaluations/content is on other content"},
               {split, "evaluations/split is on split \"test\""},
               {options, "evaluations/options has threshold=0.5, not 0.02"}};
  for (const auto& given : cases) {
    const absl::Status status =
        Judge(DropAtMost(0.5), With({Found(0.9)}, {given.against})).status();
    EXPECT_EQ(ReasonOf(status), "EVALUATION_MISSING") << given.says;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("models/m/versions/1 has no evaluation"), HasSubstr(given.says),
                      HasSubstr("lbw evaluate m/1 --dataset faces")));
  }
  EXPECT_EQ(ReasonOf(Judge(DropAtMost(0.5), With({Found(0.9)})).status()), "EVALUATION_MISSING");
  // An older one that is alike is found behind newer ones that are not.
  EXPECT_TRUE(
      Judge(DropAtMost(0.01), With({Found(0.9)}, {content, split, options, Found(0.9, "alike")}))
          .ok());
}

}  // namespace
}  // namespace lbw::registry

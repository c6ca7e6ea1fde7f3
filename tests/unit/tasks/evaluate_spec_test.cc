#include "tasks/evaluate_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::string Spec(const std::string& options) {
  return base::StrCat(R"({"version": "models/m/versions/3", "dataset": "datasets/d", "options": )",
                      options, "}");
}

TEST(ParseEvaluateSpec, ReadsWhatProtojsonWrites) {
  const auto spec = ParseEvaluateSpec(
      R"({"version": "models/m/versions/3", "dataset": "datasets/d", "split": "test",
          "against": "models/n/versions/12", "options": {"score_threshold": 0.05,
          "iou_threshold": 0, "per_class_nms": false, "max_detections": 300,
          "pixel_rule": "continuous", "max_pictures": "40", "checkpoint_pictures": 8,
          "top_k": 3, "threads": 2}})");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version.version, 3);
  EXPECT_EQ(spec->dataset, "d");
  EXPECT_EQ(spec->split, "test");
  EXPECT_EQ(spec->against->model, "n");
  EXPECT_EQ(spec->options.score_threshold, 0.05F);
  EXPECT_EQ(spec->options.iou_threshold, 0.0F) << "told, though it is zero";
  EXPECT_EQ(spec->options.per_class_nms, false);
  EXPECT_EQ(spec->options.max_detections, 300);
  EXPECT_EQ(spec->options.pixel_rule, eval::PixelRule::kContinuous);
  EXPECT_EQ(spec->options.max_pictures, 40);
  EXPECT_EQ(spec->options.checkpoint_pictures, 8);
  EXPECT_EQ(spec->options.top_k, 3);
  EXPECT_EQ(spec->options.threads, 2);
}

TEST(ParseEvaluateSpec, LeftOutMeansTheDefault) {
  const auto spec = ParseEvaluateSpec(Spec("{}"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->options.score_threshold, 0.02F);
  EXPECT_EQ(spec->options.iou_threshold, std::nullopt);
  EXPECT_EQ(spec->options.max_detections, 200);
  EXPECT_EQ(spec->options.top_k, 5);
  EXPECT_EQ(spec->options.pixel_rule, std::nullopt);
}

struct BadCase {
  const char* field;
  const char* options;
};
class BadOption : public ::testing::TestWithParam<BadCase> {};
TEST_P(BadOption, NamesTheField) {
  const absl::Status status = ParseEvaluateSpec(Spec(GetParam().options)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(base::GetErrorDetails(status).fields, Contains(HasSubstr(GetParam().field)));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BadOption,
    ::testing::Values(BadCase{"score_threshold", R"({"score_threshold": 1.5})"},
                      BadCase{"score_threshold", R"({"score_threshold": "much"})"},
                      BadCase{"iou_threshold", R"({"iou_threshold": -0.1})"},
                      BadCase{"per_class_nms", R"({"per_class_nms": 1})"},
                      BadCase{"max_detections", R"({"max_detections": 1001})"},
                      BadCase{"pixel_rule", R"({"pixel_rule": "half"})"},
                      BadCase{"top_k", R"({"top_k": -1})"},
                      BadCase{"threads", R"({"threads": 2.5})"}));

TEST(ParseEvaluateSpec, WantsAVersionByItsNumber) {
  for (const char* version : {"models/m", "models/m/aliases/stable", "", "m"}) {
    const auto spec = ParseEvaluateSpec(
        base::StrCat(R"({"version": ")", version, R"(", "dataset": "datasets/d"})"));
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << version;
  }
}

TEST(ParseEvaluateSpec, NoTextThatIsNoObject) {
  for (const char* text : {"", "[]", "3", "{", R"({"version": 3})"}) {
    EXPECT_EQ(ParseEvaluateSpec(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ParseEvaluateSpec, OptionsOfAnotherKindAreNotTakenForNone) {
  const auto spec = [](const char* options) {
    return ParseEvaluateSpec(
        base::StrCat(R"({"version": "models/m/versions/1", "dataset": "datasets/d", "options": )",
                     options, "}"));
  };
  EXPECT_TRUE(spec("null").ok());
  EXPECT_TRUE(spec("{}").ok());
  for (const char* options : {"[]", "3", R"("all")", "false"}) {
    const absl::Status status = spec(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << options;
    EXPECT_THAT(base::GetErrorDetails(status).fields, Contains("options")) << options;
  }
}

TEST(ComparableOptions, ForgetsWhatDoesNotChangeFigures) {
  const Json one = Json::parse(R"({"top_k": 5, "threads": 2, "checkpoint_pictures": 8})");
  const Json other = Json::parse(R"({"top_k": 5, "threads": 4, "checkpoint_pictures": 0})");
  EXPECT_EQ(ComparableOptions(one), ComparableOptions(other));
  EXPECT_NE(ComparableOptions(one), ComparableOptions(Json::parse(R"({"top_k": 6})")));
}

}  // namespace
}  // namespace lbw::tasks

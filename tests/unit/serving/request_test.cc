#include "serving/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"

namespace lbw::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CheckRequest, NamesTheFieldOfWhatIsWrong) {
  struct Row {
    const char* field;  // "": fine
    std::function<void(DetectRequest&)> change;
  };
  const Row rows[] = {
      {"", [](DetectRequest&) {}},
      {"images", [](DetectRequest& r) { r.images.clear(); }},
      {"", [](DetectRequest& r) { r.images.resize(3); }},
      {"images", [](DetectRequest& r) { r.images.resize(4); }},
      {"", [](DetectRequest& r) { r.options.decode.score_threshold = 0.0F; }},
      {"", [](DetectRequest& r) { r.options.decode.score_threshold = 1.0F; }},
      {"options.score_threshold",
       [](DetectRequest& r) { r.options.decode.score_threshold = -0.01F; }},
      {"options.score_threshold", [](DetectRequest& r) { r.options.decode.score_threshold = NAN; }},
      {"options.iou_threshold", [](DetectRequest& r) { r.options.decode.iou_threshold = 1.01F; }},
      {"", [](DetectRequest& r) { r.options.decode.max_detections = 1000; }},
      {"options.max_detections", [](DetectRequest& r) { r.options.decode.max_detections = 1001; }},
      {"options.max_detections", [](DetectRequest& r) { r.options.decode.max_detections = 0; }},
      {"options.top_k", [](DetectRequest& r) { r.options.decode.top_k = 0; }},
      {"options.top_k", [](DetectRequest& r) { r.options.decode.top_k = 1001; }},
  };
  ServingLimits limits;
  limits.images_per_call = 3;
  for (const Row& row : rows) {
    DetectRequest request;
    request.images = {"a picture"};
    row.change(request);
    const absl::Status status = CheckRequest(request, limits);
    const std::string field(row.field);
    EXPECT_EQ(status.ok(), field.empty()) << status;
    if (field.empty()) continue;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(field));
  }
}

TEST(FindClasses, GivesEveryIndexOfALabelRising) {
  const std::vector<std::string> labels = {"cat", "dog", "cat"};
  EXPECT_THAT(FindClasses(std::vector<std::string>(), labels).value(), IsEmpty());
  EXPECT_THAT(FindClasses(std::vector<std::string>{"dog", "cat"}, labels).value(),
              ElementsAre(0, 1, 2));
  EXPECT_THAT(FindClasses(std::vector<std::string>{"cat"}, labels).value(), ElementsAre(0, 2));
}

TEST(FindClasses, AnUnknownLabelIsNamedBesideTheKnownOnes) {
  const absl::Status status =
      FindClasses(std::vector<std::string>{"cow"}, std::vector<std::string>{"cat", "dog"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("unknown class cow; the model has cat, dog"));
  EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre("options.classes"));
  std::vector<std::string> many(100, "x");
  const std::string text(
      FindClasses(std::vector<std::string>{std::string(5000, 'y')}, many).status().message());
  EXPECT_LT(text.size(), 300U);
}

TEST(WithField, KeepsCodeReasonAndMessage) {
  const absl::Status inner =
      base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadImage, "cut short");
  const absl::Status outer = WithField(inner, "images[3]");
  EXPECT_EQ(outer.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(outer).reason, "BAD_IMAGE");
  EXPECT_THAT(base::GetErrorDetails(outer).fields, ElementsAre("images[3]"));
  EXPECT_THAT(std::string(outer.message()), HasSubstr("images[3]: cut short"));
  EXPECT_TRUE(WithField(absl::OkStatus(), "f").ok());
}

}  // namespace
}  // namespace lbw::serving

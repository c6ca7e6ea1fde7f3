#include "rpc/json.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "google/protobuf/unknown_field_set.h"
#include "gtest/gtest.h"
#include "lbw/v1/job.pb.h"

namespace lbw::rpc {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ToCanonicalJson, WritesProtoNamesAndZeroValues) {
  v1::EvaluateSpec spec;
  spec.set_version("models/m/versions/1");
  spec.mutable_options()->set_score_threshold(0.02F);
  const std::string text = ToCanonicalJson(spec);
  EXPECT_THAT(text, HasSubstr("\"score_threshold\":0.02"));
  EXPECT_THAT(text, HasSubstr("\"max_pictures\":0"));
  EXPECT_THAT(text, HasSubstr("\"against\":\"\""));
  // One that is unset has no zero value to write.
  EXPECT_THAT(text, Not(HasSubstr("iou_threshold")));
  EXPECT_EQ(text, ToCanonicalJson(spec));
}

TEST(MergeJson, SkipsWhatANewerServerWrote) {
  v1::JobProgress progress;
  MergeJson(R"({"step": "7", "phase_of_the_moon": {"full": true}})", &progress);
  EXPECT_EQ(progress.step(), 7U);
  v1::JobStateChange change;
  MergeJson(R"({"state": "JOB_STATE_DREAMING", "attempt": 2})", &change);
  EXPECT_EQ(change.state(), v1::JOB_STATE_UNSPECIFIED);
  EXPECT_EQ(change.attempt(), 2U);
}

TEST(MergeJson, LeavesTheMessageWhereTheTextIsBroken) {
  v1::JobProgress progress;
  progress.set_stage("before");
  MergeJson(R"({"stage": "after", "step": "7)", &progress);
  EXPECT_EQ(progress.stage(), "before");
  EXPECT_EQ(progress.step(), 0U);
}

void AddUnknown(google::protobuf::Message* message, int number) {
  message->GetReflection()->MutableUnknownFields(message)->AddVarint(number, 1);
}

TEST(RefuseUnknownFields, NamesPathAndNumberAtAnyDepth) {
  v1::JobSpec spec;
  spec.mutable_evaluate()->mutable_options()->set_top_k(3);
  EXPECT_TRUE(RefuseUnknownFields(spec, "spec").ok());
  AddUnknown(spec.mutable_evaluate()->mutable_options(), 99);
  const absl::Status status = RefuseUnknownFields(spec, "spec");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("99"));
  const base::ErrorDetails details = base::GetErrorDetails(status);
  EXPECT_EQ(details.reason, "BAD_ARGUMENT");
  EXPECT_THAT(details.fields, testing::ElementsAre("spec.evaluate.options"));
}

TEST(RefuseUnknownFields, LooksIntoListsToo) {
  v1::WatchJobResponse response;
  response.add_events();
  AddUnknown(response.add_events(), 77);
  const base::ErrorDetails details =
      base::GetErrorDetails(RefuseUnknownFields(response, "response"));
  EXPECT_THAT(details.fields, testing::ElementsAre("response.events[1]"));
}

}  // namespace
}  // namespace lbw::rpc

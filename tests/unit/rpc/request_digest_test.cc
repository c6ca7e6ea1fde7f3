#include "rpc/request_digest.h"

#include <functional>
#include <string>

#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

v1::CreateJobRequest Request() {
  v1::CreateJobRequest request;
  v1::EvaluateSpec& spec = *request.mutable_spec()->mutable_evaluate();
  spec.set_version("models/m");
  spec.set_dataset("datasets/d");
  spec.mutable_options()->set_score_threshold(0.1F);
  request.set_priority(3);
  return request;
}

TEST(RequestDigest, IsOfWhatIsAskedForAndNotOfWhoAsks) {
  const std::string digest = DigestOf(Request());
  EXPECT_EQ(digest.size(), 64U);
  v1::CreateJobRequest same = Request();
  same.set_request_id("once");
  same.set_submitter("ada");
  same.set_validate_only(true);
  EXPECT_EQ(DigestOf(same), digest);
  const std::function<void(v1::CreateJobRequest&)> changes[] = {
      [](auto& r) { r.set_priority(4); }, [](auto& r) { (*r.mutable_labels())["a"] = "b"; },
      [](auto& r) { r.mutable_spec()->mutable_evaluate()->set_version("models/m/versions/1"); },
      [](auto& r) { r.mutable_spec()->mutable_evaluate()->set_split("val"); },
      [](auto& r) { r.mutable_spec()->mutable_evaluate()->clear_options(); },
      // Said to be the default is another request than saying nothing.
      [](auto& r) {
        r.mutable_spec()->mutable_evaluate()->mutable_options()->set_per_class_nms(false);
      }};
  for (const auto& change : changes) {
    v1::CreateJobRequest other = Request();
    change(other);
    EXPECT_NE(DigestOf(other), digest) << other.ShortDebugString();
  }
}

TEST(RequestDigest, TheOrderOfLabelsIsNoDifference) {
  v1::CreateJobRequest one = Request();
  v1::CreateJobRequest other = Request();
  for (int i = 0; i < 16; ++i) (*one.mutable_labels())["k" + std::to_string(i)] = "v";
  for (int i = 15; i >= 0; --i) (*other.mutable_labels())["k" + std::to_string(i)] = "v";
  EXPECT_EQ(DigestOf(one), DigestOf(other));
}

}  // namespace
}  // namespace lbw::rpc

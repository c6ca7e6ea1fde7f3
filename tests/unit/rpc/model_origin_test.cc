#include "rpc/model_origin.h"

#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

using testing::HasSubstr;

const std::string kDigest(64, 'a');

v1::CreateModelRequest Architecture(const std::string& name) {
  v1::CreateModelRequest request;
  request.mutable_architecture()->set_name(name);
  return request;
}

void ExpectRefused(const v1::CreateModelRequest& request, const std::vector<std::string>& fields,
                   const std::string& message) {
  const auto origin = OriginOf(request);
  ASSERT_FALSE(origin.ok()) << request.ShortDebugString();
  EXPECT_EQ(origin.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(origin.status().message()), HasSubstr(message));
  EXPECT_EQ(base::GetErrorDetails(origin.status()).fields, fields);
}

TEST(OriginOf, ReadsAnArtifact) {
  v1::CreateModelRequest request;
  request.set_artifact("artifacts/" + kDigest);
  const auto origin = OriginOf(request);
  ASSERT_TRUE(origin.ok()) << origin.status();
  EXPECT_EQ(origin->artifact, kDigest);
  EXPECT_FALSE(origin->architecture.has_value());
}

TEST(OriginOf, ReadsAnArchitectureAndFillsItIn) {
  v1::CreateModelRequest request = Architecture("ssd_tiny");
  auto origin = OriginOf(request);
  ASSERT_TRUE(origin.ok()) << origin.status();
  EXPECT_EQ(origin->artifact, "");
  EXPECT_EQ(origin->architecture->arch, "ssd_tiny");
  EXPECT_EQ(origin->architecture->width_multiplier, 1);
  EXPECT_EQ(origin->architecture->seed, 0U);
  request.mutable_architecture()->set_width_multiplier(0.25);
  request.mutable_architecture()->set_seed(std::numeric_limits<uint64_t>::max());
  origin = OriginOf(request);
  ASSERT_TRUE(origin.ok()) << origin.status();
  EXPECT_EQ(origin->architecture->width_multiplier, 0.25);
  EXPECT_EQ(origin->architecture->seed, std::numeric_limits<uint64_t>::max());
}

TEST(OriginOf, AsksForExactlyOne) {
  v1::CreateModelRequest request;
  ExpectRefused(request, {"artifact", "architecture"}, "neither is given");
  request = Architecture("ssd_tiny");
  request.set_artifact("artifacts/" + kDigest);
  ExpectRefused(request, {"artifact", "architecture"}, "both are given");
}

TEST(OriginOf, NamesTheFieldThatIsWrong) {
  v1::CreateModelRequest request;
  request.set_artifact("datasets/x");
  ExpectRefused(request, {"artifact"}, "artifact");
  ExpectRefused(Architecture(""), {"architecture.name"}, "must be one of ssd_tiny");
  ExpectRefused(Architecture("rfcn"), {"architecture.name"}, "\"rfcn\"");
  for (const double multiplier : {0.0, 0.2, 4.5, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    request = Architecture("ssd_tiny");
    request.mutable_architecture()->set_width_multiplier(multiplier);
    ExpectRefused(request, {"architecture.width_multiplier"}, "must be in 0.25..4");
  }
}

}  // namespace
}  // namespace lbw::rpc

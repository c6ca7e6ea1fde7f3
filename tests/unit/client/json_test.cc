#include "client/cpp/json.h"

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "lbw/v1/detection.pb.h"
#include "lbw/v1/server.pb.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ToJson, PrintsZeroValuesUnderProtoNames) {
  v1::DetectResponse response;
  response.add_results()->mutable_timings();
  const auto json = ToJson(response);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_THAT(*json, HasSubstr("\"image_width\": 0"));
  EXPECT_THAT(*json, HasSubstr("\"detections\": []"));
  EXPECT_THAT(*json, HasSubstr("\"decode_us\": 0"));
  EXPECT_THAT(*json, HasSubstr("\"model_version\": \"\""));
  EXPECT_THAT(*json, Not(HasSubstr("\"error\"")));
  EXPECT_EQ(json->back(), '\n');
}

TEST(ToJson, WideIntegersAreStrings) {
  v1::ServerStatus status;
  status.set_stored_bytes(uint64_t{1} << 60);
  EXPECT_THAT(*ToJson(status), HasSubstr("\"stored_bytes\": \"1152921504606846976\""));
}

TEST(ToJson, ErrorDetailsOfAPictureArePrinted) {
  v1::DetectResponse response;
  google::rpc::ErrorInfo info;
  info.set_reason("BAD_IMAGE");
  response.add_results()->mutable_error()->add_details()->PackFrom(info);
  const auto json = ToJson(response);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_THAT(*json, HasSubstr("BAD_IMAGE"));
}

}  // namespace
}  // namespace lbw::client

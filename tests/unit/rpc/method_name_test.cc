#include "rpc/method_name.h"

#include "gtest/gtest.h"
#include "lbw/v1/detection.pb.h"

namespace lbw::rpc {
namespace {

TEST(NameOfMethod, KnowsWhatTheServerHas) {
  v1::DetectRequest::default_instance();  // links the descriptors in
  const MethodName detect = NameOfMethod("/lbw.v1.DetectionService/Detect");
  EXPECT_EQ(detect.service, "lbw.v1.DetectionService");
  EXPECT_EQ(detect.method, "Detect");
  EXPECT_EQ(NameOfMethod("/grpc.health.v1.Health/Watch").method, "Watch");
  EXPECT_EQ(NameOfMethod("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo").service,
            "grpc.reflection.v1alpha.ServerReflection");
}

// Labels of metrics are bounded: made-up names would push real ones into "other".
TEST(NameOfMethod, ANameThatAClientMadeUpIsUnknown) {
  for (const char* path :
       {"/evil.Service/Method", "/lbw.v1.Evil/Method", "/lbw.v1.DetectionService.Detect/x",
        "nothing", "", "/", "//", "/lbw.v1.DetectRequest/model", "/grpc.health.v1.Health/Evil"}) {
    const MethodName name = NameOfMethod(path);
    EXPECT_EQ(name.service, "unknown") << path;
    EXPECT_EQ(name.method, "unknown") << path;
  }
  const MethodName half = NameOfMethod("/lbw.v1.DetectionService/Evil");
  EXPECT_EQ(half.service, "lbw.v1.DetectionService");
  EXPECT_EQ(half.method, "unknown");
}

}  // namespace
}  // namespace lbw::rpc

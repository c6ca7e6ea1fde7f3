#include "rpc/status_mapping.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

template <typename Detail>
bool Find(const google::rpc::Status& status, Detail* out) {
  for (const auto& any : status.details()) {
    if (any.UnpackTo(out)) return true;
  }
  return false;
}

TEST(ToRpcStatus, CarriesReasonFieldsAndDelay) {
  const absl::Status status = base::Error(absl::StatusCode::kResourceExhausted,
                                          base::reason::kQueueFull, "queue is full: limit=256")
                                  .Field("images[3]")
                                  .RetryAfterMs(1250)
                                  .Metadata("limit", "256");
  const google::rpc::Status mapped = ToRpcStatus(status);
  EXPECT_EQ(mapped.code(), 8);
  EXPECT_EQ(mapped.message(), "queue is full: limit=256");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(Find(mapped, &info));
  EXPECT_EQ(info.reason(), "QUEUE_FULL");
  EXPECT_EQ(info.domain(), "lbw");
  EXPECT_EQ(info.metadata().at("limit"), "256");
  google::rpc::BadRequest bad;
  ASSERT_TRUE(Find(mapped, &bad));
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), "images[3]");
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(Find(mapped, &retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 250'000'000);
}

TEST(ToRpcStatus, GivesEveryErrorExactlyOneReason) {
  for (int code = 1; code <= 16; ++code) {
    const google::rpc::Status mapped =
        ToRpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "plain"));
    int reasons = 0;
    for (const auto& any : mapped.details()) reasons += any.Is<google::rpc::ErrorInfo>() ? 1 : 0;
    EXPECT_EQ(reasons, 1) << "code " << code;
    google::rpc::ErrorInfo info;
    ASSERT_TRUE(Find(mapped, &info));
    EXPECT_FALSE(info.reason().empty()) << "code " << code;
  }
}

TEST(ToGrpcStatus, PutsTheSameStatusIntoTheDetails) {
  const grpc::Status status = ToGrpcStatus(absl::NotFoundError("no model m"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no model m");
  google::rpc::Status full;
  ASSERT_TRUE(full.ParseFromString(status.error_details()));
  EXPECT_EQ(full.code(), 5);
  EXPECT_EQ(full.message(), "no model m");
}

TEST(ToGrpcStatus, ShortensAMessageThatTrailersCouldNotCarry) {
  const grpc::Status status = ToGrpcStatus(absl::InternalError(std::string(100'000, 'x')));
  EXPECT_LT(status.error_message().size(), 3000U);
  EXPECT_LT(status.error_details().size(), 6000U);
}

size_t PercentEncoded(const std::string& text) {
  size_t bytes = 0;
  for (const char c : text) bytes += c >= 0x20 && c < 0x7f && c != '%' ? 1 : 3;
  return bytes;
}

// gRPC's C++ clients drop a call whose trailers exceed 8 KiB, and say RESOURCE_EXHAUSTED.
TEST(ToGrpcStatus, TheLargestErrorFitsIntoTrailersOfEightKiB) {
  std::string wide;
  for (int i = 0; i < 5'000; ++i) wide += "\xc3\xa9";
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, wide);
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    error.Field(n + wide);
    static_cast<void>(std::move(error).Metadata(n + wide, wide));
  }
  const grpc::Status status = ToGrpcStatus(std::move(error).RetryAfterMs(1000));
  EXPECT_LT(PercentEncoded(status.error_message()) + status.error_details().size() * 4 / 3 + 4,
            7'900U);
}

TEST(ToGrpcStatus, DoesNotCutACharacterInTwo) {
  for (const char* shift : {"", "x", "xx"}) {
    std::string wide = shift;
    for (int i = 0; i < 2'000; ++i) wide += "\xe6\xbc\xa2";
    const std::string message = ToGrpcStatus(absl::InternalError(wide)).error_message();
    ASSERT_GT(message.size(), 4U);
    EXPECT_EQ(message.substr(message.size() - 4), " ...");
    EXPECT_EQ((message.size() - 4 - std::string(shift).size()) % 3, 0U) << shift;
  }
}

TEST(ToGrpcStatus, OkStaysOk) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

TEST(CodeName, KnowsEveryCanonicalCode) {
  EXPECT_EQ(CodeName(grpc::StatusCode::OK), "OK");
  EXPECT_EQ(CodeName(grpc::StatusCode::UNAUTHENTICATED), "UNAUTHENTICATED");
}

}  // namespace
}  // namespace lbw::rpc

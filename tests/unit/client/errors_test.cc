#include "client/cpp/errors.h"

#include "base/status.h"
#include "gmock/gmock.h"
#include "unit/client/fake_server.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;

absl::Status From(const FakeError& error) { return FromGrpc(MakeStatus(error)); }

TEST(FromGrpc, KeepsCodeMessageAndDetails) {
  const absl::Status status = From({grpc::StatusCode::INVALID_ARGUMENT,
                                    "bits must be 2..6: bits=9",
                                    "BAD_OPTIONS",
                                    {{"limit", "6"}},
                                    {{"options.bits", "must be 2..6"}}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const CallDetails details = GetCallDetails(status);
  EXPECT_EQ(details.reason, "BAD_OPTIONS");
  EXPECT_EQ(details.Get("limit"), "6");
  EXPECT_EQ(details.Get("nothing"), "");
  ASSERT_EQ(details.violations.size(), 1);
  EXPECT_EQ(details.violations[0].field, "options.bits");
  EXPECT_FALSE(details.retry_after.has_value());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(GetCallDetails, GarbageAndLocalErrors) {
  EXPECT_EQ(GetCallDetails(FromGrpc({grpc::StatusCode::INTERNAL, "x", "\xFF\xFF"})).reason, "");
  const absl::Status local =
      base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName, "x").Field("name");
  EXPECT_EQ(GetCallDetails(local).reason, "BAD_NAME");
  EXPECT_EQ(GetCallDetails(local).violations[0].field, "name");
}

TEST(IsPassing, OnlyWhatTimeHeals) {
  EXPECT_TRUE(IsPassing(From({grpc::StatusCode::UNAVAILABLE, "away"})));
  EXPECT_TRUE(IsPassing(From({grpc::StatusCode::UNAVAILABLE, "", "DRAINING"})));
  EXPECT_FALSE(IsPassing(From({grpc::StatusCode::UNAVAILABLE, "", "MODEL_NOT_LOADED"})));
  FakeError full = {grpc::StatusCode::RESOURCE_EXHAUSTED, "", "QUEUE_FULL"};
  EXPECT_FALSE(IsPassing(From(full)));
  full.retry_after_s = 1;
  EXPECT_TRUE(IsPassing(From(full)));
  EXPECT_TRUE(IsPassing(From({grpc::StatusCode::UNKNOWN, "Stream removed"})));
  EXPECT_FALSE(IsPassing(From({grpc::StatusCode::INTERNAL, "a bug"})));
  EXPECT_FALSE(IsPassing(absl::OkStatus()));
}

TEST(RenderError, StartsWithCodeAndMessageAndSaysWhatToDo) {
  EXPECT_EQ(RenderError(From({grpc::StatusCode::NOT_FOUND, "no model 'x'", "NOT_FOUND"}), "s:1"),
            "NOT_FOUND: no model 'x'\n");
  const std::string away = RenderError(From({grpc::StatusCode::UNAVAILABLE, "refused"}), "s:1");
  EXPECT_THAT(away, HasSubstr("UNAVAILABLE: refused\n"));
  EXPECT_THAT(away, HasSubstr("is lbw-server running at s:1? start it with: lbw-server serve"));
  FakeError full = {grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL"};
  full.retry_after_s = 2;
  EXPECT_EQ(RenderError(From(full), "s:1"), "RESOURCE_EXHAUSTED: full\n  try again in 2.0 s\n");
  EXPECT_EQ(RenderError(From({grpc::StatusCode::INVALID_ARGUMENT,
                              "two things",
                              "BAD_OPTIONS",
                              {},
                              {{"options.bits", "too wide"}, {"options.mu", ""}}}),
                        "s:1"),
            "INVALID_ARGUMENT: two things\n  field options.bits: too wide\n  field options.mu\n");
}

TEST(RenderError, CannotSteerTheTerminal) {
  EXPECT_EQ(RenderError(From({grpc::StatusCode::INTERNAL, "a\x1b[31mb\nc"}), "s:1"),
            "INTERNAL: a?[31mb?c\n");
}

}  // namespace
}  // namespace lbw::client

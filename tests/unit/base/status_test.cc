#include "base/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <set>
#include <string>

#include "absl/strings/cord.h"

namespace lbw::base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(Error, CarriesCodeMessageReasonFieldsDelayAndMetadata) {
  const absl::Status status = Error(absl::StatusCode::kOutOfRange, reason::kUploadGap, "gap")
                                  .Field("offset")
                                  .Field("data[0]")
                                  .RetryAfterMs(250)
                                  .Metadata("committed_bytes", "8388608")
                                  .Metadata("", "");
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.message(), "gap");
  const ErrorDetails details = GetErrorDetails(status);
  EXPECT_EQ(details.reason, "UPLOAD_GAP");
  EXPECT_THAT(details.fields, ElementsAre("offset", "data[0]"));
  EXPECT_EQ(details.retry_after_ms, 250);
  EXPECT_THAT(details.metadata, ElementsAre(Pair("committed_bytes", "8388608"), Pair("", "")));
}

TEST(Error, ConvertsToStatusOr) {
  const auto fail = []() -> absl::StatusOr<int> {
    return Error(absl::StatusCode::kNotFound, reason::kNotFound, "none");
  };
  EXPECT_EQ(fail().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetErrorDetails(fail().status()).reason, "NOT_FOUND");
}

TEST(Error, AnLvalueTakesFieldsToo) {
  Error error(absl::StatusCode::kInvalidArgument, reason::kBadArgument, "bad");
  error.Field("a").Field("b");
  EXPECT_THAT(GetErrorDetails(error).fields, ElementsAre("a", "b"));
}

TEST(Error, KeepsBytesOfAnyKind) {
  const std::string odd("\0\x01\xff\"\n", 5);
  const absl::Status status = Error(absl::StatusCode::kInternal, reason::kInternal, odd)
                                  .Field(odd)
                                  .Metadata(odd, std::string(70'000, 'x'));
  const ErrorDetails details = GetErrorDetails(status);
  EXPECT_THAT(details.fields, ElementsAre(odd));
  EXPECT_THAT(details.metadata, ElementsAre(Pair(odd, std::string(70'000, 'x'))));
}

TEST(GetErrorDetails, IsEmptyForPlainStatus) {
  for (const absl::Status& status : {absl::OkStatus(), absl::InternalError("plain")}) {
    const ErrorDetails details = GetErrorDetails(status);
    EXPECT_EQ(details.reason, "");
    EXPECT_THAT(details.fields, IsEmpty());
    EXPECT_FALSE(details.retry_after_ms.has_value());
  }
}

// Every cut and every flipped byte of a payload: no crash, and no more text than there was.
TEST(GetErrorDetails, SurvivesDamagedPayload) {
  const absl::Status status = Error(absl::StatusCode::kInternal, reason::kInternal, "x")
                                  .Field("field")
                                  .RetryAfterMs(7)
                                  .Metadata("k", "v");
  std::string url;
  std::string payload;
  status.ForEachPayload([&](absl::string_view u, const absl::Cord& p) {
    url = std::string(u);
    payload = std::string(p);
  });
  ASSERT_FALSE(payload.empty());
  for (size_t cut = 0; cut < payload.size(); ++cut) {
    absl::Status damaged = absl::InternalError("x");
    damaged.SetPayload(url, absl::Cord(payload.substr(0, cut)));
    EXPECT_LE(GetErrorDetails(damaged).reason.size(), payload.size());
  }
  for (size_t i = 0; i < payload.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = payload;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      absl::Status damaged = absl::InternalError("x");
      damaged.SetPayload(url, absl::Cord(bytes));
      EXPECT_LE(GetErrorDetails(damaged).reason.size(), payload.size());
    }
  }
}

TEST(WithContext, PutsTextInFrontAndKeepsDetails) {
  const absl::Status status = WithContext(
      Error(absl::StatusCode::kInvalidArgument, reason::kBadArgument, "bits=9").Field("bits"),
      "layer conv1");
  EXPECT_EQ(status.message(), "layer conv1: bits=9");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetErrorDetails(status).reason, "BAD_ARGUMENT");
  EXPECT_THAT(GetErrorDetails(status).fields, ElementsAre("bits"));
  EXPECT_TRUE(WithContext(absl::OkStatus(), "nothing").ok());
}

TEST(Macros, ReturnTheFirstErrorAndAssignOtherwise) {
  const auto half = [](int value) -> absl::StatusOr<int> {
    if (value % 2 != 0)
      return Error(absl::StatusCode::kInvalidArgument, reason::kBadArgument, "odd");
    return value / 2;
  };
  const auto quarter = [&](int value) -> absl::StatusOr<int> {
    LBW_ASSIGN_OR_RETURN(const int once, half(value));
    LBW_ASSIGN_OR_RETURN(const int twice, half(once));
    return twice;
  };
  const auto check = [&](int value) -> absl::Status {
    LBW_RETURN_IF_ERROR(quarter(value).status());
    return absl::OkStatus();
  };
  EXPECT_EQ(quarter(12).value(), 3);
  EXPECT_FALSE(quarter(6).ok());
  EXPECT_TRUE(check(4).ok());
  EXPECT_FALSE(check(5).ok());
}

TEST(CheckMacroDeathTest, NamesConditionAndPlace) {
  EXPECT_DEATH(LBW_CHECK(1 + 1 == 3), "status_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3");
}

TEST(Reasons, AreUniqueAndWellFormed) {
  std::set<std::string_view> seen;
  for (const Reason& reason : kAllReasons) {
    EXPECT_TRUE(seen.insert(reason.text).second) << reason.text;
    EXPECT_TRUE(std::all_of(reason.text.begin(), reason.text.end(), [](char c) {
      return (c >= 'A' && c <= 'Z') || c == '_';
    })) << reason.text;
  }
}

}  // namespace
}  // namespace lbw::base

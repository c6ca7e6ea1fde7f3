#include "rpc/names.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

TEST(Names, EachParserTakesItsOwnKindOnly) {
  constexpr std::string_view kModel = "models/m";
  constexpr std::string_view kVersion = "models/m/versions/3";
  constexpr std::string_view kAlias = "models/m/aliases/prod";
  EXPECT_EQ(*ParseModel(kModel, "name"), "m");
  EXPECT_EQ(ParseVersion(kVersion, "name")->number, 3);
  EXPECT_EQ(ParseAlias(kAlias, "name")->alias, "prod");
  for (const std::string_view wrong : {kVersion, kAlias}) {
    EXPECT_EQ(base::GetErrorDetails(ParseModel(wrong, "model").status()).reason, "BAD_NAME");
  }
  for (const std::string_view wrong : {kModel, kAlias}) {
    EXPECT_EQ(base::GetErrorDetails(ParseVersion(wrong, "version").status()).reason, "BAD_NAME");
  }
  for (const std::string_view wrong : {kModel, kVersion}) {
    const base::ErrorDetails details = base::GetErrorDetails(ParseAlias(wrong, "alias").status());
    EXPECT_EQ(details.reason, "BAD_NAME");
    EXPECT_THAT(details.fields, testing::ElementsAre("alias"));
  }
}

TEST(CheckText, TakesTheLimitAndRefusesOneMore) {
  EXPECT_TRUE(CheckText("", 4, "comment").ok());
  EXPECT_TRUE(CheckText("abcd", 4, "comment").ok());
  const absl::Status status = CheckText("abcde", 4, "comment");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("bytes=5 limit=4"));
}

TEST(CheckText, RefusesControlCharactersAndTakesLettersOfAllLanguages) {
  EXPECT_TRUE(CheckText("Größe 大小", 64, "comment").ok());
  for (const char c : {'\n', '\0', '\x1b', '\x7f'}) {
    EXPECT_FALSE(CheckText(std::string("a") + c, 64, "comment").ok()) << static_cast<int>(c);
  }
}

}  // namespace
}  // namespace lbw::rpc

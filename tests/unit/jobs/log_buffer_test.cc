#include "jobs/log_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lbw::jobs {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kBad = "\xEF\xBF\xBD";

TEST(LogBuffer, GivesWhatWasWrittenOnce) {
  LogBuffer log;
  EXPECT_TRUE(log.empty());
  log.Append("one\n");
  log.Append("two");
  EXPECT_FALSE(log.empty());
  EXPECT_EQ(log.Take(), "one\ntwo");
  EXPECT_EQ(log.Take(), "");
  EXPECT_TRUE(log.empty());
}

TEST(LogBuffer, ACharacterCutAtAnyByteIsPutTogether) {
  const std::string text = "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80 z";
  LogBuffer log;
  std::string got;
  for (const char c : text) {
    log.Append({&c, 1});
    got += log.Take();
  }
  EXPECT_EQ(got, text);
  log.Append("\xE2\x82");
  EXPECT_EQ(log.Take(), "");
  EXPECT_EQ(log.TakeAll(), kBad);
}

TEST(LogBuffer, LeavesOutTheMiddleOfTooMuchAndSaysHowMuch) {
  LogBuffer log;
  log.Append("begin");
  for (int i = 0; i < 1000; ++i) log.Append(std::string(1000, 'x'));
  log.Append("end");
  const std::string text = log.TakeAll();
  EXPECT_THAT(text, StartsWith("begin"));
  EXPECT_THAT(text, EndsWith("end"));
  EXPECT_THAT(text, HasSubstr("[" + std::to_string(1'000'008 - LogBuffer::kMostBytes) +
                              " bytes of the log left out]"));
  EXPECT_LE(text.size(), LogBuffer::kMostBytes + 100);
}

TEST(LogBuffer, KeepsEveryByteAtTheLimitAndDropsOneBeyond) {
  LogBuffer log;
  log.Append(std::string(LogBuffer::kMostBytes, 'x'));
  EXPECT_EQ(log.Take().size(), LogBuffer::kMostBytes);
  log.Append(std::string(LogBuffer::kMostBytes + 1, 'x'));
  EXPECT_THAT(log.Take(), HasSubstr("[1 bytes of the log left out]"));
}

TEST(CleanUtf8, KeepsCharactersAndReplacesTheRest) {
  EXPECT_EQ(CleanUtf8("a\xC3\xA4"), "a\xC3\xA4");
  EXPECT_EQ(CleanUtf8(std::string_view("a\0b", 3)), "a" + kBad + "b");
  EXPECT_EQ(CleanUtf8("\xFF\xFEz"), kBad + kBad + "z");
  EXPECT_EQ(CleanUtf8("\xC0\x80"), kBad + kBad);                // overlong
  EXPECT_EQ(CleanUtf8("\xED\xA0\x80"), kBad + kBad + kBad);     // a surrogate
  EXPECT_EQ(CleanUtf8("\xF4\x90\x80\x80").substr(0, 3), kBad);  // beyond U+10FFFF
  EXPECT_EQ(CleanUtf8("\xE2\x82z"), kBad + "z");
  EXPECT_EQ(CleanUtf8("\xE2\x82"), kBad);
}

}  // namespace
}  // namespace lbw::jobs

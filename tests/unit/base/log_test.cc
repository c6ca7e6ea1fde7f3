#include "base/log.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace lbw::base {
namespace {

// Puts the process's log back as it was.
class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }
};

TEST_F(LogTest, DropsWhatIsBelowTheMinimum) {
  ConfigureLog(LogLevel::kWarning, LogFormat::kJson);
  ::testing::internal::CaptureStderr();
  LogDebug("debug_event");
  LogInfo("info_event");
  LogWarning("warning_event");
  LogError("error_event", {{"code", 7}});
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("debug_event"), std::string::npos);
  EXPECT_EQ(text.find("info_event"), std::string::npos);
  EXPECT_NE(text.find(R"("level":"warning","event":"warning_event"})"), std::string::npos);
  EXPECT_NE(text.find(R"("level":"error","event":"error_event","code":7})"), std::string::npos);
}

TEST_F(LogTest, APercentSignOrBracesAreNoFormat) {
  ConfigureLog(LogLevel::kInfo, LogFormat::kText);
  ::testing::internal::CaptureStderr();
  LogInfo("event", {{"value", "{}%v%n{0}"}});
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("event value={}%v%n{0}\n"),
            std::string::npos);
}

TEST_F(LogTest, LinesOfManyThreadsAreNeverTorn) {
  constexpr int kThreads = 4;
  constexpr int kLines = 250;
  ConfigureLog(LogLevel::kInfo, LogFormat::kJson);
  const std::string filler(300, 'x');
  ::testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&filler] {
      for (int i = 0; i < kLines; ++i) LogInfo("event", {{"filler", filler}, {"end", true}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::istringstream lines(::testing::internal::GetCapturedStderr());
  int count = 0;
  const std::string tail = filler + R"(","end":true})";
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_EQ(line.rfind(R"({"time":")", 0), 0u) << line;
    ASSERT_EQ(line.substr(line.size() - tail.size()), tail);
  }
  EXPECT_EQ(count, kThreads * kLines);
}

}  // namespace
}  // namespace lbw::base

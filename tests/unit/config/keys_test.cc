#include "config/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/status.h"

namespace lbw::config {
namespace {

using ::testing::HasSubstr;

TEST(KeyTable, NamesFlagsAndVariablesAreUniqueAndDefaultsReadBack) {
  std::set<std::string> names;
  std::set<std::string> flags;
  std::set<std::string> variables;
  const Config defaults;
  for (const Key& key : KeyTable()) {
    EXPECT_TRUE(names.emplace(key.name).second) << key.name;
    EXPECT_TRUE(flags.insert(FlagOf(key)).second) << key.name;
    EXPECT_TRUE(variables.insert(EnvironmentOf(key)).second) << key.name;
    EXPECT_FALSE(key.meaning.empty()) << key.name;
    Config config;
    EXPECT_TRUE(SetValue(key, ValueText(key, defaults), "default", config).ok()) << key.name;
    EXPECT_EQ(ValueText(key, config), ValueText(key, defaults)) << key.name;
  }
}

TEST(KeyTable, FlagAndVariableFollowFromTheName) {
  const Key* key = FindKey("serving.queue_calls");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(FlagOf(*key), "--serving-queue-calls");
  EXPECT_EQ(EnvironmentOf(*key), "LBW_SERVING_QUEUE_CALLS");
  EXPECT_EQ(FindKey("serving"), nullptr);
}

// Every bounded key takes its limits and refuses one beyond.
TEST(SetValue, TakesLimitsAndRefusesOneBeyond) {
  for (const Key& key : KeyTable()) {
    if (key.kind != Kind::kCount && key.kind != Kind::kBytes && key.kind != Kind::kDuration)
      continue;
    const char* unit = key.kind == Kind::kDuration ? "ms" : "";
    Config config;
    EXPECT_TRUE(SetValue(key, std::to_string(key.min) + unit, "t", config).ok()) << key.name;
    EXPECT_TRUE(SetValue(key, std::to_string(key.max) + unit, "t", config).ok()) << key.name;
    const std::string before = ValueText(key, config);
    EXPECT_FALSE(SetValue(key, std::to_string(key.min - 1) + unit, "t", config).ok()) << key.name;
    EXPECT_FALSE(SetValue(key, std::to_string(key.max + 1) + unit, "t", config).ok()) << key.name;
    EXPECT_EQ(ValueText(key, config), before) << key.name;
  }
}

TEST(SetValue, NamesKeyValueExpectationAndSource) {
  Config config;
  const absl::Status status =
      SetValue(*FindKey("serving.queue_calls"), "many", "environment LBW_X", config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("serving.queue_calls must be a whole number in 1..65536"));
  EXPECT_THAT(message, HasSubstr("value=many"));
  EXPECT_THAT(message, HasSubstr("(environment LBW_X)"));
  EXPECT_EQ(base::GetErrorDetails(status).fields, std::vector<std::string>{"serving.queue_calls"});
  const absl::Status choice = SetValue(*FindKey("log.level"), "loud", "t", config);
  EXPECT_THAT(std::string(choice.message()), HasSubstr("one of debug, info, warning, error"));
}

TEST(SetValue, RefusesControlCharactersInText) {
  Config config;
  EXPECT_FALSE(SetValue(*FindKey("data_dir"), "a\nb", "t", config).ok());
  EXPECT_EQ(config.data_dir, Config().data_dir);
}

}  // namespace
}  // namespace lbw::config

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/commands.h"
#include "config/config.h"

namespace lbw::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::StatusOr<CommandLine> Parse(const std::vector<const char*>& arguments) {
  return ParseCommandLine(arguments);
}

TEST(ParseCommandLine, TakesTheFlagsThatWereGivenByKey) {
  const auto line = Parse({"serve", "--listen", "127.0.0.1:0", "--serving-queue-calls=7",
                           "--reflection", "false", "--config", "a.yaml"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->command, Command::kServe);
  EXPECT_EQ(line->config_file, "a.yaml");
  EXPECT_THAT(line->flags, ElementsAre(Pair("listen", "127.0.0.1:0"), Pair("reflection", "false"),
                                       Pair("serving.queue_calls", "7")));
}

TEST(ParseCommandLine, KnowsItsCommands) {
  EXPECT_EQ(Parse({"config"})->command, Command::kConfig);
  EXPECT_EQ(Parse({"version"})->command, Command::kVersion);
  EXPECT_THAT(Parse({"serve"})->flags, IsEmpty());
}

TEST(ParseCommandLine, HelpTeachesByExamplesAndListsEveryKey) {
  const auto root = Parse({"--help"});
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_EQ(root->command, Command::kHelp);
  EXPECT_THAT(root->help, HasSubstr("lbw-server serve --data-dir"));
  const auto serve = Parse({"serve", "--help"});
  ASSERT_TRUE(serve.ok()) << serve.status();
  for (const config::KeyDoc& key : config::Keys()) {
    EXPECT_THAT(serve->help, HasSubstr(key.flag));
  }
}

TEST(ParseCommandLine, WhatItDoesNotKnowIsNamed) {
  const auto message = [](const std::vector<const char*>& arguments) {
    const auto line = Parse(arguments);
    EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(line.status().message());
  };
  EXPECT_THAT(message({}), HasSubstr("a command is missing"));
  EXPECT_THAT(message({"work"}), HasSubstr("unknown command work"));
  EXPECT_THAT(message({"serve", "--lisen", "x"}), HasSubstr("--lisen"));
  EXPECT_THAT(message({"serve", "--listen"}), HasSubstr("--listen"));
  EXPECT_THAT(message({"serve", "extra"}), HasSubstr("extra"));
}

TEST(ConfigTable, AlignsItsColumns) {
  const std::vector<config::Provenance> values = {{"a", "1", "default"},
                                                  {"longer.key", "", "flag --longer-key"}};
  EXPECT_EQ(ConfigTable(values),
            "KEY         VALUE  SOURCE\n"
            "a           1      default\n"
            "longer.key         flag --longer-key\n");
}

}  // namespace
}  // namespace lbw::app

#include "config/yaml_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace lbw::config {
namespace {

using ::testing::HasSubstr;

std::string MessageOf(std::string_view text) {
  const auto values = ParseYaml(text, "lbw.yaml");
  EXPECT_FALSE(values.ok()) << text;
  EXPECT_EQ(values.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(values.status().message());
}

TEST(ParseYaml, FlattensNestedAndDottedKeysAlike) {
  const auto values =
      ParseYaml("listen: 0.0.0.0:1\nlimits:\n  models: 5\nserving.threads: '2'\n", "f");
  ASSERT_TRUE(values.ok()) << values.status();
  ASSERT_EQ(values->size(), 3U);
  EXPECT_EQ((*values)[0].key, "listen");
  EXPECT_EQ((*values)[0].value, "0.0.0.0:1");
  EXPECT_EQ((*values)[0].line, 1);
  EXPECT_EQ((*values)[1].key, "limits.models");
  EXPECT_EQ((*values)[1].line, 3);
  EXPECT_EQ((*values)[2].value, "2");
}

TEST(ParseYaml, AnEmptyFileSaysNothing) {
  for (const char* text : {"", "\n", "# a comment\n", "---\n"}) {
    const auto values = ParseYaml(text, "f");
    ASSERT_TRUE(values.ok()) << text;
    EXPECT_TRUE(values->empty());
  }
}

TEST(ParseYaml, NamesFileAndLineOfWhatIsWrong) {
  EXPECT_THAT(MessageOf("a: 1\nb: [1, 2]\n"), HasSubstr("lbw.yaml:2: b is a list"));
  EXPECT_THAT(MessageOf("a: 1\nb:\n"), HasSubstr("lbw.yaml:2: b is empty"));
  EXPECT_THAT(MessageOf("a: 1\na: 2\n"),
              HasSubstr("lbw.yaml:2: a stands there twice, first in line 1"));
  EXPECT_THAT(MessageOf("l: {m: 1}\nl.m: 2\n"), HasSubstr("l.m stands there twice"));
  EXPECT_THAT(MessageOf("- 1\n"), HasSubstr("lbw.yaml:1"));
  EXPECT_THAT(MessageOf("a: [1, 2\n"), HasSubstr("not YAML"));
  EXPECT_THAT(MessageOf("[1]: 2\n"), HasSubstr("a key must be text"));
}

TEST(ParseYaml, IsBounded) {
  std::string deep;
  for (int i = 0; i < 400; ++i) deep += "{a: ";
  EXPECT_THAT(MessageOf(deep + "1" + std::string(400, '}')), HasSubstr("lbw.yaml"));
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "k" + std::to_string(i) + ": 1\n";
  EXPECT_THAT(MessageOf(many), HasSubstr("too many keys"));
}

}  // namespace
}  // namespace lbw::config

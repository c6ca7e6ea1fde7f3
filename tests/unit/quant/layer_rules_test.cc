#include "quant/layer_rules.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::quant {
namespace {

using ::testing::HasSubstr;

struct GlobCase {
  const char* pattern;
  const char* text;
  bool matches;
};

TEST(GlobMatches, FollowsTheTable) {
  const GlobCase cases[] = {
      {"*", "", true},
      {"", "", true},
      {"", "a", false},
      {"*conv1.weight", "layer1.0.conv1.weight", true},
      {"*conv1.weight", "conv1.weight", true},
      {"*conv1.weight", "conv1.weight2", false},
      {"layer?.*.weight", "layer3.0.conv2.weight", true},
      {"layer?.*.weight", "layer12.0.conv2.weight", false},
      {"a[bc]d", "acd", true},
      {"a[bc]d", "aed", false},
      {"a[!bc]d", "aed", true},
      {"a[!bc]d", "abd", false},
      {"a[]]d", "a]d", true},
      {"a[!]]d", "a]d", false},
      {"layer[2-4]*", "layer3.x", true},
      {"layer[2-4]*", "layer5.x", false},
      {"a[b-]d", "a-d", true},
      {"a[\\]]d", "a]d", true},
      {"\\*x", "*x", true},
      {"\\*x", "ax", false},
      {"\\@first", "@first", true},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXbYbZ", false},
      {"a**c", "ac", true},
      {"a[b", "ab", false},
      {"ab\\", "ab", false},
  };
  for (const GlobCase& c : cases)
    EXPECT_EQ(GlobMatches(c.pattern, c.text), c.matches) << c.pattern << " on " << c.text;
}

TEST(GlobMatches, ManyStarsDoNotExplode) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(GlobMatches(pattern + "b", std::string(20000, 'a')));
}

TEST(ValidateRules, NamesRuleAndField) {
  struct Case {
    LayerRule rule;
    const char* field;
  };
  const Case cases[] = {
      {{.match = ""}, "rules[1].match"},
      {{.match = "@last"}, "rules[1].match"},
      {{.match = "a[b"}, "rules[1].match"},
      {{.match = "a\\"}, "rules[1].match"},
      {{.match = "*", .keep_float = true, .bits = 4}, "rules[1].keep_float"},
      {{.match = "*", .bits = 7}, "rules[1].bits"},
      {{.match = "*", .bits = 8, .scheme = Scheme::kExact}, "rules[1].bits"},
      {{.match = "*", .bits = 4, .scheme = Scheme::kUniform}, "rules[1].bits"},
      {{.match = "*", .bits = 2, .scheme = Scheme::kThreshold}, "rules[1].scheme"},
      {{.match = "*", .mu_ratio = 0.0}, "rules[1].mu_ratio"},
      {{.match = "*", .axis = -1}, "rules[1].axis"},
  };
  for (const Case& c : cases) {
    const std::vector<LayerRule> rules = {{.match = "ok"}, c.rule};
    const absl::Status status = ValidateRules(rules);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_OPTIONS");
    EXPECT_THAT(base::GetErrorDetails(status).fields, ::testing::ElementsAre(c.field));
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.field));
  }
}

TEST(Decide, FirstMatchWinsAndLeftOutFieldsComeFromTheCall) {
  const std::vector<LayerRule> rules = {
      {.match = "*conv1.weight", .keep_float = true},
      {.match = "@outputs", .bits = 8, .scheme = Scheme::kUniform},
      {.match = "@depthwise", .bits = 6},
      {.match = "head_*", .granularity = Granularity::kTensor},
  };
  ASSERT_TRUE(ValidateRules(rules).ok());
  const TensorOptions call = {.bits = 4, .code_book = CodeBook::kPaper, .axis = 1, .groups = 2};
  const LayerDecision kept = Decide(rules, {.name = "conv1.weight", .output = true}, call);
  EXPECT_EQ(kept.rule_index, 0);
  EXPECT_FALSE(kept.quantize);
  const LayerDecision output = Decide(rules, {.name = "fc", .output = true}, call);
  EXPECT_EQ(output.rule_index, 1);
  EXPECT_EQ(output.options.bits, 8);
  EXPECT_EQ(output.options.scheme, Scheme::kUniform);
  EXPECT_EQ(output.options.groups, 2);
  EXPECT_EQ(Decide(rules, {.name = "dw", .depthwise = true}, call).options.bits, 6);
  const LayerDecision by_node = Decide(rules, {.name = "w17", .node = "head_1"}, call);
  EXPECT_EQ(by_node.rule_index, 3);
  EXPECT_EQ(by_node.options.granularity, Granularity::kTensor);
  EXPECT_EQ(by_node.options.code_book, CodeBook::kPaper);
  const LayerDecision none = Decide(rules, {.name = "other"}, call);
  EXPECT_EQ(none.rule_index, -1);
  EXPECT_TRUE(none.quantize);
  EXPECT_EQ(none.options, call);
  EXPECT_EQ(
      Decide({{.match = "@first", .bits = 5}}, {.name = "a", .first = true}, call).options.bits, 5);
}

TEST(Decide, EightBitsAndUniformImplyEachOther) {
  const TensorOptions uniform = {.bits = 8, .scheme = Scheme::kUniform};
  EXPECT_EQ(Decide({{.match = "*", .bits = 8}}, {.name = "a"}, {}).options.scheme,
            Scheme::kUniform);
  EXPECT_EQ(Decide({{.match = "*", .scheme = Scheme::kUniform}}, {.name = "a"}, {}).options.bits,
            8);
  EXPECT_EQ(Decide({{.match = "*", .bits = 3}}, {.name = "a"}, uniform).options.scheme,
            Scheme::kExact);
  EXPECT_EQ(Decide({{.match = "*", .scheme = Scheme::kExact}}, {.name = "a"}, uniform).options.bits,
            4);
}

TEST(Decide, AnotherAxisDropsTheGroups) {
  const TensorOptions call = {.axis = 1, .groups = 4};
  EXPECT_EQ(Decide({{.match = "*", .axis = 0}}, {.name = "a"}, call).options.groups, 1);
  EXPECT_EQ(Decide({{.match = "*", .axis = 1}}, {.name = "a"}, call).options.groups, 4);
}

}  // namespace
}  // namespace lbw::quant

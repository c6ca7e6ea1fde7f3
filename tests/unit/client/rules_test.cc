#include "client/cpp/rules.h"

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;

std::string Message(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}
std::string ParseError(const std::string& yaml) {
  return Message(ParseRules(yaml, "rules.yaml").status());
}

TEST(ParseRules, ReadsEveryKeyInFlowAndBlockStyle) {
  const auto rules = ParseRules(R"(# first and last layers
- {match: "*conv1.weight", keep: float}
- match: "@outputs"
  bits: 8
  scheme: uniform
- {match: "*", bits: 4, code_book: paper, granularity: tensor, scheme: threshold, mu: 0.5, axis: -1}
)",
                                "rules.yaml");
  ASSERT_TRUE(rules.ok()) << rules.status();
  ASSERT_EQ(rules->size(), 3);
  EXPECT_TRUE((*rules)[0].keep_float());
  EXPECT_EQ((*rules)[0].match(), "*conv1.weight");
  EXPECT_FALSE((*rules)[0].has_bits());
  EXPECT_EQ((*rules)[1].bits(), 8);
  EXPECT_EQ((*rules)[1].scheme(), v1::SCHEME_UNIFORM);
  EXPECT_EQ((*rules)[1].code_book(), v1::CODE_BOOK_UNSPECIFIED);
  EXPECT_EQ((*rules)[2].ShortDebugString(),
            "match: \"*\" bits: 4 code_book: CODE_BOOK_PAPER granularity: GRANULARITY_TENSOR "
            "scheme: SCHEME_THRESHOLD mu_ratio: 0.5 axis: -1");
}

TEST(ParseRules, ReadsJsonAndAnEmptyList) {
  EXPECT_EQ(ParseRules(R"([{"match": "*", "bits": 6}])", "r.json")->size(), 1);
  EXPECT_TRUE(ParseRules("[]", "r.yaml")->empty());
}

TEST(ParseRules, UnknownKeyIsNamedWithItsLine) {
  const std::string error = ParseError("- match: a\n  bits: 4\n- match: b\n  codebook: full\n");
  EXPECT_THAT(error, HasSubstr("rules.yaml:4: codebook"));
  EXPECT_THAT(error, HasSubstr("code_book"));
}

TEST(ParseRules, BadValuesNameLineKeyAndWhatIsAllowed) {
  EXPECT_THAT(ParseError("- {match: a, bits: 7}"), HasSubstr("rules.yaml:1: bits must be 2..6"));
  EXPECT_THAT(ParseError("- {match: a, bits: four}"), HasSubstr("whole number"));
  EXPECT_THAT(ParseError("- {match: a, bits: -4}"), HasSubstr("bits"));
  EXPECT_THAT(ParseError("- {match: a, bits: [4]}"), HasSubstr("single value"));
  EXPECT_THAT(ParseError("\n- {match: a, code_book: half}"),
              HasSubstr("rules.yaml:2: code_book must be paper or full: 'half'"));
  EXPECT_THAT(ParseError("- {match: a, scheme: best}"), HasSubstr("exact or threshold or uniform"));
  EXPECT_THAT(ParseError("- {match: a, granularity: row}"), HasSubstr("tensor or channel"));
  EXPECT_THAT(ParseError("- {match: a, mu: 0}"), HasSubstr("above 0"));
  EXPECT_THAT(ParseError("- {match: a, mu: .nan}"), HasSubstr("above 0"));
  EXPECT_THAT(ParseError("- {match: a, mu: 16.5}"), HasSubstr("at most 16"));
  EXPECT_THAT(ParseError("- {match: a, keep: int8}"), HasSubstr("keep must be float"));
  EXPECT_THAT(ParseError("- {match: a, bits: 8, scheme: exact}"), HasSubstr("uniform"));
  EXPECT_THAT(ParseError("- {match: a, bits: 4, scheme: uniform}"), HasSubstr("uniform"));
}

TEST(ParseRules, ShapesThatAreNoListOfRules) {
  EXPECT_THAT(ParseError("match: a"), HasSubstr("list of rules"));
  EXPECT_THAT(ParseError(""), HasSubstr("list of rules"));
  EXPECT_THAT(ParseError("- a"), HasSubstr("must be a map"));
  EXPECT_THAT(ParseError("- {bits: 4}"), HasSubstr("needs match"));
  EXPECT_THAT(ParseError("- {match: a, match: b}"), HasSubstr("given twice"));
  EXPECT_THAT(ParseError("- {match: a, keep: float, bits: 4}"), HasSubstr("no other key"));
  EXPECT_THAT(ParseError("- {match: \"a}"), HasSubstr("is not YAML"));
  EXPECT_THAT(ParseError(std::string((1 << 20) + 1, ' ')), HasSubstr("limit is 1048576"));
}

TEST(DescribeRule, SaysWhatTheRuleSets) {
  const auto rules = ParseRules(
      "- {match: a, keep: float}\n- {match: b, bits: 4, code_book: full, granularity: channel}\n"
      "- {match: c}\n- {match: d, scheme: threshold, mu: 0.5, axis: 1}",
      "r");
  EXPECT_EQ(DescribeRule((*rules)[0]), "keep float");
  EXPECT_EQ(DescribeRule((*rules)[1]), "4 bits, full, per channel");
  EXPECT_EQ(DescribeRule((*rules)[2]), "");
  EXPECT_EQ(DescribeRule((*rules)[3]), "threshold, mu 0.5, axis 1");
}

TEST(BuildOptions, KeepFloatComesBeforeTheFilesRules) {
  QuantizeFlags flags;
  flags.bits = 4;
  flags.keep_float = {"*conv1*", "@outputs"};
  flags.rules_text = "- {match: \"*\", bits: 6}";
  const auto options = BuildOptions(flags);
  ASSERT_TRUE(options.ok()) << options.status();
  ASSERT_EQ(options->rules_size(), 3);
  EXPECT_EQ(options->rules(1).match(), "@outputs");
  EXPECT_TRUE(options->rules(1).keep_float());
  EXPECT_EQ(options->rules(2).bits(), 6);
  EXPECT_EQ(options->scheme(), v1::SCHEME_UNSPECIFIED);
  EXPECT_FALSE(options->has_mu_ratio());
}

TEST(BuildOptions, ChecksEveryFlag) {
  const auto error = [](QuantizeFlags flags) { return Message(BuildOptions(flags).status()); };
  EXPECT_THAT(error({.bits = 1}), HasSubstr("--bits must be 2..6"));
  EXPECT_THAT(error({.bits = 7}), HasSubstr("--bits must be 2..6"));
  EXPECT_THAT(error({.bits = 8}), HasSubstr("uniform"));
  EXPECT_TRUE(BuildOptions({.bits = 8, .scheme = "uniform"}).ok());
  EXPECT_THAT(error({.bits = 4, .code_book = "x"}), HasSubstr("--code-book"));
  EXPECT_THAT(error({.bits = 4, .granularity = "x"}), HasSubstr("--granularity"));
  EXPECT_THAT(error({.bits = 4, .scheme = "x"}), HasSubstr("--scheme"));
  EXPECT_THAT(error({.bits = 4, .mu = 0.5}), HasSubstr("--mu belongs to --scheme threshold"));
  EXPECT_THAT(error({.bits = 4, .scheme = "threshold", .mu = 17}), HasSubstr("--mu"));
  EXPECT_TRUE(BuildOptions({.bits = 4, .scheme = "threshold", .mu = 0.75}).ok());
  EXPECT_THAT(error({.bits = 4, .keep_float = {""}}), HasSubstr("--keep-float"));
}

}  // namespace
}  // namespace lbw::client

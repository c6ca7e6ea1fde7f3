#include "client/cpp/report.h"

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "lbw/v1/model.pb.h"

namespace lbw::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Message>
Message Text(const char* text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message));
  return message;
}

v1::QuantizationReport Example() {
  return Text<v1::QuantizationReport>(R"(
    tensors { name: "conv1.weight" shape: [64, 3, 7, 7] bits: 32 scheme: "float" rule_index: 0
              bytes_before: 37632 bytes_after: 37632 }
    tensors { name: "fc.weight" shape: [1000, 512] bits: 4 code_book: "full" granularity: "channel"
              scheme: "exact" exponent_min: -9 exponent_max: -5 zero_fraction: 0.1234
              sqnr_db: 14.249 bytes_before: 2048000 bytes_after: 258000 rule_index: -1 }
    tensors { name: "head" shape: [8, 8] bits: 8 scheme: "uniform" granularity: "tensor"
              bytes_before: 256 bytes_after: 68 rule_index: 1 }
    tensors { name: "bn.bias" shape: [64] bits: 32 scheme: "float" rule_index: -1
              bytes_before: 256 bytes_after: 256 }
    totals { tensors: 3 tensors_quantized: 2 weights_quantized: 512064 bytes_before: 2048256
             bytes_after: 258068 zero_fraction: 0.1233 sqnr_db: 14.25 dead_rows: 12
             zero_fraction_live: 0.1 sqnr_db_live: 14.0 }
  )");
}

TEST(RenderReport, Golden) {
  EXPECT_EQ("\n" + RenderReport(Example(), ReportKind::kMeasured),
            R"(
name                                             shape       bits  book     exponents  zeros %  SQNR dB    before  -> after  ratio  rule
conv1.weight                                     [64,3,7,7]    32  float            -        -        -  36.8 KiB  36.8 KiB  1.00x     0
fc.weight                                        [1000,512]     4  full        -9..-5     12.3    14.25  1.95 MiB   252 KiB  7.94x     -
head                                             [8,8]          8  uniform          -      0.0        -     256 B      68 B  3.76x     1
-----------------------------------------------  ----------  ----  -------  ---------  -------  -------  --------  --------  -----  ----
total: 2 of 3 tensors quantized, 512064 weights                                           12.3    14.25  1.95 MiB   252 KiB  7.94x
without its 12 dead rows                                                                  10.0    14.00
1 other tensor stays as before, 256 B
)");
}

TEST(RenderReport, ADryRunHasNoStatistics) {
  EXPECT_EQ(RenderReport(Example(), ReportKind::kDryRun),
            "name          shape       bits  book     granularity  scheme     before  rule\n"
            "conv1.weight  [64,3,7,7]    32  float    -            float    36.8 KiB     0\n"
            "fc.weight     [1000,512]     4  full     channel      exact    1.95 MiB     -\n"
            "head          [8,8]          8  uniform  tensor       uniform     256 B     1\n"
            "1 other tensor stays as before, 256 B\n");
}

v1::ModelVersion Rules() {
  return Text<v1::ModelVersion>(R"(
    quantization { bits: 4
      rules { match: "*conv1.weight" keep_float: true }
      rules { match: "@outputs" bits: 8 scheme: SCHEME_UNIFORM }
      rules { match: "nothing*" } }
    rule_matches { rule_index: 0 match: "*conv1.weight" tensors: "conv1.weight" }
    rule_matches { rule_index: 1 match: "@outputs" tensors: ["a", "b"] }
    rule_matches { rule_index: -1 tensors: ["c", "d"] }
  )");
}

TEST(RenderRuleMatches, CountsAndWarnsOfRulesThatCaughtNothing) {
  const v1::ModelVersion version = Rules();
  const RuleText text =
      RenderRuleMatches(version.rule_matches(), version.quantization(), RuleDetail::kCounts);
  EXPECT_THAT(text.lines, ElementsAre("rule 0 '*conv1.weight' keep float: 1 tensor",
                                      "rule 1 '@outputs' 8 bits, uniform: 2 tensors",
                                      "rule 2 'nothing*': 0 tensors",
                                      "no rule, 4 bits, full, per channel, exact: 2 tensors"));
  EXPECT_THAT(text.warnings, ElementsAre("rule 2 'nothing*' caught nothing"));
}

TEST(RenderRuleMatches, ADryRunNamesTheTensors) {
  const v1::ModelVersion version = Rules();
  const RuleText text =
      RenderRuleMatches(version.rule_matches(), version.quantization(), RuleDetail::kNames);
  EXPECT_THAT(text.lines,
              ElementsAre("rule 0 '*conv1.weight' keep float: 1 tensor", "  conv1.weight",
                          "rule 1 '@outputs' 8 bits, uniform: 2 tensors", "  a", "  b",
                          "rule 2 'nothing*': 0 tensors",
                          "no rule, 4 bits, full, per channel, exact: 2 tensors", "  c", "  d"));
}

TEST(RenderRuleMatches, WithoutRulesThereIsNothingToSay) {
  v1::ModelVersion version = Rules();
  version.mutable_quantization()->clear_rules();
  const RuleText text =
      RenderRuleMatches(version.rule_matches(), version.quantization(), RuleDetail::kCounts);
  EXPECT_THAT(text.lines, IsEmpty());
  EXPECT_THAT(text.warnings, IsEmpty());
}

TEST(DescribeOptions, SpellsOutDefaults) {
  EXPECT_EQ(DescribeOptions(Text<v1::QuantizationOptions>("bits: 4")),
            "4 bits, full, per channel, exact");
  EXPECT_EQ(DescribeOptions(Text<v1::QuantizationOptions>(
                "bits: 3 code_book: CODE_BOOK_PAPER granularity: GRANULARITY_TENSOR "
                "scheme: SCHEME_THRESHOLD mu_ratio: 0.75")),
            "3 bits, paper, per tensor, threshold mu 0.75");
  EXPECT_EQ(DescribeOptions(Text<v1::QuantizationOptions>("bits: 8 scheme: SCHEME_UNIFORM")),
            "8 bits, uniform, per channel");
}

// "4 bits" of a version whose layers have 2 to 6 misleads.
TEST(DescribeWeights, AVersionOfSeveralWidthsIsMixed) {
  EXPECT_EQ(DescribeWeights(Text<v1::QuantizationOptions>(
                "bits: 4 rules { match: 'a' bits: 2 } rules { match: 'b' bits: 6 } "
                "rules { match: 'c' bits: 8 keep_float: true }")),
            "mixed 2-6 bits, full, per channel, exact");
  EXPECT_EQ(DescribeWeights(Text<v1::QuantizationOptions>(
                "bits: 4 rules { match: 'a' bits: 4 } rules { match: 'b' keep_float: true }")),
            "4 bits, full, per channel, exact");
}

}  // namespace
}  // namespace lbw::client

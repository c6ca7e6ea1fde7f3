#include "client/cpp/calibration_flags.h"

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

QuantizeFlags FourBits() {
  QuantizeFlags grid;
  grid.bits = 4;
  return grid;
}

TEST(ParseBytes, NumbersWithAndWithoutUnits) {
  EXPECT_EQ(*ParseBytes("65536", "x"), 65536U);
  EXPECT_EQ(*ParseBytes("64k", "x"), 65536U);
  EXPECT_EQ(*ParseBytes("64KiB", "x"), 65536U);
  EXPECT_EQ(*ParseBytes("1.5M", "x"), 1572864U);
  EXPECT_EQ(*ParseBytes("2gb", "x"), uint64_t{2} << 30);
  EXPECT_EQ(*ParseBytes("7B", "x"), 7U);
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text :
       {"", "k", "0", "0.5", "-1", "1e3", "1kk", "1kib2", "4 k", "1.2.3", "99999999999G", "nan"}) {
    const auto bytes = ParseBytes(text, "--budget-bytes");
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(Message(bytes.status()), HasSubstr("--budget-bytes is a number of bytes")) << text;
  }
}

TEST(ParseMu, AutoOneAndSeveral) {
  EXPECT_TRUE(ParseMu("auto")->is_auto);
  EXPECT_THAT(ParseMu("0.75")->ratios, ElementsAre(0.75));
  EXPECT_THAT(ParseMu("0.5,0.75,16")->ratios, ElementsAre(0.5, 0.75, 16.0));
  for (const char* text : {"0", "-1", "16.5", "nan", "inf", "0.5,", "a", "0.5 0.6"}) {
    EXPECT_FALSE(ParseMu(text).ok()) << text;
  }
  std::string many = "1";
  for (int i = 0; i < 31; ++i) many += ",1";
  EXPECT_TRUE(ParseMu(many).ok());
  EXPECT_THAT(Message(ParseMu(many + ",1").status()), HasSubstr("at most 32 ratios: 33"));
}

TEST(ParseMeasure, DatasetAndSplit) {
  EXPECT_EQ(ParseMeasure("faces")->dataset, "datasets/faces");
  EXPECT_EQ(ParseMeasure("datasets/faces:val")->dataset, "datasets/faces");
  EXPECT_EQ(ParseMeasure("faces:val")->split, "val");
  EXPECT_FALSE(ParseMeasure("faces:").ok());
  EXPECT_FALSE(ParseMeasure(":val").ok());
  EXPECT_FALSE(ParseMeasure("Faces").ok());
}

TEST(BuildQuantizeSpec, WhatIsLeftOutIsTheServers) {
  const auto spec = BuildQuantizeSpec({}, FourBits());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->ShortDebugString(), "options { bits: 4 } calibration { } measure { }");
}

TEST(BuildQuantizeSpec, EveryOptionFindsItsField) {
  CalibrationFlags flags;
  flags.split = "train";
  flags.images = 32;
  flags.seed = 7;
  flags.positions = 100;
  flags.scale = "real";
  flags.max_drop = 0.005;
  flags.widths = {2, 3, 4};
  flags.measure = "faces:val";
  flags.measure_pictures = 75;
  flags.threads = 2;
  const auto spec = BuildQuantizeSpec(flags, {});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->ShortDebugString(),
            "options { } calibration { split: \"train\" count: 32 seed: 7 scale: SCALE_KIND_REAL "
            "positions: 100 threads: 2 } widths { max_drop: 0.005 bits: 2 bits: 3 bits: 4 } "
            "measure { dataset: \"datasets/faces\" split: \"val\" max_pictures: 75 }");
}

TEST(BuildQuantizeSpec, OneMuIsAnOptionSeveralAreASearch) {
  CalibrationFlags flags;
  flags.mu = "0.5";
  QuantizeFlags grid = FourBits();
  EXPECT_THAT(Message(BuildQuantizeSpec(flags, grid).status()), HasSubstr("--scheme threshold"));
  grid.scheme = "threshold";
  EXPECT_EQ(BuildQuantizeSpec(flags, grid)->options().mu_ratio(), 0.5);
  EXPECT_FALSE(BuildQuantizeSpec(flags, grid)->has_mu());
  flags.mu = "0.5,0.75";
  EXPECT_THAT(BuildQuantizeSpec(flags, grid)->mu().ratios(), ElementsAre(0.5, 0.75));
  flags.mu = "auto";
  EXPECT_TRUE(BuildQuantizeSpec(flags, grid)->has_mu());
  EXPECT_THAT(BuildQuantizeSpec(flags, grid)->mu().ratios(), IsEmpty());
  flags.no_measure = true;
  EXPECT_THAT(Message(BuildQuantizeSpec(flags, grid).status()), HasSubstr("--no-measure"));
}

TEST(BuildQuantizeSpec, RefusesAndNamesOptionAndValue) {
  struct Case {
    const char* what;
    CalibrationFlags flags;
    const char* message;
  };
  std::vector<Case> cases(9);
  cases[0] = {"images", {}, "--images must be 1..4096: 0"};
  cases[0].flags.images = 0;
  cases[1] = {"images", {}, "--images must be 1..4096: 4097"};
  cases[1].flags.images = 4097;
  cases[2] = {"positions", {}, "--positions must be 1..100000: 0"};
  cases[2].flags.positions = 0;
  cases[3] = {"scale", {}, "--scale must be pow2 or real: 'pow3'"};
  cases[3].flags.scale = "pow3";
  cases[4] = {"both", {}, "--budget-bytes 64k and --max-drop 0.005 exclude each other"};
  cases[4].flags.budget = "64k";
  cases[4].flags.max_drop = 0.005;
  cases[5] = {"drop", {}, "--max-drop is a fraction of 0..1"};
  cases[5].flags.max_drop = 5.0;
  cases[6] = {"widths", {}, "it needs --budget-bytes or --max-drop"};
  cases[6].flags.widths = {2};
  cases[7] = {"width", {}, "--widths are 2..6, as in 2,3,4: 8"};
  cases[7].flags.budget = "1M";
  cases[7].flags.widths = {4, 8};
  cases[8] = {"no measure", {}, "--no-measure does not go with --measure"};
  cases[8].flags.no_measure = true;
  cases[8].flags.measure = "faces";
  for (const Case& one : cases) {
    const auto spec = BuildQuantizeSpec(one.flags, FourBits());
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << one.what;
    EXPECT_THAT(Message(spec.status()), HasSubstr(one.message)) << one.what;
  }
}

TEST(BuildQuantizeSpec, BitsMayBeLeftOutOnlyWhereWidthsAreChosen) {
  CalibrationFlags flags;
  EXPECT_FALSE(BuildQuantizeSpec(flags, {}).ok());
  flags.budget = "64k";
  const auto spec = BuildQuantizeSpec(flags, {});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->options().bits(), 0U);
  EXPECT_EQ(spec->widths().budget_bytes(), 65536U);
  QuantizeFlags nine;
  nine.bits = 9;
  EXPECT_FALSE(BuildQuantizeSpec(flags, nine).ok());
}

}  // namespace
}  // namespace lbw::client

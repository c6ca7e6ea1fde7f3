#include "tasks/quantize_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "lbw/v1/calibration.pb.h"
#include "tasks/quantize_result.h"
#include "unit/tasks/calibration_fixture.h"
#include "unit/tasks/calibration_rig.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;

TEST(OutputSqnr, IsLeftOutWhereThereIsNone) {
  EXPECT_NEAR(*OutputSqnr(100, 1), 20, 1e-12);
  EXPECT_FALSE(OutputSqnr(0, 1).has_value());
  EXPECT_FALSE(OutputSqnr(1, 0).has_value());
  EXPECT_FALSE(OutputSqnr(1e300, 1e-300).has_value());
  EXPECT_FALSE(OutputSqnr(std::numeric_limits<double>::quiet_NaN(), 1).has_value());
}

TEST(QuantizeReport, EveryMessageParses) {
  NetMaker net;
  net.Conv("a", "image", {4, 3, 3, 3});
  net.Conv("keep", "a", {2, 4, 1, 1});
  const model::Model model = net.Finish({"keep"});
  model::QuantizeOptions options = ChoicesAt(2).quantize;
  options.rules.resize(1);
  options.rules[0].match = "keep*";
  options.rules[0].keep_float = true;
  model::Model quantized = model;
  const model::QuantizeOutcome outcome = model::QuantizeModel(quantized, options, {}).value();
  lbw::v1::QuantizationReport report;
  ASSERT_TRUE(ParsesInto(ReportJson(outcome.reports), report));
  ASSERT_GE(report.tensors_size(), 2);
  EXPECT_EQ(report.tensors(0).name(), "a.w");
  EXPECT_EQ(report.tensors(0).bits(), 2U);
  EXPECT_EQ(report.tensors(1).bits(), 32U);
  EXPECT_EQ(report.totals().tensors_quantized(), 1U);
  const Json matches = RuleMatchesJson(outcome.caught, options.rules);
  lbw::v1::RuleMatch first, rest;
  ASSERT_TRUE(ParsesInto(matches[0], first) && ParsesInto(matches[1], rest));
  EXPECT_EQ(first.match(), "keep*");
  EXPECT_THAT(first.tensors(), ElementsAre("keep.w"));
  EXPECT_EQ(rest.rule_index(), -1);

  graph::Activations activations;
  activations["x"] = {true, 0.5F, -3, "max"};
  lbw::v1::CalibrationReport calibration;
  Json json;
  json["activations"] = Json::parse(graph::ActivationsToJson(activations));
  ASSERT_TRUE(ParsesInto(json, calibration));
  EXPECT_TRUE(calibration.activations().at("x").signed_());
  EXPECT_EQ(calibration.activations().at("x").zero_point(), -3);
}

TEST(QuantizeReport, TellsALayer) {
  NetMaker net;
  net.Conv("dw", "image", {3, 1, 3, 3}, 3);
  const model::Model model = net.Finish({"dw"});
  Bench bench;
  const auto walk = bench.Walk(model, RandomPictures(2, 6, 1), bench.Options());
  ChoiceOptions options = ChoicesAt(2);
  options.scale = quant::ScaleKind::kReal;
  const WalkLayer layer = walk->layers()[0];
  const auto made =
      CalibrateNetwork(*walk, model, ChooseLayers(model, walk->layers(), options).value(), {}, 1,
                       {})
          .value();
  lbw::v1::CalibratedLayer message;
  ASSERT_TRUE(ParsesInto(LayerJson({&layer, &made.solved[0], "bias", 0.25}), message));
  EXPECT_EQ(message.name(), "dw.w");
  EXPECT_THAT(message.nodes(), ElementsAre("dw"));
  EXPECT_EQ(message.rows(), 3U);
  EXPECT_EQ(message.columns(), 9U);
  EXPECT_EQ(message.groups(), 3U);
  EXPECT_EQ(message.samples(), 72U);
  EXPECT_EQ(message.scale(), lbw::v1::SCALE_KIND_REAL);
  EXPECT_EQ(message.bias_in(), lbw::v1::BIAS_PLACE_BIAS);
  EXPECT_EQ(message.error_share(), 0.25);
  EXPECT_GE(message.output_sqnr_db(), message.nearest_output_sqnr_db());
}

TEST(QuantizeReport, EightBitUniformHasNoScaleKindAndPlacesHaveNames) {
  NetMaker net;
  net.Conv("a", "image", {3, 3, 3, 3});
  const model::Model model = net.Finish({"a"});
  Bench bench;
  const auto pictures = RandomPictures(2, 6, 1);
  const auto walk = bench.Walk(model, pictures, bench.Options());
  ChoiceOptions options = ChoicesAt(8);
  options.quantize.tensor.scheme = quant::Scheme::kUniform;
  const WalkLayer layer = walk->layers()[0];
  const auto made =
      CalibrateNetwork(*walk, model, ChooseLayers(model, walk->layers(), options).value(), {}, 1,
                       {})
          .value();
  const std::pair<const char*, lbw::v1::BiasPlace> places[] = {
      {"", lbw::v1::BIAS_PLACE_UNSPECIFIED},
      {"batch_norm", lbw::v1::BIAS_PLACE_BATCH_NORM},
      {"stored", lbw::v1::BIAS_PLACE_STORED}};
  for (const auto& [word, place] : places) {
    lbw::v1::CalibratedLayer message;
    ASSERT_TRUE(ParsesInto(LayerJson({&layer, &made.solved[0], word, 0.25}), message));
    EXPECT_EQ(message.bits(), 8U);
    EXPECT_EQ(message.scale(), lbw::v1::SCALE_KIND_UNSPECIFIED);
    EXPECT_EQ(message.bias_in(), place);
  }
}

TEST(UsedOptionsJson, PutsWhatWasChosenInFrontOfWhatWasAsked) {
  const Json asked = Json::parse(R"({"bits": 0, "scheme": "SCHEME_EXACT",
                                     "rules": [{"match": "a", "keep_float": true}]})");
  ChoiceOptions used = ChoicesAt(3);
  used.quantize.rules.resize(2);
  used.quantize.rules[0].match = "b\\[1\\]";
  used.quantize.rules[0].bits = 5;
  used.quantize.rules[0].code_book = quant::CodeBook::kPaper;
  used.quantize.rules[1].match = "a";
  used.quantize.rules[1].keep_float = true;
  const Json out = UsedOptionsJson(asked, used, 1);
  EXPECT_EQ(out["bits"], 3);
  EXPECT_EQ(out["scheme"], "SCHEME_EXACT");
  EXPECT_EQ(out["rules"][0],
            Json::parse(R"({"match": "b\\[1\\]", "bits": 5, "code_book": "CODE_BOOK_PAPER"})"));
  EXPECT_EQ(out["rules"][1], asked["rules"][0]);
  used.quantize.tensor.scheme = quant::Scheme::kThreshold;
  used.quantize.tensor.mu_ratio = 0.5;
  EXPECT_EQ(UsedOptionsJson(Json::object(), used, 0)["mu_ratio"], 0.5);
}

}  // namespace
}  // namespace lbw::tasks

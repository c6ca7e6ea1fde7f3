#include "tasks/width_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/status.h"
#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSize = 6;

model::Model Net() {
  NetMaker net;
  net.Conv("stem", "image", {8, 3, 3, 3});
  net.Node("Relu", "r", {"stem"});
  net.Conv("odd[1]*", "r", {8, 8, 3, 3});
  net.Conv("head", "odd[1]*", {2, 8, 1, 1});
  return net.Finish({"head"});
}

class WidthSearchTest : public ::testing::Test {
 protected:
  std::vector<FreeLayer> Free(const model::Model& model, const ChoiceOptions& options,
                              const std::vector<int>& bits) {
    const auto walk = bench_.Walk(model, pictures_, bench_.Options());
    return FindFreeLayers(model, walk->layers(), options, bits).value();
  }
  std::vector<FreeLayer> Measured(const model::Model& model, const ChoiceOptions& options,
                                  const std::vector<int>& bits, int threads = 1) {
    const auto walk = bench_.Walk(model, pictures_, bench_.Options(threads));
    auto layers = FindFreeLayers(model, walk->layers(), options, bits).value();
    SensitivitySteps steps;
    steps.threads = threads;
    const absl::Status status = MeasureSensitivity(*walk, model, options, steps, layers);
    EXPECT_TRUE(status.ok()) << status;
    return layers;
  }
  Bench bench_;
  const std::vector<Picture> pictures_ = RandomPictures(8, kSize, 5);
};

TEST_F(WidthSearchTest, FreeAreTheLayersWhoseRuleNamesNoBits) {
  ChoiceOptions options = ChoicesAt(4);
  options.quantize.rules.resize(3);
  options.quantize.rules[0].match = "stem.w";
  options.quantize.rules[0].bits = 6;
  options.quantize.rules[1].match = "head.w";
  options.quantize.rules[1].code_book = quant::CodeBook::kPaper;
  options.quantize.rules[2].match = "nothing";
  const auto free = Free(Net(), options, {2, 3, 5});
  ASSERT_THAT(free, SizeIs(2));
  EXPECT_EQ(free[0].name, "odd[1]*.w");
  EXPECT_EQ(free[0].index, 1U);
  EXPECT_EQ(free[0].rule_index, -1);
  EXPECT_EQ(free[1].name, "head.w");
  EXPECT_EQ(free[1].rule_index, 1);
  ASSERT_THAT(free[0].widths, SizeIs(3));
  // 8 rows of 72 codes, and an exponent each.
  EXPECT_EQ(free[0].widths[0].bytes, 8U * (72 * 2 / 8) + 8 * 2);
  EXPECT_EQ(free[0].widths[2].bytes, 8U * (72 * 5 / 8) + 8 * 2);
  options.scale = quant::ScaleKind::kReal;
  const auto real = Free(Net(), options, {2, 3});
  EXPECT_EQ(real[0].widths[0].bytes, free[0].widths[0].bytes + 8 * 4) << "a real scale a row";
  EXPECT_EQ(real[0].widths[1].bytes, free[0].widths[1].bytes);
  options.quantize.tensor.granularity = quant::Granularity::kTensor;
  options.quantize.rules.clear();
  options.scale = quant::ScaleKind::kPowerOfTwo;
  const auto plain = Free(Net(), options, {2});
  options.scale = quant::ScaleKind::kReal;
  EXPECT_EQ(Free(Net(), options, {2})[0].widths[0].bytes, plain[0].widths[0].bytes)
      << "one exponent has no scales";
}

// The measured width's error is the network's with this layer alone replaced.
TEST_F(WidthSearchTest, SensitivityIsWhatALayerAloneDoesToTheOutputs) {
  const model::Model model = Net();
  const auto layers = Measured(model, ChoicesAt(4), {2, 3, 4, 5, 6});
  const auto floating = bench_.Run(model, model.constants, pictures_, {"head"});
  for (const FreeLayer& layer : layers) {
    ChoiceOptions alone = ChoicesAt(3);
    alone.quantize.rules.resize(2);
    alone.quantize.rules[0].match = layer.name == "odd[1]*.w" ? "odd*" : layer.name;
    alone.quantize.rules[0].bits = 3;
    alone.quantize.rules[1].match = "*";
    alone.quantize.rules[1].keep_float = true;
    const auto walk = bench_.Walk(model, pictures_, bench_.Options());
    const auto made = CalibrateNetwork(
        *walk, model, ChooseLayers(model, walk->layers(), alone).value(), {}, 1, {});
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_NEAR(layer.widths[1].error, made->output_error, 1e-3 * made->output_error + 1e-6)
        << layer.name;
    EXPECT_GT(layer.widths[0].error, layer.widths[2].error) << layer.name;
    // Above 4 bits the grid gains small values alone.
    EXPECT_GE(layer.widths[2].error, 0.98 * layer.widths[4].error) << layer.name;
  }
}

TEST_F(WidthSearchTest, SensitivityHasTheSameBitsForAnyThreads) {
  EXPECT_EQ(ToJson(Measured(Net(), ChoicesAt(4), {2, 3, 4}, 1)),
            ToJson(Measured(Net(), ChoicesAt(4), {2, 3, 4}, 3)));
}

// Weights that 3 bits hold exactly and 2 bits do not: 2 bits must not look free.
TEST_F(WidthSearchTest, AnExactWidthDoesNotHideTheErrorOfOthers) {
  NetMaker net;
  std::vector<float> exact;
  for (size_t i = 0; i < 4 * 27; ++i) {
    const float some[] = {1, -0.5F, 0.25F, 0, -1, 0.5F};
    exact.push_back(some[(i * 7 + i / 5) % 6]);
  }
  net.Constant("w", {4, 3, 3, 3}, exact);
  net.Node("Conv", "out", {"image", "w"});
  const model::Model model = net.Finish({"out"});
  const auto layers = Measured(model, ChoicesAt(4), {2, 3, 4});
  ASSERT_THAT(layers, SizeIs(1));
  EXPECT_GT(layers[0].widths[0].error, 0.01);
  EXPECT_LT(layers[0].widths[2].error, 1e-6);
}

TEST_F(WidthSearchTest, WidthsBecomeRulesInFrontOfTheOthers) {
  ChoiceOptions options = ChoicesAt(4);
  options.quantize.rules.resize(1);
  options.quantize.rules[0].match = "odd*";
  options.quantize.rules[0].code_book = quant::CodeBook::kPaper;
  const model::Model model = Net();
  const auto free = Free(model, options, {2, 3, 4, 5, 6});
  ASSERT_THAT(free, SizeIs(3));
  const ChoiceOptions mixed = WithWidths(options, free, {3, 5, 3});
  EXPECT_EQ(mixed.quantize.tensor.bits, 3);
  ASSERT_THAT(mixed.quantize.rules, SizeIs(2));
  EXPECT_TRUE(quant::ValidateRules(mixed.quantize.rules).ok());
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  const LayerChoices choices = ChooseLayers(model, walk->layers(), mixed).value();
  EXPECT_EQ(choices[0]->tensor.bits, 3);
  EXPECT_EQ(choices[1]->tensor.bits, 5) << "brackets and stars in a name match themselves alone";
  EXPECT_EQ(choices[1]->tensor.code_book, quant::CodeBook::kPaper) << "what its rule said besides";
  EXPECT_EQ(choices[2]->tensor.bits, 3);
  EXPECT_THAT(WithWidths(ChoicesAt(4), free, {6, 6, 6}).quantize.rules, IsEmpty());
}

TEST_F(WidthSearchTest, StopsWhereItIsTold) {
  const model::Model model = Net();
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  auto layers = FindFreeLayers(model, walk->layers(), ChoicesAt(4), {2, 4}).value();
  SensitivitySteps steps;
  size_t done = 0;
  steps.solved = [&](size_t layers_done) {
    done = layers_done;
    return absl::OkStatus();
  };
  steps.keep_going = [&] { return done < 1 ? absl::OkStatus() : absl::CancelledError("enough"); };
  EXPECT_TRUE(absl::IsCancelled(MeasureSensitivity(*walk, model, ChoicesAt(4), steps, layers)));
  EXPECT_EQ(done, 1U);
}

// Layers that are known cost nothing but the way past them, and change no bit.
TEST_F(WidthSearchTest, SensitivityGoesOnBehindTheLayersThatAreKnown) {
  const model::Model model = Net();
  const auto whole = Measured(model, ChoicesAt(4), {2, 3, 4});
  for (size_t before = 0; before <= whole.size(); ++before) {
    const auto walk = bench_.Walk(model, pictures_, bench_.Options());
    auto layers = FindFreeLayers(model, walk->layers(), ChoicesAt(4), {2, 3, 4}).value();
    for (size_t i = 0; i < before; ++i) layers[i].widths = whole[i].widths;
    SensitivitySteps steps;
    steps.before = before;
    std::vector<size_t> told;
    steps.solved = [&](size_t done) {
      told.push_back(done);
      return absl::OkStatus();
    };
    ASSERT_TRUE(MeasureSensitivity(*walk, model, ChoicesAt(4), steps, layers).ok());
    EXPECT_EQ(ToJson(layers), ToJson(whole)) << before;
    EXPECT_THAT(told, SizeIs(whole.size() - before));
  }
}

TEST_F(WidthSearchTest, ErrorsComeBackFromACheckpoint) {
  const auto measured = Measured(Net(), ChoicesAt(4), {2, 3, 4});
  auto fresh = Free(Net(), ChoicesAt(4), {2, 3, 4});
  const Json json = Json::parse(Dump(ToJson(measured)));
  ASSERT_TRUE(ReadErrors(json, fresh).ok());
  EXPECT_EQ(ToJson(fresh), ToJson(measured));
  for (const char* bad : {"{}", "[]", "[1, 2, 3]", "null",
                          R"([{"name": "stem.w"}, {"name": "odd[1]*.w"}, {"name": "head.w"}])"}) {
    EXPECT_FALSE(ReadErrors(Json::parse(bad), fresh).ok()) << bad;
  }
  Json odd = json;
  odd[1]["widths"][0]["error"] = "much";
  EXPECT_FALSE(ReadErrors(odd, fresh).ok());
  odd = json;
  odd[2]["widths"].erase(0);
  EXPECT_FALSE(ReadErrors(odd, fresh).ok());
}

}  // namespace
}  // namespace lbw::tasks

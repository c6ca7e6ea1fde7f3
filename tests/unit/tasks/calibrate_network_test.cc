#include "tasks/calibrate_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "base/strings.h"
#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSize = 8;

// Residual blocks, one with an unfolded normalization, a depthwise layer, a weight that is read
// twice, a Gemm at the end.
model::Model Mixed() {
  NetMaker net(kSize, 7);
  net.Conv("stem", "image", {8, 3, 3, 3});
  net.Node("Relu", "r0", {"stem"});
  net.Node("Conv", "c1", {"r0", net.Constant("c1.w", {8, 8, 3, 3}, 0.2F)},
           {{"pads", std::vector<int64_t>(4, 1)}});
  net.Node("Relu", "r1", {net.Norm("n1", "c1", 8)});
  net.Conv("dw", "r1", {8, 1, 3, 3}, 8);
  net.Node("Add", "s1", {"dw", "r0"});
  net.Constant("twice.w", {8, 8, 1, 1}, 0.3F);
  net.Constant("twice.b", {8});
  net.Node("Conv", "t1", {"s1", "twice.w", "twice.b"});
  net.Node("Relu", "r2", {"t1"});
  net.Conv("between", "r2", {8, 8, 3, 3});
  net.Node("Conv", "t2", {"between", "twice.w", "twice.b"});
  net.Node("MaxPool", "pool", {"t2"},
           {{"kernel_shape", std::vector<int64_t>{4, 4}}, {"strides", std::vector<int64_t>{4, 4}}});
  net.Node("Flatten", "flat", {"pool"});
  net.Node("Gemm", "out", {"flat", net.Constant("fc.w", {6, 32}), net.Constant("fc.b", {6})},
           {{"transB", int64_t{1}}});
  return net.Finish({"out"});
}

class CalibrateNetworkTest : public ::testing::Test {
 protected:
  absl::StatusOr<CalibratedNetwork> Calibrate(const ChoiceOptions& options, int threads = 1,
                                              std::vector<SolvedLayer> before = {}) {
    const auto walk = bench_.Walk(model_, pictures_, bench_.Options(threads));
    const auto choices = ChooseLayers(model_, walk->layers(), options);
    LBW_RETURN_IF_ERROR(choices.status());
    return CalibrateNetwork(*walk, model_, *choices, std::move(before), threads, steps_);
  }
  double ErrorOf(const graph::Constants& constants) {
    return RelativeError(bench_.Run(model_, model_.constants, pictures_, {"out"}),
                         bench_.Run(model_, constants, pictures_, {"out"}));
  }
  // Nearest codes layer by layer, each behind its own change of bias.
  double NearestWithBias(int bits) {
    const auto walk = bench_.Walk(model_, pictures_, bench_.Options());
    const auto choices = ChooseLayers(model_, walk->layers(), ChoicesAt(bits)).value();
    for (size_t i = 0; i < walk->layers().size(); ++i) {
      const WalkLayer& layer = walk->layers()[i];
      const auto& weights =
          std::get<base::Tensor>(model_.constants.find(layer.weight.constant)->second);
      const LayerSums sums = walk->Sums({}).value();
      SolvedLayer solved;
      solved.weight = layer.weight.constant;
      solved.tensor = quant::QuantizeTensor(weights.view(), choices[i]->tensor)->tensor;
      const std::vector<float> values = quant::Dequantize(solved.tensor);
      const size_t size = values.size() / sums.groups.size();
      for (size_t g = 0; g < sums.groups.size(); ++g) {
        const auto errors = quant::MeasureRows(weights.as<float>().subspan(g * size, size),
                                               absl::MakeConstSpan(values).subspan(g * size, size),
                                               sums.groups[g], {});
        solved.bias_change.insert(solved.bias_change.end(), errors.bias_change.begin(),
                                  errors.bias_change.end());
      }
      const Placed placed = PlaceLayer(model_.graph, layer, solved, walk->constants());
      LBW_CHECK(walk->Advance(placed.changed, {}).ok());
    }
    return walk->OutputError().value();
  }

  Bench bench_;
  const model::Model model_ = Mixed();
  const std::vector<Picture> pictures_ = RandomPictures(32, kSize, 21);
  CalibrateSteps steps_;
};

TEST_F(CalibrateNetworkTest, BeatsNearestWithBiasWhichBeatsNearest) {
  for (const int bits : {4, 3, 2}) {
    model::Model nearest = model_;
    ASSERT_TRUE(model::QuantizeModel(nearest, ChoicesAt(bits).quantize, {}).ok());
    const double plain = ErrorOf(nearest.constants);
    const double mended = NearestWithBias(bits);
    const auto made = Calibrate(ChoicesAt(bits));
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_LT(made->output_error, 0.7 * mended) << bits << " bits";
    EXPECT_LT(mended, plain) << bits << " bits";
    // What was walked is what the constants say.
    EXPECT_NEAR(ErrorOf(made->constants), made->output_error, 1e-4 + 1e-3 * made->output_error);
  }
}

TEST_F(CalibrateNetworkTest, ARealScaleHelpsAtTwoBits) {
  ChoiceOptions real = ChoicesAt(2);
  real.scale = quant::ScaleKind::kReal;
  const auto with = Calibrate(real);
  const auto without = Calibrate(ChoicesAt(2));
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_LT(with->output_error, without->output_error);
  EXPECT_THAT(with->solved[0].tensor.scales, SizeIs(8));
  EXPECT_THAT(without->solved[0].tensor.scales, IsEmpty());
  EXPECT_NEAR(ErrorOf(with->constants), with->output_error, 1e-4 + 1e-3 * with->output_error);
}

TEST_F(CalibrateNetworkTest, EndsInTheSameBitsFromEveryLayerAndForAnyThreads) {
  const auto whole = Calibrate(ChoicesAt(3));
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_THAT(whole->solved, SizeIs(6));
  EXPECT_THAT(whole->bias_in, ElementsAre("bias", "batch_norm", "bias", "bias", "bias", "bias"));
  for (size_t k = 0; k <= whole->solved.size(); ++k) {
    SCOPED_TRACE(base::StrCat("from layer ", k));
    const std::vector<SolvedLayer> before(whole->solved.begin(),
                                          whole->solved.begin() + static_cast<std::ptrdiff_t>(k));
    size_t told = 0;
    steps_.solved = [&](const std::vector<SolvedLayer>& solved) {
      ++told;
      EXPECT_EQ(solved.size(), k + told);
      return absl::OkStatus();
    };
    const auto resumed = Calibrate(ChoicesAt(3), k % 2 == 0 ? 2 : 3, before);
    ASSERT_TRUE(resumed.ok()) << resumed.status();
    EXPECT_TRUE(SameConstants(resumed->constants, whole->constants));
    EXPECT_EQ(resumed->output_error, whole->output_error);
    EXPECT_EQ(resumed->bias_in, whole->bias_in);
    EXPECT_EQ(told, whole->solved.size() - k);
  }
}

TEST_F(CalibrateNetworkTest, RefusesSolvedLayersThatDoNotFit) {
  const auto whole = Calibrate(ChoicesAt(3));
  ASSERT_TRUE(whole.ok());
  SolvedLayer other = whole->solved[1];
  EXPECT_TRUE(absl::IsDataLoss(Calibrate(ChoicesAt(3), 1, {other}).status())) << "another layer";
  SolvedLayer shape = whole->solved[1];
  shape.weight = whole->solved[0].weight;
  EXPECT_TRUE(absl::IsDataLoss(Calibrate(ChoicesAt(3), 1, {shape}).status())) << "another shape";
  SolvedLayer bias = whole->solved[0];
  bias.bias_change.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(Calibrate(ChoicesAt(3), 1, {bias}).status())) << "a shorter bias";
}

TEST_F(CalibrateNetworkTest, EndsWithTheStatusOfAStep) {
  int calls = 0;
  steps_.keep_going = [&] {
    return ++calls < 5 ? absl::OkStatus() : absl::CancelledError("enough");
  };
  EXPECT_TRUE(absl::IsCancelled(Calibrate(ChoicesAt(3)).status()));
  EXPECT_EQ(calls, 5);
  steps_.keep_going = {};
  steps_.solved = [](const auto& solved) {
    return solved.size() < 2 ? absl::OkStatus() : absl::AbortedError("enough");
  };
  EXPECT_TRUE(absl::IsAborted(Calibrate(ChoicesAt(3)).status()));
}

TEST_F(CalibrateNetworkTest, LeavesLayersFloatAndGivesWidthsAsTheRulesSay) {
  ChoiceOptions options = ChoicesAt(2);
  options.scale = quant::ScaleKind::kReal;
  options.quantize.rules.resize(2);
  options.quantize.rules[0].match = "stem.w";
  options.quantize.rules[0].keep_float = true;
  options.quantize.rules[1].match = "fc.w";
  options.quantize.rules[1].bits = 5;
  const auto walk = bench_.Walk(model_, pictures_, bench_.Options());
  const LayerChoices choices = ChooseLayers(model_, walk->layers(), options).value();
  ASSERT_THAT(choices, SizeIs(6));
  EXPECT_FALSE(choices[0].has_value());
  EXPECT_EQ(choices[1]->tensor.bits, 2);
  EXPECT_EQ(choices[1]->scale, quant::ScaleKind::kReal);
  EXPECT_EQ(choices[5]->tensor.bits, 5);
  EXPECT_EQ(choices[5]->scale, quant::ScaleKind::kPowerOfTwo);
  const auto made = Calibrate(options);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(made->solved, SizeIs(5));
  EXPECT_NE(std::get_if<base::Tensor>(&made->constants.find("stem.w")->second), nullptr);
  EXPECT_NE(std::get_if<quant::QuantizedTensor>(&made->constants.find("fc.w")->second), nullptr);
}

}  // namespace
}  // namespace lbw::tasks

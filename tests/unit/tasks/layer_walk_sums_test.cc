#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tasks/layer_walk.h"
#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::SizeIs;

class LayerWalkSumsTest : public ::testing::Test {
 protected:
  Bench bench_;
  const std::vector<Picture> pictures_ = RandomPictures(5, 6, 4);
};

// Two nodes read the weight and add biases that lie far apart: no power of what the weight makes.
TEST_F(LayerWalkSumsTest, BiasesOfSeveralReadersAreNoPower) {
  for (const bool gemm : {false, true}) {
    SCOPED_TRACE(gemm);
    NetMaker net;
    net.Constant("near", {4}, std::vector<float>{0.5F, -1, 0, 2});
    net.Constant("far", {4}, std::vector<float>{80, -90, 100, 70});
    std::vector<std::string> outputs;
    if (gemm) {
      net.Node("Flatten", "flat", {"image"});
      net.Node("Relu", "positive", {"flat"});
      net.Constant("w", {108, 4}, 0.2F);
      outputs = {net.Node("Gemm", "a", {"flat", "w", "near"}, {{"alpha", 0.5F}, {"beta", 2.0F}}),
                 net.Node("Gemm", "b", {"positive", "w", "far"}, {{"alpha", 2.0F}})};
    } else {
      net.Node("Relu", "positive", {"image"});
      net.Constant("w", {4, 3, 1, 1});
      outputs = {net.Node("Conv", "a", {"image", "w", "near"}),
                 net.Node("Conv", "b", {"positive", "w", "far"})};
    }
    const model::Model model = net.Finish(outputs);
    const auto walk = bench_.Walk(model, pictures_, bench_.Options());
    const WalkLayer& layer = walk->layers()[0];
    ASSERT_THAT(layer.uses, SizeIs(2));
    const LayerSums sums = walk->Sums({}).value();
    const quant::Gram& gram = sums.groups[0];
    const auto& weights = std::get<base::Tensor>(model.constants.find("w")->second);
    const quant::RowLayout rows = quant::MakeRowLayout(weights.shape(), layer.weight.axis, 1);
    for (int64_t r = 0; r < 4; ++r) {
      double power = 0;
      for (int64_t i = 0; i < gram.columns; ++i) {
        for (int64_t j = 0; j < gram.columns; ++j) {
          const auto w = [&](int64_t column) {
            return static_cast<double>(
                weights.as<float>()[static_cast<size_t>(rows.Offset(r, column))]);
          };
          power += w(i) * gram.h[static_cast<size_t>(i * gram.columns + j)] * w(j);
        }
      }
      EXPECT_NEAR(sums.output_power[static_cast<size_t>(r)], power, 1e-3 * power) << "row " << r;
    }
  }
}

}  // namespace
}  // namespace lbw::tasks

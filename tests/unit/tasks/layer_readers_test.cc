#include "tasks/layer_readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<int64_t> kPads(4, 1);

class LayerReadersTest : public ::testing::Test {
 protected:
  // Of the weight "w".
  WalkLayer Layer(const model::Model& model) {
    const auto walk = bench_.Walk(model, RandomPictures(1, 6, 1), bench_.Options());
    for (const WalkLayer& layer : walk->layers()) {
      if (layer.weight.constant == "w") return layer;
    }
    return {};
  }
  std::vector<double> Bias(const model::Model& model) {
    return ConstantBias(model.graph, model.constants, Layer(model).uses.at(0));
  }

  Bench bench_;
};

// A convolution without bias, a normalization, and what else `more` says reads its output.
model::Model Normalized(const std::function<void(NetMaker&)>& more, const char* output = "n") {
  NetMaker net;
  net.Node("Conv", "c", {"image", net.Constant("w", {3, 3, 3, 3})}, {{"pads", kPads}});
  net.Norm("n", "c", 3);
  net.Constant("n.gamma", {3}, std::vector<float>{-2, 0, 0.5F});
  net.Constant("n.var", {3}, std::vector<float>{3.99999F, 1, 0});
  if (more) more(net);
  return net.Finish({output});
}

TEST_F(LayerReadersTest, ANormalizationAloneGivesTheGain) {
  EXPECT_THAT(Layer(Normalized({})).gains, ElementsAre(DoubleNear(1, 1e-6), DoubleEq(0),
                                                       DoubleNear(0.5 / std::sqrt(1e-5), 1e-2)));
}

TEST_F(LayerReadersTest, AnybodyElseSeesTheRowAsItIs) {
  const double large = 0.5 / std::sqrt(1e-5);
  const auto is_seen = ElementsAre(DoubleNear(1, 1e-6), DoubleEq(1), DoubleNear(large, 1e-2));
  EXPECT_THAT(Layer(Normalized(
                        [](NetMaker& net) {
                          net.Node("Add", "sum", {"c", "n"});
                        },
                        "sum"))
                  .gains,
              is_seen)
      << "a reader";
  model::Model declared = Normalized({});
  declared.graph.outputs.push_back({"c", base::DType::kF32, {}});
  EXPECT_THAT(Layer(declared).gains, is_seen) << "outside";
}

TEST_F(LayerReadersTest, OfSeveralNormalizationsTheLargestCounts) {
  const model::Model model = Normalized(
      [](NetMaker& net) {
        net.Norm("m", "c", 3);
        net.Constant("m.gamma", {3}, std::vector<float>{0, 0, 0});
        net.Node("Add", "sum", {"n", "m"});
      },
      "sum");
  EXPECT_THAT(Layer(model).gains, ElementsAre(DoubleNear(1, 1e-6), DoubleEq(0),
                                              DoubleNear(0.5 / std::sqrt(1e-5), 1e-2)));
}

TEST_F(LayerReadersTest, OfSeveralUsesTheLargestCounts) {
  NetMaker net;
  net.Constant("w", {3, 3, 3, 3});
  net.Node("Conv", "c", {"image", "w"}, {{"pads", kPads}});
  net.Norm("n", "c", 3);
  net.Constant("n.gamma", {3}, std::vector<float>{0, 0, 0});
  net.Node("Conv", "d", {"n", "w"}, {{"pads", kPads}});
  const model::Model model = net.Finish({"d"});
  EXPECT_THAT(Layer(model).uses, ::testing::SizeIs(2));
  EXPECT_THAT(Layer(model).gains, IsEmpty()) << "one for every row";
}

TEST_F(LayerReadersTest, WithoutNormalizationOrWithOtherChannelsThereIsNoGain) {
  NetMaker plain;
  plain.Node("Conv", "c", {"image", plain.Constant("w", {3, 3, 3, 3})}, {{"pads", kPads}});
  EXPECT_THAT(Layer(plain.Finish({plain.Node("Relu", "r", {"c"})})).gains, IsEmpty());
  NetMaker last;  // the rows are the last dimension, the channels the second
  last.Integers("rows", {0, 3, 36});
  last.Node("Reshape", "x", {"image", "rows"});
  last.Node("MatMul", "y", {"x", last.Constant("w", {36, 3})});
  last.Norm("n", "y", 3);
  EXPECT_THAT(Layer(last.Finish({"n"})).gains, IsEmpty());
}

TEST_F(LayerReadersTest, TellsWhatANodeAdds) {
  NetMaker conv;
  conv.Constant("b", {3}, std::vector<float>{1, -2, 0.5F});
  conv.Node("Conv", "c", {"image", conv.Constant("w", {3, 3, 1, 1}), "b"});
  EXPECT_THAT(Bias(conv.Finish({"c"})), ElementsAre(1, -2, 0.5));
  NetMaker none;
  none.Node("Conv", "c", {"image", none.Constant("w", {3, 3, 1, 1})});
  EXPECT_THAT(Bias(none.Finish({"c"})), IsEmpty());
  for (const bool scalar : {false, true}) {
    NetMaker gemm;
    if (scalar) {
      gemm.Constant("b", {1}, std::vector<float>{3});
    } else {
      gemm.Constant("b", {2}, std::vector<float>{3, -1});
    }
    gemm.Node("Flatten", "flat", {"image"});
    gemm.Node("Gemm", "y", {"flat", gemm.Constant("w", {108, 2}, 0.1F), "b"},
              {{"alpha", 0.5F}, {"beta", 2.0F}});
    EXPECT_THAT(Bias(gemm.Finish({"y"})), ElementsAre(12, scalar ? 12 : -4));
  }
  NetMaker computed;
  computed.Node("Flatten", "flat", {"image"});
  computed.Node("ReduceMean", "mean", {"flat"},
                {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{1}}});
  computed.Node("Gemm", "y", {"flat", computed.Constant("w", {108, 2}, 0.1F), "mean"});
  EXPECT_THAT(Bias(computed.Finish({"y"})), IsEmpty());
}

TEST(ReadersOf, KnowsNodesAndTheOutside) {
  NetMaker net;
  net.Conv("c", "image", {3, 3, 3, 3});
  net.Node("Add", "sum", {"c", "image"});
  const model::Model model = net.Finish({"c", "sum"});
  const Readers readers = ReadersOf(model.graph);
  EXPECT_EQ(readers.count("image"), 2U);
  EXPECT_EQ(readers.count("c"), 2U);
  EXPECT_EQ(readers.find("sum")->second, model.graph.nodes.size());
  EXPECT_TRUE(IsRow(model.constants, "c.b", 3));
  EXPECT_FALSE(IsRow(model.constants, "c.b", 4));
  EXPECT_FALSE(IsRow(model.constants, "image", 3));
}

}  // namespace
}  // namespace lbw::tasks

#include "graph/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "graph/passes.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::Counting;
using testing_support::Ints;
using testing_support::MakeNode;
using testing_support::Net;

absl::Status Prove(Net& net, std::vector<std::string>& notes) {
  return MakeBatchSymbolic(net.graph, net.constants, {}, notes);
}

std::vector<int64_t> Known(const Net& net, const std::string& name) {
  const auto values = std::get<base::Tensor>(net.constants.find(name)->second).as<int64_t>();
  return std::vector<int64_t>(values.begin(), values.end());
}

// [1, 2, 4, 4] -> Reshape [1, -1, 4]: an SSD head as an exporter writes it.
TEST(MakeBatchSymbolic, LeadingOneOfAReshapeBecomesTheBatch) {
  Net net;
  net.Input("x", {1, 8, 2, 2});
  net.Output("y");
  net.constants.emplace("to", Ints({1, -1, 4}));
  net.Add(MakeNode("Transpose", {"x"}, {"t"}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}}));
  net.Add(MakeNode("Reshape", {"t", "to"}, {"y"}));
  std::vector<std::string> notes;
  ASSERT_TRUE(Prove(net, notes).ok());
  EXPECT_EQ(net.graph.max_batch, 0);
  EXPECT_THAT(net.graph.inputs[0].shape, ElementsAre(kBatch, 8, 2, 2));
  EXPECT_THAT(net.graph.outputs[0].shape, ElementsAre(kBatch, 8, 4));
  EXPECT_THAT(Known(net, "to"), ElementsAre(0, -1, 4));
  EXPECT_THAT(notes, Contains(HasSubstr("y_node")));
}

// A constant that two Reshapes read is copied for the one that needs another.
TEST(MakeBatchSymbolic, ASharedShapeIsNotChangedForOthers) {
  Net net;
  net.Input("x", {1, 6});
  net.Output("y");
  net.constants.emplace("to", Ints({1, 2, 3}));
  net.constants.emplace("w", Counting({6}));
  net.Add(MakeNode("Reshape", {"x", "to"}, {"a"}));
  net.Add(MakeNode("Reshape", {"w", "to"}, {"b"}));
  net.Add(MakeNode("Add", {"a", "b"}, {"y"}));
  std::vector<std::string> notes;
  ASSERT_TRUE(Prove(net, notes).ok());
  EXPECT_EQ(net.graph.max_batch, 0);
  EXPECT_THAT(Known(net, "to"), ElementsAre(1, 2, 3));
  EXPECT_NE(net.graph.nodes[0].inputs[1], "to");
  EXPECT_THAT(Known(net, net.graph.nodes[0].inputs[1]), ElementsAre(0, 2, 3));
}

// ShuffleNet: [1, 4, H, W] -> [2, 2, HW] (batch folded into the first) -> transpose -> [2, -1, 2,
// H, W] -> one half.
TEST(MakeBatchSymbolic, ABatchFoldedIntoChannelsIsFollowed) {
  Net net;
  net.Input("x", {1, 4, 3, 3});
  net.Output("y");
  net.constants.emplace("split", Ints({2, 2, 9}));
  net.constants.emplace("join", Ints({2, -1, 2, 3, 3}));
  net.constants.emplace("zero", base::Tensor::FromI64({}, {0}));
  net.Add(MakeNode("Reshape", {"x", "split"}, {"a"}));
  net.Add(MakeNode("Transpose", {"a"}, {"b"}, {{"perm", std::vector<int64_t>{1, 0, 2}}}));
  net.Add(MakeNode("Reshape", {"b", "join"}, {"c"}));
  net.Add(MakeNode("Gather", {"c", "zero"}, {"y"}));
  std::vector<std::string> notes;
  ASSERT_TRUE(Prove(net, notes).ok());
  EXPECT_EQ(net.graph.max_batch, 0) << ::testing::PrintToString(notes);
  EXPECT_THAT(Known(net, "split"), ElementsAre(-1, 2, 9));
  EXPECT_THAT(Known(net, "join"), ElementsAre(2, -1, 2, 3, 3));
  EXPECT_THAT(net.graph.outputs[0].shape, ElementsAre(kBatch, 2, 3, 3));
}

// Sizes [1, C, H, W] of a Resize, as exporters write them.
TEST(MakeBatchSymbolic, SizesOfAResizeNoLongerNameTheBatch) {
  Net net;
  net.Input("x", {1, 2, 3, 3});
  net.Output("y");
  net.constants.emplace("none", base::Tensor(base::DType::kF32, {0}));
  net.constants.emplace("sizes", Ints({1, 2, 6, 6}));
  net.Add(MakeNode("Resize", {"x", "none", "none", "sizes"}, {"y"}));
  std::vector<std::string> notes;
  ASSERT_TRUE(Prove(net, notes).ok());
  EXPECT_EQ(net.graph.max_batch, 0) << ::testing::PrintToString(notes);
  EXPECT_THAT(Known(net, "sizes"), ElementsAre(2, 6, 6));
  EXPECT_THAT(net.graph.nodes[0].Ints("axes"), ElementsAre(1, 2, 3));
  EXPECT_THAT(net.graph.outputs[0].shape, ElementsAre(kBatch, 2, 6, 6));
}

struct MixCase {
  std::string name;
  std::function<void(Net&)> build;  // from "x" [1, 4, 2] to "y"
  std::string says;
};

class MixesPictures : public ::testing::TestWithParam<MixCase> {};

TEST_P(MixesPictures, StaysAtOneAndSaysWhy) {
  Net net;
  net.Input("x", {kBatch, 4, 2});
  net.Output("y");
  GetParam().build(net);
  const Constants before = net.constants;
  std::vector<std::string> notes;
  const absl::Status status = Prove(net, notes);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(net.graph.max_batch, 1);
  EXPECT_EQ(net.graph.inputs[0].shape[0], 1);
  EXPECT_THAT(notes, Contains(HasSubstr(GetParam().says)));
  ASSERT_EQ(net.constants.size(), before.size());
  for (const auto& [name, constant] : before) {
    const auto& now = std::get<base::Tensor>(net.constants.find(name)->second);
    EXPECT_EQ(now.bytes(), std::get<base::Tensor>(constant).bytes()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, MixesPictures,
    ::testing::Values(
        MixCase{"softmax_over_the_batch",
                [](Net& net) {
                  net.Add(MakeNode("Softmax", {"x"}, {"y"}, {{"axis", int64_t{0}}}));
                },
                "normalizes over the batch"},
        MixCase{
            "mean_over_the_batch",
            [](Net& net) {
              net.Add(MakeNode("ReduceMean", {"x"}, {"y"}, {{"axes", std::vector<int64_t>{0}}}));
            },
            "reduces the batch"},
        MixCase{"first_picture_only",
                [](Net& net) {
                  net.constants.emplace("i", Ints({0}));
                  net.Add(MakeNode("Gather", {"x", "i"}, {"y"}));
                },
                "picks along the batch"},
        MixCase{"constant_for_each_place",
                [](Net& net) {
                  net.constants.emplace("c", Counting({1, 4, 2}));
                  net.Add(MakeNode("Concat", {"x", "c"}, {"y"}, {{"axis", int64_t{1}}}));
                },
                "constant is concatenated"},
        MixCase{"batch_squeezed_away",
                [](Net& net) {
                  net.constants.emplace("axes", Ints({0}));
                  net.Add(MakeNode("Squeeze", {"x", "axes"}, {"y"}));
                },
                "drops or reduces"},
        MixCase{"batch_moved_behind",
                [](Net& net) {
                  net.Add(MakeNode("Transpose", {"x"}, {"y"},
                                   {{"perm", std::vector<int64_t>{1, 0, 2}}}));
                },
                "does not have the batch in front"},
        MixCase{"output_is_a_shape", [](Net& net) { net.Add(MakeNode("Shape", {"x"}, {"y"})); },
                "does not have the batch in front"},
        MixCase{"a_shape_is_changed_before_pictures_mix",
                [](Net& net) {
                  net.constants.emplace("to", Ints({1, 8}));
                  net.Add(MakeNode("Reshape", {"x", "to"}, {"r"}));
                  net.Add(MakeNode("Softmax", {"r"}, {"y"}, {{"axis", int64_t{0}}}));
                },
                "normalizes over the batch"},
        MixCase{"divides_by_the_batch_size",
                [](Net& net) {
                  net.constants.emplace("i", base::Tensor::FromI64({}, {0}));
                  net.Add(MakeNode("Shape", {"x"}, {"s"}));
                  net.Add(MakeNode("Gather", {"s", "i"}, {"n"}));
                  net.Add(MakeNode("Cast", {"n"}, {"f"}, {{"to", int64_t{1}}}));
                  net.Add(MakeNode("Div", {"x", "f"}, {"y"}));
                },
                "depends on the batch size"},
        MixCase{"root_of_the_batch_size",
                [](Net& net) {
                  net.constants.emplace("i", base::Tensor::FromI64({}, {0}));
                  net.Add(MakeNode("Shape", {"x"}, {"s"}));
                  net.Add(MakeNode("Gather", {"s", "i"}, {"n"}));
                  net.Add(MakeNode("Cast", {"n"}, {"f"}, {{"to", int64_t{1}}}));
                  net.Add(MakeNode("Sqrt", {"f"}, {"r"}));
                  net.Add(MakeNode("Mul", {"x", "r"}, {"y"}));
                },
                "depends on the batch size"}),
    [](const auto& test) { return test.param.name; });

TEST(MakeBatchSymbolic, ABatchOfEightInTheFileWorksOrIsRefused) {
  Net net;
  net.Input("x", {8, 4, 2});
  net.Output("y");
  net.constants.emplace("to", Ints({8, 8}));
  net.Add(MakeNode("Reshape", {"x", "to"}, {"y"}));
  std::vector<std::string> notes;
  ASSERT_TRUE(Prove(net, notes).ok());
  EXPECT_THAT(Known(net, "to"), ElementsAre(0, 8));

  Net mixes;
  mixes.Input("x", {8, 4});
  mixes.Output("y");
  mixes.Add(MakeNode("Softmax", {"x"}, {"y"}, {{"axis", int64_t{0}}}));
  EXPECT_THAT(std::string(Prove(mixes, notes).message()), HasSubstr("fixed at 8"));
}

TEST(MakeBatchSymbolic, OpenHeightsStayOpenInOutputs) {
  Net net;
  net.Input("x", {kBatch, 3, kUnknownSize, kUnknownSize});
  net.Output("y");
  net.constants.emplace("w", Counting({5, 3, 1, 1}));
  net.Add(MakeNode("Conv", {"x", "w"}, {"y"}));
  std::vector<std::string> notes;
  ASSERT_TRUE(Prove(net, notes).ok());
  EXPECT_THAT(net.graph.outputs[0].shape, ElementsAre(kBatch, 5, kUnknownSize, kUnknownSize));
}

// ---- Compile passes

TEST(Passes, DeadNodesGoAndOrderStays) {
  Net net;
  net.Input("x", {kBatch, 2});
  net.Add(MakeNode("Relu", {"x"}, {"a"}));
  net.Add(MakeNode("Exp", {"a"}, {"dead"}));
  net.Add(MakeNode("Tanh", {"a"}, {"b"}));
  RemoveDeadNodes(net.graph, {"b"});
  ASSERT_EQ(net.graph.nodes.size(), 2U);
  EXPECT_EQ(net.graph.nodes[0].outputs[0], "a");
  EXPECT_EQ(net.graph.nodes[1].outputs[0], "b");
}

Net ConvWithNormalization() {
  Net net;
  net.Input("x", {kBatch, 1, 2, 2});
  net.constants.emplace("w", base::Tensor::FromF32({2, 1, 1, 1}, {3, 5}));
  net.constants.emplace("b", base::Tensor::FromF32({2}, {1, 2}));
  net.constants.emplace("gamma", base::Tensor::FromF32({2}, {2, 4}));
  net.constants.emplace("beta", base::Tensor::FromF32({2}, {10, 20}));
  net.constants.emplace("mean", base::Tensor::FromF32({2}, {0.5F, 1}));
  net.constants.emplace("var", base::Tensor::FromF32({2}, {3, 15}));
  net.Add(MakeNode("Conv", {"x", "w", "b"}, {"c"}));
  net.Add(MakeNode("BatchNormalization", {"c", "gamma", "beta", "mean", "var"}, {"y"},
                   {{"epsilon", 1.0F}}));
  return net;
}

TEST(Passes, NormalizationIsFoldedByTheFormula) {
  Net net = ConvWithNormalization();
  EXPECT_EQ(FoldBatchNormalization(net.graph, net.constants, {"y"}), 1);
  ASSERT_EQ(net.graph.nodes.size(), 1U);
  const Node& conv = net.graph.nodes[0];
  EXPECT_EQ(conv.outputs[0], "y");
  const auto constant = [&](size_t i) {
    return std::get<base::Tensor>(net.constants.find(conv.inputs[i])->second).as<float>();
  };
  EXPECT_THAT(constant(1), ElementsAre(3, 5));       // scale 2/sqrt(4), 4/sqrt(16)
  EXPECT_THAT(constant(2), ElementsAre(10.5F, 21));  // (1 - 0.5) + 10, (2 - 1) + 20
  // The stored constants are as they were.
  EXPECT_THAT(std::get<base::Tensor>(net.constants.find("w")->second).as<float>(),
              ElementsAre(3, 5));
}

TEST(Passes, AFetchedConvolutionIsNotFolded) {
  Net net = ConvWithNormalization();
  EXPECT_EQ(FoldBatchNormalization(net.graph, net.constants, {"y", "c"}), 0);
  EXPECT_EQ(net.graph.nodes.size(), 2U);
}

}  // namespace
}  // namespace lbw::graph

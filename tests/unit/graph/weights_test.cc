#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "graph/graph.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::ElementsAre;
using testing_support::Counting;
using testing_support::MakeNode;
using testing_support::Net;

const Weight* Find(const std::vector<Weight>& weights, const std::string& name) {
  for (const Weight& weight : weights) {
    if (weight.constant == name) return &weight;
  }
  return nullptr;
}

struct RowCase {
  std::string name;
  std::string op;
  base::Shape weight;
  bool left = false;
  std::map<std::string, Attribute> attributes;
  int axis = 0;
  int groups = 1;
  bool depthwise = false;
};

class Rows : public ::testing::TestWithParam<RowCase> {};

TEST_P(Rows, AreTheOutputChannels) {
  const RowCase& c = GetParam();
  Net net;
  net.Input("x", {kBatch, 4});
  net.Output("y");
  net.constants.emplace("w", Counting(c.weight));
  net.Add(MakeNode(c.op,
                   c.left ? std::vector<std::string>{"w", "x"} : std::vector<std::string>{"x", "w"},
                   {"y"}, c.attributes));
  const std::vector<Weight> weights = FindWeights(net.graph, net.constants, {});
  ASSERT_EQ(weights.size(), 1U);
  EXPECT_EQ(weights[0].axis, c.axis);
  EXPECT_EQ(weights[0].groups, c.groups);
  EXPECT_EQ(weights[0].depthwise, c.depthwise);
  EXPECT_TRUE(weights[0].first);
  EXPECT_TRUE(weights[0].output);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Rows,
    ::testing::Values(
        RowCase{"conv", "Conv", {8, 4, 3, 3}, false, {}, 0, 1, false},
        RowCase{"conv_grouped", "Conv", {8, 2, 3, 3}, false, {{"group", int64_t{2}}}, 0, 1, false},
        RowCase{"depthwise", "Conv", {4, 1, 3, 3}, false, {{"group", int64_t{4}}}, 0, 1, true},
        RowCase{"one_channel_is_not_depthwise", "Conv", {4, 1, 3, 3}, false, {}, 0, 1, false},
        RowCase{
            "deconv", "ConvTranspose", {4, 3, 2, 2}, false, {{"group", int64_t{2}}}, 1, 2, false},
        RowCase{"gemm", "Gemm", {4, 7}, false, {}, 1, 1, false},
        RowCase{"gemm_transposed", "Gemm", {7, 4}, false, {{"transB", int64_t{1}}}, 0, 1, false},
        RowCase{"matmul_right", "MatMul", {2, 4, 7}, false, {}, 2, 1, false},
        RowCase{"matmul_left", "MatMul", {7, 3}, true, {}, 0, 1, false}),
    [](const auto& test) { return test.param.name; });

// x - conv a - relu - conv b (twice, shared) - y ; conv a - conv c - z
TEST(FindWeights, MarksFirstAndOutputsAndListsEveryReader) {
  Net net;
  net.Input("x", {kBatch, 3, 8, 8});
  net.Output("y");
  net.Output("z");
  for (const std::string name : {"a", "b", "c"}) {
    net.constants.emplace(name, Counting({3, 3, 1, 1}));
  }
  net.constants.emplace("bias", Counting({3}));
  net.constants.emplace("prior", Counting({1, 3, 8, 8}));
  net.Add(MakeNode("Conv", {"x", "a", "bias"}, {"a.out"}));
  net.Add(MakeNode("Relu", {"a.out"}, {"a.relu"}));
  net.Add(MakeNode("Conv", {"a.relu", "b"}, {"b.one"}));
  net.Add(MakeNode("Conv", {"b.one", "b"}, {"b.two"}));
  net.Add(MakeNode("Mul", {"b.two", "prior"}, {"y"}));
  net.Add(MakeNode("Conv", {"a.relu", "c"}, {"c.out"}));
  net.Add(MakeNode("Sigmoid", {"c.out"}, {"z"}));
  const std::vector<Weight> weights = FindWeights(net.graph, net.constants, {});
  ASSERT_EQ(weights.size(), 3U);
  EXPECT_EQ(weights[0].constant, "a");
  EXPECT_TRUE(weights[0].first);
  EXPECT_FALSE(weights[0].output);
  EXPECT_THAT(Find(weights, "b")->nodes, ElementsAre("b.one_node", "b.two_node"));
  EXPECT_TRUE(Find(weights, "b")->output);
  EXPECT_FALSE(Find(weights, "b")->first);
  EXPECT_TRUE(Find(weights, "c")->output);
  // Only what heads read counts as an output then.
  const std::vector<Weight> heads = FindWeights(net.graph, net.constants, {"a.relu"});
  EXPECT_TRUE(Find(heads, "a")->output);
  EXPECT_FALSE(Find(heads, "b")->output);
}

TEST(FindWeights, IntegersAndVectorsAreNoWeights) {
  Net net;
  net.Input("x", {kBatch, 3});
  net.Output("y");
  net.constants.emplace("ints", base::Tensor::FromI64({3, 2}, {1, 2, 3, 4, 5, 6}));
  net.constants.emplace("vector", Counting({3}));
  net.Add(MakeNode("MatMul", {"x", "ints"}, {"a"}));
  net.Add(MakeNode("MatMul", {"x", "vector"}, {"y"}));
  EXPECT_TRUE(FindWeights(net.graph, net.constants, {}).empty());
}

}  // namespace
}  // namespace lbw::graph

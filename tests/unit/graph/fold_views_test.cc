#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "graph/passes.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using ::testing::ElementsAre;
using testing_support::Counting;
using testing_support::Ints;
using testing_support::MakeNode;
using testing_support::Net;

Net TransposedLayer() {
  Net net;
  net.Input("x", {kBatch, 3});
  net.Output("y");
  net.constants.emplace("w", Counting({2, 1, 3}));
  net.constants.emplace("to", Ints({2, 3}));
  net.Add(MakeNode("Reshape", {"w", "to"}, {"flat"}));
  net.Add(MakeNode("Transpose", {"flat"}, {"t"}));
  net.Add(MakeNode("MatMul", {"x", "t"}, {"y"}));
  return net;
}

TEST(FoldConstantViews, ComputesViewsOnceUnderTheirOwnNames) {
  Net net = TransposedLayer();
  ASSERT_TRUE(FoldConstantViews(net.graph, net.constants, {"y"}).ok());
  ASSERT_EQ(net.graph.nodes.size(), 1U);
  EXPECT_THAT(net.graph.nodes[0].inputs, ElementsAre("x", "t"));
  const auto& folded = std::get<base::Tensor>(net.constants.at("t"));
  EXPECT_THAT(folded.shape(), ElementsAre(3, 2));
  EXPECT_THAT(folded.as<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(ShapeOf(net.constants.at("w")), ElementsAre(2, 1, 3));
  EXPECT_TRUE(Validate(net.graph, net.constants).ok());
}

TEST(FoldConstantViews, AFetchedViewStaysANode) {
  Net net = TransposedLayer();
  ASSERT_TRUE(FoldConstantViews(net.graph, net.constants, {"y", "t"}).ok());
  EXPECT_EQ(net.graph.nodes.size(), 2U);
}

// More weights than shape arithmetic may hold: they are not evaluated by it.
TEST(InferShapes, ManyTransposedWeightsAreNotShapeArithmetic) {
  Net net;
  net.Input("x", {kBatch, 256});
  net.constants.emplace("w", Counting({256, 256}));
  std::string from = "x";
  for (int i = 0; i < 300; ++i) {
    const std::string id = std::to_string(i);
    net.Add(MakeNode("Transpose", {"w"}, {"t" + id}));
    net.Add(MakeNode("MatMul", {from, "t" + id}, {"y" + id}));
    from = "y" + id;
  }
  net.Output(from);
  const auto inferred = InferShapes(net.graph, net.constants, {{"x", {1, 256}}});
  ASSERT_TRUE(inferred.ok()) << inferred.status();
  EXPECT_THAT(inferred->values.at(from).shape, ElementsAre(1, 256));
}

}  // namespace
}  // namespace lbw::graph

#include "model/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/model/tiny_model.h"

namespace lbw::model {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

graph::Node Node(std::string op, std::vector<std::string> inputs, std::string output) {
  return {output, std::move(op), std::move(inputs), {output}, {}};
}

absl::StatusOr<TracedActivation> Trace(std::vector<graph::Node> nodes) {
  graph::Graph graph;
  graph.nodes = std::move(nodes);
  return TraceActivation(graph, {}, "out");
}

TEST(TraceActivation, WalksThroughEveryMove) {
  const auto traced = Trace({Node("Sigmoid", {"x"}, "a"), Node("Reshape", {"a", "s"}, "b"),
                             Node("Transpose", {"b"}, "c"), Node("Slice", {"c", "0", "1"}, "d"),
                             Node("Flatten", {"d"}, "e"), Node("Unsqueeze", {"e", "s"}, "f"),
                             Node("Squeeze", {"f", "s"}, "g"), Node("Identity", {"g"}, "out")});
  ASSERT_TRUE(traced.ok());
  EXPECT_EQ(traced->activation, detect::Activation::kSigmoid);
  EXPECT_THAT(traced->logits, ElementsAre("x"));
  EXPECT_FALSE(traced->direct);
}

// A file converted to half precision ends in Sigmoid and a Cast: decoding applied a second sigmoid.
TEST(TraceActivation, SeesTheActivationBehindACastSplitOrGather) {
  const auto cast =
      Trace({Node("Sigmoid", {"x"}, "a"), Node("Dropout", {"a"}, "b"), Node("Cast", {"b"}, "out")});
  ASSERT_TRUE(cast.ok());
  EXPECT_EQ(cast->activation, detect::Activation::kSigmoid);
  EXPECT_TRUE(cast->direct);
  for (const char* op : {"Split", "Gather"}) {
    const auto traced = Trace({Node("Sigmoid", {"x"}, "a"), Node(op, {"a", "i"}, "out")});
    ASSERT_TRUE(traced.ok());
    EXPECT_EQ(traced->activation, detect::Activation::kSigmoid) << op;
    EXPECT_FALSE(traced->direct) << op;
  }
}

TEST(TraceActivation, StopsAtArithmetic) {
  const auto traced = Trace({Node("Sigmoid", {"x"}, "a"), Node("Mul", {"a", "b"}, "out")});
  EXPECT_EQ(traced->activation, detect::Activation::kNone);
  EXPECT_THAT(traced->logits, IsEmpty());
}

TEST(TraceActivation, KeepsTheOrderOfNestedConcats) {
  const auto traced =
      Trace({Node("Sigmoid", {"1"}, "a"), Node("Sigmoid", {"2"}, "b"), Node("Sigmoid", {"3"}, "c"),
             Node("Concat", {"b", "c"}, "d"), Node("Concat", {"a", "d"}, "out")});
  EXPECT_THAT(traced->logits, ElementsAre("1", "2", "3"));
}

// Forty doublings: 2^40 branches from forty nodes.
TEST(TraceActivation, IsBoundedForValuesThatAreJoinedWithThemselves) {
  std::vector<graph::Node> nodes = {Node("Sigmoid", {"x"}, "0")};
  for (int i = 1; i <= 40; ++i) {
    const std::string last = std::to_string(i - 1);
    nodes.push_back(Node("Concat", {last, last}, i == 40 ? "out" : std::to_string(i)));
  }
  EXPECT_FALSE(Trace(nodes).ok());
  EXPECT_FALSE(Trace({Node("Identity", {"out"}, "out")}).ok()) << "a loop ends too";
}

}  // namespace
}  // namespace lbw::model

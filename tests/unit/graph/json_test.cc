#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "graph/graph.h"
#include "unit/graph/nets.h"

namespace lbw::graph {
namespace {

using testing_support::Counting;
using testing_support::MakeNode;
using testing_support::Net;

Graph Everything() {
  Net net;
  net.graph.name = "net \"quoted\" \xC3\xA9";
  net.graph.opset = 11;
  net.graph.max_batch = 1;
  net.Input("x", {kBatch, 3, kUnknownSize, 7});
  net.Output("y");
  net.Add(MakeNode("Conv", {"x", "w", ""}, {"a", ""},
                   {{"int", int64_t{-5}},
                    {"float", 0.1F},
                    {"inf", -std::numeric_limits<float>::infinity()},
                    {"string", std::string("SAME_UPPER")},
                    {"ints", std::vector<int64_t>{std::numeric_limits<int64_t>::min(), 0,
                                                  std::numeric_limits<int64_t>::max()}},
                    {"no_ints", std::vector<int64_t>{}},
                    {"floats", std::vector<float>{1e-38F, 3.4e38F, -0.0F}},
                    {"strings", std::vector<std::string>{"", "b"}},
                    {"tensor", Counting({2, 2})},
                    {"scalar", base::Tensor::FromI64({}, {7})}}));
  net.Add(MakeNode("Relu", {"a"}, {"y"}));
  return net.graph;
}

TEST(GraphJson, RoundTripsEveryKindOfAttribute) {
  const Graph graph = Everything();
  const std::string json = ToJson(graph);
  const auto back = FromJson(json);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToJson(*back), json);
  EXPECT_EQ(back->name, graph.name);
  EXPECT_EQ(back->opset, 11);
  EXPECT_EQ(back->max_batch, 1);
  EXPECT_EQ(back->inputs[0].shape, graph.inputs[0].shape);
  const Node& node = back->nodes[0];
  EXPECT_EQ(node.inputs, graph.nodes[0].inputs);
  EXPECT_EQ(node.outputs, graph.nodes[0].outputs);
  EXPECT_EQ(node.Int("int", 0), -5);
  EXPECT_EQ(node.Float("float", 0), 0.1F);
  EXPECT_EQ(node.Float("inf", 0), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(node.String("string", ""), "SAME_UPPER");
  EXPECT_EQ(node.Ints("ints"), graph.nodes[0].Ints("ints"));
  EXPECT_TRUE(node.Has("no_ints"));
  const auto& floats = std::get<std::vector<float>>(node.attributes.at("floats"));
  EXPECT_EQ(floats, (std::vector<float>{1e-38F, 3.4e38F, -0.0F}));
  EXPECT_TRUE(std::signbit(floats[2]));
  const auto& tensor = std::get<base::Tensor>(node.attributes.at("tensor"));
  EXPECT_EQ(tensor.bytes(), Counting({2, 2}).bytes());
}

TEST(GraphJson, TextThatIsNotAGraphIsRefused) {
  const std::string good = ToJson(Everything());
  for (const std::string& bad : {std::string(), std::string("{}"), std::string("[]"),
                                 std::string("null"), std::string(100'000, '['), good + "x"}) {
    const auto result = FromJson(bad);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(base::GetErrorDetails(result.status()).reason, "BAD_FILE");
  }
}

TEST(GraphJson, EveryTruncationAndManyChangesAreAStatus) {
  const std::string good = ToJson(Everything());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(FromJson(good.substr(0, length)).ok());
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char replacement : {'0', '9', '"', '{', ']', '-', 'e', '\xFF', '\0'}) {
      std::string changed = good;
      changed[i] = replacement;
      // Either refused, or a graph that can be written again.
      const auto result = FromJson(changed);
      if (result.ok()) {
        EXPECT_TRUE(FromJson(ToJson(*result)).ok()) << changed;
      }
    }
  }
}

struct WrongCase {
  std::string from;
  std::string to;
};

class WrongMember : public ::testing::TestWithParam<WrongCase> {};

TEST_P(WrongMember, IsNamed) {
  std::string json = ToJson(Everything());
  const size_t at = json.find(GetParam().from);
  ASSERT_NE(at, std::string::npos) << json;
  json.replace(at, GetParam().from.size(), GetParam().to);
  EXPECT_EQ(base::GetErrorDetails(FromJson(json).status()).reason, "BAD_FILE") << json;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, WrongMember,
    ::testing::Values(
        WrongCase{"\"version\":1", "\"version\":2"}, WrongCase{"\"opset\":11", "\"opset\":0"},
        WrongCase{"\"opset\":11", "\"opset\":99999999999999999999"},
        WrongCase{"\"max_batch\":1", "\"max_batch\":-1"},
        WrongCase{"\"dtype\":\"F32\"", "\"dtype\":\"F31\""},
        WrongCase{"{\"int\":-5}", "{\"int\":-5.5}"}, WrongCase{"{\"int\":-5}", "{\"integer\":-5}"},
        WrongCase{"{\"int\":-5}", "{}"}, WrongCase{"\"shape\":[2,2]", "\"shape\":[2,3]"},
        WrongCase{"\"shape\":[2,2]", "\"shape\":[4611686018427387904,4]"},
        WrongCase{"[-1,3,-1,7]", "[-1,3,-2,7]"}));

}  // namespace
}  // namespace lbw::graph

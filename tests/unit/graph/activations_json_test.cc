#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/status.h"
#include "graph/rounding_points.h"

namespace lbw::graph {
namespace {

using ::testing::HasSubstr;

// What bundles hold: it must not change.
TEST(ActivationsJson, IsStable) {
  const Activations activations = {{"relu/1", {false, 0.5F, 0, "max"}},
                                   {"a \"b\"", {true, 0.25F, -3, "max"}},
                                   {"input", {false, 0.0078125F, 127, "picture"}}};
  const std::string json =
      R"({"a \"b\"":{"method":"max","scale":0.25,"signed":true,"zero_point":-3},)"
      R"("input":{"method":"picture","scale":0.0078125,"signed":false,"zero_point":127},)"
      R"("relu/1":{"method":"max","scale":0.5,"signed":false,"zero_point":0}})";
  EXPECT_EQ(ActivationsToJson(activations), json);
  const auto back = ActivationsFromJson(json);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, activations);
  EXPECT_EQ(ActivationsToJson({}), "{}");
  EXPECT_EQ(ActivationsFromJson("{}").value(), Activations());
}

TEST(ActivationsJson, ScalesReadBackToTheSameBits) {
  for (const float scale : {0.1F, 1.0F / 255, 3.4e38F, std::numeric_limits<float>::min(),
                            std::numeric_limits<float>::denorm_min(), 16777217.0F}) {
    const Activations activations = {{"x", {false, scale, 0, "max"}}};
    const auto back = ActivationsFromJson(ActivationsToJson(activations));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, activations);
  }
  EXPECT_EQ(ActivationsFromJson(
                R"({"x": {"scale": 2, "signed": true, "zero_point": 0, "method": "max"}})")
                ->at("x")
                .scale,
            2);
}

struct BadCase {
  std::string name;
  std::string json;
  std::string message;
};

class Bad : public ::testing::TestWithParam<BadCase> {};

TEST_P(Bad, IsRefusedByName) {
  const auto read = ActivationsFromJson(GetParam().json);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(read.status()).reason, "BAD_FILE");
  EXPECT_THAT(std::string(read.status().message()), HasSubstr(GetParam().message));
}

std::string With(const std::string& range) { return R"({"v": {)" + range + "}}"; }

INSTANTIATE_TEST_SUITE_P(
    Json, Bad,
    ::testing::Values(
        BadCase{"empty", "", "not a JSON object"}, BadCase{"list", "[]", "not a JSON object"},
        BadCase{"cut", R"({"v": {"signed")", "not a JSON object"},
        BadCase{"number", R"({"v": 1})", "v must be an object"},
        BadCase{"missing", With(R"("signed":true,"scale":1,"zero_point":0)"),
                "v.method is missing"},
        BadCase{"unknown", With(R"("signed":true,"scale":1,"zero_point":0,"method":"max","x":1)"),
                "v.x is not known"},
        BadCase{"signed", With(R"("signed":1,"scale":1,"zero_point":0,"method":"max")"),
                "v.signed"},
        BadCase{"scale", With(R"("signed":true,"scale":"1","zero_point":0,"method":"max")"),
                "v.scale"},
        BadCase{"scale_zero", With(R"("signed":true,"scale":0,"zero_point":0,"method":"max")"),
                "activations.v.scale"},
        BadCase{"scale_vanishes",
                With(R"("signed":true,"scale":1e-60,"zero_point":0,"method":"max")"),
                "activations.v.scale"},
        BadCase{"scale_large", With(R"("signed":true,"scale":1e39,"zero_point":0,"method":"max")"),
                "v.scale is beyond"},
        BadCase{"zero_point_real",
                With(R"("signed":true,"scale":1,"zero_point":0.5,"method":"max")"), "v.zero_point"},
        BadCase{"zero_point_far",
                With(R"("signed":true,"scale":1,"zero_point":18446744073709551615,"method":"m")"),
                "v.zero_point"},
        BadCase{"zero_point_range",
                With(R"("signed":false,"scale":1,"zero_point":-1,"method":"max")"),
                "zero_point must be in 0..255: -1"},
        BadCase{"method", With(R"("signed":true,"scale":1,"zero_point":0,"method":null)"),
                "v.method"},
        BadCase{"method_empty", With(R"("signed":true,"scale":1,"zero_point":0,"method":"")"),
                "v.method"},
        BadCase{"twice",
                R"({"v":{"signed":true,"scale":1,"zero_point":0,"method":"max"},)"
                R"("v":{"signed":true,"scale":1,"zero_point":0,"method":"max"}})",
                "v stands twice"},
        BadCase{"member_twice",
                With(R"("signed":true,"scale":1,"scale":2,"zero_point":0,"method":"max")"),
                "scale stands twice"}),
    [](const auto& test) { return test.param.name; });

TEST(ActivationsJson, EveryTruncationIsAnError) {
  const std::string json = ActivationsToJson({{"x", {false, 0.1F, 0, "max"}}});
  for (size_t length = 0; length < json.size(); ++length) {
    EXPECT_FALSE(ActivationsFromJson(json.substr(0, length)).ok()) << length;
  }
}

}  // namespace
}  // namespace lbw::graph

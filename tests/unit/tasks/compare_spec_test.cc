#include "tasks/compare_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "base/status.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;

Json GoodSpec() {
  return Json::parse(R"({"version": "models/m/versions/3", "reference": "models/m/versions/1",
    "dataset": "datasets/d", "split": "val", "count": 12, "seed": "7",
    "options": {"score_threshold": 0.1}})");
}

TEST(ParseCompareSpec, ReadsEveryField) {
  const auto spec = ParseCompareSpec(Dump(GoodSpec()));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version.version, 3);
  EXPECT_EQ(spec->reference.version, 1);
  EXPECT_EQ(spec->dataset, "d");
  EXPECT_EQ(spec->split, "val");
  EXPECT_EQ(spec->count, 12);
  EXPECT_EQ(spec->seed, 7U);
  EXPECT_EQ(spec->options.score_threshold, 0.1F);
  EXPECT_EQ(spec->options_json, GoodSpec()["options"]);
}

TEST(ParseCompareSpec, RefusesEachCauseWithItsField) {
  struct Row {
    std::string field;
    std::function<void(Json&)> spoil;
  };
  const std::vector<Row> rows = {
      {"version", [](Json& j) { j["version"] = "models/m/aliases/a"; }},
      {"reference", [](Json& j) { j.erase("reference"); }},
      {"reference", [](Json& j) { j["reference"] = "models/m/versions/3"; }},
      {"reference", [](Json& j) { j["reference"] = "models/n/versions/1"; }},
      {"dataset", [](Json& j) { j["dataset"] = "d"; }},
      {"count", [](Json& j) { j["count"] = 0; }},
      {"count", [](Json& j) { j["count"] = 1025; }},
      {"seed", [](Json& j) { j["seed"] = "x"; }},
      {"options", [](Json& j) { j["options"] = Json::array(); }},
      {"top_k", [](Json& j) { j["options"]["top_k"] = -1; }},
  };
  for (const Row& row : rows) {
    Json json = GoodSpec();
    row.spoil(json);
    const absl::Status status = ParseCompareSpec(Dump(json)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(row.field)) << status;
  }
}

}  // namespace
}  // namespace lbw::tasks

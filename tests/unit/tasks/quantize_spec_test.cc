#include "tasks/quantize_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "base/status.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;

Json GoodSpec() {
  return Json::parse(R"({
    "version": "models/m/versions/3",
    "options": {"bits": 4, "code_book": "CODE_BOOK_PAPER", "granularity": "GRANULARITY_TENSOR",
                "scheme": "SCHEME_THRESHOLD", "mu_ratio": 0.5,
                "rules": [{"match": "@first", "keep_float": false, "bits": 6,
                           "code_book": "CODE_BOOK_UNSPECIFIED", "scheme": "SCHEME_EXACT"},
                          {"match": "fc*", "keep_float": true}]},
    "calibration": {"dataset": "datasets/d", "split": "train", "count": 32,
                    "seed": "18446744073709551615", "scale": "SCALE_KIND_POW2", "positions": 100,
                    "damping": 0.02, "sweeps": 4, "threads": 2},
    "measure": {"skip": false, "dataset": "datasets/e", "split": "val", "max_pictures": 9,
                "options": {"score_threshold": 0.1, "threads": 3}}})");
}

TEST(ParseQuantizeSpec, ReadsEveryField) {
  const auto spec = ParseQuantizeSpec(Dump(GoodSpec()));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version.model, "m");
  EXPECT_EQ(spec->version.version, 3);
  const quant::TensorOptions& tensor = spec->options.tensor;
  EXPECT_EQ(tensor.bits, 4);
  EXPECT_EQ(tensor.code_book, quant::CodeBook::kPaper);
  EXPECT_EQ(tensor.granularity, quant::Granularity::kTensor);
  EXPECT_EQ(tensor.scheme, quant::Scheme::kThreshold);
  EXPECT_EQ(tensor.mu_ratio, 0.5);
  ASSERT_EQ(spec->options.rules.size(), 2U);
  EXPECT_EQ(spec->options.rules[0].match, "@first");
  EXPECT_EQ(spec->options.rules[0].bits, 6);
  EXPECT_EQ(spec->options.rules[0].scheme, quant::Scheme::kExact);
  EXPECT_FALSE(spec->options.rules[0].code_book.has_value()) << "UNSPECIFIED is left out";
  EXPECT_TRUE(spec->options.rules[1].keep_float);
  EXPECT_FALSE(spec->options.rules[1].bits.has_value());
  EXPECT_EQ(spec->options_json, GoodSpec()["options"]);
  const CalibrationAsked& calibration = spec->calibration;
  EXPECT_EQ(calibration.dataset, "d");
  EXPECT_EQ(calibration.split, "train");
  EXPECT_EQ(calibration.count, 32);
  EXPECT_EQ(calibration.seed, UINT64_MAX);
  EXPECT_EQ(calibration.scale, quant::ScaleKind::kPowerOfTwo);
  EXPECT_EQ(calibration.positions, 100);
  EXPECT_EQ(calibration.damping, 0.02);
  EXPECT_EQ(calibration.sweeps, 4);
  EXPECT_EQ(calibration.threads, 2);
  EXPECT_FALSE(spec->widths.has_value());
  EXPECT_FALSE(spec->mu.has_value());
  EXPECT_EQ(spec->measure.dataset, "e");
  EXPECT_EQ(spec->measure.split, "val");
  EXPECT_EQ(spec->measure.max_pictures, 9);
  EXPECT_EQ(spec->measure.options.score_threshold, 0.1F);
  EXPECT_EQ(spec->measure.options.threads, 3);
}

TEST(ParseQuantizeSpec, ReadsSearches) {
  Json json = GoodSpec();
  json["options"].erase("mu_ratio");
  json["mu"]["ratios"] = {1, 0.25, 1};
  const auto by_mu = ParseQuantizeSpec(Dump(json));
  ASSERT_TRUE(by_mu.ok()) << by_mu.status();
  EXPECT_THAT(by_mu->mu->ratios, ElementsAre(0.25, 1));
  json = GoodSpec();
  json["options"]["bits"] = 0;
  json["widths"] = {{"budget_bytes", "5000000000"}, {"bits", {6, 3, 3}}};
  const auto by_budget = ParseQuantizeSpec(Dump(json));
  ASSERT_TRUE(by_budget.ok()) << by_budget.status();
  EXPECT_EQ(by_budget->options.tensor.bits, 0);
  EXPECT_EQ(by_budget->widths->budget_bytes, 5'000'000'000U);
  EXPECT_FALSE(by_budget->widths->max_drop.has_value());
  EXPECT_THAT(by_budget->widths->bits, ElementsAre(3, 6));
  json["widths"] = {{"budget_bytes", "0"}, {"max_drop", 0}, {"bits", Json::array()}};
  const auto by_drop = ParseQuantizeSpec(Dump(json));
  ASSERT_TRUE(by_drop.ok()) << by_drop.status();
  EXPECT_EQ(by_drop->widths->max_drop, 0);
  EXPECT_THAT(by_drop->widths->bits, ElementsAre(2, 3, 4, 5, 6));
}

TEST(ParseQuantizeSpec, NothingElseIsReadWhereNothingIsMeasured) {
  Json json = GoodSpec();
  json["measure"] = {{"skip", true}};
  const auto spec = ParseQuantizeSpec(Dump(json));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->measure.skip);
  EXPECT_EQ(spec->measure.dataset, "");
}

TEST(ParseQuantizeSpec, RefusesEachCauseWithItsField) {
  struct Row {
    std::string name;
    std::function<void(Json&)> spoil;
    std::string field;
  };
  const auto calibration = [](const char* key, Json value) {
    return Row{key, [key, value](Json& j) { j["calibration"][key] = value; }, key};
  };
  const auto widths = [](const char* name, Json value, const char* field) {
    return Row{name, [value](Json& j) { j["widths"] = value; }, field};
  };
  const std::vector<Row> rows = {
      {"a model's name", [](Json& j) { j["version"] = "models/m"; }, "version"},
      {"no bits", [](Json& j) { j["options"].erase("bits"); }, "options.bits"},
      {"7 bits", [](Json& j) { j["options"]["bits"] = 7; }, "options.bits"},
      {"8 bits on a grid", [](Json& j) { j["options"]["bits"] = 8; }, "options.bits"},
      {"scheme", [](Json& j) { j["options"]["scheme"] = "SCHEME_DREAM"; }, "scheme"},
      {"mu_ratio", [](Json& j) { j["options"]["mu_ratio"] = 0; }, "options.mu_ratio"},
      {"rules", [](Json& j) { j["options"]["rules"] = 3; }, "rules"},
      {"a rule that is none", [](Json& j) { j["options"]["rules"] = {3}; }, "options.rules"},
      {"calibration", [](Json& j) { j["calibration"] = 3; }, "calibration"},
      {"no dataset", [](Json& j) { j["calibration"].erase("dataset"); }, "calibration.dataset"},
      calibration("count", 0),
      calibration("count", 4097),
      calibration("seed", -1),
      calibration("positions", 100'001),
      calibration("damping", 0),
      calibration("damping", 1.5),
      calibration("sweeps", 101),
      calibration("threads", 1025),
      calibration("scale", "SCALE_KIND_DREAM"),
      widths("neither", Json::object(), "widths"),
      widths("both", {{"budget_bytes", 9}, {"max_drop", 0.1}}, "widths"),
      widths("drop", {{"max_drop", 1.1}}, "widths.max_drop"),
      widths("7 bits", {{"budget_bytes", 9}, {"bits", {7}}}, "widths.bits"),
      {"no ratios", [](Json& j) { j["mu"] = Json::object(); }, "mu.ratios"},
      {"ratio", [](Json& j) { j["mu"]["ratios"] = {17}; }, "mu.ratios"},
      {"mu and widths",
       [](Json& j) {
         j["mu"]["ratios"] = {1};
         j["widths"]["budget_bytes"] = 9;
       },
       "mu"},
      {"mu of another scheme",
       [](Json& j) {
         j["mu"]["ratios"] = {1};
         j["options"]["scheme"] = "SCHEME_EXACT";
       },
       "mu"},
      {"mu without measuring",
       [](Json& j) {
         j["mu"]["ratios"] = {1};
         j["measure"]["skip"] = true;
       },
       "measure.skip"},
      {"measure's dataset", [](Json& j) { j["measure"].erase("dataset"); }, "measure.dataset"},
      {"measure's options", [](Json& j) { j["measure"]["options"]["top_k"] = 1001; }, "top_k"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Json json = GoodSpec();
    row.spoil(json);
    const absl::Status status = ParseQuantizeSpec(Dump(json)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(row.field)) << status;
  }
}

}  // namespace
}  // namespace lbw::tasks

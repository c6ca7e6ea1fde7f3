#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/status.h"
#include "model/model.h"
#include "unit/model/tiny_model.h"

namespace lbw::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ReasonOf(const absl::Status& status) { return base::GetErrorDetails(status).reason; }

TEST(QuantizeModel, ReportsWeightsInGraphOrderThenTheRestByName) {
  Model model = *MakeTiny();
  const auto outcome = QuantizeModel(model, {}, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  std::vector<std::string> names;
  for (const auto& report : outcome->reports) {
    names.push_back(report.name);
    EXPECT_EQ(report.quantized, report.name.find(".weight") != std::string::npos);
  }
  EXPECT_THAT(
      names, ElementsAre("stem.weight", "loc.weight", "cls_a.weight", "cls_b.weight", "boxes_shape",
                         "cls_a.bias", "cls_b.bias", "loc.bias", "scores_shape", "stem.bias"));
  EXPECT_EQ(outcome->reports[0].node, "stem_node");
  EXPECT_EQ(outcome->reports[0].rows, 8);
  EXPECT_TRUE(outcome->reports[0].sqnr_db.has_value());
  EXPECT_EQ(outcome->reports[4].bytes_after, 24U) << "three I64";
  ASSERT_EQ(outcome->caught.size(), 1U);
  EXPECT_EQ(outcome->caught[0].size(), 4U) << "no rule caught them";
}

TEST(QuantizeModel, GivesWhatQuantizeTensorGives) {
  const Model before = *MakeTiny();
  Model after = before;
  QuantizeOptions options;
  options.tensor.bits = 3;
  ASSERT_TRUE(QuantizeModel(after, options, {}).ok());
  const auto& weight = std::get<base::Tensor>(before.constants.find("loc.weight")->second);
  const auto expected = quant::QuantizeTensor(weight.view(), options.tensor);
  EXPECT_EQ(std::get<quant::QuantizedTensor>(after.constants.find("loc.weight")->second),
            expected->tensor);
  EXPECT_TRUE(std::holds_alternative<base::Tensor>(after.constants.find("loc.bias")->second));
}

TEST(QuantizeModel, FollowsRulesAndSelectors) {
  Model model = *MakeTiny();
  QuantizeOptions options;
  options.tensor.bits = 6;
  options.rules = {{.match = "@first", .keep_float = true},
                   {.match = "cls_a_node", .bits = 2},  // the node's name
                   {.match = "@outputs", .bits = 8, .scheme = quant::Scheme::kUniform},
                   {.match = "nothing"}};
  const auto plan = PlanQuantization(model, options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto outcome = QuantizeModel(model, options, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_THAT(outcome->caught,
              ElementsAre(ElementsAre("stem.weight"), ElementsAre("cls_a.weight"),
                          ElementsAre("loc.weight", "cls_b.weight"), IsEmpty(), IsEmpty()));
  EXPECT_FALSE(outcome->reports[0].quantized);
  EXPECT_EQ(outcome->reports[0].rule_index, 0);
  EXPECT_EQ(outcome->reports[1].options.bits, 8);
  EXPECT_EQ(outcome->reports[2].options.bits, 2);
  EXPECT_EQ(outcome->reports[2].options.code_book, quant::CodeBook::kPaper);

  // The plan says the same, without the statistics.
  EXPECT_EQ(plan->caught, outcome->caught);
  ASSERT_EQ(plan->reports.size(), outcome->reports.size());
  for (size_t i = 0; i < plan->reports.size(); ++i) {
    const auto& planned = plan->reports[i];
    const auto& made = outcome->reports[i];
    EXPECT_EQ(planned.name, made.name);
    EXPECT_EQ(planned.quantized, made.quantized);
    EXPECT_EQ(planned.rule_index, made.rule_index);
    EXPECT_EQ(planned.bytes_before, made.bytes_before);
    EXPECT_EQ(planned.bytes_after, made.bytes_after) << made.name;
    EXPECT_EQ(planned.rows, made.rows);
    EXPECT_EQ(planned.options, made.options);
  }
}

TEST(QuantizeModel, PlanChangesNothing) {
  const Model model = *MakeTiny();
  ASSERT_TRUE(PlanQuantization(model, {}).ok());
  for (const auto& [name, constant] : model.constants) {
    EXPECT_TRUE(std::holds_alternative<base::Tensor>(constant)) << name;
  }
}

TEST(QuantizeModel, NonFiniteWeightIsNamedAndTheModelIsAsItWas) {
  Model model = *MakeTiny();
  auto& last = std::get<base::Tensor>(model.constants.find("cls_b.weight")->second);
  last.mutable_as<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  const absl::Status status = QuantizeModel(model, {}, {}).status();
  EXPECT_EQ(ReasonOf(status), "NON_FINITE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("cls_b.weight"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("5"));
  for (const auto& [name, constant] : model.constants) {
    EXPECT_TRUE(std::holds_alternative<base::Tensor>(constant)) << name;
  }
}

TEST(QuantizeModel, ProgressComesBeforeEachTensorAndCanEndTheWork) {
  Model model = *MakeTiny();
  std::vector<std::string> seen;
  const auto stop = [&](size_t done, size_t total, std::string_view name) -> absl::Status {
    EXPECT_EQ(done, seen.size());
    EXPECT_EQ(total, 4U);
    seen.emplace_back(name);
    return done == 2 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(QuantizeModel(model, {}, stop).status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(seen, ElementsAre("stem.weight", "loc.weight", "cls_a.weight"));
  EXPECT_TRUE(std::holds_alternative<base::Tensor>(model.constants.find("stem.weight")->second));
}

TEST(QuantizeModel, RefusesWhatCannotBe) {
  Model model = *MakeTiny();
  QuantizeOptions keep;
  keep.rules = {{.match = "*", .keep_float = true}};
  EXPECT_EQ(ReasonOf(QuantizeModel(model, keep, {}).status()), "NOTHING_TO_QUANTIZE");
  EXPECT_TRUE(PlanQuantization(model, keep).ok()) << "a dry run shows what the rules catch";
  QuantizeOptions bits;
  bits.rules = {{.match = "loc*", .bits = 7}};
  EXPECT_EQ(ReasonOf(QuantizeModel(model, bits, {}).status()), "BAD_OPTIONS");
  bits.rules.clear();
  bits.tensor.bits = 9;
  EXPECT_EQ(ReasonOf(QuantizeModel(model, bits, {}).status()), "BAD_OPTIONS");
  bits.tensor.bits = 4;
  bits.rules = {{.match = "loc*", .axis = 4}};
  const absl::Status axis = QuantizeModel(model, bits, {}).status();
  EXPECT_EQ(ReasonOf(axis), "BAD_OPTIONS");
  EXPECT_THAT(std::string(axis.message()), HasSubstr("loc.weight"));
  ASSERT_TRUE(QuantizeModel(model, {}, {}).ok());
  EXPECT_EQ(ReasonOf(QuantizeModel(model, {}, {}).status()), "ALREADY_QUANTIZED");
}

TEST(QuantizeModel, ARuleMayChangeTheAxis) {
  Model model = *MakeTiny();
  QuantizeOptions options;
  options.rules = {{.match = "stem*", .axis = 1}};
  const auto outcome = QuantizeModel(model, options, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->reports[0].rows, 3);
}

}  // namespace
}  // namespace lbw::model

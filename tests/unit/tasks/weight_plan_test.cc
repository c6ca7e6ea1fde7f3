#include "tasks/weight_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/status.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;

// Conv 3 -> 4, 3x3 (4 rows of 27), then MatMul [256, 10] (10 rows of 256); shapes alone.
model::Model Outline() {
  model::Model model;
  model.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 3, 8, 8}}};
  model.graph.nodes = {{"conv", "Conv", {"x", "w"}, {"y"}, {}},
                       {"flatten", "Flatten", {"y"}, {"f"}, {}},
                       {"product", "MatMul", {"f", "m"}, {"z"}, {}}};
  model.graph.outputs = {{"z", base::DType::kF32, {graph::kBatch, 10}}};
  const auto hollow = [](base::Shape shape) {
    quant::QuantizedTensor tensor;
    tensor.shape = std::move(shape);
    return tensor;
  };
  model.constants.emplace("w", hollow({4, 3, 3, 3}));
  model.constants.emplace("m", hollow({256, 10}));
  return model;
}

TEST(PlanWeights, CountsTheFewestBytesByHand) {
  model::QuantizeOptions options;
  const auto plan = PlanWeights(Outline(), options, {{2, 3}});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->quantized, 2U);
  EXPECT_EQ(plan->chosen, 2U);
  EXPECT_EQ(plan->least_bytes, 4U * (7 + 2) + 10U * (64 + 2));
  // A real factor is four bytes a row: 27 weights of 3 bits (11 bytes) are as small without one.
  const auto real = PlanWeights(Outline(), options, {{2, 3}, quant::ScaleKind::kReal});
  ASSERT_TRUE(real.ok()) << real.status();
  EXPECT_EQ(real->least_bytes, 4U * (11 + 2) + 10U * (64 + 2 + 4));
  options.tensor.granularity = quant::Granularity::kTensor;
  const auto per_tensor = PlanWeights(Outline(), options, {{3}});
  ASSERT_TRUE(per_tensor.ok()) << per_tensor.status();
  EXPECT_EQ(per_tensor->least_bytes, 4U * 11 + 2 + 10U * 96 + 2);
}

TEST(PlanWeights, LayersWhoseRuleSaysTheirBitsAreNotChosenFor) {
  model::QuantizeOptions options;
  options.rules.resize(1);
  options.rules[0].match = "@first";
  options.rules[0].bits = 6;
  const auto plan = PlanWeights(Outline(), options, {{4}});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->quantized, 2U);
  EXPECT_EQ(plan->chosen, 1U);
  EXPECT_EQ(plan->least_bytes, 10U * (128 + 2));
  options.rules[0].bits.reset();
  options.rules[0].keep_float = true;
  EXPECT_EQ(PlanWeights(Outline(), options, {{4}})->quantized, 1U);
  EXPECT_EQ(PlanWeights(Outline(), options, {})->chosen, 0U);
}

TEST(PlanWeights, CountsTheLayersWhoseCodesCanBeTrained) {
  model::QuantizeOptions options;
  EXPECT_EQ(PlanWeights(Outline(), options, {})->trainable, 2U);
  options.rules.resize(1);
  options.rules[0].match = "@first";
  options.rules[0].granularity = quant::Granularity::kTensor;
  EXPECT_EQ(PlanWeights(Outline(), options, {})->trainable, 1U);
  options.rules.clear();
  options.tensor.scheme = quant::Scheme::kThreshold;
  EXPECT_EQ(PlanWeights(Outline(), options, {})->trainable, 0U);
}

TEST(PlanWeights, OptionsThatFitNoWeightNameIt) {
  model::QuantizeOptions options;
  options.rules.resize(1);
  options.rules[0].match = "m";
  options.rules[0].axis = 2;
  const absl::Status axis = PlanWeights(Outline(), options, {}).status();
  EXPECT_EQ(base::GetErrorDetails(axis).reason, "BAD_OPTIONS") << axis;
  EXPECT_THAT(std::string(axis.message()), HasSubstr("tensor m"));
  options.rules[0] = {};
  options.rules[0].match = "*";
  options.rules[0].keep_float = true;
  const absl::Status nothing = PlanWeights(Outline(), options, {}).status();
  EXPECT_EQ(base::GetErrorDetails(nothing).reason, "NOTHING_TO_QUANTIZE") << nothing;
}

}  // namespace
}  // namespace lbw::tasks

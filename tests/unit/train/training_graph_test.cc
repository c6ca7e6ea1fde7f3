#include "train/training_graph.h"

#include <gtest/gtest.h>

#include <variant>
#include <vector>

#include "quant/quantize.h"
#include "train/plain_parameters.h"

namespace lbw::train {
namespace {

// conv without a bias, whose codes store one; a second conv with a bias of its own beside it.
model::Model TwoConvs() {
  model::Model model;
  model.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 1, 4, 4}}};
  model.graph.outputs = {{"z", base::DType::kF32, {graph::kBatch, 2, 4, 4}}};
  model.graph.nodes = {{"first", "Conv", {"x", "w1"}, {"y"}, {}},
                       {"second", "Conv", {"y", "w2", "b2"}, {"z"}, {}}};
  const std::vector<float> w1 = {0.5F, -1.0F};
  const std::vector<float> w2 = {1, 0.25F, -0.5F, 2};
  quant::TensorOptions options;
  auto first = quant::QuantizeTensor(base::Tensor::FromF32({2, 1, 1, 1}, w1).view(), options);
  auto second = quant::QuantizeTensor(base::Tensor::FromF32({2, 2, 1, 1}, w2).view(), options);
  first->tensor.bias = {0.125F, -3};
  second->tensor.bias = {1, 1};
  model.constants.emplace("w1", first->tensor);
  model.constants.emplace("w2", second->tensor);
  model.constants.emplace("b2", base::Tensor::FromF32({2}, {10, 20}));
  return model;
}

TEST(MakeTrainingGraph, AStoredBiasBecomesAConstantThatCanBeWrittenBack) {
  const model::Model model = TwoConvs();
  const auto graph = MakeTrainingGraph(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  ASSERT_EQ(graph->stored_bias.size(), 1U) << "the second layer has a bias of its own";
  const auto& [bias, weight] = *graph->stored_bias.begin();
  EXPECT_EQ(weight, "w1");
  EXPECT_EQ(graph->graph.nodes[0].inputs[2], bias);
  const absl::Span<const float> values =
      std::get<base::Tensor>(graph->constants.find(bias)->second).as<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()), (std::vector<float>{0.125F, -3}));
  for (const auto& [name, constant] : graph->constants) {
    EXPECT_TRUE(std::holds_alternative<base::Tensor>(constant)) << name;
  }
}

TEST(MakeTrainingGraph, AWeightOfTwoNodesKeepsItsStoredBias) {
  model::Model model = TwoConvs();
  model.graph.nodes.push_back({"third", "Conv", {"x", "w1"}, {"v"}, {}});
  const auto graph = MakeTrainingGraph(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_TRUE(graph->stored_bias.empty());
}

// What the training graph has and the model has not must not be trained where it cannot be written
// back: it would be served without what it learned.
TEST(ChoosePlain, ABiasBehindAMatMulStaysAsItIs) {
  model::Model model;
  model.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 3, 2}}};
  model.graph.outputs = {{"z", base::DType::kF32, {graph::kBatch, 3, 2}}};
  model.graph.nodes = {{"product", "MatMul", {"x", "w"}, {"y"}, {}},
                       {"sum", "Add", {"y", "b"}, {"z"}, {}}};
  quant::TensorOptions options;
  options.axis = 1;
  auto codes =
      quant::QuantizeTensor(base::Tensor::FromF32({2, 2}, {1, 0.5F, -2, 4}).view(), options);
  ASSERT_TRUE(codes.ok()) << codes.status();
  codes->tensor.bias = {0.25F, -1};
  model.constants.emplace("w", codes->tensor);
  model.constants.emplace("b", base::Tensor::FromF32({2}, {1, 2}));
  const auto graph = MakeTrainingGraph(model);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_TRUE(graph->stored_bias.empty());
  const PlainChoice choice = ChoosePlain(*graph, model.constants, {});
  ASSERT_EQ(choice.fixed.size(), 1U);
  EXPECT_EQ(model.constants.count(choice.fixed[0]), 0U);
  EXPECT_EQ(graph->constants.count(choice.fixed[0]), 1U);
}

}  // namespace
}  // namespace lbw::train

#include "tasks/estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/tasks/tasks_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;

// x [N, 3, 8, 8] -> Conv 3 -> 4, 3x3, pad 1 -> [N, 4, 8, 8] -> Flatten -> [N, 256] -> MatMul with
// [256, 10].
model::Model SmallModel() {
  model::Model model;
  model.spec.input.height = 8;
  model.spec.input.width = 8;
  model.graph.inputs = {{"x", base::DType::kF32, {graph::kBatch, 3, 8, 8}}};
  graph::Node conv{"conv", "Conv", {"x", "w"}, {"y"}, {}};
  conv.attributes["pads"] = std::vector<int64_t>{1, 1, 1, 1};
  graph::Node flatten{"flatten", "Flatten", {"y"}, {"f"}, {}};
  graph::Node product{"product", "MatMul", {"f", "m"}, {"z"}, {}};
  model.graph.nodes = {conv, flatten, product};
  model.graph.outputs = {{"z", base::DType::kF32, {graph::kBatch, 10}}};
  model.constants.emplace("w", base::Tensor(base::DType::kF32, {4, 3, 3, 3}));
  model.constants.emplace("m", base::Tensor(base::DType::kF32, {256, 10}));
  return model;
}

EstimateInput InputOf(const model::Model& model) {
  EstimateInput input;
  input.model = &model;
  input.bundle_bytes = 1'000'000;
  input.pictures = 1'000;
  input.threads = 2;
  return input;
}

TEST(EstimateEvaluation, CountsMultiplyAddsByHand) {
  const model::Model model = SmallModel();
  const auto estimate = EstimateEvaluation(InputOf(model));
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  constexpr double kMacs = 4 * 8 * 8 * 27 + 256 * 10;
  EXPECT_NEAR(absl::ToDoubleSeconds(estimate->duration), 1'000 * (kMacs / 50e9 + 8e-3), 1e-4);
  EXPECT_THAT(estimate->basis, HasSubstr("GMAC"));
  EXPECT_GE(estimate->memory_bytes, 3'000'000U + (300U << 20));
}

TEST(EstimateEvaluation, WhatWasMeasuredGoesFirst) {
  const model::Model model = SmallModel();
  EstimateInput input = InputOf(model);
  input.measured_ms = {900, 10, 12};
  const auto estimate = EstimateEvaluation(input);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_NEAR(absl::ToDoubleSeconds(estimate->duration), 12, 1e-6) << "their median";
  EXPECT_THAT(estimate->basis, HasSubstr("3 evaluations"));
}

// A picture of more pixels costs more, and a model that is imported can be estimated.
TEST(EstimateEvaluation, OfAnImportedDetector) {
  const model::Model model = DiscModel();
  const auto estimate = EstimateEvaluation(InputOf(model));
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_GT(estimate->duration, absl::Seconds(8));
  EXPECT_LT(estimate->duration, absl::Seconds(60));
}

TEST(EstimateQuantization, AddsNetworksSumsAndSolverByHand) {
  const model::Model model = SmallModel();
  QuantizeEstimateInput input;
  input.model = &model;
  input.bundle_bytes = 1'000'000;
  input.pictures = 64;
  input.positions = 40;
  input.sweeps = 3;
  input.widths = 5;
  input.measured = 100;
  input.networks = 3;
  input.threads = 2;
  const auto estimate = EstimateQuantization(input);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  constexpr double kMacs = 4 * 8 * 8 * 27 + 256 * 10;
  // 64 positions of the convolution, of which 40 count; one of the product.
  constexpr double kSums = 2.0 * 64 * (40 * 27 * 27 + 1 * 256 * 256);
  constexpr double kSolver = 27.0 * 27 * 27 + 3 * 3 * 4 * 27 * 27 +  //
                             256.0 * 256 * 256 + 3 * 3 * 10 * 256 * 256;
  EXPECT_NEAR(absl::ToDoubleSeconds(estimate->duration),
              (kMacs * (2 * 64 + 3 * 100) + kSums) / 50e9 + 5 * kSolver / 8e9 + 164 * 8e-3, 1e-4);
  EXPECT_GE(estimate->memory_bytes, 4'000'000U + 24U * 256 * 256 + 64U * 768 + (300U << 20));
  EXPECT_THAT(estimate->basis, HasSubstr("solver"));
}

TEST(EstimateQuantization, ActivationsThatAreKeptAreBounded) {
  const model::Model model = SmallModel();
  QuantizeEstimateInput input;
  input.model = &model;
  input.pictures = 4'000'000;
  const auto estimate = EstimateQuantization(input);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  constexpr uint64_t kPictures = uint64_t{4'000'000} * 3 * 8 * 8 * 4;
  constexpr uint64_t kLayer = 24 * 256 * 256 + 9 * 256 * 10 + (1U << 18);  // and sums of outputs
  EXPECT_LE(estimate->memory_bytes, kPictures + kLayer + 1'500'000'000U + (300U << 20));
}

TEST(EstimateComparison, IsTwoNetworksAndOneDecoding) {
  const model::Model model = SmallModel();
  const auto estimate = EstimateComparison({&model, 2'000'000, 1'000, 2});
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  constexpr double kMacs = 4 * 8 * 8 * 27 + 256 * 10;
  EXPECT_NEAR(absl::ToDoubleSeconds(estimate->duration), 1'000 * (2 * kMacs / 50e9 + 8e-3), 1e-4);
}

// 25,088 columns: 15 GB of sums, which are not taken.
TEST(EstimateQuantization, ALayerBeyondTheLimitHasNoSums) {
  model::Model model = SmallModel();
  model.spec.input.height = model.spec.input.width = 112;
  for (graph::ValueInfo& input : model.graph.inputs) {
    input.shape = {graph::kBatch, 3, 112, 112};
  }
  model.constants.insert_or_assign("m", base::Tensor(base::DType::kF32, {4 * 112 * 112, 4}));
  QuantizeEstimateInput input;
  input.model = &model;
  input.pictures = 64;
  input.positions = 40;
  const auto estimate = EstimateQuantization(input);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_LT(estimate->memory_bytes, uint64_t{1} << 30);
  EXPECT_LT(estimate->duration, absl::Seconds(60));
}

TEST(EstimateTraining, CountsPassesOfTheNetworkByHand) {
  const model::Model model = SmallModel();
  TrainingEstimateInput input;
  input.model = &model;
  input.bundle_bytes = 1'000'000;
  input.batch = 16;
  input.steps = 100;
  input.threads = 2;
  input.loader_threads = 64;
  constexpr double kMacs = 4 * 8 * 8 * 27 + 256 * 10;
  // So small a network waits for its pictures.
  const auto waiting = EstimateTraining(input);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  EXPECT_NEAR(absl::ToDoubleSeconds(waiting->duration), 1'600 * 8e-3 / 64, 1e-6);
  EXPECT_GE(waiting->memory_bytes, 8'000'000U + (300U << 20));
  EXPECT_THAT(waiting->basis, HasSubstr("from 3 times"));
  EXPECT_THAT(waiting->basis, HasSubstr("100 steps of 16 pictures"));
  input.evaluations = 5;
  input.evaluated = 20;
  const auto evaluated = EstimateTraining(input);
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  EXPECT_NEAR(absl::ToDoubleSeconds(evaluated->duration - waiting->duration),
              5 * 20 * 2 * (kMacs / 50e9 + 8e-3), 1e-6);
  input.teacher = true;
  EXPECT_THAT(EstimateTraining(input)->basis, HasSubstr("from 4 times"));
}

TEST(EstimateTraining, ItsCalibrationComesOnTop) {
  const model::Model model = SmallModel();
  TrainingEstimateInput input;
  input.model = &model;
  input.steps = 1;
  const auto without = EstimateTraining(input);
  ASSERT_TRUE(without.ok()) << without.status();
  QuantizeEstimateInput calibration;
  calibration.model = &model;
  calibration.pictures = 64;
  calibration.positions = 400;
  const auto alone = EstimateQuantization(calibration);
  ASSERT_TRUE(alone.ok()) << alone.status();
  calibration.model = nullptr;
  input.calibration = calibration;
  const auto both = EstimateTraining(input);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->duration, without->duration + alone->duration);
  EXPECT_GE(both->memory_bytes, alone->memory_bytes);
  EXPECT_THAT(both->basis, HasSubstr("calibration"));
}

}  // namespace
}  // namespace lbw::tasks

#include "train/optimizer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace lbw::train {
namespace {

at::Tensor Of(std::vector<float> values, std::vector<int64_t> shape) {
  return at::from_blob(values.data(), shape).clone();
}
std::vector<float> Values(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  return {dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel()};
}

Parameter Make(ParameterKind kind, const at::Tensor& value, const at::Tensor& unit = {}) {
  return Parameter{.name = "x",
                   .kind = kind,
                   .value = std::make_shared<at::Tensor>(value),
                   .gradient = std::make_shared<at::Tensor>(),
                   .unit = std::make_shared<at::Tensor>(unit)};
}

OptimizerOptions Options(Optimizer kind) {
  OptimizerOptions options;
  options.kind = kind;
  options.rate = 0.02;
  options.bias_rate = 0.003;
  options.scale_rate = 0.05;
  return options;
}

// The same rule, element by element in float64.
struct Reference {
  double w, unit, epsilon, rate;
  double m = 0, v = 0;
  int count = 0;

  void Adam(double g) {
    ++count;
    m = 0.9 * m + 0.1 * g;
    v = 0.99 * v + 0.01 * g * g;
    const double m_hat = m / (1 - std::pow(0.9, count));
    const double v_hat = v / (1 - std::pow(0.99, count));
    w -= rate * unit * m_hat / (std::sqrt(v_hat) + epsilon);
  }
  void Sgd(double g) {
    m = 0.9 * m + g;
    w -= rate * unit * unit * m;
  }
};

class EachKind : public ::testing::TestWithParam<Optimizer> {};

TEST_P(EachKind, StepsAsTheFormulaSays) {
  const at::Tensor unit = Of({0.5F, 20.0F}, {2, 1});
  std::vector<Parameter> parameters = {
      Make(ParameterKind::kWeight, Of({1, -2, 3, 4, 5, -6}, {2, 3}), unit),
      Make(ParameterKind::kBias, Of({0.5F, 0.25F}, {2})),
      Make(ParameterKind::kScale, Of({0, 0}, {2}))};
  std::vector<Reference> reference;
  const auto add = [&](size_t i, double epsilon, double rate) {
    const std::vector<float> values = Values(*parameters[i].value);
    for (size_t j = 0; j < values.size(); ++j) {
      const double r = i == 0 ? (j < 3 ? 0.5 : 20.0) : 1.0;
      reference.push_back({values[j], r, epsilon, rate});
    }
  };
  const double factor = 0.5;
  add(0, 1e-12, 0.02 * factor);
  add(1, 1e-8, 0.003 * factor);
  add(2, 1e-8, 0.05 * factor);
  const auto optimizer = ParameterOptimizer::Make(Options(GetParam()), parameters);
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (int step = 0; step < 20; ++step) {
    size_t at = 0;
    double norm = 0;
    for (Parameter& parameter : parameters) {
      std::vector<float> gradient;
      for (int64_t j = 0; j < parameter.value->numel(); ++j) {
        // Rows that differ a thousandfold.
        const float g = normal(random) * (at % 2 == 0 ? 1e-3F : 1.0F);
        gradient.push_back(g);
        norm += std::pow(static_cast<double>(g) * reference[at].unit, 2);
        if (GetParam() == Optimizer::kAdam) {
          reference[at].Adam(g);
        } else {
          reference[at].Sgd(g);
        }
        ++at;
      }
      *parameter.gradient = Of(gradient, parameter.value->sizes().vec());
    }
    const auto facts = optimizer->Step(factor);
    ASSERT_TRUE(facts.ok()) << facts.status();
    EXPECT_NEAR(facts->gradient_norm, std::sqrt(norm), 1e-5 * std::sqrt(norm));
    EXPECT_EQ(facts->not_finite, 0);
  }
  size_t at = 0;
  for (const Parameter& parameter : parameters) {
    for (const float w : Values(*parameter.value)) {
      EXPECT_NEAR(w, reference[at].w, 2e-5 * (1 + std::fabs(reference[at].w))) << at;
      ++at;
    }
  }
}

TEST_P(EachKind, GoesOnFromItsStateBitForBit) {
  const auto run = [&](int steps_before, bool restart) {
    std::vector<Parameter> parameters = {
        Make(ParameterKind::kWeight, Of({1, -2, 3, 4, 5, -6}, {2, 3}), Of({0.7F, 3.0F}, {2, 1})),
        Make(ParameterKind::kBias, Of({0.5F, 0.25F}, {2}))};
    OptimizerOptions options = Options(GetParam());
    options.weight_decay = 0.01;
    options.clip_norm = 1.5;
    auto optimizer = ParameterOptimizer::Make(options, parameters);
    std::mt19937_64 random(5);
    std::normal_distribution<float> normal;
    for (int step = 0; step < 10; ++step) {
      if (restart && step == steps_before) {
        const auto state = optimizer->State();
        EXPECT_TRUE(state.ok()) << state.status();
        optimizer = ParameterOptimizer::Make(options, parameters);
        EXPECT_TRUE(optimizer->Restore(*state).ok());
      }
      for (Parameter& parameter : parameters) {
        std::vector<float> gradient(static_cast<size_t>(parameter.value->numel()));
        for (float& g : gradient) g = normal(random);
        *parameter.gradient = Of(gradient, parameter.value->sizes().vec());
      }
      EXPECT_TRUE(optimizer->Step(1).ok());
    }
    std::vector<float> all = Values(*parameters[0].value);
    for (const float w : Values(*parameters[1].value)) all.push_back(w);
    return all;
  };
  const std::vector<float> whole = run(10, false);
  EXPECT_EQ(run(5, true), whole);
  EXPECT_EQ(run(0, true), whole);
}

TEST_P(EachKind, LeavesOutWhatHasNoGradientOrIsFrozen) {
  std::vector<Parameter> parameters = {Make(ParameterKind::kWeight, Of({1, 2}, {2})),
                                       Make(ParameterKind::kScale, Of({3, 4}, {2})),
                                       Make(ParameterKind::kBias, Of({5, 6}, {2}))};
  OptimizerOptions options = Options(GetParam());
  options.weight_decay = 0.5;
  const auto optimizer = ParameterOptimizer::Make(options, parameters);
  *parameters[1].gradient = Of({1, 1}, {2});
  *parameters[2].gradient = Of({1, 1}, {2});
  optimizer->Freeze("x", ParameterKind::kScale);
  optimizer->Freeze("y", ParameterKind::kBias);
  const auto facts = optimizer->Step(1);
  ASSERT_TRUE(facts.ok());
  EXPECT_NEAR(facts->gradient_norm, std::sqrt(2.0), 1e-6);
  EXPECT_EQ(Values(*parameters[0].value), (std::vector<float>{1, 2}));
  EXPECT_EQ(Values(*parameters[1].value), (std::vector<float>{3, 4}));
  EXPECT_LT(Values(*parameters[2].value)[0], 5.0F);
}

TEST_P(EachKind, CountsGradientsThatAreNotFiniteAndTakesThemAsZero) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Parameter> parameters = {Make(ParameterKind::kWeight, Of({1, 2, 3, 4}, {4})),
                                       // Finite, though its square is not in float32.
                                       Make(ParameterKind::kBias, Of({1}, {1}))};
  const auto optimizer = ParameterOptimizer::Make(Options(GetParam()), parameters);
  *parameters[0].gradient = Of({nan, 3, -inf, inf}, {4});
  *parameters[1].gradient = Of({4e20F}, {1});
  const auto facts = optimizer->Step(1);
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->not_finite, 3);
  EXPECT_NEAR(facts->gradient_norm, 4e20, 1e15);
  const std::vector<float> after = Values(*parameters[0].value);
  EXPECT_EQ(after[0], 1.0F);
  EXPECT_LT(after[1], 2.0F);
  EXPECT_EQ(after[2], 3.0F);
  EXPECT_EQ(after[3], 4.0F);
  EXPECT_TRUE(std::isnan(Values(*parameters[0].gradient)[0])) << "the caller's stays as it was";
}

INSTANTIATE_TEST_SUITE_P(Kinds, EachKind, ::testing::Values(Optimizer::kAdam, Optimizer::kSgd),
                         [](const ::testing::TestParamInfo<Optimizer>& kind) {
                           return kind.param == Optimizer::kAdam ? "Adam" : "Sgd";
                         });

TEST(Sgd, ClipsAllGradientsTogetherInTheirUnits) {
  std::vector<Parameter> parameters = {
      Make(ParameterKind::kWeight, Of({0}, {1, 1}), Of({2}, {1, 1})),
      Make(ParameterKind::kBias, Of({0}, {1}))};
  OptimizerOptions options = Options(Optimizer::kSgd);
  options.rate = 1;
  options.bias_rate = 1;
  options.clip_norm = 1;
  const auto optimizer = ParameterOptimizer::Make(options, parameters);
  *parameters[0].gradient = Of({1.5F}, {1, 1});  // 3 in its unit
  *parameters[1].gradient = Of({4}, {1});
  const auto facts = optimizer->Step(1);
  ASSERT_TRUE(facts.ok());
  EXPECT_NEAR(facts->gradient_norm, 5, 1e-6);
  EXPECT_NEAR(Values(*parameters[0].value)[0], -4 * 1.5 / 5, 1e-6);
  EXPECT_NEAR(Values(*parameters[1].value)[0], -4.0 / 5, 1e-6);
}

TEST(Decay, TakesWeightsAloneAndNoRowOfUnitZero) {
  std::vector<Parameter> parameters = {
      Make(ParameterKind::kWeight, Of({1, 1}, {2, 1}), Of({0, 3}, {2, 1})),
      Make(ParameterKind::kBias, Of({1}, {1}))};
  OptimizerOptions options = Options(Optimizer::kAdam);
  options.weight_decay = 0.5;
  const auto optimizer = ParameterOptimizer::Make(options, parameters);
  *parameters[0].gradient = at::zeros({2, 1});
  *parameters[1].gradient = at::zeros({1});
  ASSERT_TRUE(optimizer->Step(1).ok());
  EXPECT_EQ(Values(*parameters[0].value)[0], 1.0F);
  EXPECT_NEAR(Values(*parameters[0].value)[1], 1 - 0.02 * 0.5, 1e-6);
  EXPECT_EQ(Values(*parameters[1].value)[0], 1.0F);
}

// Steps do not depend on how large gradients are, down to the least.
TEST(Adam, StepsInUnitsOfTheRow) {
  for (const float scale : {1e-10F, 1.0F, 1e10F}) {
    std::vector<Parameter> parameters = {
        Make(ParameterKind::kWeight, Of({1}, {1, 1}), Of({7}, {1, 1}))};
    const auto optimizer = ParameterOptimizer::Make(Options(Optimizer::kAdam), parameters);
    *parameters[0].gradient = Of({scale}, {1, 1});
    ASSERT_TRUE(optimizer->Step(1).ok());
    EXPECT_NEAR(Values(*parameters[0].value)[0], 1 - 0.02 * 7, 0.003) << scale;
  }
}

TEST(Adam, ClearsFirstMomentsAndCountsOn) {
  std::vector<Parameter> parameters = {Make(ParameterKind::kWeight, Of({1}, {1}))};
  const auto optimizer = ParameterOptimizer::Make(Options(Optimizer::kAdam), parameters);
  optimizer->ClearFirstMoments();  // before there are any
  *parameters[0].gradient = Of({1}, {1});
  ASSERT_TRUE(optimizer->Step(1).ok());
  optimizer->ClearFirstMoments();
  const auto state = optimizer->State();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->at("m.weight.x").as<float>()[0], 0.0F);
  EXPECT_NEAR(state->at("v.weight.x").as<float>()[0], 0.01F, 1e-6);
  EXPECT_EQ(state->at("count").as<int64_t>()[0], 1);
  *parameters[0].gradient = Of({0}, {1});
  const float before = Values(*parameters[0].value)[0];
  ASSERT_TRUE(optimizer->Step(1).ok());
  EXPECT_EQ(Values(*parameters[0].value)[0], before);
}

TEST(Restore, RefusesTheStateOfOtherParameters) {
  const std::vector<Parameter> one = {Make(ParameterKind::kWeight, Of({1}, {1}))};
  const auto optimizer = ParameterOptimizer::Make(Options(Optimizer::kAdam), one);
  const auto state = optimizer->State();
  ASSERT_TRUE(state.ok());
  auto missing = *state;
  missing.erase("v.weight.x");
  EXPECT_EQ(optimizer->Restore(missing).code(), absl::StatusCode::kDataLoss);
  auto larger = *state;
  larger["m.weight.x"] = base::Tensor(base::DType::kF32, {2});
  EXPECT_EQ(optimizer->Restore(larger).code(), absl::StatusCode::kDataLoss);
  auto more = *state;
  more["m.weight.y"] = base::Tensor(base::DType::kF32, {1});
  EXPECT_EQ(optimizer->Restore(more).code(), absl::StatusCode::kDataLoss);
  auto other = *state;
  other["count"] = base::Tensor(base::DType::kF32, {1});
  EXPECT_EQ(optimizer->Restore(other).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(optimizer->Restore(*state).ok());
}

}  // namespace
}  // namespace lbw::train

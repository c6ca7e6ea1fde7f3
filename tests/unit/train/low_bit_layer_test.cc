#include "train/low_bit_layer.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "quant/grid.h"
#include "train/optimizer.h"
#include "train/row_codes.h"
#include "unit/train/layer_starts.h"

namespace lbw::train {
namespace {

using quant::CodeBook;
using testing::MakeRealStart;
using testing::MakeStart;
using testing::StartShape;

std::vector<uint32_t> Bits(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.contiguous();
  std::vector<uint32_t> bits;
  for (int64_t i = 0; i < dense.numel(); ++i) {
    bits.push_back(std::bit_cast<uint32_t>(dense.data_ptr<float>()[i]));
  }
  return bits;
}
std::vector<uint32_t> Bits(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

std::unique_ptr<LowBitLayer> MakeLayer(const LayerStart& start, const LowBitOptions& options = {}) {
  auto layer = LowBitLayer::Make(start, options, "cpu");
  EXPECT_TRUE(layer.ok()) << layer.status();
  return std::move(layer).value();
}

std::vector<at::Tensor> ValuesOf(const LowBitLayer& layer) {
  std::vector<at::Tensor> values;
  for (const Parameter& parameter : layer.parameters()) values.push_back(*parameter.value);
  return values;
}

quant::QuantizedTensor PackedOf(const LowBitLayer& layer) {
  auto packed = layer.Packed(ValuesOf(layer));
  EXPECT_TRUE(packed.ok()) << packed.status();
  EXPECT_TRUE(quant::Validate(*packed).ok()) << quant::Validate(*packed);
  return std::move(packed).value();
}

at::Tensor StudentOf(LowBitLayer& layer, int64_t t, int64_t total) {
  auto student = layer.Student(t, total);
  EXPECT_TRUE(student.ok()) << student.status();
  return std::move(student).value();
}

void SetGradient(at::Tensor student, uint64_t seed, float scale = 1.0F) {
  std::vector<float> gradient =
      quant::testing::NormalWeights(static_cast<size_t>(student.numel()), seed, scale);
  student.mutable_grad() = at::from_blob(gradient.data(), student.sizes()).clone();
}

void ExpectStudentIsPacked(LowBitLayer& layer, int64_t t, int64_t total) {
  const at::Tensor student = StudentOf(layer, t, total);
  EXPECT_EQ(Bits(student), Bits(quant::Dequantize(PackedOf(layer))));
}

// Steps [from, to) of a run with random gradients.
void Train(LowBitLayer& layer, ParameterOptimizer& optimizer, int64_t from, int64_t to,
           int64_t total) {
  for (int64_t t = from; t < to; ++t) {
    const at::Tensor student = StudentOf(layer, t, total);
    EXPECT_TRUE(student.requires_grad() && student.is_leaf() && student.is_contiguous());
    SetGradient(student, 100 + static_cast<uint64_t>(t));
    ASSERT_TRUE(layer.TakeGradient().ok());
    ASSERT_TRUE(optimizer.Step(1).ok());
  }
}

OptimizerOptions FastAdam() {
  OptimizerOptions options;
  options.rate = 0.05;
  return options;
}

struct Mode {
  std::string name;
  int bits;
  CodeBook book = CodeBook::kFull;
  bool real = false;
  StartShape shape = {};
  std::function<void(LowBitOptions&)> set = [](LowBitOptions&) {};
  bool grid_throughout = true;  // what the network reads is on the layer's grid in every step
};

LayerStart StartOf(const Mode& mode) {
  LayerStart start =
      mode.real ? MakeRealStart(mode.shape, 21) : MakeStart(mode.bits, mode.book, mode.shape, 21);
  start.steps_an_epoch = 8;
  return start;
}

class EveryMode : public ::testing::TestWithParam<Mode> {
 protected:
  LowBitOptions Options() const {
    LowBitOptions options;
    GetParam().set(options);
    return options;
  }
};

TEST_P(EveryMode, PackedCodesAreWhatTheNetworkReads) {
  const auto layer = MakeLayer(StartOf(GetParam()), Options());
  const LayerStart start = StartOf(GetParam());
  EXPECT_EQ(PackedOf(*layer).codes, start.codes.codes);
  const auto optimizer = ParameterOptimizer::Make(FastAdam(), layer->parameters());
  for (int64_t t = 0; t < 40; t += 5) {
    if (GetParam().grid_throughout) ExpectStudentIsPacked(*layer, t, 40);
    Train(*layer, *optimizer, t, t + 5, 40);
  }
  ExpectStudentIsPacked(*layer, 40, 40);
  const auto facts = layer->TakeFacts();
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->weights, testing::Elements(GetParam().shape.shape));
  EXPECT_GT(facts->changed, 0);
  EXPECT_GT(facts->relative_error, 0);
  EXPECT_LT(facts->relative_error, 1);
}

TEST_P(EveryMode, GoesOnFromItsStateBitForBit) {
  const LayerStart start = StartOf(GetParam());
  const auto whole = MakeLayer(start, Options());
  const auto optimizer = ParameterOptimizer::Make(FastAdam(), whole->parameters());
  Train(*whole, *optimizer, 0, 23, 40);
  ASSERT_TRUE(whole->TakeFacts().ok());
  const auto state = whole->State();
  const auto moments = optimizer->State();
  ASSERT_TRUE(state.ok() && moments.ok());
  const auto resumed = MakeLayer(start, Options());
  const auto resumed_optimizer = ParameterOptimizer::Make(FastAdam(), resumed->parameters());
  for (size_t i = 0; i < resumed->parameters().size(); ++i) {
    resumed->parameters()[i].value->copy_(*whole->parameters()[i].value);
  }
  ASSERT_TRUE(resumed->Restore(*state).ok()) << resumed->Restore(*state);
  ASSERT_TRUE(resumed_optimizer->Restore(*moments).ok());
  Train(*whole, *optimizer, 23, 40, 40);
  Train(*resumed, *resumed_optimizer, 23, 40, 40);
  EXPECT_EQ(Bits(StudentOf(*resumed, 40, 40)), Bits(StudentOf(*whole, 40, 40)));
  EXPECT_EQ(PackedOf(*resumed), PackedOf(*whole));
  const auto a = resumed->TakeFacts();
  const auto b = whole->TakeFacts();
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->changed, b->changed);
  EXPECT_EQ(a->frozen, b->frozen);
  EXPECT_EQ(a->relative_error, b->relative_error);
}

TEST_P(EveryMode, DeadRowsDoNotMove) {
  LayerStart start = StartOf(GetParam());
  start.dead.assign(start.codes.exponents.size(), 0);
  start.dead[1] = 1;
  const auto layer = MakeLayer(start, Options());
  OptimizerOptions options = FastAdam();
  options.weight_decay = 0.1;
  const auto optimizer = ParameterOptimizer::Make(options, layer->parameters());
  const std::vector<uint32_t> before = Bits(layer->parameters()[0].value->select(0, 1));
  const std::vector<uint32_t> alive = Bits(layer->parameters()[0].value->select(0, 0));
  Train(*layer, *optimizer, 0, 10, 10);
  EXPECT_EQ(Bits(layer->parameters()[0].value->select(0, 1)), before);
  EXPECT_NE(Bits(layer->parameters()[0].value->select(0, 0)), alive);
  if (GetParam().real) {
    EXPECT_EQ(layer->parameters()[1].value->data_ptr<float>()[1], 0.0F);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Modes, EveryMode,
    ::testing::Values(Mode{"Plain4", 4}, Mode{"Plain6Paper", 6, CodeBook::kPaper},
                      Mode{"Plain3Paper", 3, CodeBook::kPaper}, Mode{"Plain2", 2, CodeBook::kPaper},
                      Mode{"Real", 2, CodeBook::kPaper, true},
                      Mode{"Transposed", 4, CodeBook::kFull, false, {{4, 3, 2, 2}, 1, 1}},
                      Mode{"TransposedGroups", 3, CodeBook::kFull, false, {{6, 2, 3, 3}, 1, 3}},
                      Mode{"RealTransposed", 2, CodeBook::kPaper, true, {{12, 7}, 1, 1}},
                      Mode{"Depthwise", 3, CodeBook::kFull, false, {{24, 1, 3, 3}, 0, 1}},
                      Mode{"SearchedExponents",
                           4,
                           CodeBook::kFull,
                           false,
                           {},
                           [](LowBitOptions& options) { options.exponent_every = 3; }},
                      Mode{"SearchedEverywhere",
                           3,
                           CodeBook::kFull,
                           false,
                           {},
                           [](LowBitOptions& options) {
                             options.exponent_every = 4;
                             options.exponent_reach = -1;
                           }},
                      Mode{"Blend",
                           3,
                           CodeBook::kFull,
                           false,
                           {},
                           [](LowBitOptions& options) { options.blend_start = 1; },
                           false},
                      Mode{"RealBlend",
                           2,
                           CodeBook::kPaper,
                           true,
                           {},
                           [](LowBitOptions& options) { options.blend_start = 2; },
                           false},
                      Mode{"FrozenFlips",
                           4,
                           CodeBook::kFull,
                           false,
                           {},
                           [](LowBitOptions& options) { options.freeze_flips = 0.02; }},
                      Mode{"RealFrozenFlips",
                           2,
                           CodeBook::kPaper,
                           true,
                           {},
                           [](LowBitOptions& options) { options.freeze_flips = 0.02; }},
                      Mode{"Stages",
                           3,
                           CodeBook::kFull,
                           false,
                           {},
                           [](LowBitOptions& options) {
                             options.stages = {6, 4};
                           },
                           false},
                      Mode{"RealStages",
                           2,
                           CodeBook::kPaper,
                           true,
                           {},
                           [](LowBitOptions& options) { options.stages = {5}; },
                           false},
                      Mode{"Everything",
                           3,
                           CodeBook::kPaper,
                           false,
                           {{6, 2, 3, 3}, 1, 3},
                           [](LowBitOptions& options) {
                             options.stages = {6};
                             options.blend_start = 1;
                             options.freeze_flips = 0.05;
                             options.exponent_every = 5;
                           },
                           false}),
    [](const ::testing::TestParamInfo<Mode>& mode) { return mode.param.name; });

// One row, 3 bits: 1, 1/2, 1/4 and 0, in the tensor's own order.
LayerStart FourCodes() {
  LayerStart start;
  start.name = "conv.weight";
  start.codes.shape = {1, 4};
  start.codes.options.bits = 3;
  start.codes.exponents = {0};
  start.codes.codes = PackRows(std::vector<uint8_t>{1, 2, 3, 0}, 4, 3);
  start.target = {1, 0.5F, 0.25F, 0};
  return start;
}

TEST(LowBitLayer, APushedWeightTakesAnotherCode) {
  const auto layer = MakeLayer(FourCodes());
  OptimizerOptions options;
  options.kind = Optimizer::kSgd;
  options.rate = 0.5;
  options.momentum = 0;
  const auto optimizer = ParameterOptimizer::Make(options, layer->parameters());
  ASSERT_TRUE(layer->TakeFacts().ok());
  at::Tensor student = StudentOf(*layer, 0, 10);
  std::vector<float> gradient = {0, 3, 0, 0};
  student.mutable_grad() = at::from_blob(gradient.data(), {1, 4}).clone();
  ASSERT_TRUE(layer->TakeGradient().ok());
  ASSERT_TRUE(optimizer->Step(1).ok());
  student = StudentOf(*layer, 1, 10);
  EXPECT_EQ(student[0][0].item<float>(), 1.0F);
  EXPECT_LT(student[0][1].item<float>(), 0.5F);
  EXPECT_EQ(student[0][2].item<float>(), 0.25F);
  EXPECT_EQ(student[0][3].item<float>(), 0.0F);
  const auto facts = layer->TakeFacts();
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->changed, 1);
  EXPECT_EQ(layer->TakeFacts()->changed, 0);
}

TEST(LowBitLayer, WithoutAGradientTakesNoStep) {
  const auto layer = MakeLayer(FourCodes());
  StudentOf(*layer, 0, 10);
  ASSERT_TRUE(layer->TakeGradient().ok());
  EXPECT_FALSE(layer->parameters()[0].gradient->defined());
}

// What swings about a boundary is held, leaves the gradient, and stays in what is packed of any
// values.
TEST(LowBitLayer, HoldsWeightsThatSwing) {
  LowBitOptions options;
  options.freeze_flips = 0.3;
  const auto layer = MakeLayer(FourCodes(), options);
  at::Tensor shadow = *layer->parameters()[0].value;
  for (int64_t t = 0; t < 90; ++t) {
    shadow[0][1].fill_(t % 3 == 0 ? 0.36F : 0.39F);
    StudentOf(*layer, t, 100);
    StudentOf(*layer, t, 100);  // asked twice, counted once
  }
  const auto facts = layer->TakeFacts();
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->frozen, 1);
  shadow[0][1].fill_(0.36F);
  const at::Tensor student = StudentOf(*layer, 90, 100);
  EXPECT_EQ(student[0][1].item<float>(), 0.5F);
  SetGradient(student, 1);
  ASSERT_TRUE(layer->TakeGradient().ok());
  EXPECT_EQ((*layer->parameters()[0].gradient)[0][1].item<float>(), 0.0F);
  EXPECT_NE((*layer->parameters()[0].gradient)[0][0].item<float>(), 0.0F);
  const at::Tensor elsewhere = shadow.clone().fill_(0.01F);
  const auto packed = layer->Packed({elsewhere});
  ASSERT_TRUE(packed.ok());
  EXPECT_EQ(quant::Dequantize(*packed), (std::vector<float>{0, 0.5F, 0, 0}));
}

// Loss sum(c q + q^2 / 2): its derivative by a, of each row, against differences.
TEST(LowBitLayer, GradientOfTheRealScaleIsThatOfTheLoss) {
  for (const double blend : {0.0, 1.5}) {
    LowBitOptions options;
    options.blend_start = blend;
    const auto layer = MakeLayer(MakeRealStart(StartShape{}, 31), options);
    at::Tensor a = *layer->parameters()[1].value;
    std::vector<float> numbers = quant::testing::NormalWeights(6 * 5 * 3 * 3, 8);
    const at::Tensor c = at::from_blob(numbers.data(), {6, 5, 3, 3}).clone();
    const auto loss = [&] {
      const at::Tensor q = StudentOf(*layer, 0, 100).detach().to(at::kDouble);
      return q.mul(c).add(q.square().mul(0.5)).sum({1, 2, 3});
    };
    at::Tensor student = StudentOf(*layer, 0, 100);
    student.mutable_grad() = student.detach().add(c);
    ASSERT_TRUE(layer->TakeGradient().ok());
    const at::Tensor gradient = layer->parameters()[1].gradient->clone();
    const double step = 1e-3;
    a.fill_(step);
    const at::Tensor above = loss();
    a.fill_(-step);
    const at::Tensor differences = above.sub(loss()).div(2 * step);
    for (int64_t row = 0; row < 6; ++row) {
      const double expected = differences[row].item<double>();
      EXPECT_NEAR(gradient[row].item<double>(), expected, 2e-3 * (1 + std::fabs(expected))) << row;
    }
  }
}

TEST(LowBitLayer, FixedCodesStayAndScalesGoOn) {
  const auto layer = MakeLayer(MakeRealStart(StartShape{}, 33));
  const auto optimizer = ParameterOptimizer::Make(FastAdam(), layer->parameters());
  Train(*layer, *optimizer, 0, 10, 20);
  layer->FixCodes();
  const quant::QuantizedTensor before = PackedOf(*layer);
  const std::vector<uint32_t> shadow = Bits(*layer->parameters()[0].value);
  Train(*layer, *optimizer, 10, 20, 20);
  EXPECT_EQ(Bits(*layer->parameters()[0].value), shadow);
  EXPECT_FALSE(layer->parameters()[0].gradient->defined());
  // An average that has drifted off the shadow changes no code.
  std::vector<at::Tensor> values = ValuesOf(*layer);
  values[0] = values[0].mul(-3);
  const auto after = layer->Packed(values);
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->codes, before.codes);
  EXPECT_NE(after->scales, before.scales);
  ExpectStudentIsPacked(*layer, 20, 20);
}

TEST(LowBitLayer, FixedCodesEndABlendAndAStage) {
  LowBitOptions options;
  options.blend_start = 1;
  options.stages = {6};
  const auto layer = MakeLayer(MakeStart(3, CodeBook::kFull, StartShape{}, 35), options);
  const auto optimizer = ParameterOptimizer::Make(FastAdam(), layer->parameters());
  Train(*layer, *optimizer, 0, 3, 100);
  layer->FixCodes();
  ExpectStudentIsPacked(*layer, 3, 100);
}

TEST(LowBitLayer, SearchesExponentsWithinReachOfTheStart) {
  for (const int reach : {0, 1, 2, -1}) {
    LowBitOptions options;
    options.exponent_every = 1;
    options.exponent_reach = reach;
    const LayerStart start = MakeStart(4, CodeBook::kFull, StartShape{}, 37);
    const auto layer = MakeLayer(start, options);
    layer->parameters()[0].value->mul_(16);
    StudentOf(*layer, 0, 10);
    EXPECT_EQ(PackedOf(*layer).exponents, start.codes.exponents) << "step 0 has the start's";
    StudentOf(*layer, 1, 10);
    const quant::QuantizedTensor packed = PackedOf(*layer);
    for (size_t row = 0; row < packed.exponents.size(); ++row) {
      const int moved = packed.exponents[row] - start.codes.exponents[row];
      if (reach >= 0) {
        EXPECT_EQ(moved, reach);
      } else {
        EXPECT_NEAR(moved, 4, 1);
      }
    }
  }
}

TEST(LowBitLayer, RealScalesAreBoundedByFloat32) {
  const auto layer = MakeLayer(MakeRealStart(StartShape{}, 39));
  for (const float a : {300.0F, -300.0F, 0.1F}) {
    layer->parameters()[1].value->fill_(a);
    ExpectStudentIsPacked(*layer, 0, 10);
  }
  layer->parameters()[1].value->fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(base::GetErrorDetails(layer->Packed(ValuesOf(*layer)).status()).reason, "NON_FINITE");
}

TEST(LowBitLayer, RefusesStagesBelowItsWidthAndCodesThatCannotBeTrained) {
  LowBitOptions options;
  options.stages = {3};
  LayerStart start = MakeStart(4, CodeBook::kFull, StartShape{}, 41);
  EXPECT_EQ(base::GetErrorDetails(LowBitLayer::Make(start, options, "cpu").status()).reason,
            "BAD_OPTIONS");
  start.codes.options.granularity = quant::Granularity::kTensor;
  EXPECT_EQ(base::GetErrorDetails(LowBitLayer::Make(start, {}, "cpu").status()).reason,
            "BAD_OPTIONS");
}

TEST(LowBitLayer, RefusesTheStateOfAnother) {
  const auto layer = MakeLayer(MakeStart(4, CodeBook::kFull, StartShape{}, 43));
  const auto state = layer->State();
  ASSERT_TRUE(state.ok());
  for (const auto& [name, tensor] : *state) {
    auto broken = *state;
    broken.erase(name);
    EXPECT_EQ(layer->Restore(broken).code(), absl::StatusCode::kDataLoss) << name;
    broken = *state;
    broken[name] = base::Tensor(tensor.dtype(), {7});
    EXPECT_EQ(layer->Restore(broken).code(), absl::StatusCode::kDataLoss) << name;
  }
  auto beyond = *state;
  beyond["exponents"].mutable_as<int16_t>()[0] = 200;
  EXPECT_EQ(layer->Restore(beyond).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(layer->Restore(*state).ok());
}

}  // namespace
}  // namespace lbw::train

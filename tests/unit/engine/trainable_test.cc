#include "engine/torch/trainable.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/torch/device.h"
#include "quant/quantize.h"
#include "unit/engine/one_node.h"
#include "unit/engine/trainable_run.h"

namespace lbw::engine {
namespace {

using namespace testing_support;  // NOLINT(google-build-using-namespace)
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using BatchNormRun = Trainable::BatchNormRun;
using Ints = std::vector<int64_t>;

const Ints kPads = {1, 1, 1, 1};

void AddNorm(Net& net, const std::string& from, const std::string& to) {
  net.Add(MakeNode("BatchNormalization",
                   {from, to + ".gamma", to + ".beta", to + ".mean", to + ".var"}, to));
  net.Set(to + ".gamma", base::Tensor::FromF32({2}, {0.5F, -1.25F}));
  net.Set(to + ".beta", base::Tensor::FromF32({2}, {0.25F, 1}));
  net.Set(to + ".mean", base::Tensor::FromF32({2}, {0.125F, -0.5F}));
  net.Set(to + ".var", base::Tensor::FromF32({2}, {0.5F, 2}));
}

// Of two channels.
Net Residual() {
  Net net({2, 5, 6});
  net.Add(MakeNode("Conv", {"x", "w"}, "c", {{"pads", kPads}}));
  AddNorm(net, "c", "n");
  net.Add(MakeNode("Relu", {"n"}, "r")).Add(MakeNode("Add", {"r", "x"}, "y"));
  return net.Set("w", Varied({2, 2, 3, 3}, 1));
}

Net JustNorm() {
  Net net({2, 3, 4});
  AddNorm(net, "x", "y");
  return net;
}

struct NetCase {
  const char* name;
  Net net;
};

std::vector<NetCase> Cases() {
  std::vector<NetCase> cases = {{"Residual", Residual()}};
  Net mixed({2, 6, 6});
  mixed.Add(MakeNode("Conv", {"x", "dw", "db"}, "d", {{"pads", kPads}, {"group", int64_t{2}}}));
  mixed.Add(
      MakeNode("MaxPool", {"d"}, "p", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}));
  mixed.Add(MakeNode("Conv", {"x", "sw"}, "s", {{"strides", Ints{2, 2}}, {"pads", kPads}}));
  mixed.Add(MakeNode("Concat", {"p", "s"}, "y", {{"axis", int64_t{1}}}));
  mixed.Set("dw", Varied({2, 1, 3, 3}, 1)).Set("db", Varied({2}, 2));
  mixed.Set("sw", Varied({3, 2, 3, 3}, 3));
  cases.push_back({"DepthwiseMaxPoolConcat", mixed});
  Net gemm({3});
  gemm.Add(MakeNode("Transpose", {"w"}, "t")).Add(MakeNode("Gemm", {"x", "t", "b"}, "y"));
  cases.push_back(
      {"GemmOfATransposedWeight", gemm.Set("w", Varied({4, 3}, 1)).Set("b", Varied({4}, 2))});
  Net product({3});
  product.Add(MakeNode("MatMul", {"x", "w"}, "m")).Add(MakeNode("Add", {"b", "m"}, "y"));
  cases.push_back({"MatMulAndAdd", product.Set("w", Varied({3, 4}, 1)).Set("b", Varied({4}, 2))});
  return cases;
}

base::Tensor PicturesFor(const Net& net, int64_t count, uint32_t seed) {
  base::Shape shape = net.graph.inputs[0].shape;
  shape[0] = count;
  return Varied(shape, seed);
}

TEST(Trainable, WithTheGraphsConstantsItGivesTheExecutorsOutputs) {
  for (const NetCase& one : Cases()) {
    SCOPED_TRACE(one.name);
    const base::Tensor pictures = PicturesFor(one.net, 3, 9);
    const auto trainable = MustOpen(one.net);
    ASSERT_NE(trainable, nullptr);
    const std::vector<float> want = Floats(ByExecutor(one.net, pictures)[0]);
    EXPECT_THAT(FloatsOf(MustRun(*trainable, pictures)[0]), Pointwise(FloatNear(1e-4F), want));
    const auto outputs = MustRun(*trainable, pictures, LeafValues(*trainable));
    EXPECT_THAT(FloatsOf(outputs[0]), Pointwise(FloatNear(1e-4F), want));
    EXPECT_TRUE(outputs[0].requires_grad());
  }
}

TEST(Trainable, ListsConstantsInGraphOrderWithTheirKinds) {
  using Kind = TrainableConstant::Kind;
  const auto list = [](const Net& net) {
    std::vector<std::pair<std::string, Kind>> result;
    const auto trainable = MustOpen(net);
    for (const TrainableConstant& constant : trainable->constants()) {
      result.emplace_back(constant.name, constant.kind);
    }
    return result;
  };
  const std::vector<NetCase> cases = Cases();
  EXPECT_THAT(list(cases[0].net),
              ElementsAre(std::pair("w", Kind::kWeight), std::pair("n.gamma", Kind::kGamma),
                          std::pair("n.beta", Kind::kBeta), std::pair("n.mean", Kind::kMean),
                          std::pair("n.var", Kind::kVariance)));
  EXPECT_THAT(list(cases[1].net),
              ElementsAre(std::pair("dw", Kind::kWeight), std::pair("db", Kind::kBias),
                          std::pair("sw", Kind::kWeight)));
  EXPECT_THAT(list(cases[2].net),
              ElementsAre(std::pair("w", Kind::kWeight), std::pair("b", Kind::kBias)));
  EXPECT_THAT(list(cases[3].net),
              ElementsAre(std::pair("w", Kind::kWeight), std::pair("b", Kind::kBias)));
}

// y = (x * 2w) transposed back: shape arithmetic could have evaluated the small weight's view.
TEST(Trainable, ASmallWeightBehindAViewIsTheOneGivenAndGetsItsGradient) {
  Net net({2});
  net.Add(MakeNode("Transpose", {"w"}, "t")).Add(MakeNode("MatMul", {"x", "t"}, "y"));
  net.Set("w", base::Tensor::FromF32({3, 2}, {1, 2, 3, 4, 5, 6}));
  const auto trainable = MustOpen(net);
  ASSERT_NE(trainable, nullptr);
  Trainable::Values values = LeafValues(*trainable);
  const base::Tensor picture = base::Tensor::FromF32({1, 2}, {10, 1});
  const at::Tensor other = values.at("w").detach().mul(2).requires_grad_(true);
  values.insert_or_assign("w", other);
  const auto outputs = MustRun(*trainable, picture, values);
  EXPECT_THAT(FloatsOf(outputs[0]), ElementsAre(24, 68, 112));
  outputs[0].sum().backward();
  EXPECT_THAT(FloatsOf(other.grad()), ElementsAre(10, 1, 10, 1, 10, 1));
  EXPECT_TRUE(other.grad().is_contiguous());
}

// Hand-worked: n values a channel, divided by the biased variance; the running one takes the
// unbiased. Written where it was given, and nowhere else.
TEST(Trainable, BatchNormTrainingUsesTheBatchAndUpdatesRunningValuesWhereTheyLie) {
  TrainableOptions options;
  options.batch_norm_momentum = 0.25;
  const auto trainable = MustOpen(JustNorm(), options);
  ASSERT_NE(trainable, nullptr);
  const Trainable::Values values = LeafValues(*trainable);
  const base::Tensor pictures = Varied({3, 2, 3, 4}, 5);
  const auto y = FloatsOf(MustRun(*trainable, pictures, values, BatchNormRun::kTraining)[0]);
  const float gamma[] = {0.5F, -1.25F};
  const float beta[] = {0.25F, 1};
  const float mean_before[] = {0.125F, -0.5F};
  const float var_before[] = {0.5F, 2};
  for (size_t c = 0; c < 2; ++c) {
    double sum = 0;
    double squares = 0;
    std::vector<size_t> at;
    for (size_t n = 0; n < 3; ++n) {
      for (size_t i = 0; i < 12; ++i) at.push_back(n * 24 + c * 12 + i);
    }
    const auto x = pictures.as<float>();
    for (const size_t i : at) sum += static_cast<double>(x[i]);
    const double mean = sum / 36;
    for (const size_t i : at) squares += std::pow(static_cast<double>(x[i]) - mean, 2);
    for (const size_t i : at) {
      const double unit = (static_cast<double>(x[i]) - mean) / std::sqrt(squares / 36 + 1e-5);
      ASSERT_NEAR(y[i], static_cast<double>(gamma[c]) * unit + static_cast<double>(beta[c]), 1e-5);
    }
    EXPECT_NEAR(FloatsOf(values.at("y.mean"))[c],
                0.75 * static_cast<double>(mean_before[c]) + 0.25 * mean, 1e-6);
    EXPECT_NEAR(FloatsOf(values.at("y.var"))[c],
                0.75 * static_cast<double>(var_before[c]) + 0.25 * squares / 35, 1e-6);
  }
  EXPECT_THAT(FloatsOf(*trainable->Initial("y.mean")), ElementsAre(0.125F, -0.5F));
  EXPECT_THAT(FloatsOf(*trainable->Initial("y.var")), ElementsAre(0.5F, 2));
}

TEST(Trainable, FrozenRunsWriteNothingAndLeftOutRunningValuesAreTheGraphsOwn) {
  const auto trainable = MustOpen(JustNorm());
  ASSERT_NE(trainable, nullptr);
  const base::Tensor pictures = Varied({2, 2, 3, 4}, 5);
  const auto frozen = FloatsOf(MustRun(*trainable, pictures)[0]);
  EXPECT_THAT(FloatsOf(*trainable->Initial("y.mean")), ElementsAre(0.125F, -0.5F));
  EXPECT_EQ(FloatsOf(MustRun(*trainable, pictures)[0]), frozen);
  MustRun(*trainable, pictures, {}, BatchNormRun::kTraining);
  EXPECT_NE(FloatsOf(*trainable->Initial("y.mean"))[0], 0.125F);
  EXPECT_NE(FloatsOf(MustRun(*trainable, pictures)[0]), frozen);
}

TEST(Trainable, ANormalizationOfOneValueAChannelIsRefusedInTraining) {
  Net net({2});
  AddNorm(net, "x", "y");
  const auto trainable = MustOpen(net);
  ASSERT_NE(trainable, nullptr);
  const at::Tensor one = AsTorch(Varied({1, 2}, 3));
  const auto result = trainable->Run(one, {}, BatchNormRun::kTraining);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("y_node"));
  EXPECT_TRUE(trainable->Run(one, {}, BatchNormRun::kFrozen).ok());
  EXPECT_THAT(FloatsOf(*trainable->Initial("y.var")), ElementsAre(0.5F, 2));
  MustRun(*trainable, Varied({2, 2}, 3), {}, BatchNormRun::kTraining);
}

// Outputs, gradients and running values.
TEST(Trainable, TwoRunsGiveTheSameBits) {
  TrainableOptions options;
  options.threads = 2;
  const Net net = Residual();
  const auto run = [&] {
    const auto trainable = MustOpen(net, options);
    const Trainable::Values values = LeafValues(*trainable);
    const auto y = MustRun(*trainable, Varied({8, 2, 5, 6}, 2), values, BatchNormRun::kTraining)[0];
    y.mul(y).sum().backward();
    std::vector<std::vector<float>> all = {FloatsOf(y)};
    for (const auto& [name, value] : values) {
      all.push_back(FloatsOf(value.requires_grad() ? value.grad() : value));
    }
    return all;
  };
  EXPECT_EQ(run(), run());
}

TEST(Trainable, RunsOpenedOrCalledInInferenceModeDoNotSpoilGradients) {
  std::unique_ptr<Trainable> trainable;
  const base::Tensor pictures = Varied({4, 2, 5, 6}, 2);
  {
    const c10::InferenceMode on;
    trainable = MustOpen(Residual());
    ASSERT_NE(trainable, nullptr);
    EXPECT_FALSE(MustRun(*trainable, pictures)[0].requires_grad());
  }
  const Trainable::Values values = LeafValues(*trainable);
  MustRun(*trainable, pictures, values)[0].sum().backward();
  EXPECT_TRUE(values.at("w").grad().defined());
}

TEST(Trainable, GivenValuesAreNotOverwrittenByFrozenRunsAndOutputsAreTheCallers) {
  Net net({2, 3, 3});
  net.Add(MakeNode("Conv", {"x", "w", "b"}, "c")).Add(MakeNode("Relu", {"c"}, "r"));
  net.Add(MakeNode("Add", {"r", "r"}, "y"));
  net.Set("w", Varied({2, 2, 1, 1}, 1)).Set("b", Varied({2}, 2));
  TrainableOptions options;
  options.fetch = {"c", "r", "y"};
  const auto trainable = MustOpen(net, options);
  ASSERT_NE(trainable, nullptr);
  const base::Tensor pictures = Varied({2, 2, 3, 3}, 4);
  const auto outputs = MustRun(*trainable, pictures);
  const auto want = ByExecutor(net, pictures, options.fetch);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(FloatsOf(outputs[i]), Pointwise(FloatNear(1e-6F), Floats(want[i])));
  }
}

TEST(Trainable, CodesAreRefusedByName) {
  Net net = Residual();
  auto codes = quant::QuantizeTensor(std::get<base::Tensor>(net.constants.at("w")).view(), {});
  ASSERT_TRUE(codes.ok()) << codes.status();
  net.constants.insert_or_assign("w", std::move(codes->tensor));
  const absl::Status status = OpenError(net);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_ARGUMENT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("constant w is codes"));
}

TEST(Trainable, OpenRefusesWhatDoesNotFit) {
  const auto reason = [](const TrainableOptions& options) {
    return base::GetErrorDetails(OpenError(Residual(), options)).reason;
  };
  TrainableOptions options;
  options.threads = 0;
  EXPECT_EQ(reason(options), "BAD_ARGUMENT");
  options = {};
  options.batch_norm_momentum = 1.5;
  EXPECT_EQ(reason(options), "BAD_ARGUMENT");
  options = {};
  options.device = "gpu";
  EXPECT_EQ(reason(options), "BAD_ARGUMENT");
  options = {};
  options.fetch = {"nothing"};
  EXPECT_EQ(reason(options), "BAD_GRAPH");
  options = {};
  options.height = 9;
  options.width = 6;
  EXPECT_EQ(reason(options), "BAD_GRAPH");
  options = {};
  options.fetch = {"w"};  // has no batch in front
  EXPECT_EQ(reason(options), "BAD_GRAPH");
}

TEST(Trainable, RunRefusesWhatDoesNotFit) {
  const auto trainable = MustOpen(Residual());
  ASSERT_NE(trainable, nullptr);
  const at::Tensor pictures = AsTorch(Varied({1, 2, 5, 6}, 1));
  const auto message = [&](const at::Tensor& input, const Trainable::Values& values,
                           BatchNormRun batch_norm = BatchNormRun::kFrozen) {
    const absl::Status status = trainable->Run(input, values, batch_norm).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(message(AsTorch(Varied({1, 2, 5, 5}, 1)), {}), HasSubstr("[1, 2, 5, 5]"));
  EXPECT_THAT(message(pictures.to(at::kDouble), {}), HasSubstr("must be F32"));
  EXPECT_THAT(message(at::Tensor(), {}), HasSubstr("not defined"));
  EXPECT_THAT(message(pictures, {{"v", at::zeros({1})}}), HasSubstr("no constant v"));
  EXPECT_THAT(message(pictures, {{"w", at::zeros({2, 2, 3})}}), HasSubstr("[2, 2, 3, 3]"));
  EXPECT_THAT(message(pictures, {{"w", at::Tensor()}}), HasSubstr("not defined"));
  EXPECT_THAT(
      message(pictures, {{"n.mean", at::zeros({2}).requires_grad_(true)}}, BatchNormRun::kTraining),
      HasSubstr("n.mean"));
  EXPECT_EQ(trainable->Initial("x").status().code(), absl::StatusCode::kInvalidArgument);
}

// The network of the values up to "c" has no normalization.
TEST(Trainable, ValuesThatNoFetchedValueNeedsAreLeftAlone) {
  const Trainable::Values values = LeafValues(*MustOpen(Residual()));
  TrainableOptions options;
  options.fetch = {"c"};
  const auto part = MustOpen(Residual(), options);
  ASSERT_NE(part, nullptr);
  ASSERT_EQ(part->constants().size(), 1U);
  EXPECT_EQ(MustRun(*part, Varied({1, 2, 5, 6}, 1), values).size(), 1U);
}

// Operators that autocast treats each in its own way, under gradients.
TEST(Trainable, RunsInBf16UnderAutocastAndAnswersInF32) {
  if (!HasBf16("cpu")) GTEST_SKIP() << "this CPU computes no bf16";
  Net net({2, 6, 6});
  net.Add(MakeNode("Conv", {"x", "w", "b"}, "c", {{"pads", kPads}}));
  AddNorm(net, "c", "n");
  net.Add(MakeNode("PRelu", {"n", "slope"}, "p"));
  net.Add(MakeNode("ConvTranspose", {"p", "tw"}, "t", {{"strides", Ints{2, 2}}}));
  net.Add(MakeNode("MaxPool", {"t"}, "m", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}));
  net.Add(MakeNode("Concat", {"m", "x"}, "cat", {{"axis", int64_t{1}}}));
  net.Add(MakeNode("GlobalAveragePool", {"cat"}, "g")).Add(MakeNode("Flatten", {"g"}, "f"));
  net.Add(MakeNode("MatMul", {"f", "mw"}, "mm")).Add(MakeNode("Add", {"mm", "mb"}, "a"));
  net.Add(MakeNode("Gemm", {"a", "gw", "gb"}, "y"));
  net.Set("w", Varied({2, 2, 3, 3}, 1)).Set("b", Varied({2}, 2)).Set("slope", Varied({2, 1, 1}, 3));
  net.Set("tw", Varied({2, 2, 2, 2}, 4)).Set("mw", Varied({4, 3}, 5)).Set("mb", Varied({3}, 6));
  net.Set("gw", Varied({3, 2}, 7)).Set("gb", Varied({2}, 8));
  const auto trainable = MustOpen(net);
  ASSERT_NE(trainable, nullptr);
  const base::Tensor pictures = Varied({4, 2, 6, 6}, 9);
  for (const BatchNormRun norm : {BatchNormRun::kFrozen, BatchNormRun::kTraining}) {
    const auto plain = FloatsOf(MustRun(*trainable, pictures, LeafValues(*trainable), norm)[0]);
    const Trainable::Values values = LeafValues(*trainable);
    at::Tensor y;
    {
      const AutocastScope autocast("cpu", true);
      y = MustRun(*trainable, pictures, values, norm)[0];
    }
    EXPECT_EQ(y.scalar_type(), at::kFloat);
    EXPECT_NE(FloatsOf(y), plain);
    EXPECT_THAT(FloatsOf(y), Pointwise(FloatNear(0.1F), plain));
    y.sum().backward();
    for (const auto& [name, value] : values) {
      if (!value.requires_grad()) continue;
      ASSERT_TRUE(value.grad().defined()) << name;
      EXPECT_THAT(FloatsOf(value.grad()),
                  Each(::testing::Truly([](float g) { return std::isfinite(g); })))
          << name;
    }
  }
}

}  // namespace
}  // namespace lbw::engine

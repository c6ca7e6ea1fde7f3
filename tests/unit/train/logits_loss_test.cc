#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "train/loss.h"
#include "unit/train/loss_fixture.h"

namespace lbw::train {
namespace {

using detect::Activation;
using detect::Background;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Three classes.
model::Model Classifier(Activation activation, Background background = Background::kNone) {
  model::Model model;
  model.spec.classes = {"a", "b", "c"};
  model.spec.head.kind = "logits";
  model.spec.head.scores.values = {{"logits", {}, {}}};
  model.spec.head.score_activation = activation;
  model.spec.head.background = background;
  return model;
}

LossOptions Shares(double labels, double distill) {
  LossOptions options;
  options.labels = labels;
  options.distill = distill;
  return options;
}

BatchTruth Labels(std::vector<int32_t> labels) {
  BatchTruth truth;
  truth.labels = std::move(labels);
  return truth;
}

// e^x of the first row: 1, 2, 5: -log(2 / 8) = log 4. Second row: all equal: log 3.
TEST(LogitsLoss, SoftmaxCrossEntropyByHand) {
  const auto loss = MakeLoss(Classifier(Activation::kSoftmax), {});
  EXPECT_THAT(loss->inputs(), ElementsAre("logits"));
  const at::Tensor logits = TensorOf({2, 3}, {0, std::log(2.0), std::log(5.0), 7, 7, 7});
  const LossValue value = Compute(*loss, {logits}, {}, Labels({1, 2}));
  EXPECT_NEAR(value.total->item<double>(), (std::log(4.0) + std::log(3.0)) / 2, 1e-12);
  EXPECT_EQ(value.terms.size(), 1U);
  EXPECT_NEAR(value.terms.at("scores"), (std::log(4.0) + std::log(3.0)) / 2, 1e-12);
}

// Background first: the classes' channels begin at 1. The row is that of the case before with a
// background of e^x = 8: -log(2 / 16) = log 8.
TEST(LogitsLoss, ClassesStandBehindABackground) {
  const double row[] = {0, std::log(2.0), std::log(5.0)};
  const auto first = MakeLoss(Classifier(Activation::kSoftmax, Background::kFirst), {});
  EXPECT_NEAR(
      TotalOf(*first, {TensorOf({1, 4}, {std::log(8.0), row[0], row[1], row[2]})}, {}, Labels({1})),
      std::log(8.0), 1e-12);
  const auto last = MakeLoss(Classifier(Activation::kSoftmax, Background::kLast), {});
  EXPECT_NEAR(
      TotalOf(*last, {TensorOf({1, 4}, {row[0], row[1], row[2], std::log(8.0)})}, {}, Labels({1})),
      std::log(8.0), 1e-12);
}

// softplus(0) = log 2 for each class that is absent; the label's own: softplus(-log 3) = log(4/3).
TEST(LogitsLoss, SigmoidCrossEntropyByHand) {
  const auto loss = MakeLoss(Classifier(Activation::kSigmoid), {});
  EXPECT_NEAR(TotalOf(*loss, {TensorOf({1, 3}, {0, std::log(3.0), 0})}, {}, Labels({1})),
              2 * std::log(2.0) + std::log(4.0 / 3), 1e-12);
}

// Targets 0.1, 0.8, 0.1 (0.3 shared by three): with e^x = 1, 2, 5 the sum of t_i (log 8 - x_i) is
// log 8 - 0.8 log 2 - 0.1 log 5. Sigmoid: targets 0.15, 0.85, 0.15.
TEST(LogitsLoss, LabelSmoothingByHand) {
  LossOptions options;
  options.label_smoothing = 0.3;
  const at::Tensor logits = TensorOf({1, 3}, {0, std::log(2.0), std::log(5.0)});
  EXPECT_NEAR(
      TotalOf(*MakeLoss(Classifier(Activation::kSoftmax), options), {logits}, {}, Labels({1})),
      std::log(8.0) - 0.8 * std::log(2.0) - 0.1 * std::log(5.0), 1e-12);
  EXPECT_NEAR(
      TotalOf(*MakeLoss(Classifier(Activation::kSigmoid), options), {logits}, {}, Labels({1})),
      std::log(2.0) + (std::log(3.0) - 0.85 * std::log(2.0)) +
          (std::log(6.0) - 0.15 * std::log(5.0)),
      1e-12);
}

// Teacher 1/2, 1/4, 1/4, student a third each: the sum of p log(p / q) is log 3 - 1.5 log 2.
TEST(LogitsLoss, DistanceByHand) {
  const auto loss = MakeLoss(Classifier(Activation::kSoftmax), Shares(0, 2));
  const LossValue value =
      Compute(*loss, {TensorOf({1, 3}, {4, 4, 4})}, {TensorOf({1, 3}, {std::log(2.0), 0, 0})}, {});
  const double expected = std::log(3.0) - 1.5 * std::log(2.0);
  EXPECT_NEAR(value.terms.at("distill.scores"), expected, 1e-12);
  EXPECT_NEAR(value.total->item<double>(), 2 * expected, 1e-12);
  EXPECT_EQ(value.terms.count("scores"), 0U);
}

TEST(LogitsLoss, NoActivationMeansSoftmax) {
  const at::Tensor logits = RandomTensor({4, 3}, 1);
  const BatchTruth truth = Labels({0, 1, 2, 0});
  EXPECT_EQ(TotalOf(*MakeLoss(Classifier(Activation::kNone), {}), {logits}, {}, truth),
            TotalOf(*MakeLoss(Classifier(Activation::kSoftmax), {}), {logits}, {}, truth));
}

TEST(LogitsLoss, GradientsAreThoseOfDifferences) {
  for (const Activation activation : {Activation::kSoftmax, Activation::kSigmoid}) {
    for (const Background background : {Background::kNone, Background::kFirst}) {
      LossOptions options = Shares(0.7, 1.3);
      options.label_smoothing = 0.1;
      const auto loss = MakeLoss(Classifier(activation, background), options);
      const int64_t channels = background == Background::kNone ? 3 : 4;
      ExpectGradients(*loss, {RandomTensor({3, channels}, 2)}, {RandomTensor({3, channels}, 3)},
                      Labels({2, 0, 1}));
    }
  }
}

TEST(LogitsLoss, AnEqualTeacherIsNoDistanceAndNoGradient) {
  for (const Activation activation : {Activation::kSoftmax, Activation::kSigmoid}) {
    const auto loss = MakeLoss(Classifier(activation), Shares(0, 1));
    const at::Tensor logits = RandomTensor({5, 3}, 4).to(at::kFloat);
    EXPECT_EQ(TotalOf(*loss, {logits}, {logits}, {}), 0);
    EXPECT_LT(LargestOf(GradientsOf(*loss, {logits}, {logits}, {})), 1e-7);
  }
}

TEST(LogitsLoss, HugeLogitsStayFinite) {
  const at::Tensor logits = TensorOf({1, 3}, {1e4, -1e4, 0}).to(at::kFloat);
  for (const Activation activation : {Activation::kSoftmax, Activation::kSigmoid}) {
    const auto loss = MakeLoss(Classifier(activation), Shares(1, 1));
    EXPECT_NEAR(TotalOf(*loss, {logits}, {logits}, Labels({0})),
                activation == Activation::kSoftmax ? 0 : std::log(2.0), 1e-6);
    const auto gradients = GradientsOf(*loss, {logits}, {logits}, Labels({1}));
    EXPECT_TRUE(std::isfinite(gradients[0].sum().item<double>()));
  }
}

TEST(LogitsLoss, TrailingOnesAndHalvesAreRead) {
  const at::Tensor logits = RandomTensor({4, 3}, 5);
  const BatchTruth truth = Labels({0, 1, 2, 0});
  const auto loss = MakeLoss(Classifier(Activation::kSoftmax), {});
  const double expected = TotalOf(*loss, {logits}, {}, truth);
  EXPECT_EQ(TotalOf(*loss, {logits.reshape({4, 3, 1, 1})}, {}, truth), expected);
  EXPECT_NEAR(TotalOf(*loss, {logits.to(at::kBFloat16)}, {}, truth), expected, 0.02);
}

TEST(LogitsLoss, RefusesWhatDoesNotFit) {
  const auto loss = MakeLoss(Classifier(Activation::kSoftmax), Shares(1, 1));
  const at::Tensor logits = RandomTensor({2, 3}, 6);
  const BatchTruth truth = Labels({0, 1});
  const auto refused = [&](const std::vector<at::Tensor>& outputs,
                           const std::vector<at::Tensor>& teacher, const BatchTruth& batch) {
    const auto value = loss->Compute(outputs, teacher, batch);
    EXPECT_FALSE(value.ok());
    return value.status();
  };
  absl::Status status = refused({RandomTensor({2, 4}, 6)}, {logits}, truth);
  EXPECT_EQ(ReasonOf(status), "BAD_GRAPH");
  EXPECT_THAT(std::string(status.message()), HasSubstr("value logits has shape [2, 4]"));
  EXPECT_EQ(ReasonOf(refused({RandomTensor({2, 6}, 6)}, {logits}, truth)), "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused({RandomTensor({2, 3, 2, 2}, 6)}, {logits}, truth)), "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused({logits.to(at::kLong)}, {logits}, truth)), "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused({}, {logits}, truth)), "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused({logits}, {}, truth)), "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused({logits}, {RandomTensor({3, 3}, 6)}, truth)), "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused({logits}, {logits}, Labels({0}))), "BAD_ARGUMENT");
  status = refused({logits}, {logits}, Labels({0, 3}));
  EXPECT_EQ(ReasonOf(status), "BAD_ARGUMENT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("0..2: label=3 picture=1"));
  EXPECT_EQ(ReasonOf(refused({logits}, {logits}, Labels({0, -1}))), "BAD_ARGUMENT");
}

TEST(NewHeadLoss, ListsTheHeadsThatCanBeTrained) {
  EXPECT_THAT(TrainableHeads(), ElementsAre("logits", "ssd"));
  model::Model model = Classifier(Activation::kSoftmax);
  model.spec.head.kind = "boxes";
  const auto loss = NewHeadLoss(model, {});
  ASSERT_FALSE(loss.ok());
  EXPECT_EQ(loss.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(loss.status()), "UNSUPPORTED_HEAD");
  EXPECT_THAT(std::string(loss.status().message()),
              HasSubstr("\"boxes\" cannot be trained; those that can: logits, ssd"));
}

TEST(NewHeadLoss, NeedsLogits) {
  model::Model model = Classifier(Activation::kSoftmax);
  model.spec.head.scores.activation = Activation::kNone;
  const auto loss = NewHeadLoss(model, {});
  ASSERT_FALSE(loss.ok());
  EXPECT_EQ(ReasonOf(loss.status()), "BAD_SPEC");
  EXPECT_THAT(std::string(loss.status().message()), HasSubstr("value logits is probabilities"));
  // Import found them.
  model.spec.head.scores.logits = {{"before", {}, {}}};
  EXPECT_THAT(MakeLoss(model, {})->inputs(), ElementsAre("before"));
}

TEST(NewHeadLoss, ChecksItsOptions) {
  const auto loss = NewHeadLoss(Classifier(Activation::kSoftmax), Shares(0, 0));
  ASSERT_FALSE(loss.ok());
  EXPECT_EQ(ReasonOf(loss.status()), "BAD_ARGUMENT");
}

}  // namespace
}  // namespace lbw::train

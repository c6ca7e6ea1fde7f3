#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>

#include "base/cancel.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/torch_executor.h"
#include "model/import_model.h"
#include "support/test_data.h"
#include "train/heads.h"
#include "train/loss.h"
#include "unit/model/tiny_model.h"
#include "unit/train/loss_fixture.h"

namespace lbw::train {
namespace {

using detect::Activation;
using detect::Background;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const double kLn2 = std::log(2.0);
const double kLn3 = std::log(3.0);

// Four anchors, the quarters of the picture: (row, col) = (0, 0), (0, 1), (1, 0), (1, 1).
model::Model Quarters(Activation activation, Background background, int classes) {
  model::Model model;
  model.spec.input.height = 80;
  model.spec.input.width = 100;
  for (int i = 0; i < classes; ++i) model.spec.classes.push_back(std::string(1, char('a' + i)));
  detect::HeadSpec& head = model.spec.head;
  head.kind = "ssd";
  head.boxes.values = {{"loc", {}, {}}};
  head.scores.values = {{"conf", {}, {}}};
  head.score_activation = activation;
  head.background = background;
  detect::PriorLevel level;
  level.rows = 2;
  level.cols = 2;
  level.wh = {{0.5F, 0.5F}};
  head.box.priors = {level};
  return model;
}

TruthBox Quarter(size_t row, size_t col, int32_t class_index) {
  return {
      {0.25F + 0.5F * static_cast<float>(col), 0.25F + 0.5F * static_cast<float>(row), 0.5F, 0.5F},
      class_index,
      false};
}

BatchTruth Boxes(std::vector<std::vector<TruthBox>> boxes) {
  BatchTruth truth;
  truth.boxes = std::move(boxes);
  return truth;
}

LossOptions Shares(double labels, double distill) {
  LossOptions options;
  options.labels = labels;
  options.distill = distill;
  return options;
}

at::Tensor Zeros(at::IntArrayRef sizes) {
  return at::zeros(sizes, at::TensorOptions().dtype(at::kDouble));
}

// Class 1 stands exactly in the first quarter. Its anchor: softplus(0) = log 2 for each of two
// classes. One negative: the third, whose logit log 3 costs log 4, and log 2 for the other class.
// Boxes: smooth-L1 of 0.5, -2, 0, 1 is 0.125 + 1.5 + 0 + 0.5; those of other anchors do not count.
TEST(SsdLoss, SigmoidLabelsByHand) {
  LossOptions options;
  options.negatives = 1;
  options.box_weight = 2;
  options.labels = 3;
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 2), options);
  EXPECT_THAT(loss->inputs(), ElementsAre("loc", "conf"));
  const at::Tensor boxes = TensorOf({1, 4, 4}, {0.5, -2, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9});
  const at::Tensor scores = TensorOf({1, 4, 2}, {0, 0, 0, 0, kLn3, 0, 0, 0});
  const LossValue value = Compute(*loss, {boxes, scores}, {}, Boxes({{Quarter(0, 0, 1)}}));
  EXPECT_NEAR(value.terms.at("scores"), 2 * kLn2 + 3 * kLn2, 1e-12);
  EXPECT_NEAR(value.terms.at("boxes"), 2.125, 1e-12);
  EXPECT_EQ(value.terms.size(), 2U);
  EXPECT_NEAR(value.total->item<double>(), 3 * (5 * kLn2 + 2 * 2.125), 1e-12);
}

// Three channels, all equal: log 3 for the positive; the third anchor, whose class 0 has e^x = 2,
// costs log 4 as background.
TEST(SsdLoss, SoftmaxLabelsByHand) {
  LossOptions options;
  options.negatives = 1;
  for (const Background background : {Background::kFirst, Background::kLast}) {
    const auto loss = MakeLoss(Quarters(Activation::kSoftmax, background, 2), options);
    const at::Tensor scores = background == Background::kFirst
                                  ? TensorOf({1, 4, 3}, {0, 0, 0, 0, 0, 0, 0, kLn2, 0, 0, 0, 0})
                                  : TensorOf({1, 4, 3}, {0, 0, 0, 0, 0, 0, kLn2, 0, 0, 0, 0, 0});
    const LossValue value =
        Compute(*loss, {Zeros({1, 4, 4}), scores}, {}, Boxes({{Quarter(0, 0, 1)}}));
    EXPECT_NEAR(value.terms.at("scores"), kLn3 + std::log(4.0), 1e-12);
    EXPECT_NEAR(value.terms.at("boxes"), 0, 1e-12);
    // Class 1 at e^x = 2 in its own anchor: log(4 / 2).
    const at::Tensor better = scores.clone();
    better.select(0, 0)
        .select(0, 0)
        .select(0, background == Background::kFirst ? 2 : 1)
        .fill_(kLn2);
    EXPECT_NEAR(TotalOf(*loss, {Zeros({1, 4, 4}), better}, {}, Boxes({{Quarter(0, 0, 1)}})),
                kLn2 + std::log(4.0), 1e-12);
  }
}

// Two pictures: three positives there, none here. Divided by 3, not a picture at a time; the
// picture without any takes two negatives of 4 log 2, the other one the only background that it
// has.
TEST(SsdLoss, NegativesAreChosenAPictureAtATime) {
  LossOptions options;
  options.negatives = 2;
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 1), options);
  const BatchTruth truth = Boxes({{Quarter(0, 0, 0), Quarter(0, 1, 0), Quarter(1, 0, 0)}, {}});
  const LossValue value = Compute(*loss, {Zeros({2, 4, 4}), Zeros({2, 4, 1})}, {}, truth);
  EXPECT_NEAR(value.terms.at("scores"), (3 + 1 + 2) * kLn2 / 3, 1e-12);
}

TEST(SsdLoss, NoBoxesInTheBatch) {
  LossOptions options;
  options.negatives = 3;
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 1), options);
  const std::vector<at::Tensor> outputs = {RandomTensor({2, 4, 4}, 1), Zeros({2, 4, 1})};
  const LossValue value = Compute(*loss, outputs, {}, Boxes({{}, {}}));
  EXPECT_NEAR(value.total->item<double>(), 6 * kLn2, 1e-12);
  EXPECT_EQ(value.terms.at("boxes"), 0);
  const auto gradients = GradientsOf(*loss, outputs, {}, Boxes({{}, {}}));
  EXPECT_EQ(LargestOf({gradients[0]}), 0);
  // All losses are equal: the first three of each picture.
  for (int64_t a = 0; a < 4; ++a) {
    EXPECT_NEAR(gradients[1].select(0, 1).select(0, a).item<double>(), a < 3 ? 0.5 : 0, 1e-12);
  }
}

TEST(SsdLoss, AllIgnoredIsNothing) {
  model::Model model = Quarters(Activation::kSoftmax, Background::kFirst, 1);
  std::vector<TruthBox> truths;
  for (size_t i = 0; i < 4; ++i) {
    truths.push_back(Quarter(i / 2, i % 2, 0));
    truths.back().difficult = true;
  }
  for (const bool focal : {false, true}) {
    LossOptions options;
    options.focal = focal;
    const auto loss = MakeLoss(model, options);
    const std::vector<at::Tensor> outputs = {RandomTensor({1, 4, 4}, 1),
                                             RandomTensor({1, 4, 2}, 2)};
    EXPECT_EQ(TotalOf(*loss, outputs, {}, Boxes({truths})), 0);
    EXPECT_EQ(LargestOf(GradientsOf(*loss, outputs, {}, Boxes({truths}))), 0);
  }
}

// p = 1/2 everywhere, alpha 1/4, gamma 2: the positive costs 1/4 * 1/4 * log 2, each of three
// negatives 3/4 * 1/4 * log 2.
TEST(SsdLoss, FocalSigmoidByHand) {
  LossOptions options;
  options.focal = true;
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 1), options);
  const LossValue value =
      Compute(*loss, {Zeros({1, 4, 4}), Zeros({1, 4, 1})}, {}, Boxes({{Quarter(0, 0, 0)}}));
  EXPECT_NEAR(value.terms.at("scores"), (1.0 / 16 + 9.0 / 16) * kLn2, 1e-12);
}

// p = 1/3 everywhere: (2/3)^2 log 3, times 1/4 for the positive and 3/4 for three negatives.
TEST(SsdLoss, FocalSoftmaxByHand) {
  LossOptions options;
  options.focal = true;
  const auto loss = MakeLoss(Quarters(Activation::kSoftmax, Background::kLast, 2), options);
  const LossValue value =
      Compute(*loss, {Zeros({1, 4, 4}), Zeros({1, 4, 3})}, {}, Boxes({{Quarter(0, 0, 0)}}));
  EXPECT_NEAR(value.terms.at("scores"), 4.0 / 9 * kLn3 * (0.25 + 3 * 0.75), 1e-12);
}

// The teacher says 3/4 at one anchor and 1/2 at three; the student 1/2 everywhere. KL of (3/4, 1/4)
// from (1/2, 1/2): log 2 - (2 log 2 - 3/4 log 3) = 3/4 log 3 - log 2. Z = 3/4 + 3/2. Boxes: 1/2
// apart in one number of the first (1/8), 2 in one of the second (3/2).
TEST(SsdLoss, DistanceByHand) {
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 1), Shares(0, 2));
  const at::Tensor goal = TensorOf({1, 4, 4}, {0.5, 0, 0, 0, 0, 0, -2, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const LossValue value = Compute(*loss, {Zeros({1, 4, 4}), Zeros({1, 4, 1})},
                                  {goal, TensorOf({1, 4, 1}, {kLn3, 0, 0, 0})}, {});
  const double scores = (0.75 * kLn3 - kLn2) / 2.25;
  const double boxes = (0.125 * 0.75 + 1.5 * 0.5) / 2.25;
  EXPECT_NEAR(value.terms.at("distill.scores"), scores, 1e-12);
  EXPECT_NEAR(value.terms.at("distill.boxes"), boxes, 1e-12);
  EXPECT_EQ(value.terms.size(), 2U);
  EXPECT_NEAR(value.total->item<double>(), 2 * (scores + boxes), 1e-12);
}

// Background's score 1/2 is no class's: u is 1/4 of four anchors, Z = 1.
TEST(SsdLoss, DistanceOfSoftmaxByHand) {
  const auto loss = MakeLoss(Quarters(Activation::kSoftmax, Background::kFirst, 2), Shares(0, 1));
  at::Tensor goal = Zeros({1, 4, 3});
  goal.select(-1, 0).fill_(kLn2);
  const LossValue value =
      Compute(*loss, {Zeros({1, 4, 4}), Zeros({1, 4, 3})}, {Zeros({1, 4, 4}).fill_(0.5), goal}, {});
  EXPECT_NEAR(value.terms.at("distill.scores"), 4 * (kLn3 - 1.5 * kLn2), 1e-12);
  EXPECT_NEAR(value.terms.at("distill.boxes"), 4 * 4 * 0.125 * 0.25, 1e-12);
}

TEST(SsdLoss, SharesAdd) {
  const model::Model model = Quarters(Activation::kSoftmax, Background::kLast, 2);
  const std::vector<at::Tensor> outputs = {RandomTensor({2, 4, 4}, 1), RandomTensor({2, 4, 3}, 2)};
  const std::vector<at::Tensor> teacher = {RandomTensor({2, 4, 4}, 3), RandomTensor({2, 4, 3}, 4)};
  const BatchTruth truth = Boxes({{Quarter(0, 1, 0)}, {Quarter(1, 1, 1), Quarter(0, 0, 0)}});
  const double labels = TotalOf(*MakeLoss(model, Shares(1, 0)), outputs, teacher, truth);
  const double distance = TotalOf(*MakeLoss(model, Shares(0, 1)), outputs, teacher, truth);
  EXPECT_NEAR(TotalOf(*MakeLoss(model, Shares(0.3, 2)), outputs, teacher, truth),
              0.3 * labels + 2 * distance, 1e-12);
}

struct GradientCase {
  std::string name;
  Activation activation;
  Background background;
  bool focal;
};

class SsdGradients : public ::testing::TestWithParam<GradientCase> {};

TEST_P(SsdGradients, AreThoseOfDifferences) {
  const GradientCase& one = GetParam();
  LossOptions options = Shares(0.7, 1.3);
  options.focal = one.focal;
  options.focal_gamma = 1.5;
  options.negatives = 1;
  options.box_weight = 0.5;
  const model::Model model = Quarters(one.activation, one.background, 2);
  const auto loss = MakeLoss(model, options);
  const int64_t channels = one.background == Background::kNone ? 2 : 3;
  ExpectGradients(*loss, {RandomTensor({2, 4, 4}, 11), RandomTensor({2, 4, channels}, 12)},
                  {RandomTensor({2, 4, 4}, 13), RandomTensor({2, 4, channels}, 14)},
                  Boxes({{Quarter(0, 1, 0), Quarter(1, 0, 1)}, {}}));
}

INSTANTIATE_TEST_SUITE_P(
    All, SsdGradients,
    ::testing::Values(GradientCase{"Sigmoid", Activation::kSigmoid, Background::kNone, false},
                      GradientCase{"SigmoidWithBackground", Activation::kSigmoid,
                                   Background::kFirst, false},
                      GradientCase{"SoftmaxFirst", Activation::kSoftmax, Background::kFirst, false},
                      GradientCase{"SoftmaxLast", Activation::kSoftmax, Background::kLast, false},
                      GradientCase{"FocalSigmoid", Activation::kSigmoid, Background::kNone, true},
                      GradientCase{"FocalSoftmax", Activation::kSoftmax, Background::kLast, true}),
    [](const auto& one) { return one.param.name; });

TEST(SsdLoss, AnEqualTeacherIsNoDistanceAndNoGradient) {
  for (const Activation activation : {Activation::kSigmoid, Activation::kSoftmax}) {
    const auto loss = MakeLoss(Quarters(activation, Background::kFirst, 2), Shares(0, 1));
    const std::vector<at::Tensor> outputs = {RandomTensor({2, 4, 4}, 1).to(at::kFloat),
                                             RandomTensor({2, 4, 3}, 2).to(at::kFloat)};
    EXPECT_EQ(TotalOf(*loss, outputs, outputs, {}), 0);
    EXPECT_LT(LargestOf(GradientsOf(*loss, outputs, outputs, {})), 1e-7);
  }
}

TEST(SsdLoss, HugeLogitsStayFinite) {
  const std::vector<at::Tensor> outputs = {
      Zeros({1, 4, 4}).to(at::kFloat),
      TensorOf({1, 4, 3}, {1e4, -1e4, 0, -1e4, 1e4, 0, 0, 0, 1e4, 0, 0, -1e4}).to(at::kFloat)};
  for (const Activation activation : {Activation::kSigmoid, Activation::kSoftmax}) {
    for (const bool focal : {false, true}) {
      LossOptions options = Shares(1, 1);
      options.focal = focal;
      options.focal_gamma = 0.5;
      const auto loss = MakeLoss(Quarters(activation, Background::kFirst, 2), options);
      const BatchTruth truth = Boxes({{Quarter(0, 0, 1)}});
      EXPECT_TRUE(std::isfinite(TotalOf(*loss, outputs, outputs, truth)));
      const auto gradients = GradientsOf(*loss, outputs, outputs, truth);
      EXPECT_TRUE(std::isfinite(gradients[1].sum().item<double>()));
    }
  }
}

// log 2 of the absent class beside a huge logit of the present one, which costs nothing: float32
// would lose it in 10,000 - 10,000.
TEST(SsdLoss, HugeLogitsKeepTheRestExact) {
  LossOptions options = Shares(1, 0);
  options.negatives = 0;
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 2), options);
  at::Tensor scores = Zeros({1, 4, 2}).to(at::kFloat);
  scores.select(1, 0).select(1, 1).fill_(1e4);
  EXPECT_NEAR(
      TotalOf(*loss, {Zeros({1, 4, 4}).to(at::kFloat), scores}, {}, Boxes({{Quarter(0, 0, 1)}})),
      kLn2, 1e-6);
}

TEST(SsdLoss, NanShowsInTheLoss) {
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 1), {});
  at::Tensor scores = Zeros({1, 4, 1});
  scores.select(1, 3).fill_(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(std::isnan(TotalOf(*loss, {Zeros({1, 4, 4}), scores}, {}, Boxes({{}}))));
}

// Ten anchors: two a cell of 2 x 2, two of 1 x 1.
model::Model TwoLevels(const detect::Role& boxes, const detect::Role& scores) {
  model::Model model = Quarters(Activation::kSoftmax, Background::kFirst, 2);
  detect::HeadSpec& head = model.spec.head;
  head.boxes = boxes;
  head.scores = scores;
  head.box.priors[0].wh = {{0.5F, 0.5F}, {0.3F, 0.6F}};
  detect::PriorLevel coarse;
  coarse.rows = 1;
  coarse.cols = 1;
  coarse.wh = {{0.9F, 0.8F}, {0.7F, 1.0F}};
  head.box.priors.push_back(coarse);
  return model;
}

// Rows [N, side * side * 2, k] of one level as a convolution leaves them.
at::Tensor AsConvolution(const at::Tensor& rows, int64_t side) {
  return rows.reshape({rows.size(0), side, side, 2 * rows.size(2)}).permute({0, 3, 1, 2});
}
at::Tensor Fine(const at::Tensor& rows) { return AsConvolution(rows.narrow(1, 0, 8), 2); }
at::Tensor Coarse(const at::Tensor& rows) { return AsConvolution(rows.narrow(1, 8, 2), 1); }

using Outputs = std::vector<at::Tensor>;

// A head, and how its values come from rows.
struct Layout {
  std::string name;
  detect::Role boxes;
  detect::Role scores;
  std::function<Outputs(const at::Tensor&, const at::Tensor&)> outputs;
};

detect::Role RoleOf(std::vector<detect::ValueSlice> values) {
  detect::Role role;
  role.values = std::move(values);
  return role;
}

std::vector<Layout> Layouts() {
  const detect::Role loc = RoleOf({{"loc", {}, {}}});
  const detect::Role conf = RoleOf({{"conf", {}, {}}});
  const detect::Role locs = RoleOf({{"loc_0", {}, {}}, {"loc_1", {}, {}}});
  const detect::Role confs = RoleOf({{"conf_0", {}, {}}, {"conf_1", {}, {}}});
  return {
      {"flat", loc, conf,
       [](const at::Tensor& b, const at::Tensor& s) {
         return Outputs{b.reshape({2, 40}), s.reshape({2, 30})};
       }},
      {"convolutions", locs, confs,
       [](const at::Tensor& b, const at::Tensor& s) {
         return Outputs{Fine(b).contiguous(), Coarse(b).contiguous(), Fine(s).contiguous(),
                        Coarse(s).contiguous()};
       }},
      {"convolutions, channels last", locs, confs,
       [](const at::Tensor& b, const at::Tensor& s) {
         return Outputs{Fine(b), Coarse(b), Fine(s), Coarse(s)};
       }},
      {"rows and convolutions", RoleOf({{"loc_0", {}, {}}, {"loc_1", {}, {}}}), conf,
       [](const at::Tensor& b, const at::Tensor& s) {
         return Outputs{b.narrow(1, 0, 8), Coarse(b), s};
       }},
      {"slices of rows", RoleOf({{"all", 1, 5}}), RoleOf({{"all", 5, 8}}),
       [](const at::Tensor& b, const at::Tensor& s) {
         return Outputs{at::cat({s.narrow(2, 1, 1), b, s}, 2)};
       }},
      {"slices of convolutions", RoleOf({{"all_0", 0, 8}, {"all_1", 0, 8}}),
       RoleOf({{"all_0", 8, 14}, {"all_1", 8, 14}}),
       [](const at::Tensor& b, const at::Tensor& s) {
         return Outputs{at::cat({Fine(b), Fine(s)}, 1), at::cat({Coarse(b), Coarse(s)}, 1)};
       }},
  };
}

TEST(SsdLoss, EveryLayoutGivesTheSameLossAndGradient) {
  const LossOptions options = Shares(1, 0.5);
  const BatchTruth truth = Boxes({{Quarter(0, 1, 1)}, {{{0.5F, 0.5F, 0.9F, 0.8F}, 0, false}}});
  const Outputs rows = {RandomTensor({2, 10, 4}, 21), RandomTensor({2, 10, 3}, 22)};
  const Outputs goal = {RandomTensor({2, 10, 4}, 23), RandomTensor({2, 10, 3}, 24)};
  const auto plain =
      MakeLoss(TwoLevels(RoleOf({{"loc", {}, {}}}), RoleOf({{"conf", {}, {}}})), options);
  const double expected = TotalOf(*plain, rows, goal, truth);
  const Outputs gradients = GradientsOf(*plain, rows, goal, truth);
  ASSERT_GT(LargestOf(gradients), 0);
  for (const Layout& layout : Layouts()) {
    const auto loss = MakeLoss(TwoLevels(layout.boxes, layout.scores), options);
    const Outputs leaves = {Leaf(rows[0]), Leaf(rows[1])};
    const Outputs outputs = layout.outputs(leaves[0], leaves[1]);
    ASSERT_EQ(outputs.size(), loss->inputs().size()) << layout.name;
    const LossValue value = Compute(*loss, outputs, layout.outputs(goal[0], goal[1]), truth);
    EXPECT_NEAR(value.total->item<double>(), expected, 1e-12) << layout.name;
    value.total->backward();
    for (size_t i = 0; i < leaves.size(); ++i) {
      EXPECT_LT(LargestOf({leaves[i].grad().sub(gradients[i])}), 1e-12) << layout.name;
    }
  }
}

TEST(SsdLoss, PriorsFromAConstant) {
  model::Model model = Quarters(Activation::kSigmoid, Background::kNone, 1);
  const std::vector<at::Tensor> outputs = {RandomTensor({1, 4, 4}, 1), RandomTensor({1, 4, 1}, 2)};
  const BatchTruth truth = Boxes({{Quarter(1, 0, 0)}});
  const double expected = TotalOf(*MakeLoss(model, {}), outputs, {}, truth);
  model.spec.head.box.priors.clear();
  model.spec.head.box.prior_tensor = "anchors";
  EXPECT_EQ(ReasonOf(NewHeadLoss(model, {}).status()), "BAD_SPEC");
  model.constants["anchors"] =
      base::Tensor::FromF32({1, 4, 4}, {0.25F, 0.25F, 0.5F, 0.5F, 0.75F, 0.25F, 0.5F, 0.5F, 0.25F,
                                        0.75F, 0.5F, 0.5F, 0.75F, 0.75F, 0.5F, 0.5F});
  EXPECT_EQ(TotalOf(*MakeLoss(model, {}), outputs, {}, truth), expected);
}

TEST(SsdLoss, RefusesWhatDoesNotFit) {
  const auto loss = MakeLoss(Quarters(Activation::kSigmoid, Background::kNone, 2), Shares(1, 1));
  const Outputs good = {Zeros({1, 4, 4}), Zeros({1, 4, 2})};
  const auto refused = [&](const Outputs& outputs, const Outputs& teacher,
                           const BatchTruth& truth) {
    const auto value = loss->Compute(outputs, teacher, truth);
    EXPECT_FALSE(value.ok());
    return value.status();
  };
  absl::Status status = refused({Zeros({1, 3, 4}), Zeros({1, 3, 2})}, good, Boxes({{}}));
  EXPECT_EQ(ReasonOf(status), "BAD_GRAPH");
  EXPECT_THAT(std::string(status.message()), HasSubstr("head.boxes.priors gives 4"));
  status = refused({Zeros({1, 4, 4}), Zeros({1, 4, 3})}, good, Boxes({{}}));
  EXPECT_THAT(std::string(status.message()), HasSubstr("value conf has shape [1, 4, 3]"));
  EXPECT_EQ(ReasonOf(refused({Zeros({2, 4, 4}), Zeros({1, 4, 2})}, good, Boxes({{}}))),
            "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused(good, {Zeros({2, 4, 4}), Zeros({2, 4, 2})}, Boxes({{}}))),
            "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused(good, {}, Boxes({{}}))), "BAD_GRAPH");
  EXPECT_EQ(ReasonOf(refused(good, good, Boxes({{}, {}}))), "BAD_ARGUMENT");
  status = refused(good, good, Boxes({{Quarter(0, 0, 2)}}));
  EXPECT_EQ(ReasonOf(status), "BAD_ARGUMENT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("0..1: class=2 picture=0"));
  EXPECT_EQ(ReasonOf(refused(good, good, Boxes({{Quarter(0, 0, -1)}}))), "BAD_ARGUMENT");
}

TEST(SsdLoss, HeadsThatCannotBeTrained) {
  const auto refused = [](const model::Model& model, const std::string& message) {
    const auto loss = NewHeadLoss(model, {});
    ASSERT_FALSE(loss.ok()) << message;
    EXPECT_EQ(ReasonOf(loss.status()), "BAD_SPEC");
    EXPECT_THAT(std::string(loss.status().message()), HasSubstr(message));
  };
  refused(Quarters(Activation::kNone, Background::kNone, 2), "head.score.activation");
  refused(Quarters(Activation::kSoftmax, Background::kNone, 2), "head.score.background");
  model::Model model = Quarters(Activation::kSigmoid, Background::kNone, 2);
  model.spec.head.scores.activation = Activation::kNone;
  refused(model, "conf is probabilities already");
  model = Quarters(Activation::kSigmoid, Background::kNone, 2);
  model.spec.head.box.priors.clear();
  refused(model, "head.boxes.priors is missing");
  model = Quarters(Activation::kSigmoid, Background::kNone, 2);
  model.spec.head.scores.values.clear();
  refused(model, "head.outputs.scores is missing");
}

TEST(SsdLoss, ReadsTheLogitsThatImportTraced) {
  const auto inputs = [](const model::TinyOptions& options) {
    auto model = model::MakeTiny(options);
    EXPECT_TRUE(model.ok()) << model.status();
    return MakeLoss(*model, {})->inputs();
  };
  EXPECT_THAT(inputs({model::ActivationAt::kBranches}),
              ElementsAre("boxes", "cls_a_rows", "cls_b_rows"));
  EXPECT_THAT(inputs({model::ActivationAt::kEnd}), ElementsAre("boxes", "all_logits"));
  EXPECT_THAT(inputs({model::ActivationAt::kNowhere}), ElementsAre("boxes", "scores"));
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The published detector: activated logits, in their order, are the scores that it declares.
TEST(SsdLoss, LogitsOfARealDetectorAreInTheOrderOfItsScores) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const auto spec = model::ParseSpec(
      ReadAll(std::string(LBW_SOURCE_DIR) + "/server/model/examples/face_mask_ssd.yaml"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto imported =
      model::ImportOnnxModel(ReadAll(*data + "/weights_aizoo_ssd/face_mask_detection.onnx"), *spec);
  ASSERT_TRUE(imported.ok()) << imported.status();
  const model::Model& model = imported->model;
  const auto loss = MakeLoss(model, Shares(1, 1));
  ASSERT_NE(loss, nullptr);

  engine::CompileOptions options;
  options.fetch = loss->inputs();
  const size_t count = options.fetch.size();
  options.fetch.push_back("cls_branch_concat");
  options.height = options.width = 260;
  const auto executor =
      engine::NewTorchExecutorFactory()->Compile(model.graph, model.constants, options);
  ASSERT_TRUE(executor.ok()) << executor.status();
  base::Tensor pictures(base::DType::kF32, {2, 3, 260, 260});
  base::Random random(5);
  for (float& x : pictures.mutable_as<float>()) x = random.Unit();
  const auto fetched = (*executor)->Run(pictures.view(), base::CancelToken());
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  Outputs outputs;
  for (const base::Tensor& tensor : *fetched) {
    outputs.push_back(engine::CopyToTorch(tensor.view()).value());
  }
  const at::Tensor declared = outputs.back();
  outputs.resize(count);

  const auto source = FindLogits(model.spec.head);
  ASSERT_TRUE(source.ok()) << source.status();
  std::vector<std::string> inputs = {loss->inputs()[0]};
  const RoleRows reader("scores", source->slices, 2, inputs);
  ASSERT_EQ(inputs, loss->inputs());
  const auto rows = reader.Read(outputs);
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(1), 5972);
  EXPECT_LT(LargestOf({at::sigmoid(*rows).sub(declared)}), 1e-6);

  const BatchTruth truth = Boxes({{{{0.5F, 0.5F, 0.3F, 0.4F}, 0, false}}, {}});
  const LossValue value = Compute(*loss, outputs, outputs, truth);
  EXPECT_EQ(value.terms.at("distill.scores"), 0);
  EXPECT_EQ(value.terms.at("distill.boxes"), 0);
  EXPECT_GT(value.terms.at("scores"), 0);
  EXPECT_GT(value.terms.at("boxes"), 0);
}

}  // namespace
}  // namespace lbw::train

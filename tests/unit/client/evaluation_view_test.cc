#include "client/cpp/evaluation_view.h"

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

v1::Evaluation MakeDetection() {
  v1::Evaluation one;
  one.set_version("models/face/versions/2");
  one.set_dataset("datasets/faces");
  one.set_split("val");
  one.set_metric("map_50");
  one.set_value(0.8957);
  one.set_pictures(1839);
  one.mutable_options()->set_score_threshold(0.02F);
  v1::VocScores& voc = *one.mutable_voc();
  voc.set_map_50(0.8957);
  voc.set_map_11(0.8581);
  voc.mutable_map_50_interval()->set_low(0.8811);
  voc.mutable_map_50_interval()->set_high(0.9093);
  voc.mutable_map_50_interval()->set_level(0.95);
  for (const char* label : {"mask", "no_mask"}) {
    v1::VocClassScores& scores = *voc.add_classes();
    scores.set_label(label);
    scores.set_truths(1834);
    for (int i = 0; i <= 10; ++i) {
      v1::CurvePoint& point = *scores.add_curve();
      point.set_recall(i / 10.0);
      point.set_precision(1.0 - i / 20.0);
      point.set_score(1.0 - i / 10.0);
    }
  }
  voc.mutable_classes(0)->set_ap(0.91);
  voc.add_sizes()->set_size("small");
  one.mutable_coco()->set_ap(0.5);
  one.mutable_coco()->set_ar_large(0.75);
  return one;
}

TEST(RenderEvaluation, ADetectorsNumbersWithDashesWhereThereAreNone) {
  v1::Evaluation one = MakeDetection();
  one.mutable_agreement()->set_against("models/face/versions/1");
  one.mutable_agreement()->set_map_50(0.97);
  one.mutable_timings()->set_compute_ms(9.5);
  one.mutable_timings()->set_decode_ms(2.0);
  one.mutable_timings()->set_device("cpu");
  one.mutable_timings()->set_threads(2);
  const std::string text = RenderEvaluation(one);
  EXPECT_THAT(text, HasSubstr("face/2 on faces (val), 1,839 pictures, score > 0.02\n"));
  EXPECT_THAT(text, HasSubstr("mAP at 0.5, area      0.8957  0.8811 to 0.9093 (95 %, bootstrap"));
  EXPECT_THAT(text, HasSubstr("mAP at 0.5, 11-point  0.8581"));
  EXPECT_THAT(text, AllOf(HasSubstr("mask     0.9100            -    1,834"),
                          HasSubstr("no_mask       -")));
  EXPECT_THAT(text, AllOf(HasSubstr("AP         0.5000    AR 1            -"),
                          HasSubstr("AR large   0.7500")));
  EXPECT_THAT(text, HasSubstr("agreement with face/1: mAP 0.9700"));
  EXPECT_THAT(text, HasSubstr("11.50 ms a picture: decode 2.00, preprocess -, compute 9.50"));
}

// Scenario: no object of any class, and no picture that could be read.
TEST(RenderEvaluation, WhatIsNotDefinedIsADashAndNoZero) {
  v1::Evaluation one;
  one.set_dataset("datasets/faces");
  one.set_version("models/face/versions/2");
  one.set_metric("map_50");
  v1::VocClassScores& scores = *one.mutable_voc()->add_classes();
  scores.set_label("mask");
  one.mutable_timings()->set_threads(2);
  const std::string text = RenderEvaluation(one);
  EXPECT_THAT(text, HasSubstr("\n- ms a picture: decode -, preprocess -, compute -"));
  EXPECT_THAT(EvaluationWord(one), HasSubstr("map_50 - on faces"));
  google::protobuf::RepeatedPtrField<v1::Evaluation> list;
  *list.Add() = one;
  EXPECT_THAT(RenderEvaluationList(list), Not(HasSubstr("0.0")));
  const plot::Figure figure = EvaluationFigure(one);
  EXPECT_EQ(std::get<plot::Chart>(figure.panels[1]).series[0].label, "mask  -");
}

TEST(EvaluationFigure, AClassACurveWithItsBestThreshold) {
  const plot::Figure figure = EvaluationFigure(MakeDetection());
  ASSERT_THAT(figure.panels, SizeIs(2));
  const auto& curves = std::get<plot::Chart>(figure.panels[0]);
  ASSERT_THAT(curves.series, SizeIs(2));
  EXPECT_EQ(curves.series[0].label, "mask  AP 0.910");
  EXPECT_EQ(curves.series[1].label, "no_mask  AP -");
  const auto& f1 = std::get<plot::Chart>(figure.panels[1]);
  // 2 * 0.8 * 0.6 / 1.4.
  EXPECT_EQ(f1.series[0].label, "mask  0.686 at 0.20");
  EXPECT_TRUE(plot::RenderPng(figure).ok());
}

v1::Evaluation MakeClassifier(int classes) {
  v1::Evaluation one;
  one.set_metric("top1");
  v1::ClassificationScores& scores = *one.mutable_classification();
  scores.set_top1(0.803);
  scores.set_top_k(0.99);
  scores.set_k(5);
  for (int i = 0; i < classes; ++i) {
    v1::ClassAccuracy& accuracy = *scores.add_classes();
    accuracy.set_label("c" + std::to_string(i));
    accuracy.set_accuracy(0.1 * i);
    accuracy.set_pictures(200);
  }
  return one;
}

TEST(RenderEvaluation, AClassifiersAccuracyAndAgreement) {
  v1::Evaluation one = MakeClassifier(2);
  one.mutable_agreement()->set_same_top1(0.9711);
  const std::string text = RenderEvaluation(one);
  EXPECT_THAT(text, AllOf(HasSubstr("top-1  0.8030"), HasSubstr("top-5  0.9900"),
                          HasSubstr("c1       0.1000       200"),
                          HasSubstr("the same best class for 97.1 %")));
  EXPECT_THAT(text, Not(HasSubstr("mAP")));
}

TEST(EvaluationFigure, ConfusionAsSharesOfTheTrueClassElseAccuracies) {
  v1::Evaluation one = MakeClassifier(2);
  for (const uint64_t count : {30U, 10U, 0U, 0U})
    one.mutable_classification()->add_confusion(count);
  const plot::Figure figure = EvaluationFigure(one);
  const auto& map = std::get<plot::HeatMap>(figure.panels.front());
  EXPECT_THAT(map.shares, ::testing::ElementsAre(0.75, 0.25, 0.0, 0.0));
  EXPECT_THAT(map.texts, ::testing::ElementsAre("30", "10", "", ""));
  EXPECT_TRUE(plot::RenderPng(figure).ok());
  const plot::Figure many = EvaluationFigure(MakeClassifier(300));
  EXPECT_TRUE(std::holds_alternative<plot::Chart>(many.panels.front()));
  EXPECT_TRUE(plot::RenderPng(many).ok());
}

TEST(RenderEvaluationList, OneLineEach) {
  google::protobuf::RepeatedPtrField<v1::Evaluation> list;
  *list.Add() = MakeDetection();
  EXPECT_THAT(RenderEvaluationList(list), HasSubstr("face/2   faces    val    map_50  0.8957"));
}

}  // namespace
}  // namespace lbw::client

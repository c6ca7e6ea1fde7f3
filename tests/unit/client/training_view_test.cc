#include "client/cpp/training_view.h"

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "unit/client/make_training.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(RenderTraining, TellsEpochsLayersValuesAndTime) {
  const std::string text = RenderTraining(MakeTraining(), TrainingDetail::kWhole);
  EXPECT_THAT(text,
              HasSubstr("trained on 720 pictures of faces (train): 3 epochs, 135 steps of 16"));
  EXPECT_THAT(text, HasSubstr("distill.scores"));
  EXPECT_THAT(text, HasSubstr("codes changed %"));
  EXPECT_THAT(text, HasSubstr("0.9010"));
  EXPECT_THAT(text, HasSubstr("conv1.weight"));
  EXPECT_THAT(text,
              AllOf(HasSubstr("float version"), HasSubstr("0.8960"), HasSubstr("calibrated start"),
                    HasSubstr("0.8851"), HasSubstr("trained, average"), HasSubstr("0.9371"),
                    HasSubstr("trained, raw"), HasSubstr("0.9312")));
  EXPECT_THAT(text, HasSubstr("waiting for data 6.0 (2.0 % of the steps)"));
  EXPECT_THAT(text, HasSubstr("projection 3.0 (1.0 % of the steps)"));
  EXPECT_THAT(text, HasSubstr("75.0 s an epoch"));
  EXPECT_THAT(text, HasSubstr("2 threads, cpu, avx512_core_vnni"));
}

TEST(RenderTraining, ShortIsWithoutEpochsAndLayers) {
  const std::string text = RenderTraining(MakeTraining(), TrainingDetail::kShort);
  EXPECT_THAT(text, HasSubstr("0.9371"));
  EXPECT_THAT(text, Not(HasSubstr("conv1.weight")));
  EXPECT_THAT(text, Not(HasSubstr("distill.scores")));
}

TEST(RenderTraining, InFloatThereAreNoCodes) {
  v1::TrainingReport report = MakeTraining();
  report.clear_layers();
  report.clear_start_value();
  for (v1::EpochReport& epoch : *report.mutable_history()) {
    epoch.clear_codes_changed();
    epoch.clear_quantization_error();
    epoch.clear_value();
  }
  report.set_bit_exact(false);
  report.set_attempts(2);
  const std::string text = RenderTraining(report, TrainingDetail::kWhole);
  EXPECT_THAT(text, Not(HasSubstr("codes changed")));
  EXPECT_THAT(text, Not(HasSubstr("calibrated start")));
  EXPECT_THAT(text, HasSubstr("2 attempts; parts of the run had other threads"));
}

TEST(RenderTraining, OfManyEpochsBothEndsAndAnEvenChoice) {
  const std::string text = RenderTraining(MakeTraining(1'000), TrainingDetail::kWhole);
  EXPECT_THAT(text, HasSubstr("40 of 1000 epochs"));
  EXPECT_THAT(text, AllOf(HasSubstr("\n    1  "), HasSubstr("\n1,000  ")));
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 70);
}

TEST(RenderTraining, AnEmptyReportIsAReport) {
  EXPECT_THAT(RenderTraining({}, TrainingDetail::kWhole), HasSubstr("trained on 0 pictures"));
}

TEST(TrainingFigure, HasLossValueAndCodes) {
  const plot::Figure figure = TrainingFigure("face/3", MakeTraining());
  ASSERT_EQ(figure.panels.size(), 3U);
  const auto& losses = std::get<plot::Chart>(figure.panels[0]);
  ASSERT_EQ(losses.series.size(), 3U);
  EXPECT_EQ(losses.series[0].label, "loss");
  EXPECT_EQ(losses.series[0].points.size(), 3U);
  EXPECT_DOUBLE_EQ(losses.series[0].points[0].y, 2);
  const auto& values = std::get<plot::Chart>(figure.panels[1]);
  ASSERT_EQ(values.series.size(), 4U);
  // The start is epoch 0.
  EXPECT_EQ(values.series[0].points.size(), 4U);
  EXPECT_DOUBLE_EQ(values.series[0].points[0].x, 0);
  EXPECT_DOUBLE_EQ(values.series[0].points[0].y, 0.8851);
  EXPECT_THAT(values.series[2].label, HasSubstr("float version  0.8960"));
  const auto& codes = std::get<plot::Chart>(figure.panels[2]);
  EXPECT_NEAR(codes.series[0].points[0].y, 1.23, 1e-9);
  EXPECT_TRUE(plot::RenderPng(figure).ok());
  EXPECT_TRUE(plot::RenderPng(TrainingFigure("none", {})).ok());
}

TEST(TrainingWord, NamesVersionAndValue) {
  EXPECT_EQ(TrainingWord(MakeTrainingResult()), "face/3, map_50 0.9371");
  v1::TrainingResult result = MakeTrainingResult();
  result.mutable_training()->clear_value();
  EXPECT_EQ(TrainingWord(result), "face/3");
}

}  // namespace
}  // namespace lbw::client

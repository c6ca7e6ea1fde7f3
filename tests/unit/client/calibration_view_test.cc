#include "client/cpp/calibration_view.h"

#include <cmath>

#include "gmock/gmock.h"
#include "unit/client/make_calibration.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string LineWith(const std::string& text, const std::string& part) {
  const size_t at = text.find(part);
  if (at == std::string::npos) return "";
  const size_t before = text.rfind('\n', at);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

TEST(RenderCalibration, EveryLayerWithTheWorstMarked) {
  const std::string text = RenderCalibration(MakeCalibration(), CalibrationDetail::kWhole);
  EXPECT_THAT(text, StartsWith("calibrated on 64 pictures of faces (train), seed 7\n"));
  EXPECT_THAT(LineWith(text, "conv2"), AllOf(HasSubstr("12.00"), HasSubstr("22.00"),
                                             HasSubstr("60.0"), HasSubstr("bias"), HasSubstr("◀")));
  EXPECT_THAT(LineWith(text, "conv1"), HasSubstr("3 of 32"));
  EXPECT_THAT(LineWith(text, "conv7"), Not(HasSubstr("◀")));
  EXPECT_THAT(LineWith(text, "conv8"), AllOf(HasSubstr("plain: constant inputs"), HasSubstr(" -")));
  EXPECT_THAT(
      text, AllOf(HasSubstr("3 dead rows counted apart"), HasSubstr("1 layer projected plainly")));
  EXPECT_THAT(text,
              AllOf(HasSubstr("28.5 s: "), HasSubstr("at most 512 MiB"), HasSubstr("2 threads")));
}

TEST(RenderCalibration, MeasurementsWithIntervalsAndWhatIsNotDefined) {
  v1::CalibrationReport report = MakeCalibration();
  report.mutable_measurements(1)->clear_value();
  report.mutable_measurements(1)->clear_interval();
  const std::string text = RenderCalibration(report, CalibrationDetail::kWhole);
  EXPECT_THAT(text, HasSubstr("measured on faces (val)"));
  EXPECT_THAT(LineWith(text, "calibrated  0.8912"),
              AllOf(HasSubstr("0.8912"), HasSubstr("0.8712 to 0.9112"), HasSubstr("0.0045"),
                    HasSubstr("-0.0110 to 0.0190"), HasSubstr("0.9731"), HasSubstr("75")));
  EXPECT_THAT(LineWith(text, "nearest  "), Not(HasSubstr("0.50")));
}

TEST(RenderCalibration, ShortHasTheWorstAndNoTables) {
  v1::CalibrationReport report = MakeCalibration();
  AddPlan(report);
  const std::string text = RenderCalibration(report, CalibrationDetail::kShort);
  EXPECT_THAT(text, AllOf(HasSubstr("the layers that hurt most, of 9\n"), HasSubstr("conv2"),
                          Not(HasSubstr("conv7"))));
  EXPECT_THAT(text, AllOf(HasSubstr("75 pictures cannot prove 0.005"), HasSubstr("0.8912")));
  EXPECT_THAT(text, Not(HasSubstr("uniform 4")));
}

TEST(RenderCalibration, WidthsWithTheirCurveAndEachLayersError) {
  v1::CalibrationReport report = MakeCalibration();
  AddPlan(report);
  for (const uint32_t bits : {3U, 4U}) {
    v1::WidthError& width = *report.mutable_layers(0)->add_widths();
    width.set_bits(bits);
    width.set_error(0.5 / bits);
  }
  const std::string text = RenderCalibration(report, CalibrationDetail::kWhole);
  EXPECT_THAT(text, HasSubstr("widths: 283 KiB of a budget of 300 KiB"));
  EXPECT_THAT(LineWith(text, "plan 290000"), AllOf(HasSubstr("290,000"), HasSubstr("◀")));
  EXPECT_THAT(LineWith(text, "uniform 4"), AllOf(HasSubstr("0.025"), Not(HasSubstr("◀"))));
  EXPECT_THAT(text, HasSubstr("[0.125]"));
}

TEST(RenderCalibration, MuAndHostileText) {
  v1::CalibrationReport report;
  report.set_dataset("datasets/a\x1b[2J");
  report.add_notes("one\ntwo");
  v1::MuPoint& point = *report.add_mu();
  point.set_ratio(0.75);
  point.set_value(0.88);
  point.set_chosen(true);
  const std::string text = RenderCalibration(report, CalibrationDetail::kWhole);
  EXPECT_THAT(LineWith(text, "0.75"), AllOf(HasSubstr("0.8800"), HasSubstr("◀ chosen")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\x1b")), HasSubstr("one?two")));
}

// Two points of as many bytes: the one that was chosen is marked.
TEST(RenderCalibration, OneOfTwoPointsOfEqualBytesIsMarked) {
  v1::CalibrationReport report = MakeCalibration();
  AddPlan(report);
  v1::WidthCurvePoint& other = *report.mutable_plan()->add_curve();
  other.set_what("plan B");
  other.set_bytes(290'000);
  const std::string text = RenderCalibration(report, CalibrationDetail::kWhole);
  EXPECT_THAT(LineWith(text, "plan 290000"), HasSubstr("◀"));
  EXPECT_THAT(LineWith(text, "plan B"), Not(HasSubstr("◀")));
}

TEST(RenderCalibration, AMissedDropIsSaidAloud) {
  v1::CalibrationReport report = MakeCalibration();
  AddPlan(report);
  v1::WidthPlan& plan = *report.mutable_plan();
  EXPECT_FALSE(DropMissed(plan)) << "a budget drops nothing";
  plan.set_max_drop(0.005);
  EXPECT_TRUE(DropMissed(plan));
  EXPECT_THAT(RenderCalibration(report, CalibrationDetail::kShort), HasSubstr("MISSED: "));
  plan.set_reached(true);
  EXPECT_FALSE(DropMissed(plan));
  EXPECT_THAT(RenderCalibration(report, CalibrationDetail::kShort), Not(HasSubstr("MISSED")));
}

TEST(RenderCalibration, UniformCodesHaveNoScaleKindAndPlacesAreWords) {
  v1::CalibrationReport report = MakeCalibration();
  report.mutable_layers(3)->set_scale(v1::SCALE_KIND_UNSPECIFIED);
  report.mutable_layers(4)->set_scale(v1::SCALE_KIND_REAL);
  report.mutable_layers(4)->set_bias_in(v1::BIAS_PLACE_BATCH_NORM);
  const std::string text = RenderCalibration(report, CalibrationDetail::kWhole);
  EXPECT_THAT(LineWith(text, "conv3"), AllOf(Not(HasSubstr("pow2")), Not(HasSubstr("real"))));
  EXPECT_THAT(LineWith(text, "conv4"), AllOf(HasSubstr("real"), HasSubstr("batch_norm")));
}

TEST(WorstLayers, AreFewOfManyAndNeverHarmless) {
  v1::CalibrationReport report = MakeCalibration();
  EXPECT_THAT(WorstLayers(report, 5), ElementsAre(2, 0, 1));
  EXPECT_THAT(WorstLayers(report, 1), ElementsAre(2));
  for (v1::CalibratedLayer& layer : *report.mutable_layers()) layer.set_error_share(0.0);
  EXPECT_THAT(WorstLayers(report, 5), IsEmpty());
  report.mutable_layers(4)->set_error_share(std::nan(""));
  EXPECT_THAT(WorstLayers(report, 5), IsEmpty());
  EXPECT_THAT(WorstLayers({}, 5), IsEmpty());
}

TEST(CalibrationFigure, LayersNearestBesideCalibrated) {
  const plot::Figure figure = CalibrationFigure("face/3", MakeCalibration());
  ASSERT_THAT(figure.panels, SizeIs(1));
  const auto& chart = std::get<plot::Chart>(figure.panels[0]);
  ASSERT_THAT(chart.series, SizeIs(3));
  EXPECT_EQ(chart.series[0].label, "nearest");
  EXPECT_EQ(chart.series[1].points[2].x, 3.0);
  EXPECT_EQ(chart.series[1].points[2].y, 22.0);
  EXPECT_TRUE(std::isnan(chart.series[1].points[8].y));
  EXPECT_TRUE(plot::RenderPng(figure).ok());
}

TEST(CalibrationFigure, WidthsPlansAgainstUniform) {
  v1::CalibrationReport report = MakeCalibration();
  AddPlan(report);
  const plot::Figure figure = CalibrationFigure("face/3", report);
  ASSERT_THAT(figure.panels, SizeIs(2));
  const auto& values = std::get<plot::Chart>(figure.panels[0]);
  ASSERT_THAT(values.series, SizeIs(4));
  EXPECT_EQ(values.series[0].label, "uniform widths");
  EXPECT_EQ(values.series[0].points.size(), 3U);
  EXPECT_EQ(values.series[1].label, "plans");
  EXPECT_THAT(values.series[3].label, StartsWith("float  0.8957"));
  const auto& errors = std::get<plot::Chart>(figure.panels[1]);
  // What was measured and what was predicted are never one line.
  ASSERT_THAT(errors.series, SizeIs(5));
  EXPECT_EQ(errors.series[0].label, "plans, measured");
  EXPECT_NEAR(errors.series[0].points[0].y, 10.0 * std::log10(0.011), 1e-9);
  EXPECT_EQ(errors.series[1].label, "chosen, measured");
  EXPECT_EQ(errors.series[2].label, "uniform widths, predicted");
  EXPECT_NEAR(errors.series[2].points[0].y, 10.0 * std::log10(0.05), 1e-9);
  EXPECT_TRUE(plot::RenderPng(figure).ok());
  // Nothing was measured: the errors alone.
  for (v1::WidthCurvePoint& point : *report.mutable_plan()->mutable_curve()) point.clear_value();
  EXPECT_THAT(CalibrationFigure("face/3", report).panels, SizeIs(1));
}

TEST(CalibrationFigure, MuBesideTheExactProjection) {
  v1::CalibrationReport report = MakeCalibration();
  for (const double ratio : {0.5, 0.25, 0.75}) {
    v1::MuPoint& point = *report.add_mu();
    point.set_ratio(ratio);
    point.set_value(ratio);
    point.set_agreement(0.1);
    point.set_chosen(ratio == 0.75);
  }
  const auto labels = [](const plot::Figure& figure) {
    std::vector<std::string> out;
    for (const auto& series : std::get<plot::Chart>(figure.panels[0]).series) {
      out.push_back(series.label);
    }
    return out;
  };
  const plot::Figure figure = CalibrationFigure("face/3", report);
  EXPECT_EQ(std::get<plot::Chart>(figure.panels[0]).series[0].points[0].x, 0.25);
  EXPECT_THAT(labels(figure), ElementsAre("threshold scheme", "chosen: 0.75",
                                          "nearest projection  0.5012", "float  0.8957"));
  AddMeasurement("exact projection, bias corrected", 0.61, report);
  EXPECT_THAT(labels(CalibrationFigure("face/3", report)),
              ElementsAre("threshold scheme", "chosen: 0.75",
                          "exact projection, bias corrected  0.6100", "float  0.8957"));
  for (v1::MuPoint& point : *report.mutable_mu()) point.clear_value();
  EXPECT_THAT(std::get<plot::Chart>(CalibrationFigure("face/3", report).panels[0]).y_label,
              MatchesRegex("agreement.*"));
}

TEST(QuantizationWord, ValueElseAgreementElseTheVersion) {
  v1::QuantizationResult result = MakeQuantization();
  EXPECT_EQ(QuantizationWord(result), "face/3, map_50 0.8912");
  result.mutable_calibration()->mutable_measurements(2)->clear_value();
  EXPECT_EQ(QuantizationWord(result), "face/3, agreement 0.9731");
  result.clear_calibration();
  EXPECT_EQ(QuantizationWord(result), "face/3");
}

}  // namespace
}  // namespace lbw::client

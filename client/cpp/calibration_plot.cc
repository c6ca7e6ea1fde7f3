#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "client/cpp/calibration_view.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/view_parts.h"

namespace lbw::client {
namespace {

constexpr char kExact[] = "exact projection, bias corrected";
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

const v1::Measurement* FindMeasurement(const v1::CalibrationReport& report, std::string_view what) {
  for (const v1::Measurement& one : report.measurements()) {
    if (one.what() == what) return &one;
  }
  return nullptr;
}

// A level line over what the other series span; nothing where there is no such value.
void AddLevel(const std::string& label, std::optional<double> value, plot::Chart& chart) {
  if (!value) return;
  double low = HUGE_VAL;
  double high = -HUGE_VAL;
  for (const plot::Series& series : chart.series) {
    for (const plot::Point& point : series.points) {
      low = std::min(low, point.x);
      high = std::max(high, point.x);
    }
  }
  if (!(low <= high)) return;
  chart.series.push_back(
      {base::StrCat(label, "  ", Decimal(value, 4)), {{low, *value}, {high, *value}}});
}

std::optional<double> ValueOf(const v1::Measurement* one) {
  if (one == nullptr || !one->has_value()) return std::nullopt;
  return one->value();
}

double Decibels(double error) { return error > 0.0 ? 10.0 * std::log10(error) : kNothing; }

bool HasPoints(const plot::Chart& chart) {
  return std::any_of(chart.series.begin(), chart.series.end(), [](const plot::Series& series) {
    return std::any_of(series.points.begin(), series.points.end(),
                       [](const plot::Point& point) { return std::isfinite(point.y); });
  });
}

// Uniform widths and plans, each as a line by bytes, and the one that was chosen as a dot.
template <typename Value>
void AddCurve(const v1::WidthPlan& plan, const std::string& suffix, Value value,
              plot::Chart& chart) {
  plot::Series uniform = {"uniform widths" + suffix, {}};
  plot::Series plans = {"plans" + suffix, {}};
  plot::Series chosen = {"chosen" + suffix, {}};
  for (const v1::WidthCurvePoint& point : plan.curve()) {
    const plot::Point at = {static_cast<double>(point.bytes()) / 1024.0, value(point)};
    if (!std::isfinite(at.y)) continue;
    const bool is_uniform = point.what().rfind("uniform", 0) == 0;
    (is_uniform ? uniform : plans).points.push_back(at);
    if (point.chosen()) chosen.points = {at};
  }
  for (plot::Series* series : {&uniform, &plans, &chosen}) {
    std::stable_sort(series->points.begin(), series->points.end(),
                     [](plot::Point left, plot::Point right) { return left.x < right.x; });
    if (!series->points.empty()) chart.series.push_back(std::move(*series));
  }
}

plot::Chart BytesChart(const std::string& title, const std::string& y_label) {
  plot::Chart chart;
  chart.title = title;
  chart.x_label = "KiB of codes, exponents and scales";
  chart.y_label = y_label;
  return chart;
}

void AddWidths(const v1::CalibrationReport& report, plot::Figure& figure) {
  const v1::WidthPlan& plan = report.plan();
  plot::Chart values =
      BytesChart(base::StrCat(MetricWord(report), " against bytes"), MetricWord(report));
  AddCurve(
      plan, "",
      [](const v1::WidthCurvePoint& point) { return point.has_value() ? point.value() : kNothing; },
      values);
  AddLevel("float", ValueOf(FindMeasurement(report, "float")), values);
  // Sums of the layers' own errors and what came of them are two things: never one line.
  plot::Chart errors =
      BytesChart("Error of the network's outputs against bytes", "output error, dB");
  AddCurve(
      plan, ", measured",
      [](const v1::WidthCurvePoint& point) {
        return point.has_measured_error() ? Decibels(point.measured_error()) : kNothing;
      },
      errors);
  AddCurve(
      plan, ", predicted",
      [](const v1::WidthCurvePoint& point) { return Decibels(point.predicted_error()); }, errors);
  if (HasPoints(values)) figure.panels.emplace_back(std::move(values));
  figure.panels.emplace_back(std::move(errors));
  figure.columns = 2;
}

void AddMu(const v1::CalibrationReport& report, plot::Figure& figure) {
  const bool has_values = std::any_of(report.mu().begin(), report.mu().end(),
                                      [](const v1::MuPoint& point) { return point.has_value(); });
  plot::Chart chart;
  chart.title = base::StrCat(has_values ? MetricWord(report) : "agreement", " against mu");
  chart.x_label = "mu / max|w|";
  chart.y_label = has_values ? MetricWord(report) : "agreement with the float version";
  plot::Series tested = {"threshold scheme", {}};
  plot::Series chosen = {"chosen", {}};
  for (const v1::MuPoint& point : report.mu()) {
    const bool is_set = has_values ? point.has_value() : point.has_agreement();
    if (!is_set) continue;
    const plot::Point at = {point.ratio(), has_values ? point.value() : point.agreement()};
    tested.points.push_back(at);
    if (point.chosen()) {
      chosen.label = base::StrCat("chosen: ", Measured(point.ratio()));
      chosen.points = {at};
    }
  }
  std::stable_sort(tested.points.begin(), tested.points.end(),
                   [](plot::Point a, plot::Point b) { return a.x < b.x; });
  chart.series = {std::move(tested), std::move(chosen)};
  if (has_values) {
    const v1::Measurement* const exact = FindMeasurement(report, kExact);
    AddLevel(kExact, ValueOf(exact), chart);
    if (exact == nullptr) {
      AddLevel("nearest projection", ValueOf(FindMeasurement(report, "nearest")), chart);
    }
    AddLevel("float", ValueOf(FindMeasurement(report, "float")), chart);
  }
  figure.panels.emplace_back(std::move(chart));
}

void AddLayers(const v1::CalibrationReport& report, plot::Figure& figure) {
  plot::Chart chart;
  chart.title = "Output SQNR of each layer";
  chart.x_label = "layers, in the graph's order";
  chart.y_label = "dB";
  plot::Series nearest = {"nearest", {}};
  plot::Series calibrated = {"calibrated", {}};
  plot::Series worst = {"hurts most", {}};
  for (int i = 0; i < report.layers_size(); ++i) {
    const v1::CalibratedLayer& layer = report.layers(i);
    nearest.points.push_back(
        {i + 1.0, layer.has_nearest_output_sqnr_db() ? layer.nearest_output_sqnr_db() : kNothing});
    calibrated.points.push_back(
        {i + 1.0, layer.has_output_sqnr_db() ? layer.output_sqnr_db() : kNothing});
  }
  for (const int i : WorstLayers(report, 5)) {
    // A gap behind each, so that they are dots.
    worst.points.push_back(calibrated.points[static_cast<size_t>(i)]);
    worst.points.push_back({kNothing, kNothing});
  }
  chart.series = {std::move(nearest), std::move(calibrated)};
  if (!worst.points.empty()) chart.series.push_back(std::move(worst));
  figure.panels.emplace_back(std::move(chart));
  figure.panel_width_px = 960.0;
}

}  // namespace

plot::Figure CalibrationFigure(const std::string& title, const v1::CalibrationReport& report) {
  plot::Figure figure;
  figure.title = title;
  figure.subtitle = base::StrCat("calibrated on ", Grouped(report.pictures()), " pictures of ",
                                 ShortName(report.dataset()), ", seed ", report.seed());
  if (!report.plan().curve().empty()) {
    if (!report.plan().verdict().empty()) {
      base::StrAppend(&figure.subtitle, "; ", report.plan().verdict());
    }
    AddWidths(report, figure);
  } else if (!report.mu().empty()) {
    AddMu(report, figure);
  } else {
    AddLayers(report, figure);
  }
  return figure;
}

}  // namespace lbw::client

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/training_view.h"
#include "client/cpp/view_parts.h"

namespace lbw::client {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

plot::Chart ByEpoch(const std::string& title, const std::string& y_label) {
  plot::Chart chart;
  chart.title = title;
  chart.x_label = "epochs";
  chart.y_label = y_label;
  return chart;
}

// A level line over all epochs; nothing where there is no such value.
void AddLevel(const std::string& label, std::optional<double> value, double last,
              plot::Chart& chart) {
  if (!value) return;
  chart.series.push_back({base::StrCat(label, "  ", Decimal(*value, 4)),
                          {{0.0, *value}, {std::max(last, 1.0), *value}}});
}

void AddLosses(const v1::TrainingReport& report, plot::Figure& figure) {
  plot::Chart chart = ByEpoch("Loss, mean over each epoch", "loss");
  std::map<std::string, plot::Series> terms;
  for (const v1::EpochReport& epoch : report.history()) {
    for (const auto& loss : epoch.losses()) {
      plot::Series& series = terms[loss.first];
      series.label = loss.first;
      series.points.push_back({static_cast<double>(epoch.epoch()), loss.second});
    }
  }
  // The sum first; a single term beside it says the same again.
  const auto sum = terms.find("loss");
  if (sum != terms.end()) {
    chart.series.push_back(std::move(sum->second));
    terms.erase(sum);
  }
  if (terms.size() > 1 || chart.series.empty()) {
    for (auto& term : terms) chart.series.push_back(std::move(term.second));
  }
  if (!chart.series.empty()) figure.panels.emplace_back(std::move(chart));
}

void AddValues(const v1::TrainingReport& report, plot::Figure& figure) {
  const std::string metric = report.metric().empty() ? "value" : report.metric();
  plot::Chart chart = ByEpoch(metric + " by epoch", metric);
  plot::Series raw = {"weights as they are", {}};
  plot::Series average = {"moving average", {}};
  double last = 0.0;
  for (const v1::EpochReport& epoch : report.history()) {
    const auto x = static_cast<double>(epoch.epoch());
    last = std::max(last, x);
    if (epoch.has_value()) raw.points.push_back({x, epoch.value()});
    if (epoch.has_average_value()) average.points.push_back({x, epoch.average_value()});
  }
  if (report.has_start_value() && !raw.points.empty() && raw.points.front().x > 0.0) {
    raw.points.insert(raw.points.begin(), {0.0, report.start_value()});
  }
  for (plot::Series* series : {&raw, &average}) {
    if (!series->points.empty()) chart.series.push_back(std::move(*series));
  }
  AddLevel("float version", LBW_OPTIONAL(report, float_value), last, chart);
  AddLevel("calibrated start", LBW_OPTIONAL(report, start_value), last, chart);
  if (!chart.series.empty()) figure.panels.emplace_back(std::move(chart));
}

void AddCodes(const v1::TrainingReport& report, plot::Figure& figure) {
  plot::Chart chart = ByEpoch("Weights whose code changed in the epoch", "%");
  plot::Series series = {"", {}};
  for (const v1::EpochReport& epoch : report.history()) {
    if (!epoch.has_codes_changed()) continue;
    series.points.push_back({static_cast<double>(epoch.epoch()), epoch.codes_changed() * 100.0});
  }
  if (series.points.empty()) return;
  chart.series.push_back(std::move(series));
  figure.panels.emplace_back(std::move(chart));
}

}  // namespace

plot::Figure TrainingFigure(const std::string& title, const v1::TrainingReport& report) {
  plot::Figure figure;
  figure.title = title;
  figure.subtitle = base::StrCat("trained on ", Grouped(report.pictures()), " pictures of ",
                                 OnWhat(report.dataset(), report.split()), ", ",
                                 Grouped(report.steps()), " steps of ", report.batch());
  AddLosses(report, figure);
  AddValues(report, figure);
  AddCodes(report, figure);
  if (figure.panels.empty()) {
    plot::Chart nothing = ByEpoch("No epoch was finished", "loss");
    nothing.series.push_back({"", {{0.0, kNothing}}});
    figure.panels.emplace_back(std::move(nothing));
  }
  figure.columns = figure.panels.size() > 1 ? 2 : 1;
  return figure;
}

}  // namespace lbw::client

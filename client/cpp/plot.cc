#include "client/cpp/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_format.h"
#include "base/strings.h"
#include "client/cpp/plot_style.h"

namespace lbw::client::plot {
namespace {

constexpr int kMaxTicks = 8;

// The step of ticks: 1, 2 or 5 times a power of ten, so that at most max_ticks lie in the span.
double NiceStep(double span, int max_ticks) {
  const double raw = span / std::max(1, max_ticks - 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1.0 - 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

bool IsUsable(Range range) {
  return std::isfinite(range.low) && std::isfinite(range.high) && range.high > range.low &&
         // A span that the doubles around it cannot divide.
         range.high - range.low > 1e-12 * std::max(std::abs(range.low), std::abs(range.high));
}

Range Widened(Range range) {
  if (IsUsable(range)) return range;
  if (!std::isfinite(range.low) || !std::isfinite(range.high)) return {0.0, 1.0};
  const double half = range.low == 0.0 ? 0.5 : std::abs(range.low) * 0.05;
  return {range.low - half, range.low + half};
}

// What the finite points span in one coordinate.
Range SpanOf(const Chart& chart, double Point::*coordinate) {
  Range span = {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) {
      if (!std::isfinite(point.x) || !std::isfinite(point.y)) continue;
      span.low = std::min(span.low, point.*coordinate);
      span.high = std::max(span.high, point.*coordinate);
    }
  }
  return span;
}

double WidestTick(const std::vector<double>& ticks, TextMeasure measure) {
  double widest = 0.0;
  for (const std::string& text : TickTexts(ticks)) {
    widest = std::max(widest, measure(text, kTickSize));
  }
  return widest;
}

void LayOutLegend(const Chart& chart, TextMeasure measure, PanelLayout& layout) {
  double widest = 0.0;
  std::vector<LegendEntry> entries;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    if (chart.series[i].label.empty()) continue;
    entries.push_back({i, chart.series[i].label, 0.0, 0.0});
    widest = std::max(widest, measure(chart.series[i].label, kLegendSize));
  }
  // A single line needs no key.
  if (entries.size() <= 1) return;
  const double limit = layout.frame.width * 0.35;
  const double width = std::min(limit, kLegendSample + kGap + widest);
  layout.area.width = std::max(1.0, layout.area.width - width - 2.0 * kGap);
  const auto rows = static_cast<size_t>(std::max(1.0, layout.area.height / kLegendRow));
  if (entries.size() > rows) {
    const size_t kept = rows > 1 ? rows - 1 : 0;
    layout.legend_rest = base::StrCat("+ ", entries.size() - kept, " more");
    entries.resize(kept);
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    entries[i].x = layout.area.right() + 2.0 * kGap;
    entries[i].y = layout.area.y + (static_cast<double>(i) + 0.5) * kLegendRow;
  }
  layout.legend = std::move(entries);
}

PanelLayout LayOutChart(const Chart& chart, Rect frame, TextMeasure measure) {
  PanelLayout layout;
  layout.frame = frame;
  layout.x = chart.x_range ? Widened(*chart.x_range) : Widened(SpanOf(chart, &Point::x));
  layout.y = chart.y_range ? Widened(*chart.y_range)
                           : NiceRange(Widened(SpanOf(chart, &Point::y)), kMaxTicks);
  layout.y_ticks = NiceTicks(layout.y, kMaxTicks);
  layout.x_ticks = NiceTicks(layout.x, kMaxTicks);
  const double top = chart.title.empty() ? kGap : kPanelTitleSize + 2.0 * kGap;
  const double bottom = kTickSize + 2.0 * kGap + (chart.x_label.empty() ? 0.0 : kLabelSize + kGap);
  const double left = WidestTick(layout.y_ticks, measure) + 2.0 * kGap +
                      (chart.y_label.empty() ? 0.0 : kLabelSize + kGap);
  layout.area = {frame.x + left, frame.y + top, std::max(1.0, frame.width - left - 2.0 * kGap),
                 std::max(1.0, frame.height - top - bottom)};
  LayOutLegend(chart, measure, layout);
  return layout;
}

double WidestName(const std::vector<std::string>& names, TextMeasure measure) {
  double widest = 0.0;
  for (const std::string& name : names) widest = std::max(widest, measure(name, kTickSize));
  return std::min(widest, kMaxNameWidth);
}

PanelLayout LayOutHeatMap(const HeatMap& map, Rect frame, TextMeasure measure) {
  PanelLayout layout;
  layout.frame = frame;
  layout.x = {0.0, static_cast<double>(std::max<size_t>(1, map.columns.size()))};
  layout.y = {0.0, static_cast<double>(std::max<size_t>(1, map.rows.size()))};
  const double top = map.title.empty() ? kGap : kPanelTitleSize + 2.0 * kGap;
  const double labels = kLabelSize + 2.0 * kGap;
  const double scale = kScaleWidth + 3.0 * kGap + measure("1.0", kTickSize);
  const auto place = [&](double row_names, double column_names) {
    const double left = labels + row_names;
    const double bottom = labels + column_names;
    const double width = frame.width - left - scale - 2.0 * kGap;
    const double height = frame.height - top - bottom;
    // Square cells, so that the diagonal is one.
    const double cell = std::max(0.01, std::min(width / layout.x.high, height / layout.y.high));
    layout.area = {frame.x + left, frame.y + top, cell * layout.x.high, cell * layout.y.high};
    return cell;
  };
  const double cell = place(WidestName(map.rows, measure) + kGap,
                            WidestName(map.columns, measure) * 0.75 + 2.0 * kGap);
  if (cell < kMinNameRow) place(kGap, kGap);
  return layout;
}

}  // namespace

std::vector<double> NiceTicks(Range range, int max_ticks) {
  if (!std::isfinite(range.low)) return {};
  if (!IsUsable(range)) return {range.low};
  const double step = NiceStep(range.high - range.low, max_ticks);
  const double slack = step * 1e-6;
  std::vector<double> ticks;
  for (double index = std::ceil((range.low - slack) / step); index * step <= range.high + slack;
       index += 1.0) {
    // Not by adding up: 0.1 + 0.2 would print as 0.30000000000000004. And no "-0".
    ticks.push_back(index == 0.0 ? 0.0 : index * step);
  }
  return ticks;
}

Range NiceRange(Range range, int max_ticks) {
  const Range wide = Widened(range);
  // Widening may need a larger step; one less tick leaves room for both ends.
  const double step = NiceStep(wide.high - wide.low, std::max(2, max_ticks - 1));
  return {std::floor(wide.low / step + 1e-9) * step, std::ceil(wide.high / step - 1e-9) * step};
}

std::vector<std::string> TickTexts(const std::vector<double>& ticks) {
  double largest = 0.0;
  double step = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < ticks.size(); ++i) {
    largest = std::max(largest, std::abs(ticks[i]));
    if (i > 0) step = std::min(step, std::abs(ticks[i] - ticks[i - 1]));
  }
  if (!std::isfinite(step)) step = largest == 0.0 ? 1.0 : largest * 0.1;
  std::vector<std::string> texts;
  const bool is_scientific = largest >= 1e7 || (largest > 0.0 && largest < 1e-3);
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-6)), 0, 12);
  for (const double tick : ticks) {
    if (tick == 0.0) {
      texts.emplace_back(is_scientific || decimals == 0 ? "0"
                                                        : absl::StrFormat("%.*f", decimals, 0.0));
    } else if (is_scientific) {
      texts.push_back(absl::StrFormat("%.4g", tick));
    } else {
      std::string text = absl::StrFormat("%.*f", decimals, tick);
      const size_t whole_end = std::min(text.find('.'), text.size());
      const size_t first = text.front() == '-' ? 1 : 0;
      for (size_t at = whole_end; at > first + 3; at -= 3) text.insert(at - 3, ",");
      texts.push_back(std::move(text));
    }
  }
  return texts;
}

FigureLayout LayOut(const Figure& figure, TextMeasure measure) {
  FigureLayout layout;
  const auto columns = static_cast<size_t>(std::max(1, figure.columns));
  const size_t used = std::min(columns, std::max<size_t>(1, figure.panels.size()));
  const size_t rows = (figure.panels.size() + used - 1) / used;
  double top = kMargin;
  if (!figure.title.empty()) top += kTitleSize + kGap;
  if (!figure.subtitle.empty()) top += kSubtitleSize + kGap;
  if (top > kMargin) top += kGap;
  const double width = std::max(200.0, figure.panel_width_px);
  const double height = std::max(150.0, figure.panel_height_px);
  layout.width_px = 2.0 * kMargin + static_cast<double>(used) * (width + kMargin) - kMargin;
  layout.height_px = top + static_cast<double>(rows) * (height + kMargin);
  for (size_t i = 0; i < figure.panels.size(); ++i) {
    const Rect frame = {kMargin + static_cast<double>(i % used) * (width + kMargin),
                        top + static_cast<double>(i / used) * (height + kMargin), width, height};
    if (const auto* chart = std::get_if<Chart>(&figure.panels[i])) {
      layout.panels.push_back(LayOutChart(*chart, frame, measure));
    } else {
      layout.panels.push_back(LayOutHeatMap(std::get<HeatMap>(figure.panels[i]), frame, measure));
    }
  }
  return layout;
}

}  // namespace lbw::client::plot

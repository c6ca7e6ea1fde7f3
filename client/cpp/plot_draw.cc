#include <cairo/cairo.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/plot.h"
#include "client/cpp/plot_style.h"
#include "client/cpp/png.h"

namespace lbw::client::plot {
namespace {

struct Color {
  double red = 0.0;
  double green = 0.0;
  double blue = 0.0;
};

// Okabe and Ito's palette for every kind of colour vision, without its yellow, which white drowns.
constexpr std::array<Color, 7> kPalette = {{{0.000, 0.447, 0.698},
                                            {0.835, 0.369, 0.000},
                                            {0.000, 0.620, 0.451},
                                            {0.800, 0.475, 0.655},
                                            {0.902, 0.624, 0.000},
                                            {0.337, 0.706, 0.914},
                                            {0.000, 0.000, 0.000}}};
constexpr Color kInk = {0.13, 0.13, 0.15};
constexpr Color kFaint = {0.40, 0.42, 0.45};
constexpr Color kGrid = {0.90, 0.91, 0.92};
constexpr Color kAxis = {0.65, 0.67, 0.70};
constexpr size_t kMaxPanels = 64;
constexpr double kMaxPixels = 64e6;

enum class Anchor { kStart, kMiddle, kEnd };

// A cairo surface with its context.
class Canvas {
 public:
  Canvas(int width, int height)
      : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height)),
        cairo_(cairo_create(surface_)) {
    SetColor({1.0, 1.0, 1.0});
    cairo_paint(cairo_);
  }
  ~Canvas() {
    cairo_destroy(cairo_);
    cairo_surface_destroy(surface_);
  }
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  cairo_t* get() { return cairo_; }
  void SetColor(Color color) { cairo_set_source_rgb(cairo_, color.red, color.green, color.blue); }

  double Width(std::string_view text, double size) {
    SetFont(size, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_text_extents_t extents;
    cairo_text_extents(cairo_, Printable(text).c_str(), &extents);
    return extents.x_advance;
  }

  void SetFont(double size, cairo_font_weight_t weight) {
    cairo_select_font_face(cairo_, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, weight);
    cairo_set_font_size(cairo_, size);
  }

  // y: the middle of the line. The font is the one set last.
  void Text(std::string_view text, double x, double y, Anchor anchor) {
    const std::string shown = Printable(text);
    cairo_text_extents_t extents;
    cairo_font_extents_t font;
    cairo_text_extents(cairo_, shown.c_str(), &extents);
    cairo_font_extents(cairo_, &font);
    if (anchor == Anchor::kMiddle) x -= extents.x_advance / 2.0;
    if (anchor == Anchor::kEnd) x -= extents.x_advance;
    cairo_move_to(cairo_, x, y + (font.ascent - font.descent) / 2.0);
    cairo_show_text(cairo_, shown.c_str());
  }

  void Turned(std::string_view text, Point at, double angle, Anchor anchor) {
    cairo_save(cairo_);
    cairo_translate(cairo_, at.x, at.y);
    cairo_rotate(cairo_, angle);
    Text(text, 0.0, 0.0, anchor);
    cairo_restore(cairo_);
  }

  void Line(Point from, Point to) {
    cairo_move_to(cairo_, from.x, from.y);
    cairo_line_to(cairo_, to.x, to.y);
    cairo_stroke(cairo_);
  }

  absl::StatusOr<std::string> Png() { return EncodePng(surface_, "plot", cairo_status(cairo_)); }

 private:
  cairo_surface_t* const surface_;
  cairo_t* const cairo_;
};

// Lines of one pixel are sharp only in the middle of pixels.
double Crisp(double value) { return std::floor(value) + 0.5; }

double Place(double value, Range range, double begin, double length) {
  return begin + (value - range.low) / (range.high - range.low) * length;
}

Point ToPixels(const PanelLayout& layout, Point point) {
  const double y = Place(point.y, layout.y, 0.0, layout.area.height);
  return {Place(point.x, layout.x, layout.area.x, layout.area.width), layout.area.bottom() - y};
}

// Cut to what fits into width, with an ellipsis.
std::string Fitted(Canvas& canvas, const std::string& text, double size, double width) {
  if (canvas.Width(text, size) <= width) return text;
  std::string cut = text;
  while (!cut.empty()) {
    // Never inside a code point.
    do {
      cut.pop_back();
    } while (!cut.empty() && (static_cast<unsigned char>(cut.back()) & 0x80) != 0);
    if (canvas.Width(cut + "…", size) <= width) break;
  }
  return cut + "…";
}

void DrawPanelTitle(Canvas& canvas, const PanelLayout& layout, const std::string& title) {
  if (title.empty()) return;
  const std::string text = Fitted(canvas, title, kPanelTitleSize, layout.frame.width * 0.92);
  canvas.SetFont(kPanelTitleSize, CAIRO_FONT_WEIGHT_BOLD);
  canvas.SetColor(kInk);
  canvas.Text(text, layout.area.x, layout.frame.y + kPanelTitleSize / 2.0 + kGap / 2.0,
              Anchor::kStart);
}

void DrawAxes(Canvas& canvas, const Chart& chart, const PanelLayout& layout) {
  const Rect& area = layout.area;
  cairo_set_line_width(canvas.get(), 1.0);
  canvas.SetFont(kTickSize, CAIRO_FONT_WEIGHT_NORMAL);
  const std::vector<std::string> x_texts = TickTexts(layout.x_ticks);
  for (size_t i = 0; i < layout.x_ticks.size(); ++i) {
    const double x = Crisp(Place(layout.x_ticks[i], layout.x, area.x, area.width));
    canvas.SetColor(kGrid);
    canvas.Line({x, area.y}, {x, area.bottom()});
    canvas.SetColor(kFaint);
    canvas.Text(x_texts[i], x, area.bottom() + kGap + kTickSize / 2.0, Anchor::kMiddle);
  }
  const std::vector<std::string> y_texts = TickTexts(layout.y_ticks);
  for (size_t i = 0; i < layout.y_ticks.size(); ++i) {
    const double y = Crisp(ToPixels(layout, {layout.x.low, layout.y_ticks[i]}).y);
    canvas.SetColor(kGrid);
    canvas.Line({area.x, y}, {area.right(), y});
    canvas.SetColor(kFaint);
    canvas.Text(y_texts[i], area.x - kGap, y, Anchor::kEnd);
  }
  canvas.SetColor(kAxis);
  canvas.Line({Crisp(area.x), area.y}, {Crisp(area.x), area.bottom()});
  canvas.Line({area.x, Crisp(area.bottom())}, {area.right(), Crisp(area.bottom())});
  canvas.SetFont(kLabelSize, CAIRO_FONT_WEIGHT_NORMAL);
  canvas.SetColor(kInk);
  canvas.Text(chart.x_label, area.x + area.width / 2.0,
              layout.frame.bottom() - kLabelSize / 2.0 - kGap / 2.0, Anchor::kMiddle);
  canvas.Turned(chart.y_label,
                {layout.frame.x + kLabelSize / 2.0 + kGap / 2.0, area.y + area.height / 2.0},
                -M_PI / 2.0, Anchor::kMiddle);
}

void SetStroke(Canvas& canvas, size_t index) {
  static constexpr std::array<std::array<double, 4>, 4> kDashes = {
      {{0, 0, 0, 0}, {7, 4, 7, 4}, {2, 3, 2, 3}, {9, 3, 2, 3}}};
  const size_t dash = index / kPalette.size() % kDashes.size();
  canvas.SetColor(kPalette.at(index % kPalette.size()));
  cairo_set_line_width(canvas.get(), 2.0);
  cairo_set_line_join(canvas.get(), CAIRO_LINE_JOIN_ROUND);
  cairo_set_dash(canvas.get(), kDashes.at(dash).data(), dash == 0 ? 0 : 4, 0.0);
}

void DrawSeries(Canvas& canvas, const PanelLayout& layout, const Series& series) {
  cairo_t* const cairo = canvas.get();
  size_t run = 0;  // points of the stretch that is being drawn
  Point last;
  const auto end_run = [&] {
    // A stretch of one point has no line.
    if (run == 1) {
      cairo_new_path(cairo);
      cairo_arc(cairo, last.x, last.y, 3.0, 0.0, 2.0 * M_PI);
      cairo_fill(cairo);
    } else {
      cairo_stroke(cairo);
    }
    run = 0;
  };
  for (const Point& point : series.points) {
    if (!std::isfinite(point.x) || !std::isfinite(point.y)) {
      end_run();
      continue;
    }
    last = ToPixels(layout, point);
    if (run++ == 0) {
      cairo_move_to(cairo, last.x, last.y);
    } else {
      cairo_line_to(cairo, last.x, last.y);
    }
  }
  end_run();
}

void DrawLegend(Canvas& canvas, const PanelLayout& layout) {
  const double text_x = kLegendSample + kGap;
  for (const LegendEntry& entry : layout.legend) {
    SetStroke(canvas, entry.series);
    canvas.Line({entry.x, entry.y}, {entry.x + kLegendSample, entry.y});
    cairo_set_dash(canvas.get(), nullptr, 0, 0.0);
    const std::string text =
        Fitted(canvas, entry.text, kLegendSize, layout.frame.right() - entry.x - text_x);
    canvas.SetFont(kLegendSize, CAIRO_FONT_WEIGHT_NORMAL);
    canvas.SetColor(kInk);
    canvas.Text(text, entry.x + text_x, entry.y, Anchor::kStart);
  }
  if (layout.legend_rest.empty()) return;
  canvas.SetFont(kLegendSize, CAIRO_FONT_WEIGHT_NORMAL);
  canvas.SetColor(kFaint);
  canvas.Text(layout.legend_rest, layout.area.right() + 2.0 * kGap,
              layout.area.y + (static_cast<double>(layout.legend.size()) + 0.5) * kLegendRow,
              Anchor::kStart);
}

void DrawChart(Canvas& canvas, const Chart& chart, const PanelLayout& layout) {
  DrawPanelTitle(canvas, layout, chart.title);
  DrawAxes(canvas, chart, layout);
  cairo_save(canvas.get());
  // Room for a line's own width at the ends of the axes.
  cairo_rectangle(canvas.get(), layout.area.x - 3.0, layout.area.y - 3.0, layout.area.width + 6.0,
                  layout.area.height + 6.0);
  cairo_clip(canvas.get());
  for (size_t i = 0; i < chart.series.size(); ++i) {
    SetStroke(canvas, i);
    DrawSeries(canvas, layout, chart.series[i]);
  }
  cairo_restore(canvas.get());
  cairo_set_dash(canvas.get(), nullptr, 0, 0.0);
  DrawLegend(canvas, layout);
}

// White to dark blue; its lightness falls evenly.
Color HeatColor(double share) {
  const double t = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
  return {1.0 - 0.97 * t, 1.0 - 0.73 * t, 1.0 - 0.49 * t};
}

void DrawHeatNames(Canvas& canvas, const HeatMap& map, const PanelLayout& layout, double cell) {
  const Rect& area = layout.area;
  canvas.SetColor(kInk);
  canvas.SetFont(kLabelSize, CAIRO_FONT_WEIGHT_NORMAL);
  canvas.Turned(map.row_axis,
                {layout.frame.x + kLabelSize / 2.0 + kGap / 2.0, area.y + area.height / 2.0},
                -M_PI / 2.0, Anchor::kMiddle);
  const bool has_names = cell >= kMinNameRow;
  const double names = has_names ? std::min(kMaxNameWidth, area.x - layout.frame.x) : 0.0;
  double lowest = area.bottom();
  for (size_t i = 0; has_names && i < map.rows.size(); ++i) {
    const double y = area.y + (static_cast<double>(i) + 0.5) * cell;
    const std::string text = Fitted(canvas, map.rows[i], kTickSize, names);
    canvas.SetFont(kTickSize, CAIRO_FONT_WEIGHT_NORMAL);
    canvas.Text(text, area.x - kGap, y, Anchor::kEnd);
  }
  for (size_t i = 0; has_names && i < map.columns.size(); ++i) {
    const double x = area.x + (static_cast<double>(i) + 0.5) * cell;
    const std::string text = Fitted(canvas, map.columns[i], kTickSize, kMaxNameWidth);
    const double length = canvas.Width(text, kTickSize);
    canvas.SetFont(kTickSize, CAIRO_FONT_WEIGHT_NORMAL);
    canvas.Turned(text, {x + 3.0, area.bottom() + kGap}, -M_PI / 4.0, Anchor::kEnd);
    lowest = std::max(lowest, area.bottom() + kGap + length * 0.71);
  }
  canvas.SetFont(kLabelSize, CAIRO_FONT_WEIGHT_NORMAL);
  canvas.Text(map.column_axis, area.x + area.width / 2.0, lowest + 1.5 * kGap + kLabelSize / 2.0,
              Anchor::kMiddle);
}

void DrawScale(Canvas& canvas, const PanelLayout& layout) {
  const double x = layout.area.right() + 2.0 * kGap;
  const int steps = std::max(1, static_cast<int>(layout.area.height));
  for (int i = 0; i < steps; ++i) {
    canvas.SetColor(HeatColor(1.0 - (i + 0.5) / steps));
    cairo_rectangle(canvas.get(), x, layout.area.y + i, kScaleWidth, 1.0);
    cairo_fill(canvas.get());
  }
  canvas.SetColor(kFaint);
  canvas.SetFont(kTickSize, CAIRO_FONT_WEIGHT_NORMAL);
  canvas.Text("1.0", x + kScaleWidth + kGap / 2.0, layout.area.y + kTickSize / 2.0, Anchor::kStart);
  canvas.Text("0", x + kScaleWidth + kGap / 2.0, layout.area.bottom() - kTickSize / 2.0,
              Anchor::kStart);
}

void DrawHeatMap(Canvas& canvas, const HeatMap& map, const PanelLayout& layout) {
  DrawPanelTitle(canvas, layout, map.title);
  const Rect& area = layout.area;
  const double cell = area.width / layout.x.high;
  const double text_size = std::min(kTickSize, cell * 0.36);
  for (size_t i = 0; i < map.shares.size(); ++i) {
    const double x = area.x + static_cast<double>(i % map.columns.size()) * cell;
    const double y = area.y + static_cast<double>(i / map.columns.size()) * cell;
    canvas.SetColor(HeatColor(map.shares[i]));
    cairo_rectangle(canvas.get(), x, y, cell, cell);
    cairo_fill(canvas.get());
    if (map.texts.empty() || text_size < 7.0) continue;
    canvas.SetColor(map.shares[i] > 0.5 ? Color{1.0, 1.0, 1.0} : kInk);
    canvas.SetFont(text_size, CAIRO_FONT_WEIGHT_NORMAL);
    canvas.Text(map.texts[i], x + cell / 2.0, y + cell / 2.0, Anchor::kMiddle);
  }
  canvas.SetColor(kAxis);
  cairo_set_line_width(canvas.get(), 1.0);
  cairo_rectangle(canvas.get(), Crisp(area.x), Crisp(area.y), area.width, area.height);
  cairo_stroke(canvas.get());
  DrawHeatNames(canvas, map, layout, cell);
  DrawScale(canvas, layout);
}

absl::Status Check(const Figure& figure) {
  const auto bad = [](const std::string& message) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
  };
  if (figure.panels.empty() || figure.panels.size() > kMaxPanels) {
    return bad(base::StrCat("a plot has 1 to ", kMaxPanels, " panels: ", figure.panels.size()));
  }
  for (const Panel& panel : figure.panels) {
    const auto* map = std::get_if<HeatMap>(&panel);
    if (map == nullptr) continue;
    const size_t cells = map->rows.size() * map->columns.size();
    if (cells == 0 || map->shares.size() != cells ||
        (!map->texts.empty() && map->texts.size() != cells)) {
      return bad(base::StrCat("a heat map of ", map->rows.size(), " x ", map->columns.size(),
                              " has ", map->shares.size(), " cells"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RenderPng(const Figure& figure) {
  LBW_RETURN_IF_ERROR(Check(figure));
  Canvas ruler(1, 1);
  const FigureLayout layout =
      LayOut(figure, [&](std::string_view text, double size) { return ruler.Width(text, size); });
  if (!(layout.width_px * layout.height_px <= kMaxPixels)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("the plot is too large: ", layout.width_px, " x ",
                                    layout.height_px, " pixels"));
  }
  Canvas canvas(static_cast<int>(std::ceil(layout.width_px)),
                static_cast<int>(std::ceil(layout.height_px)));
  double y = kMargin;
  const double room = layout.width_px - 2.0 * kMargin;
  if (!figure.title.empty()) {
    const std::string title = Fitted(canvas, figure.title, kTitleSize, room * 0.92);
    canvas.SetFont(kTitleSize, CAIRO_FONT_WEIGHT_BOLD);
    canvas.SetColor(kInk);
    canvas.Text(title, kMargin, y + kTitleSize / 2.0, Anchor::kStart);
    y += kTitleSize + kGap;
  }
  const std::string subtitle = Fitted(canvas, figure.subtitle, kSubtitleSize, room);
  canvas.SetFont(kSubtitleSize, CAIRO_FONT_WEIGHT_NORMAL);
  canvas.SetColor(kFaint);
  canvas.Text(subtitle, kMargin, y + kSubtitleSize / 2.0, Anchor::kStart);
  for (size_t i = 0; i < figure.panels.size(); ++i) {
    if (const auto* chart = std::get_if<Chart>(&figure.panels[i])) {
      DrawChart(canvas, *chart, layout.panels[i]);
    } else {
      DrawHeatMap(canvas, std::get<HeatMap>(figure.panels[i]), layout.panels[i]);
    }
  }
  return canvas.Png();
}

}  // namespace lbw::client::plot

// Figures: what a plot shows as plain values, where its parts lie, and the PNG that cairo makes of
// it.
//
// A figure is a grid of panels under a title. A panel is a chart (lines over two linear axes) or a
// heat map (a matrix of shares). Description and layout are pure; RenderPng draws them, on white,
// in DejaVu Sans, in colours that people with any colour vision can tell apart; beyond seven series
// the colours come again with another dash.
#ifndef LBW_CLIENT_PLOT_H_
#define LBW_CLIENT_PLOT_H_

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace lbw::client::plot {

struct Point {
  double x = 0.0;
  double y = 0.0;
};

struct Series {
  std::string label = {};  // in the legend; empty: not there
  // A point that is not finite breaks the line. A single point is drawn as a dot.
  std::vector<Point> points = {};
};

struct Range {
  double low = 0.0;
  double high = 1.0;
};

struct Chart {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  // Left out: what the points span, widened to whole ticks.
  std::optional<Range> x_range = {};
  std::optional<Range> y_range = {};
  std::vector<Series> series = {};
};

struct HeatMap {
  std::string title = {};
  std::string row_axis = {};
  std::string column_axis = {};
  std::vector<std::string> rows = {};
  std::vector<std::string> columns = {};
  // [rows, columns], row-major, shares of 0..1: the colour.
  std::vector<double> shares = {};
  // The same shape, or empty: what is written into the cells where they are large enough.
  std::vector<std::string> texts = {};
};

using Panel = std::variant<Chart, HeatMap>;

struct Figure {
  std::string title = {};
  std::string subtitle = {};
  std::vector<Panel> panels = {};
  int columns = 1;  // of panels, from 1
  double panel_width_px = 760.0;
  double panel_height_px = 480.0;
};

// ---- Ticks

// Round numbers (1, 2 or 5 times a power of ten) inside [low, high], at most max_ticks of them.
// A range without width or that is not finite has the one tick `low`, or none.
std::vector<double> NiceTicks(Range range, int max_ticks);
// The smallest range around `range` that begins and ends on the ticks NiceTicks would choose for
// it; a range without width is widened first.
Range NiceRange(Range range, int max_ticks);
// Texts of ticks, with as many decimals as tell them apart: "0.2", "1,500", "2e-05".
std::vector<std::string> TickTexts(const std::vector<double>& ticks);

// ---- Layout

struct Rect {
  double x = 0.0;
  double y = 0.0;
  double width = 0.0;
  double height = 0.0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

struct LegendEntry {
  size_t series = 0;
  std::string text;
  double x = 0.0;  // of its line sample
  double y = 0.0;  // middle
};

struct PanelLayout {
  Rect frame;  // everything of the panel
  Rect area;   // where the data is drawn
  Range x;     // of the area; for a heat map 0..columns and 0..rows
  Range y;
  std::vector<double> x_ticks;
  std::vector<double> y_ticks;
  std::vector<LegendEntry> legend;
  // "+ 12 more" under the legend; empty: all are there.
  std::string legend_rest;
};

struct FigureLayout {
  double width_px = 0.0;
  double height_px = 0.0;
  std::vector<PanelLayout> panels;  // one a panel, in their order
};

// The width of a text in pixels at a font size in pixels.
using TextMeasure = absl::FunctionRef<double(std::string_view text, double size_px)>;

// Areas lie within their frames, frames do not overlap and lie within the figure.
FigureLayout LayOut(const Figure& figure, TextMeasure measure);

// ---- Drawing

// The figure as a PNG file's bytes. Threads: safe to call concurrently.
// Errors: kInvalidArgument - no panel, more than 64, a heat map whose sizes contradict each other,
//         a picture of more than 64 megapixels; kInternal - cairo fails.
absl::StatusOr<std::string> RenderPng(const Figure& figure);

}  // namespace lbw::client::plot

#endif  // LBW_CLIENT_PLOT_H_

#include "client/cpp/plot.h"

#include <cmath>

#include "gmock/gmock.h"

namespace lbw::client::plot {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pointwise;
using ::testing::SizeIs;

double Measure(std::string_view text, double size) {
  return 0.6 * size * static_cast<double>(text.size());
}

Chart MakeChart(int series) {
  Chart chart;
  chart.title = "loss";
  chart.x_label = "step";
  chart.y_label = "value";
  for (int i = 0; i < series; ++i) {
    chart.series.push_back({"class " + std::to_string(i), {{0.0, 1.0 + i}, {10.0, 2.0 + i}}});
  }
  return chart;
}

HeatMap MakeHeatMap(size_t classes) {
  HeatMap map;
  map.title = "confusion";
  for (size_t i = 0; i < classes; ++i) {
    map.rows.push_back("class " + std::to_string(i));
    map.columns.push_back("class " + std::to_string(i));
  }
  map.shares.assign(classes * classes, 0.5);
  return map;
}

bool IsInside(const Rect& inner, double width, double height) {
  return inner.x >= 0.0 && inner.y >= 0.0 && inner.right() <= width && inner.bottom() <= height &&
         inner.width > 0.0 && inner.height > 0.0;
}

TEST(NiceTicks, AreRoundAndInside) {
  EXPECT_THAT(
      NiceTicks({0.0, 1.0}, 6),
      Pointwise(DoubleEq(), std::vector<double>{0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_THAT(NiceTicks({0.0, 1839.0}, 8), ElementsAre(0.0, 500.0, 1000.0, 1500.0));
  EXPECT_THAT(NiceTicks({-3.0, 3.0}, 7), ElementsAre(-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0));
  EXPECT_FALSE(std::signbit(NiceTicks({-3.0, 3.0}, 7)[3]));
}

TEST(NiceTicks, NeverMoreThanAskedForAnyRange) {
  for (int exponent = -12; exponent <= 12; ++exponent) {
    for (const double span : {1.0, 1.7, 2.3, 4.9, 9.99}) {
      for (const double low : {0.0, -0.37, 12.5}) {
        const double scale = std::pow(10.0, exponent);
        const Range range = {low * scale, (low + span) * scale};
        for (const int most : {2, 5, 8}) {
          const std::vector<double> ticks = NiceTicks(range, most);
          EXPECT_LE(ticks.size(), static_cast<size_t>(most)) << range.low << ".." << range.high;
          for (const double tick : ticks) {
            EXPECT_GE(tick, range.low - 1e-6 * span * scale);
            EXPECT_LE(tick, range.high + 1e-6 * span * scale);
          }
        }
      }
    }
  }
}

TEST(NiceTicks, DegenerateRanges) {
  EXPECT_THAT(NiceTicks({2.0, 2.0}, 8), ElementsAre(2.0));
  EXPECT_THAT(NiceTicks({3.0, 2.0}, 8), ElementsAre(3.0));
  EXPECT_THAT(NiceTicks({std::nan(""), 1.0}, 8), IsEmpty());
  EXPECT_THAT(NiceTicks({0.0, HUGE_VAL}, 8), ElementsAre(0.0));
}

TEST(NiceRange, HoldsTheRangeAndEndsOnTicks) {
  for (const Range range : {Range{11.3, 13.4}, Range{0.0, 0.83}, Range{-7.0, -6.0}, Range{5.0, 5.0},
                            Range{0.0, 0.0}, Range{-1.0, 3e5}}) {
    const Range nice = NiceRange(range, 8);
    EXPECT_LE(nice.low, range.low);
    EXPECT_GE(nice.high, range.high);
    EXPECT_GT(nice.high, nice.low);
    EXPECT_GE(NiceTicks(nice, 8).size(), 2U);
  }
}

TEST(TickTexts, HaveTheDecimalsThatTellThemApart) {
  EXPECT_THAT(TickTexts({0.0, 0.2, 0.4}), ElementsAre("0.0", "0.2", "0.4"));
  EXPECT_THAT(TickTexts({0.0, 500.0, 1000.0, -1500.0}), ElementsAre("0", "500", "1,000", "-1,500"));
  EXPECT_THAT(TickTexts({0.0, 1e-5, 2e-5}), ElementsAre("0", "1e-05", "2e-05"));
  EXPECT_THAT(TickTexts({0.75}), ElementsAre("0.75"));
  EXPECT_THAT(TickTexts({}), IsEmpty());
}

TEST(LayOut, AreasLieInFramesAndFramesDoNotOverlap) {
  for (const int columns : {1, 2, 3, 9}) {
    for (const size_t panels : {1, 2, 5, 7}) {
      Figure figure;
      figure.title = "a title";
      figure.columns = columns;
      for (size_t i = 0; i < panels; ++i) {
        if (i % 3 == 2) {
          figure.panels.emplace_back(MakeHeatMap(5 + 40 * i));
        } else {
          figure.panels.emplace_back(MakeChart(1 + static_cast<int>(i) * 9));
        }
      }
      const FigureLayout layout = LayOut(figure, Measure);
      ASSERT_THAT(layout.panels, SizeIs(panels));
      for (size_t i = 0; i < panels; ++i) {
        const Rect& frame = layout.panels[i].frame;
        const Rect& area = layout.panels[i].area;
        EXPECT_TRUE(IsInside(frame, layout.width_px, layout.height_px));
        EXPECT_GE(area.x, frame.x);
        EXPECT_GE(area.y, frame.y);
        EXPECT_LE(area.right(), frame.right());
        EXPECT_LE(area.bottom(), frame.bottom());
        EXPECT_GT(area.width, 50.0);
        for (size_t k = 0; k < i; ++k) {
          const Rect& other = layout.panels[k].frame;
          const bool is_apart = other.right() <= frame.x || frame.right() <= other.x ||
                                other.bottom() <= frame.y || frame.bottom() <= other.y;
          EXPECT_TRUE(is_apart) << i << " and " << k;
        }
      }
    }
  }
}

TEST(LayOut, ALegendThatDoesNotFitSaysHowManyAreLeft) {
  Figure figure;
  figure.panels.emplace_back(MakeChart(100));
  const PanelLayout panel = LayOut(figure, Measure).panels.front();
  EXPECT_EQ(panel.legend_rest, "+ " + std::to_string(100 - panel.legend.size()) + " more");
  for (const LegendEntry& entry : panel.legend) {
    EXPECT_GT(entry.x, panel.area.right());
    EXPECT_LT(entry.y, panel.area.bottom());
  }
}

TEST(LayOut, OneLineHasNoLegend) {
  Figure figure;
  figure.panels.emplace_back(MakeChart(1));
  EXPECT_THAT(LayOut(figure, Measure).panels.front().legend, IsEmpty());
}

TEST(LayOut, CellsOfAHeatMapAreSquare) {
  Figure figure;
  figure.panel_width_px = 900.0;
  figure.panel_height_px = 400.0;
  figure.panels.emplace_back(MakeHeatMap(7));
  const Rect area = LayOut(figure, Measure).panels.front().area;
  EXPECT_DOUBLE_EQ(area.width, area.height);
}

uint32_t BigEndian(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

TEST(RenderPng, IsAPngOfTheSizeThatWasLaidOut) {
  Figure figure;
  figure.title = "Größe \x01 und \xff";
  figure.subtitle = std::string(500, 'x');
  figure.columns = 2;
  Chart odd = MakeChart(30);
  odd.series[0].points = {{0.0, std::nan("")}, {1.0, 2.0}, {2.0, HUGE_VAL}, {3.0, 1.0}};
  odd.series[1].points.clear();
  figure.panels.emplace_back(odd);
  figure.panels.emplace_back(Chart());
  figure.panels.emplace_back(MakeHeatMap(12));
  const auto png = RenderPng(figure);
  ASSERT_TRUE(png.ok()) << png.status();
  ASSERT_GT(png->size(), 1000U);
  EXPECT_EQ(png->substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png->substr(12, 4), "IHDR");
  EXPECT_THAT(png->substr(png->size() - 8), HasSubstr("IEND"));
  const FigureLayout layout = LayOut(figure, Measure);
  EXPECT_EQ(BigEndian(*png, 16), static_cast<uint32_t>(std::ceil(layout.width_px)));
  EXPECT_EQ(BigEndian(*png, 20), static_cast<uint32_t>(std::ceil(layout.height_px)));
  EXPECT_EQ(*RenderPng(figure), *png);
}

TEST(RenderPng, RefusesWhatCannotBeDrawn) {
  EXPECT_EQ(RenderPng({}).status().code(), absl::StatusCode::kInvalidArgument);
  Figure figure;
  HeatMap map = MakeHeatMap(3);
  map.shares.pop_back();
  figure.panels.emplace_back(map);
  EXPECT_EQ(RenderPng(figure).status().code(), absl::StatusCode::kInvalidArgument);
  figure.panels.assign(1, MakeChart(1));
  figure.panel_width_px = 1e6;
  EXPECT_EQ(RenderPng(figure).status().code(), absl::StatusCode::kInvalidArgument);
  figure.panel_width_px = 760.0;
  figure.panels.assign(65, MakeChart(1));
  EXPECT_EQ(RenderPng(figure).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::client::plot

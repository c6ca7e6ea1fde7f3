#include "dataset/augment_color.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace lbw::dataset {
namespace {

using Rgb = std::array<float, 3>;

Rgb Recolored(const ColorChange& change, Rgb rgb) {
  Recolor(change, absl::MakeSpan(rgb));
  return rgb;
}

float Luma(const Rgb& rgb) { return 0.299F * rgb[0] + 0.587F * rgb[1] + 0.114F * rgb[2]; }

// Of the chroma plane, radians.
double Hue(const Rgb& rgb) {
  return std::atan2(0.877 * static_cast<double>(rgb[0] - Luma(rgb)),
                    0.492 * static_cast<double>(rgb[2] - Luma(rgb)));
}

void ExpectRgb(const Rgb& actual, const Rgb& expected) {
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(actual[c], expected[c], 1e-3F) << "channel " << c;
}

TEST(Recolor, WithoutChangeRoundsToTheSamePixels) {
  for (int r = 0; r < 256; r += 15) {
    for (int g = 0; g < 256; g += 15) {
      for (int b = 0; b < 256; b += 15) {
        const Rgb rgb = {static_cast<float>(r), static_cast<float>(g), static_cast<float>(b)};
        ExpectRgb(Recolored({}, rgb), rgb);
      }
    }
  }
}

TEST(Recolor, BrightnessAddsAndContrastMultiplies) {
  ExpectRgb(Recolored({.brightness = 20}, {10, 50, 90}), {30, 70, 110});
  ExpectRgb(Recolored({.contrast = 0.5F}, {10, 50, 90}), {5, 25, 45});
  ExpectRgb(Recolored({.brightness = 20, .contrast = 2}, {10, 50, 90}), {60, 140, 220});
}

TEST(Recolor, ClipsToPixels) {
  ExpectRgb(Recolored({.brightness = -32}, {10, 32, 90}), {0, 0, 58});
  ExpectRgb(Recolored({.contrast = 1.5F}, {10, 170, 254}), {15, 255, 255});
}

TEST(Recolor, SaturationKeepsLuma) {
  const Rgb rgb = {90, 120, 150};
  const Rgb pale = Recolored({.saturation = 0.5F}, rgb);
  EXPECT_NEAR(Luma(pale), Luma(rgb), 1e-3F);
  EXPECT_NEAR(pale[2] - pale[0], 30, 1e-3F);
  const Rgb grey = Recolored({.saturation = 0}, rgb);
  ExpectRgb(grey, {Luma(rgb), Luma(rgb), Luma(rgb)});
}

TEST(Recolor, HueTurnsChromaAndKeepsLuma) {
  for (const Rgb& rgb : {Rgb{90, 120, 150}, Rgb{150, 110, 100}, Rgb{110, 140, 100}}) {
    for (const float half : {kMostHueHalfTurn, -kMostHueHalfTurn, 0.05F}) {
      const Rgb turned = Recolored({.hue_half_turn = half}, rgb);
      EXPECT_NEAR(Luma(turned), Luma(rgb), 1e-3F);
      const double angle = std::remainder(Hue(turned) - Hue(rgb), 2 * M_PI);
      EXPECT_NEAR(angle, 2 * std::atan(static_cast<double>(half)), 1e-4);
    }
  }
  EXPECT_NEAR(2 * std::atan(static_cast<double>(kMostHueHalfTurn)), M_PI / 10, 1e-4);
  ExpectRgb(Recolored({.hue_half_turn = 0.1F}, {77, 77, 77}), {77, 77, 77});
}

TEST(DrawColorChange, StaysInItsRangesAndChangesHalf) {
  base::Random random(5);
  constexpr int kDraws = 4'000;
  std::array<int, 4> changed{};
  for (int i = 0; i < kDraws; ++i) {
    const ColorChange change = DrawColorChange(random);
    EXPECT_LE(std::fabs(change.brightness), kMostBrightness);
    EXPECT_LE(std::fabs(change.contrast - 1), kMostContrast);
    EXPECT_LE(std::fabs(change.saturation - 1), kMostSaturation);
    EXPECT_LE(std::fabs(change.hue_half_turn), kMostHueHalfTurn);
    changed[0] += change.brightness != 0 ? 1 : 0;
    changed[1] += change.contrast != 1 ? 1 : 0;
    changed[2] += change.saturation != 1 ? 1 : 0;
    changed[3] += change.hue_half_turn != 0 ? 1 : 0;
  }
  for (const int count : changed) EXPECT_NEAR(count, kDraws / 2, 160);  // five deviations
}

}  // namespace
}  // namespace lbw::dataset

#include "dataset/scene_paint.h"

#include <algorithm>
#include <cmath>

namespace lbw::dataset {
namespace {

float Clamp01(float value) { return std::min(1.0F, std::max(0.0F, value)); }

float Fade(float t) { return t * t * (3 - 2 * t); }

float LatticeValue(uint64_t seed, int32_t x, int32_t y) {
  const uint64_t place = static_cast<uint64_t>(static_cast<uint32_t>(x)) << 32 |
                         static_cast<uint64_t>(static_cast<uint32_t>(y));
  return static_cast<float>(base::MixBits(seed ^ place * 0x9E3779B97F4A7C15U) >> 40) * 0x1p-24F;
}

// -1..1, rising and falling in straight lines over each unit.
float Wave(float t) { return 4 * std::fabs(t - std::floor(t) - 0.5F) - 1; }

// -1..1 with plateaus: a wave that is clipped.
float Band(float t) { return std::min(1.0F, std::max(-1.0F, 3 * Wave(t))); }

float TextureAt(const Paint& paint, float x, float y) {
  const float f = paint.frequency * 0.5F;
  switch (paint.texture) {
    case Texture::kPlain:
      return 0;
    case Texture::kNoise:
      return 2 * FractalNoise(paint.seed, x * f * 2, y * f * 2, 3) - 1;
    case Texture::kStripes:
      // Across the gradient, so that both are seen.
      return Band((x * paint.gradient_y - y * paint.gradient_x) * f);
    case Texture::kChecker:
      return Band(x * f) * Band(y * f);
    case Texture::kDots: {
      const float u = x * f - std::floor(x * f) - 0.5F;
      const float v = y * f - std::floor(y * f) - 0.5F;
      return u * u + v * v < 0.07F ? 1.0F : -0.15F;
    }
  }
  return 0;
}

Color ColorAt(const Paint& paint, const Local& at, float distance_px) {
  const float along = Clamp01(0.5F + 0.5F * (at.x * paint.gradient_x + at.y * paint.gradient_y));
  const float light = 1 + paint.strength * TextureAt(paint, at.x, at.y);
  const float rim = paint.outline_px > 0 ? Clamp01(distance_px + paint.outline_px + 0.5F) : 0.0F;
  Color color;
  for (size_t c = 0; c < 3; ++c) {
    const float fill = (paint.from[c] + (paint.to[c] - paint.from[c]) * along) * light;
    color[c] = fill + (paint.outline[c] - fill) * rim;
  }
  return color;
}

// Hue on the edges of the colour cube, then towards grey and dark.
Color RandomColor(base::Random& random, float min_saturation, float max_saturation) {
  const size_t sector = random.Below(6);
  const float part = random.Unit();
  Color hue{};
  hue[sector / 2] = 1;
  hue[(sector / 2 + (sector % 2 == 0 ? 1 : 2)) % 3] = part;
  const float saturation = random.Between(min_saturation, max_saturation);
  const float value = random.Between(0.22F, 0.95F);
  for (float& channel : hue) channel = value * (1 - saturation * (1 - channel));
  return hue;
}

float Difference(const Color& a, const Color& b) {
  float largest = 0;
  for (size_t c = 0; c < 3; ++c) largest = std::max(largest, std::fabs(a[c] - b[c]));
  return largest;
}

Color Near(base::Random& random, const Color& color, float spread) {
  Color result;
  for (size_t c = 0; c < 3; ++c) {
    result[c] = Clamp01(color[c] + random.Between(-spread, spread));
  }
  return result;
}

}  // namespace

float ValueNoise(uint64_t seed, float x, float y) {
  const float floor_x = std::floor(x);
  const float floor_y = std::floor(y);
  const auto cell_x = static_cast<int32_t>(floor_x);
  const auto cell_y = static_cast<int32_t>(floor_y);
  const float u = Fade(x - floor_x);
  const float v = Fade(y - floor_y);
  const float a = LatticeValue(seed, cell_x, cell_y);
  const float b = LatticeValue(seed, cell_x + 1, cell_y);
  const float c = LatticeValue(seed, cell_x, cell_y + 1);
  const float d = LatticeValue(seed, cell_x + 1, cell_y + 1);
  const float upper = a + (b - a) * u;
  const float lower = c + (d - c) * u;
  return upper + (lower - upper) * v;
}

float FractalNoise(uint64_t seed, float x, float y, int octaves) {
  float sum = 0;
  float weight = 1;
  float total = 0;
  for (int octave = 0; octave < octaves; ++octave) {
    sum += weight * ValueNoise(seed + static_cast<uint64_t>(octave), x, y);
    total += weight;
    weight *= 0.5F;
    x = x * 2 + 17;  // octaves do not share their lattice's origin
    y = y * 2 + 31;
  }
  return sum / total;
}

Paint RandomPaint(base::Random& random, const Color& ground, float contrast) {
  Paint paint;
  for (int attempt = 0; attempt < 12; ++attempt) {
    paint.from = RandomColor(random, 0.15F, 0.9F);
    if (Difference(paint.from, ground) >= contrast) break;
  }
  paint.to = Near(random, paint.from, 0.22F);
  float x = 0;
  float y = 0;
  float length = 0;
  while (length < 0.1F || length > 1) {  // a direction: a point of the unit disc, not its middle
    x = random.Between(-1, 1);
    y = random.Between(-1, 1);
    length = std::sqrt(x * x + y * y);
  }
  paint.gradient_x = x / length;
  paint.gradient_y = y / length;
  paint.texture = static_cast<Texture>(random.Below(5));
  paint.strength = random.Between(0.08F, 0.28F);
  paint.frequency = random.Between(2.5F, 8);
  if (random.Chance(0.45F)) {
    paint.outline_px = random.Between(1, 2.6F);
    const float shade = random.Chance(0.7F) ? random.Between(0.2F, 0.6F) : 1.4F;
    for (size_t c = 0; c < 3; ++c) paint.outline[c] = Clamp01(paint.from[c] * shade);
  }
  paint.seed = random.Next();
  return paint;
}

Color MeanUnder(const Canvas& canvas, const Coverage& coverage) {
  Color sum{};
  float count = 0;
  for (int32_t row = 0; row < coverage.height; ++row) {
    const int32_t y = coverage.top + row;
    if (y < 0 || y >= canvas.height) continue;
    for (int32_t column = 0; column < coverage.width; ++column) {
      const int32_t x = coverage.left + column;
      const auto index = static_cast<size_t>(row) * static_cast<size_t>(coverage.width) +
                         static_cast<size_t>(column);
      if (x < 0 || x >= canvas.width || !coverage.Covers(index)) continue;
      const Color& color =
          canvas.pixels[static_cast<size_t>(y) * static_cast<size_t>(canvas.width) +
                        static_cast<size_t>(x)];
      for (size_t c = 0; c < 3; ++c) sum[c] += color[c];
      count += 1;
    }
  }
  if (count == 0) return {0.5F, 0.5F, 0.5F};
  for (float& channel : sum) channel /= count;
  return sum;
}

void PaintShadow(const Coverage& coverage, const Shadow& shadow, Canvas& canvas) {
  for (int32_t row = 0; row < coverage.height; ++row) {
    const int32_t y = coverage.top + row + shadow.dy_px;
    if (y < 0 || y >= canvas.height) continue;
    for (int32_t column = 0; column < coverage.width; ++column) {
      const int32_t x = coverage.left + column + shadow.dx_px;
      if (x < 0 || x >= canvas.width) continue;
      const float distance =
          coverage.distance_px[static_cast<size_t>(row) * static_cast<size_t>(coverage.width) +
                               static_cast<size_t>(column)];
      const float dark = shadow.strength * Clamp01(0.5F - 0.5F * distance / shadow.softness_px);
      if (dark <= 0) continue;
      for (float& channel :
           canvas.pixels[static_cast<size_t>(y) * static_cast<size_t>(canvas.width) +
                         static_cast<size_t>(x)]) {
        channel *= 1 - dark;
      }
    }
  }
}

void PaintShape(const Pose& pose, const Coverage& coverage, const Paint& paint, Canvas& canvas) {
  for (int32_t row = 0; row < coverage.height; ++row) {
    const int32_t y = coverage.top + row;
    if (y < 0 || y >= canvas.height) continue;
    for (int32_t column = 0; column < coverage.width; ++column) {
      const int32_t x = coverage.left + column;
      const auto index = static_cast<size_t>(row) * static_cast<size_t>(coverage.width) +
                         static_cast<size_t>(column);
      if (x < 0 || x >= canvas.width || coverage.alpha[index] == 0) continue;
      const Local at = ToLocal(pose, static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F);
      const Color color = ColorAt(paint, at, coverage.distance_px[index]);
      const float alpha = static_cast<float>(coverage.alpha[index]) * (1.0F / 16);
      Color& pixel = canvas.pixels[static_cast<size_t>(y) * static_cast<size_t>(canvas.width) +
                                   static_cast<size_t>(x)];
      for (size_t c = 0; c < 3; ++c) pixel[c] += (color[c] - pixel[c]) * alpha;
    }
  }
}

}  // namespace lbw::dataset

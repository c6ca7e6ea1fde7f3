// What stands behind the shapes of a scene, and what a camera adds.
#include <algorithm>
#include <cmath>

#include "dataset/scene_paint.h"

namespace lbw::dataset {
namespace {

enum class Ground : uint8_t { kCloud, kGradient, kStripes, kPatches, kTiles };

// One ground, drawn once a scene, asked for every pixel.
class Background {
 public:
  explicit Background(base::Random& random)
      : ground_(static_cast<Ground>(random.Below(5))),
        seed_(random.Next()),
        scale_(random.Between(2.5F, 8)),
        warp_(random.Between(0, 0.6F)),
        frequency_(random.Between(4, 14)),
        slope_(random.Between(-1, 1)),
        grain_(random.Between(0.03F, 0.12F)) {
    const float value = random.Between(0.25F, 0.75F);
    for (Color& color : colors_) {
      const float tint = random.Between(0.04F, 0.2F);
      const float light = value + random.Between(-0.22F, 0.22F);
      for (float& channel : color) {
        channel = std::min(0.88F, std::max(0.08F, light + random.Between(-tint, tint)));
      }
    }
  }

  // x, y: pixels over the picture's shorter side.
  Color At(float x, float y) const {
    const float cloud = FractalNoise(seed_, x * scale_, y * scale_, 5);
    const float fine = FractalNoise(seed_ + 99, x * scale_ * 9, y * scale_ * 9, 2) - 0.5F;
    const float first = Share(x, y, cloud);
    const float second = FractalNoise(seed_ + 50, x * 1.7F, y * 1.7F, 2);
    Color result;
    for (size_t c = 0; c < 3; ++c) {
      const float mixed = colors_[0][c] + (colors_[1][c] - colors_[0][c]) * first;
      const float third = Clamp((second - 0.5F) * 2.2F);
      result[c] = (mixed + (colors_[2][c] - mixed) * third) * (1 + 2 * grain_ * fine);
    }
    return result;
  }

 private:
  static float Clamp(float value) { return std::min(1.0F, std::max(0.0F, value)); }
  static float Wave(float t) { return 2 * std::fabs(t - std::floor(t) - 0.5F); }

  // Of the second colour, 0..1.
  float Share(float x, float y, float cloud) const {
    switch (ground_) {
      case Ground::kCloud:
        return Clamp((cloud - 0.5F) * 2.4F + 0.5F);
      case Ground::kGradient:
        return Clamp(0.6F * (x + slope_ * y) + 0.5F * (cloud - 0.5F) + 0.15F);
      case Ground::kStripes: {
        const float t = (x + slope_ * y) * frequency_ * 0.5F + warp_ * 3 * cloud;
        return Clamp(2 * Wave(t) - 0.5F) * 0.75F + 0.25F * cloud;
      }
      case Ground::kPatches:
        return Clamp((cloud - 0.5F) * 14 + 0.5F);
      case Ground::kTiles:
        return Tile(x + warp_ * 0.15F * cloud, y) * 0.85F + 0.15F * cloud;
    }
    return 0;
  }

  // Each tile has a lightness of its own; joints between them.
  float Tile(float x, float y) const {
    const float u = x * frequency_ * 0.6F;
    const float v = y * frequency_ * 0.6F + slope_;
    const float joint = std::min(0.5F - std::fabs(u - std::floor(u) - 0.5F),
                                 0.5F - std::fabs(v - std::floor(v) - 0.5F));
    if (joint < 0.04F) return 0;
    // At whole coordinates the noise is the lattice's own value.
    return 0.25F + 0.75F * ValueNoise(seed_ + 7, std::floor(u), std::floor(v));
  }

  const Ground ground_;
  const uint64_t seed_;
  const float scale_;
  const float warp_;
  const float frequency_;
  const float slope_;
  const float grain_;
  std::array<Color, 3> colors_{};
};

// One pass of 1-2-1 over values that are step apart; what is outside repeats the edge.
void Smooth(std::vector<Color>& line, size_t first, size_t step, size_t count, float strength) {
  Color before = line[first];
  for (size_t i = 0; i < count; ++i) {
    Color& here = line[first + i * step];
    const Color old = here;
    const Color& next = line[first + std::min(i + 1, count - 1) * step];
    for (size_t c = 0; c < 3; ++c) {
      const float mean = (before[c] + next[c]) * 0.25F + old[c] * 0.5F;
      here[c] = old[c] + (mean - old[c]) * strength;
    }
    before = old;
  }
}

uint8_t Level(float value) {
  return static_cast<uint8_t>(std::floor(std::min(255.0F, std::max(0.0F, value)) + 0.5F));
}

}  // namespace

Canvas PaintBackground(int32_t width, int32_t height, base::Random& random) {
  const Background background(random);
  Canvas canvas;
  canvas.width = width;
  canvas.height = height;
  canvas.pixels.reserve(static_cast<size_t>(width) * static_cast<size_t>(height));
  const auto shorter = static_cast<float>(std::min(width, height));
  for (int32_t y = 0; y < height; ++y) {
    for (int32_t x = 0; x < width; ++x) {
      canvas.pixels.push_back(
          background.At(static_cast<float>(x) / shorter, static_cast<float>(y) / shorter));
    }
  }
  return canvas;
}

void Illuminate(base::Random& random, Canvas& canvas) {
  const float gain = random.Between(0.78F, 1.12F);
  const float slope_x = random.Between(-0.3F, 0.3F);
  const float slope_y = random.Between(-0.3F, 0.3F);
  const float vignette = random.Between(0, 0.35F);
  const float centre_x = random.Between(-0.6F, 0.6F);
  const float centre_y = random.Between(-0.6F, 0.6F);
  size_t index = 0;
  for (int32_t y = 0; y < canvas.height; ++y) {
    const float v = 2 * static_cast<float>(y) / static_cast<float>(canvas.height) - 1;
    for (int32_t x = 0; x < canvas.width; ++x, ++index) {
      const float u = 2 * static_cast<float>(x) / static_cast<float>(canvas.width) - 1;
      const float far = (u - centre_x) * (u - centre_x) + (v - centre_y) * (v - centre_y);
      const float light =
          gain * (1 + 0.5F * (slope_x * u + slope_y * v)) * (1 - vignette * 0.35F * far);
      for (float& channel : canvas.pixels[index]) channel *= light;
    }
  }
}

void Blur(base::Random& random, Canvas& canvas) {
  const size_t passes = random.Below(3);
  const float strength = random.Between(0.4F, 1);
  const auto width = static_cast<size_t>(canvas.width);
  const auto height = static_cast<size_t>(canvas.height);
  for (size_t pass = 0; pass < passes; ++pass) {
    for (size_t y = 0; y < height; ++y) Smooth(canvas.pixels, y * width, 1, width, strength);
    for (size_t x = 0; x < width; ++x) Smooth(canvas.pixels, x, width, height, strength);
  }
}

detect::Image Expose(base::Random& random, float noise, const Canvas& canvas) {
  detect::Image image;
  image.width = canvas.width;
  image.height = canvas.height;
  image.rgb.reserve(canvas.pixels.size() * 3);
  for (const Color& color : canvas.pixels) {
    // Mostly of lightness, a little of colour: 0.8^2 + 0.6^2 = 1.
    const float light = 0.8F * noise * random.Bell();
    for (const float channel : color) {
      image.rgb.push_back(Level(255 * channel + light + 0.6F * noise * random.Bell()));
    }
  }
  return image;
}

}  // namespace lbw::dataset

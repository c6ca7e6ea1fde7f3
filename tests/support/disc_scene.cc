#include "support/disc_scene.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lbw::testing {
namespace {

using Colour = std::array<double, 3>;

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014):
// the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  double Unit() {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
  }
  double In(double low, double high) { return low + (high - low) * Unit(); }
  int Below(int limit) { return static_cast<int>(Unit() * limit); }

 private:
  uint64_t state_;
};

constexpr std::array<Colour, 3> kDiscColours = {
    {{0.92, 0.12, 0.10}, {0.10, 0.90, 0.12}, {0.10, 0.12, 0.92}}};
constexpr std::array<Colour, 5> kClutter = {{{0.55, 0.42, 0.30},
                                             {0.35, 0.35, 0.38},
                                             {0.75, 0.74, 0.70},
                                             {0.50, 0.55, 0.45},
                                             {0.62, 0.58, 0.60}}};

struct Canvas {
  int size;
  std::vector<double> rgb;

  void Blend(int x, int y, const Colour& colour, double alpha) {
    if (x < 0 || y < 0 || x >= size || y >= size || alpha <= 0) return;
    double* pixel = rgb.data() + static_cast<size_t>(y * size + x) * 3;
    for (size_t c = 0; c < 3; ++c) pixel[c] += alpha * (colour[c] - pixel[c]);
  }
  void Rectangle(double x0, double y0, double x1, double y1, const Colour& colour) {
    for (int y = static_cast<int>(y0); y < y1; ++y) {
      for (int x = static_cast<int>(x0); x < x1; ++x) Blend(x, y, colour, 1);
    }
  }
  void FillDisc(const Disc& disc, const Colour& colour) {
    const int reach = static_cast<int>(disc.radius) + 2;
    for (int y = static_cast<int>(disc.cy) - reach; y <= disc.cy + reach; ++y) {
      for (int x = static_cast<int>(disc.cx) - reach; x <= disc.cx + reach; ++x) {
        const double distance = std::hypot(x + 0.5 - disc.cx, y + 0.5 - disc.cy);
        Blend(x, y, colour, std::clamp(disc.radius + 0.5 - distance, 0.0, 1.0));
      }
    }
  }
};

void DrawBackground(Canvas& canvas, Random& random) {
  const Colour base = {random.In(0.3, 0.6), random.In(0.3, 0.6), random.In(0.3, 0.6)};
  const double grey = (base[0] + base[1] + base[2]) / 3;
  for (int y = 0; y < canvas.size; ++y) {
    const double shade = 0.1 * std::sin(6.0 * y / canvas.size);
    for (int x = 0; x < canvas.size; ++x) {
      canvas.Blend(x, y,
                   {grey * 0.8 + base[0] * 0.2 + shade, grey * 0.8 + base[1] * 0.2 + shade,
                    grey * 0.8 + base[2] * 0.2 + shade},
                   1);
    }
  }
  const double unit = canvas.size / 160.0;
  for (int i = 0; i < 14; ++i) {
    const Colour& colour =
        kClutter[static_cast<size_t>(random.Below(static_cast<int>(kClutter.size())))];
    const double x = random.In(0, canvas.size);
    const double y = random.In(0, canvas.size);
    const bool bar = i % 2 == 0;
    canvas.Rectangle(x, y, x + unit * (bar ? random.In(30, 90) : random.In(8, 34)),
                     y + unit * (bar ? random.In(2, 6) : random.In(8, 34)), colour);
  }
}

bool Free(const std::vector<Disc>& discs, const Disc& candidate, double gap) {
  return std::all_of(discs.begin(), discs.end(), [&](const Disc& other) {
    return std::hypot(other.cx - candidate.cx, other.cy - candidate.cy) >
           other.radius + candidate.radius + gap;
  });
}

}  // namespace

DiscScene DrawDiscScene(uint64_t seed, int size) {
  Random random(seed);
  Canvas canvas{size,
                std::vector<double>(static_cast<size_t>(size) * static_cast<size_t>(size) * 3)};
  DrawBackground(canvas, random);
  DiscScene scene{size, size, {}, {}};
  const double unit = size / 160.0;
  const int wanted = 3 + random.Below(4);
  for (int attempt = 0; attempt < 200 && static_cast<int>(scene.discs.size()) < wanted; ++attempt) {
    Disc disc;
    disc.radius = unit * (random.Below(3) != 0 ? random.In(10.5, 13.5) : random.In(21, 27));
    disc.cx = random.In(disc.radius + 2 * unit, size - disc.radius - 2 * unit);
    disc.cy = random.In(disc.radius + 2 * unit, size - disc.radius - 2 * unit);
    disc.class_index = random.Below(3);
    // The window of a disc must see no other: the gap is what a 12 x 12 window reaches beyond its
    // disc.
    if (!Free(scene.discs, disc, disc.radius * 0.9)) continue;
    scene.discs.push_back(disc);
    canvas.FillDisc(disc, kDiscColours[static_cast<size_t>(disc.class_index)]);
  }
  scene.rgb.resize(canvas.rgb.size());
  for (size_t i = 0; i < canvas.rgb.size(); ++i) {
    const double value = canvas.rgb[i] + random.In(-0.03, 0.03);
    scene.rgb[i] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255));
  }
  return scene;
}

std::vector<float> SceneAsInput(const DiscScene& scene) {
  const size_t area = static_cast<size_t>(scene.width) * static_cast<size_t>(scene.height);
  std::vector<float> input(area * 3);
  for (size_t i = 0; i < area; ++i) {
    for (size_t c = 0; c < 3; ++c)
      input[c * area + i] = static_cast<float>(scene.rgb[i * 3 + c]) * (1.0F / 255);
  }
  return input;
}

}  // namespace lbw::testing

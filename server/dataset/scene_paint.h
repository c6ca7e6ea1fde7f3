// Colours, textures and light of synthetic scenes. Private to the room.
//
// Bits: as scene_shapes.h. Threads: pure.
#ifndef LBW_DATASET_SCENE_PAINT_H_
#define LBW_DATASET_SCENE_PAINT_H_

#include <array>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "dataset/scene_shapes.h"
#include "detect/image/image.h"

namespace lbw::dataset {

// Red, green, blue; 0..1 is what a picture can show.
using Color = std::array<float, 3>;

struct Canvas {
  int32_t width = 0;
  int32_t height = 0;
  std::vector<Color> pixels;  // [height, width]
};

// Noise over the plane: random values at whole coordinates, smooth between, in [0, 1).
float ValueNoise(uint64_t seed, float x, float y);
// Octaves of it, each half as strong and twice as fine; in [0, 1).
float FractalNoise(uint64_t seed, float x, float y, int octaves);

enum class Texture : uint8_t { kPlain, kNoise, kStripes, kChecker, kDots };
struct Paint {
  Color from{};  // along a direction
  Color to{};
  float gradient_x = 1;  // unit vector, in the shape's own axes
  float gradient_y = 0;
  Texture texture = Texture::kPlain;
  float strength = 0;   // of the texture, as lightness
  float frequency = 1;  // of the texture: periods from -1 to 1
  float outline_px = 0;
  Color outline{};
  uint64_t seed = 0;
};
// Any colour, direction and texture; differs from what it will stand on by contrast or more, where
// a few tries find one.
Paint RandomPaint(base::Random& random, const Color& ground, float contrast);

// The mean of what the shape will cover; grey where all of it is outside.
Color MeanUnder(const Canvas& canvas, const Coverage& coverage);

// Ground of several octaves, gradients, stripes, patches or tiles; no shapes.
Canvas PaintBackground(int32_t width, int32_t height, base::Random& random);

struct Shadow {
  int32_t dx_px = 0;
  int32_t dy_px = 0;
  float softness_px = 1;  // at most the coverage's margin
  float strength = 0;     // 0..1
};
void PaintShadow(const Coverage& coverage, const Shadow& shadow, Canvas& canvas);
void PaintShape(const Pose& pose, const Coverage& coverage, const Paint& paint, Canvas& canvas);

// What a camera adds: uneven light, blur, noise (standard deviation in levels of 255).
void Illuminate(base::Random& random, Canvas& canvas);
void Blur(base::Random& random, Canvas& canvas);
detect::Image Expose(base::Random& random, float noise, const Canvas& canvas);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_SCENE_PAINT_H_

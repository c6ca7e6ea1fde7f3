// Scenes of coloured discs among clutter, with the truth; drawn without a library, the same for the
// same seed on every machine.
#ifndef LBW_TESTS_SUPPORT_DISC_SCENE_H_
#define LBW_TESTS_SUPPORT_DISC_SCENE_H_

#include <cstdint>
#include <vector>

namespace lbw::testing {

struct Disc {
  double cx = 0;  // pixels
  double cy = 0;
  double radius = 0;
  int class_index = 0;  // 0 red, 1 green, 2 blue
};

struct DiscScene {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]
  std::vector<Disc> discs;
};

// size x size pixels, size >= 160. Discs do not touch each other; clutter (bars, frames, grey and
// brown patches, noise) lies behind them.
DiscScene DrawDiscScene(uint64_t seed, int size);

// Nearest-pixel-free reference: the scene as network input [3, size, size] in 0..1.
std::vector<float> SceneAsInput(const DiscScene& scene);

}  // namespace lbw::testing

#endif  // LBW_TESTS_SUPPORT_DISC_SCENE_H_

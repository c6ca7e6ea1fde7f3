// ssd_tiny: a small single-shot detector as a Graph, with weights drawn by a seed.
//
// Shape:   a stem and stages of Conv, BatchNormalization and Relu (3x3, stride 2 into every stage);
//          from the feature maps of stride 8, 16 and 32 two 3x3 convolutions each make boxes and
//          logits, anchors by row, column and size; outputs "boxes" [N, anchors, 4] and "scores"
//          [N, anchors, classes + 1], logits with the background first. Any batch size.
// Weights: K. He et al., "Delving Deep into Rectifiers", arXiv 1502.01852 (2015), section 2.2:
// close
//          to normal (base::Random::Bell) with variance 2 / fan in; those of the head's
//          convolutions a tenth of it; biases 0, but such that softmax gives every class 0.01 at
//          first, and all of them together 0.5 at most. The same bits for the same seed.
// Source:  the head is that of W. Liu et al., "SSD", arXiv 1512.02325 (2015), section 2.1; the
//          network is ours.
// Threads: pure.
#ifndef LBW_GRAPH_BUILD_SSD_TINY_H_
#define LBW_GRAPH_BUILD_SSD_TINY_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "graph/graph.h"

namespace lbw::graph {

inline constexpr double kLeastWidthMultiplier = 0.25;
inline constexpr double kGreatestWidthMultiplier = 4;

struct SsdTinyOptions {
  int64_t channels = 3;  // 1..4
  int64_t height = 128;  // 32..1024
  int64_t width = 128;
  int64_t classes = 1;          // 1..1000
  double width_multiplier = 1;  // of every layer's channels, which stay multiples of 8
  uint64_t seed = 0;
};
struct SsdTinyLevel {
  int64_t rows = 0;
  int64_t cols = 0;
  // Width and height as a fraction of the input's: what is a square in pixels stays one. Two
  // squares, a wide and a tall box a level: 0.07 to 0.6 of the shorter side over the levels.
  std::vector<std::array<float, 2>> wh;
};
struct SsdTiny {
  Graph graph;
  Constants constants;
  std::vector<SsdTinyLevel> levels;  // in the order of the outputs
};
// Errors: kInvalidArgument, BAD_ARGUMENT - an option out of range (names it, value and limits).
absl::StatusOr<SsdTiny> BuildSsdTiny(const SsdTinyOptions& options);

}  // namespace lbw::graph

#endif  // LBW_GRAPH_BUILD_SSD_TINY_H_

// A small SSD whose weights are set by hand so that it finds coloured discs; its spec; and an
// independent forward pass.
//
// Input 3 x 160 x 160 RGB in 0..1. Colour planes (1x1 convolution, ReLU), average pooling to a
// quarter, then two levels of windows of 12 x 12 pooled pixels: 20 x 20 cells of 8 px with one
// anchor of 24 px, and 10 x 10 cells of 16 px with one of 48 px. A window's mean inside minus its
// ring gives the class; its first moments give the centre and its mass gives the size. 500 anchors,
// classes red, green, blue; boxes centre-size with variances 0.1 and 0.2; sigmoid scores.
#ifndef LBW_TESTS_SUPPORT_DISC_DETECTOR_H_
#define LBW_TESTS_SUPPORT_DISC_DETECTOR_H_

#include <array>
#include <map>
#include <string>
#include <vector>

namespace lbw::testing {

inline constexpr int kDiscInput = 160;
inline constexpr int kDiscClasses = 3;
inline constexpr int kDiscAnchors = 500;

// A weight as the network stores it: shape and values in row-major order.
struct NamedArray {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
using NamedArrays = std::map<std::string, NamedArray>;

// The hand-set weights, by initializer name.
NamedArrays DiscDetectorWeights();
// The bytes of an ONNX file with those weights.
std::string DiscDetectorOnnx(const NamedArrays& weights);
// The spec that goes with it, YAML.
std::string DiscDetectorSpec();

struct DiscOutputs {
  std::vector<float> boxes;   // [500, 4]
  std::vector<float> scores;  // [500, 3]
};
// The network in plain loops and float64, sharing nothing with the product.
// input: [3, 160, 160] in 0..1.
DiscOutputs ScalarForward(const NamedArrays& weights, const std::vector<float>& input);

struct ScalarBox {
  double x_min = 0;  // fractions of the picture
  double y_min = 0;
  double x_max = 0;
  double y_max = 0;
  int class_index = 0;
  double score = 0;
};
// Decoding and suppression (best class of a box only, IoU 0.4 over all classes) in plain loops.
// Best first.
std::vector<ScalarBox> ScalarDecode(const DiscOutputs& outputs, double score_threshold);

}  // namespace lbw::testing

#endif  // LBW_TESTS_SUPPORT_DISC_DETECTOR_H_

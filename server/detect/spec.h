// What a model's spec says about pictures going in and boxes coming out: plain values, parsed and
// checked by room model.
#ifndef LBW_DETECT_SPEC_H_
#define LBW_DETECT_SPEC_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lbw::detect {

enum class Resize : uint8_t { kStretch, kLetterbox, kShortestSide };
enum class Interpolation : uint8_t { kNearest, kLinear, kArea, kCubic };
enum class ColorOrder : uint8_t { kRgb, kBgr, kGray };

// x = (pixel 0..255 - mean) * scale, for each channel.
struct InputSpec {
  int64_t height = 0;
  int64_t width = 0;
  Resize resize = Resize::kStretch;
  float pad_value = 114;          // kLetterbox, kShortestSide: 0..255, the pixel around the picture
  int64_t shortest_side_min = 0;  // kShortestSide
  int64_t shortest_side_max = 0;
  Interpolation interpolation = Interpolation::kLinear;
  ColorOrder color = ColorOrder::kRgb;
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> scale = {1, 1, 1};

  int64_t channels() const { return color == ColorOrder::kGray ? 1 : 3; }
  bool operator==(const InputSpec&) const = default;
};

enum class Activation : uint8_t { kNone, kSigmoid, kSoftmax };
enum class Background : uint8_t { kNone, kFirst, kLast };
enum class BoxEncoding : uint8_t { kCenterSize, kCorners, kLtrb };
enum class BoxUnits : uint8_t { kRelative, kPixel };

// One value of the graph, or some of its channels.
struct ValueSlice {
  std::string value;
  std::optional<int64_t> channel_begin;  // both or none: [begin, end)
  std::optional<int64_t> channel_end;
  bool operator==(const ValueSlice&) const = default;
};

// What a role reads: one value, or one a level.
struct Role {
  std::vector<ValueSlice> values;
  // Applied to what is read; left out: what the head says. Import sets kNone where the graph has
  // applied the head's activation already (its declared outputs stay probabilities).
  std::optional<Activation> activation;
  // The value before the activation, traced at import; losses use it. Empty where the graph has no
  // activation behind it.
  std::vector<ValueSlice> logits;
  bool operator==(const Role&) const = default;
};

// Anchors of one feature map. Order: row, column, then wh. Centre (i + 0.5) * step; step = 1 /
// cells, or step_px / input size.
struct PriorLevel {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<std::array<float, 2>> wh;  // relative width and height
  std::optional<float> step_px;
  bool clip = false;
  bool operator==(const PriorLevel&) const = default;
};

// How four numbers become a box, p an anchor, v the variances, all in fractions of the input:
//   center_size  centre = p.centre + x01 * v0 * p.size, size = p.size * exp(x23 * v1)
//                (W. Liu et al., "SSD", arXiv 1512.02325 (2015), section 2.2, with Caffe's
//                variances); without priors: centre and size as they are
//   corners      x01 * v0 + p's upper left corner, x23 * v1 + p's lower right one; without priors:
//                x_min, y_min, x_max, y_max as they are
//   ltrb         distances from p's centre: x01 * v0 to the left and top, x23 * v1 to the right and
//                bottom (Z. Tian et al., "FCOS", arXiv 1904.01355 (2019), section 3.1); needs
//                priors
// units: of the four numbers where they are lengths (not center_size with priors).
struct BoxSpec {
  BoxEncoding encoding = BoxEncoding::kCenterSize;
  BoxUnits units = BoxUnits::kRelative;
  std::array<float, 2> variances = {0.1F, 0.2F};  // of the first two numbers, of the last two
  std::vector<PriorLevel> priors;
  std::string prior_tensor;  // or a constant [anchors, 4] of the graph, centre-size, relative
  bool operator==(const BoxSpec&) const = default;
};

struct NmsSpec {
  float iou = 0.45F;
  bool per_class = false;
  float score = 0.5F;
  int64_t keep = 200;
  bool operator==(const NmsSpec&) const = default;
};

struct HeadSpec {
  std::string kind;  // "ssd", "logits", ...
  Role boxes;        // ssd
  Role scores;       // ssd: [N, anchors, classes]; logits: [N, classes]
  BoxSpec box;
  Activation score_activation = Activation::kNone;
  Background background = Background::kNone;
  NmsSpec nms;
  bool operator==(const HeadSpec&) const = default;
};

}  // namespace lbw::detect

#endif  // LBW_DETECT_SPEC_H_

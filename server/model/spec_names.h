// The words of the model spec for the enums of room detect. Private to the room.
#ifndef LBW_MODEL_SPEC_NAMES_H_
#define LBW_MODEL_SPEC_NAMES_H_

#include <array>
#include <string_view>

#include "detect/spec.h"

namespace lbw::model {

template <typename T>
struct Word {
  std::string_view text;
  T value;
};

inline constexpr std::array<Word<detect::Resize>, 3> kResizes = {
    {{"stretch", detect::Resize::kStretch},
     {"letterbox", detect::Resize::kLetterbox},
     {"shortest_side", detect::Resize::kShortestSide}}};
inline constexpr std::array<Word<detect::Interpolation>, 4> kInterpolations = {
    {{"nearest", detect::Interpolation::kNearest},
     {"linear", detect::Interpolation::kLinear},
     {"area", detect::Interpolation::kArea},
     {"cubic", detect::Interpolation::kCubic}}};
inline constexpr std::array<Word<detect::ColorOrder>, 3> kColors = {
    {{"rgb", detect::ColorOrder::kRgb},
     {"bgr", detect::ColorOrder::kBgr},
     {"gray", detect::ColorOrder::kGray}}};
inline constexpr std::array<Word<detect::Activation>, 3> kActivations = {
    {{"none", detect::Activation::kNone},
     {"sigmoid", detect::Activation::kSigmoid},
     {"softmax", detect::Activation::kSoftmax}}};
inline constexpr std::array<Word<detect::Background>, 3> kBackgrounds = {
    {{"none", detect::Background::kNone},
     {"first", detect::Background::kFirst},
     {"last", detect::Background::kLast}}};
inline constexpr std::array<Word<detect::BoxEncoding>, 3> kEncodings = {
    {{"center_size", detect::BoxEncoding::kCenterSize},
     {"corners", detect::BoxEncoding::kCorners},
     {"ltrb", detect::BoxEncoding::kLtrb}}};
inline constexpr std::array<Word<detect::BoxUnits>, 2> kUnits = {
    {{"relative", detect::BoxUnits::kRelative}, {"pixel", detect::BoxUnits::kPixel}}};

template <typename T, size_t N>
std::string_view TextOf(const std::array<Word<T>, N>& words, T value) {
  for (const Word<T>& word : words) {
    if (word.value == value) return word.text;
  }
  return "";
}

}  // namespace lbw::model

#endif  // LBW_MODEL_SPEC_NAMES_H_

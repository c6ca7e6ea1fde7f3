#include "dataset/augment_color.h"

#include <algorithm>
#include <cstddef>

namespace lbw::dataset {
namespace {

constexpr float kRed = 0.299F;
constexpr float kGreen = 0.587F;
constexpr float kBlue = 0.114F;
// How the chroma plane weighs B - y and R - y.
constexpr float kU = 0.492F;
constexpr float kV = 0.877F;

float Clipped(float value) { return std::min(std::max(value, 0.0F), 255.0F); }

}  // namespace

ColorChange DrawColorChange(base::Random& random) {
  // Every number is drawn, wanted or not: what is behind it stays the same.
  const auto draw = [&random](float most) {
    const float amount = random.Between(-most, most);
    return random.Chance(0.5F) ? amount : 0.0F;
  };
  ColorChange change;
  change.brightness = draw(kMostBrightness);
  change.contrast = 1 + draw(kMostContrast);
  change.saturation = 1 + draw(kMostSaturation);
  change.hue_half_turn = draw(kMostHueHalfTurn);
  return change;
}

void Recolor(const ColorChange& change, absl::Span<float> planes) {
  const float t = change.hue_half_turn;
  const float cosine = (1 - t * t) / (1 + t * t);
  const float sine = 2 * t / (1 + t * t);
  const float gain = change.contrast;
  const float offset = change.contrast * change.brightness;
  const float chroma = change.contrast * change.saturation;
  const float blue_of_blue = chroma * cosine;
  const float blue_of_red = -chroma * sine * (kV / kU);
  const float red_of_blue = chroma * sine * (kU / kV);
  const float red_of_red = chroma * cosine;
  const size_t pixels = planes.size() / 3;
  float* const red = planes.data();
  float* const green = red + pixels;
  float* const blue = green + pixels;
  for (size_t i = 0; i < pixels; ++i) {
    const float y = kRed * red[i] + kGreen * green[i] + kBlue * blue[i];
    const float from_blue = blue[i] - y;
    const float from_red = red[i] - y;
    const float to_blue = blue_of_blue * from_blue + blue_of_red * from_red;
    const float to_red = red_of_blue * from_blue + red_of_red * from_red;
    const float luma = gain * y + offset;
    red[i] = Clipped(luma + to_red);
    green[i] = Clipped(luma - (kRed / kGreen) * to_red - (kBlue / kGreen) * to_blue);
    blue[i] = Clipped(luma + to_blue);
  }
}

}  // namespace lbw::dataset

#include <array>
#include <cmath>
#include <vector>

#include "base/status.h"
#include "detect/image/image.h"
#include "detect/image/opencv.h"

namespace lbw::detect {
namespace {

// (pixel - mean) * scale of every pixel value: one rounding path whatever the picture, and a load
// instead of arithmetic.
using Table = std::array<float, 256>;

std::array<Table, 3> MakeTables(const InputSpec& input) {
  std::array<Table, 3> tables;
  for (size_t c = 0; c < 3; ++c) {
    for (size_t v = 0; v < 256; ++v) {
      tables[c][v] = (static_cast<float>(v) - input.mean[c]) * input.scale[c];
    }
  }
  return tables;
}

// ITU-R BT.601 luma in 14-bit fixed point, rounded: what OpenCV and libjpeg mean by grey.
uint8_t Luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 4899 + rgb[1] * 9617 + rgb[2] * 1868 + 8192) >> 14);
}

void ToPlanes(const std::vector<uint8_t>& rgb, const InputSpec& input, float* out) {
  const std::array<Table, 3> tables = MakeTables(input);
  const size_t pixels = rgb.size() / 3;
  if (input.color == ColorOrder::kGray) {
    for (size_t i = 0; i < pixels; ++i) out[i] = tables[0][Luma(&rgb[3 * i])];
    return;
  }
  const bool bgr = input.color == ColorOrder::kBgr;
  for (size_t c = 0; c < 3; ++c) {
    const uint8_t* in = rgb.data() + (bgr ? 2 - c : c);
    const Table& table = tables[c];
    float* plane = out + c * pixels;
    for (size_t i = 0; i < pixels; ++i) plane[i] = table[in[3 * i]];
  }
}

}  // namespace

absl::Status Preprocess(const Image& image, const InputSpec& input, absl::Span<float> out) {
  const auto pixels = static_cast<size_t>(input.width * input.height);
  LBW_CHECK(out.size() == pixels * static_cast<size_t>(input.channels()));
  LBW_CHECK(image.width > 0 && image.height > 0);
  const Placement placement = PlacePicture(input, image.width, image.height);
  const auto pad = static_cast<uint8_t>(std::lround(input.pad_value));
  std::vector<uint8_t> canvas(pixels * 3, pad);
  const auto left = static_cast<size_t>(placement.offset_x);
  const auto top = static_cast<size_t>(placement.offset_y);
  const size_t stride = static_cast<size_t>(input.width) * 3;
  LBW_RETURN_IF_ERROR(ResizeInto(image, input.interpolation,
                                 {canvas.data() + top * stride + left * 3, placement.resized_width,
                                  placement.resized_height, stride}));
  ToPlanes(canvas, input, out.data());
  return absl::OkStatus();
}

}  // namespace lbw::detect

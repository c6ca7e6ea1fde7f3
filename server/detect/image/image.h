// Encoded pictures in, network inputs and annotated pictures out. One path for serving, datasets,
// calibration and evaluation.
//
// EXIF orientation is applied when decoding: everything behind it sees the upright picture.
// Threads: pure functions; each uses only the calling thread.
#ifndef LBW_DETECT_IMAGE_IMAGE_H_
#define LBW_DETECT_IMAGE_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/tensor.h"
#include "detect/box.h"
#include "detect/decoder.h"
#include "detect/spec.h"

namespace lbw::detect {

// 8-bit RGB, row-major, interleaved, without padding.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]
};

struct ImageLimits {
  uint64_t max_bytes = uint64_t{32} << 20;
  int64_t max_pixels = 40'000'000;
};

enum class ImageFormat : uint8_t { kJpeg, kPng };

// Reads a JPEG or PNG (grey, palette, 16 bit, alpha and CMYK become 8-bit RGB; alpha is dropped).
// Size is checked from the header before anything is allocated. A picture cut short is an error,
// not a grey remainder. 16-bit samples lose their low byte; CMYK follows Adobe's inversion where
// the file has Adobe's marker. Errors: kInvalidArgument - BAD_IMAGE (not a JPEG or PNG, cut short,
// broken), IMAGE_TOO_LARGE (names bytes or pixels and limit).
absl::StatusOr<Image> DecodeImage(absl::Span<const std::byte> encoded,
                                  const ImageLimits& limits = {});

// Resizes and normalises into out [channels, height, width] f32 (one picture of an NCHW batch).
// The same bits for a picture whatever else is in its batch. gray: luma of ITU-R BT.601. What the
// picture does not fill (PlacePicture) is input.pad_value. Aborts where out has another size.
// Errors: kInternal - OpenCV refused; kResourceExhausted, OUT_OF_ROOM. out is undefined then.
absl::Status Preprocess(const Image& image, const InputSpec& input, absl::Span<float> out);

struct DrawItem {
  BoxXyxyPx box;
  std::string text;
  int32_t color_index = 0;
};
// Draws boxes and labels in colours by class (color_index modulo the palette); line width and text
// follow the picture's size. Earlier items lie on top. Boxes are clipped to the picture; one that
// is not finite is left out. Labels: ASCII; other characters show as "?".
// Errors: kInternal - OpenCV refused; kResourceExhausted, OUT_OF_ROOM.
absl::Status DrawBoxes(Image& image, absl::Span<const DrawItem> items);

// JPEG with quality 92. Errors: kInternal.
absl::StatusOr<std::string> EncodeImage(const Image& image, ImageFormat format);

}  // namespace lbw::detect

#endif  // LBW_DETECT_IMAGE_IMAGE_H_

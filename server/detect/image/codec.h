// The two readers behind DecodeImage. Private to the room.
//
// Threads: pure.
#ifndef LBW_DETECT_IMAGE_CODEC_H_
#define LBW_DETECT_IMAGE_CODEC_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "detect/image/image.h"

namespace lbw::detect {

// A picture as it is stored, and how it has to be turned (EXIF, 1..8).
struct StoredImage {
  Image image;
  int orientation = 1;
};

bool IsJpeg(absl::Span<const std::byte> encoded);
bool IsPng(absl::Span<const std::byte> encoded);
// encoded must be what the name says. Errors: as DecodeImage.
absl::StatusOr<StoredImage> DecodeJpeg(absl::Span<const std::byte> encoded,
                                       const ImageLimits& limits);
absl::StatusOr<StoredImage> DecodePng(absl::Span<const std::byte> encoded,
                                      const ImageLimits& limits);

absl::Status BadImage(std::string_view message);
// Errors: BAD_IMAGE - a side of 0; IMAGE_TOO_LARGE.
absl::Status CheckSize(int64_t width, int64_t height, const ImageLimits& limits);

}  // namespace lbw::detect

#endif  // LBW_DETECT_IMAGE_CODEC_H_

#include "detect/image/image.h"

#include <utility>

#include "base/status.h"
#include "detect/image/codec.h"
#include "detect/image/opencv.h"

namespace lbw::detect {
namespace {

using absl::StatusCode;

}  // namespace

absl::Status BadImage(std::string_view message) {
  return base::Error(StatusCode::kInvalidArgument, base::reason::kBadImage, message);
}

absl::Status CheckSize(int64_t width, int64_t height, const ImageLimits& limits) {
  if (width < 1 || height < 1) {
    return BadImage(base::StrCat("picture has no pixels: width=", width, " height=", height));
  }
  // By division: the sides come from a file and their product may not fit.
  if (height > limits.max_pixels / width) {
    return base::Error(StatusCode::kInvalidArgument, base::reason::kImageTooLarge,
                       base::StrCat("picture is larger than the limit: width=", width,
                                    " height=", height, " limit=", limits.max_pixels, " pixels"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Image> DecodeImage(absl::Span<const std::byte> encoded, const ImageLimits& limits) {
  if (encoded.size() > limits.max_bytes) {
    return base::Error(StatusCode::kInvalidArgument, base::reason::kImageTooLarge,
                       base::StrCat("encoded picture is larger than the limit: bytes=",
                                    encoded.size(), " limit=", limits.max_bytes));
  }
  const bool jpeg = IsJpeg(encoded);
  if (!jpeg && !IsPng(encoded)) {
    return BadImage(base::StrCat("not a JPEG or PNG picture (", encoded.size(), " bytes)"));
  }
  LBW_ASSIGN_OR_RETURN(StoredImage stored,
                       jpeg ? DecodeJpeg(encoded, limits) : DecodePng(encoded, limits));
  return Upright(std::move(stored.image), stored.orientation);
}

absl::StatusOr<std::string> EncodeImage(const Image& image, ImageFormat format) {
  std::optional<std::string> encoded = EncodeWithOpenCv(image, format);
  if (encoded) return *std::move(encoded);
  return base::Error(
      StatusCode::kInternal, base::reason::kInternal,
      base::StrCat("could not encode a picture: width=", image.width, " height=", image.height));
}

}  // namespace lbw::detect

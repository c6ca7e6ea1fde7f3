// PNG: the chunks are checked here (size, end, orientation), the pixels come from OpenCV.
// Source of the layout: W3C, Portable Network Graphics, second edition, section 5.
#include <optional>
#include <string_view>

#include "base/status.h"
#include "detect/image/codec.h"
#include "detect/image/exif.h"
#include "detect/image/opencv.h"

namespace lbw::detect {
namespace {

constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n", 8);

uint32_t BigEndian(absl::Span<const std::byte> four) {
  uint32_t result = 0;
  for (size_t i = 0; i < 4; ++i) result = result << 8 | std::to_integer<uint32_t>(four[i]);
  return result;
}

struct Chunks {
  int64_t width = 0;
  int64_t height = 0;
  int orientation = 1;
};

// Walks from IHDR to IEND. A file that ends before IEND is cut short.
absl::StatusOr<Chunks> WalkChunks(absl::Span<const std::byte> encoded, const ImageLimits& limits) {
  Chunks result;
  size_t at = kSignature.size();
  for (bool first = true;; first = false) {
    if (encoded.size() - at < 12) return BadImage("PNG is cut short: it ends before its IEND");
    const uint64_t length = BigEndian(encoded.subspan(at, 4));
    const std::string_view type(reinterpret_cast<const char*>(encoded.data()) + at + 4, 4);
    if (length > encoded.size() - at - 12) {
      return BadImage(base::StrCat("PNG is cut short: chunk at byte ", at, " needs ", length,
                                   " bytes, the file has ", encoded.size() - at - 12));
    }
    const auto data = encoded.subspan(at + 8, length);
    if (first) {
      if (type != "IHDR" || length != 13) return BadImage("PNG does not begin with an IHDR");
      result.width = BigEndian(data.subspan(0, 4));
      result.height = BigEndian(data.subspan(4, 4));
      LBW_RETURN_IF_ERROR(CheckSize(result.width, result.height, limits));
    } else if (type == "eXIf") {
      result.orientation = ExifOrientation(data);
    } else if (type == "IEND") {
      return result;
    }
    at += static_cast<size_t>(length) + 12;
  }
}

}  // namespace

bool IsPng(absl::Span<const std::byte> encoded) {
  return encoded.size() >= kSignature.size() &&
         std::string_view(reinterpret_cast<const char*>(encoded.data()), kSignature.size()) ==
             kSignature;
}

absl::StatusOr<StoredImage> DecodePng(absl::Span<const std::byte> encoded,
                                      const ImageLimits& limits) {
  LBW_ASSIGN_OR_RETURN(const Chunks chunks, WalkChunks(encoded, limits));
  std::optional<Image> image = DecodeWithOpenCv(encoded);
  if (!image || image->width != chunks.width || image->height != chunks.height) {
    return BadImage("PNG is broken: its pixels do not decode");
  }
  StoredImage stored;
  stored.image = std::move(*image);
  stored.orientation = chunks.orientation;
  return stored;
}

}  // namespace lbw::detect

// OpenCV behind our types, its exceptions turned into a status or a missing result. Private to the
// room; only opencv.cc and draw.cc see OpenCV's headers.
//
// Threads: pure; each call uses only the calling thread.
#ifndef LBW_DETECT_IMAGE_OPENCV_H_
#define LBW_DETECT_IMAGE_OPENCV_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "detect/image/image.h"
#include "detect/spec.h"

namespace lbw::detect {

// Ends OpenCV's own threads for the whole process, once: a picture's work stays on its thread, and
// pools are sized by those who own them.
void UseCallingThreadOnly();

std::optional<Image> DecodeWithOpenCv(absl::Span<const std::byte> encoded);
std::optional<std::string> EncodeWithOpenCv(const Image& image, ImageFormat format);

// Runs work. Errors: kInternal - OpenCV threw (names what was done); kResourceExhausted,
// OUT_OF_ROOM - out of memory.
absl::Status CatchOpenCv(std::string_view what, const std::function<void()>& work);

// The picture turned upright; orientation: EXIF's 1..8. Errors: those of CatchOpenCv.
absl::StatusOr<Image> Upright(Image image, int orientation);

// out: [height, width, 3], borrowed; rows are row_stride_bytes apart.
struct ResizeTarget {
  uint8_t* rgb = nullptr;
  int64_t width = 0;
  int64_t height = 0;
  size_t row_stride_bytes = 0;
};
// Errors: those of CatchOpenCv.
absl::Status ResizeInto(const Image& image, Interpolation interpolation,
                        const ResizeTarget& target);

}  // namespace lbw::detect

#endif  // LBW_DETECT_IMAGE_OPENCV_H_

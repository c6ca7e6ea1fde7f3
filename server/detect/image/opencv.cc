#include "detect/image/opencv.h"

#include <cstring>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "base/status.h"

namespace lbw::detect {
namespace {

// OpenCV has no const view; what is made from a const picture is only read.
cv::Mat ViewOf(const Image& image) {
  return cv::Mat(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                 const_cast<uint8_t*>(image.rgb.data()));
}

int ToOpenCv(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::kNearest:
      return cv::INTER_NEAREST;
    case Interpolation::kLinear:
      return cv::INTER_LINEAR;
    case Interpolation::kArea:
      return cv::INTER_AREA;
    case Interpolation::kCubic:
      return cv::INTER_CUBIC;
  }
  return cv::INTER_LINEAR;
}

void Turn(const cv::Mat& in, int orientation, cv::Mat& out) {
  constexpr int kAcross = 1;  // cv::flip's code for left to right
  constexpr int kDown = 0;
  constexpr int kBoth = -1;
  switch (orientation) {
    case 2:
      return cv::flip(in, out, kAcross);
    case 3:
      return cv::flip(in, out, kBoth);
    case 4:
      return cv::flip(in, out, kDown);
    case 5:
      return cv::transpose(in, out);
    case 6:
      return cv::rotate(in, out, cv::ROTATE_90_CLOCKWISE);
    case 7:
      cv::transpose(in, out);
      return cv::flip(out, out, kBoth);
    case 8:
      return cv::rotate(in, out, cv::ROTATE_90_COUNTERCLOCKWISE);
    default:
      in.copyTo(out);
  }
}

void ResizeWithOpenCv(const Image& image, Interpolation interpolation, const ResizeTarget& target) {
  cv::Mat out(static_cast<int>(target.height), static_cast<int>(target.width), CV_8UC3, target.rgb,
              target.row_stride_bytes);
  const cv::Mat in = ViewOf(image);
  if (in.size() == out.size()) {
    in.copyTo(out);
  } else {
    cv::resize(in, out, out.size(), 0, 0, ToOpenCv(interpolation));
  }
  LBW_CHECK(out.data == target.rgb);
}

}  // namespace

void UseCallingThreadOnly() {
  static std::once_flag once;
  std::call_once(once, [] { cv::setNumThreads(0); });
}

std::optional<Image> DecodeWithOpenCv(absl::Span<const std::byte> encoded) {
  UseCallingThreadOnly();
  try {
    const cv::Mat bytes(1, static_cast<int>(encoded.size()), CV_8UC1,
                        const_cast<std::byte*>(encoded.data()));
    const cv::Mat bgr = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    if (bgr.empty() || bgr.type() != CV_8UC3) return std::nullopt;
    Image image;
    image.width = bgr.cols;
    image.height = bgr.rows;
    image.rgb.resize(static_cast<size_t>(bgr.cols) * static_cast<size_t>(bgr.rows) * 3);
    cv::Mat rgb = ViewOf(image);
    cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
    return image;
  } catch (const cv::Exception&) {
    return std::nullopt;
  }
}

std::optional<std::string> EncodeWithOpenCv(const Image& image, ImageFormat format) {
  UseCallingThreadOnly();
  try {
    cv::Mat bgr;
    cv::cvtColor(ViewOf(image), bgr, cv::COLOR_RGB2BGR);
    std::vector<uint8_t> bytes;
    const bool jpeg = format == ImageFormat::kJpeg;
    const std::vector<int> options = jpeg ? std::vector<int>{cv::IMWRITE_JPEG_QUALITY, 92}
                                          : std::vector<int>{cv::IMWRITE_PNG_COMPRESSION, 3};
    if (!cv::imencode(jpeg ? ".jpg" : ".png", bgr, bytes, options)) return std::nullopt;
    return std::string(bytes.begin(), bytes.end());
  } catch (const cv::Exception&) {
    return std::nullopt;
  }
}

absl::Status CatchOpenCv(std::string_view what, const std::function<void()>& work) {
  try {
    work();
    return absl::OkStatus();
  } catch (const cv::Exception& error) {
    // Out of memory is OpenCV's own exception too.
    const bool memory = error.code == cv::Error::StsNoMem;
    return base::Error(memory ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                       memory ? base::reason::kOutOfRoom : base::reason::kInternal,
                       base::StrCat("could not ", what, ": ", error.err));
  } catch (const std::bad_alloc&) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       base::StrCat("could not ", what, ": out of memory"));
  }
}

absl::StatusOr<Image> Upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  UseCallingThreadOnly();
  Image turned;
  turned.width = orientation >= 5 ? image.height : image.width;
  turned.height = orientation >= 5 ? image.width : image.height;
  LBW_RETURN_IF_ERROR(CatchOpenCv("turn a picture upright", [&] {
    turned.rgb.resize(image.rgb.size());
    cv::Mat out = ViewOf(turned);
    Turn(ViewOf(image), orientation, out);
    LBW_CHECK(out.data == turned.rgb.data());  // given the right size, it was not replaced
  }));
  return turned;
}

absl::Status ResizeInto(const Image& image, Interpolation interpolation,
                        const ResizeTarget& target) {
  UseCallingThreadOnly();
  const std::string what = base::StrCat("resize a picture of ", image.width, "x", image.height,
                                        " to ", target.width, "x", target.height);
  return CatchOpenCv(what, [&] { ResizeWithOpenCv(image, interpolation, target); });
}

}  // namespace lbw::detect

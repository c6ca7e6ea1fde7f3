#include "dataset/sheet_canvas.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "base/status.h"
#include "base/utf8.h"

namespace lbw::dataset {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;

double Scale(TextSize size) { return size == TextSize::kTitle ? 0.55 : 0.42; }

// A view: the image must outlive it and is not changed through a const one.
cv::Mat ViewOf(const detect::Image& image) {
  return cv::Mat(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                 const_cast<uint8_t*>(image.rgb.data()));
}

cv::Scalar ToScalar(Ink ink) { return cv::Scalar(ink.rgb[0], ink.rgb[1], ink.rgb[2]); }

}  // namespace

int TextWidth(std::string_view text, TextSize size) {
  int baseline = 0;
  return cv::getTextSize(std::string(text), kFont, Scale(size), 1, &baseline).width;
}

std::string Drawable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const size_t bytes = std::max<size_t>(1, base::Utf8Length(text));
    const char c = text.front();
    result += bytes == 1 && c >= ' ' && c <= '~' ? c : '?';
    text.remove_prefix(bytes);
  }
  return result;
}

std::string ShortenMiddle(std::string_view text, TextSize size, int width_px) {
  if (TextWidth(text, size) <= width_px) return std::string(text);
  for (size_t kept = std::min<size_t>(text.size(), 200); kept-- > 0;) {
    const size_t head = kept - kept / 2;
    std::string candidate =
        std::string(text.substr(0, head)) + ".." + std::string(text.substr(text.size() - kept / 2));
    if (TextWidth(candidate, size) <= width_px) return candidate;
  }
  return "";
}

std::vector<std::string> Wrap(std::string_view text, int width_px, size_t max_lines) {
  std::vector<std::string> lines;
  while (!text.empty() && lines.size() < max_lines) {
    size_t count = std::min<size_t>(text.size(), 200);
    while (count > 1 && TextWidth(text.substr(0, count), TextSize::kSmall) > width_px) --count;
    if (count < text.size()) {
      const size_t space = text.substr(0, count + 1).rfind(' ');
      if (space != std::string_view::npos && space > 0) count = space;
    }
    std::string line(text.substr(0, count));
    text.remove_prefix(count);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    if (lines.size() + 1 == max_lines && !text.empty()) line += "..";
    lines.push_back(std::move(line));
  }
  return lines;
}

void Fill(const Place& place, Ink ink, detect::Image& canvas) {
  cv::rectangle(ViewOf(canvas), cv::Rect(place.x, place.y, place.width, place.height),
                ToScalar(ink), cv::FILLED);
}

void Write(std::string_view text, TextSize size, const Place& at, Ink ink, detect::Image& canvas) {
  cv::putText(ViewOf(canvas), std::string(text), {at.x, at.y}, kFont, Scale(size), ToScalar(ink), 1,
              cv::LINE_AA);
}

absl::StatusOr<detect::Image> Resize(const detect::Image& image, int width, int height) {
  try {
    // As room detect/image has it for the whole process: a picture's work stays on its thread.
    cv::setNumThreads(0);
    detect::Image result;
    result.width = width;
    result.height = height;
    result.rgb.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
    cv::Mat out = ViewOf(result);
    const bool smaller = width < image.width;
    cv::resize(ViewOf(image), out, out.size(), 0, 0, smaller ? cv::INTER_AREA : cv::INTER_CUBIC);
    LBW_CHECK(out.data == result.rgb.data());
    return result;
  } catch (const cv::Exception& error) {
    const bool memory = error.code == cv::Error::StsNoMem;
    return base::Error(memory ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                       memory ? base::reason::kOutOfRoom : base::reason::kInternal,
                       base::StrCat("could not resize a picture: ", error.err));
  } catch (const std::bad_alloc&) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       "could not resize a picture: out of memory");
  }
}

void Paste(const detect::Image& image, int x, int y, detect::Image& canvas) {
  LBW_CHECK(x >= 0 && y >= 0 && x + image.width <= canvas.width &&
            y + image.height <= canvas.height);
  const auto row_bytes = static_cast<size_t>(image.width) * 3;
  for (int64_t row = 0; row < image.height; ++row) {
    std::memcpy(&canvas.rgb[static_cast<size_t>((y + row) * canvas.width + x) * 3],
                &image.rgb[static_cast<size_t>(row) * row_bytes], row_bytes);
  }
}

}  // namespace lbw::dataset

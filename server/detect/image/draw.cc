#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "detect/image/image.h"
#include "detect/image/opencv.h"

namespace lbw::detect {
namespace {

// Distinct on photographs and to most colour-blind eyes; neighbours differ in hue and lightness.
constexpr std::array<std::array<uint8_t, 3>, 12> kPalette = {{{0, 158, 115},
                                                              {230, 60, 60},
                                                              {0, 114, 190},
                                                              {240, 180, 20},
                                                              {170, 80, 200},
                                                              {80, 190, 240},
                                                              {230, 110, 30},
                                                              {220, 110, 170},
                                                              {130, 190, 50},
                                                              {60, 70, 170},
                                                              {150, 100, 60},
                                                              {120, 120, 120}}};

constexpr int kFont = cv::FONT_HERSHEY_DUPLEX;
constexpr int kSubpixelBits = 3;  // of OpenCV's shift argument: lines lie where the box lies

struct Pen {
  int line_px = 2;
  double font_scale = 0.5;
  int font_px = 1;
  int pad_px = 3;
};

Pen PenFor(const Image& image) {
  const auto shorter = static_cast<double>(std::min(image.width, image.height));
  Pen pen;
  pen.line_px = std::clamp(static_cast<int>(std::lround(shorter / 220)), 2, 16);
  pen.font_scale = std::clamp(shorter / 900, 0.42, 3.5);
  pen.font_px = std::max(1, static_cast<int>(std::lround(pen.font_scale * 1.3)));
  pen.pad_px = std::max(3, static_cast<int>(std::lround(pen.font_scale * 7)));
  return pen;
}

cv::Scalar ColorOf(int32_t index) {
  const auto& c = kPalette[static_cast<uint32_t>(index) % kPalette.size()];
  return cv::Scalar(c[0], c[1], c[2]);
}

cv::Scalar InkOn(const cv::Scalar& color) {
  const double luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
  return luma > 150 ? cv::Scalar(20, 20, 20) : cv::Scalar(255, 255, 255);
}

cv::Point Subpixel(float x, float y) {
  constexpr float kUnits = 1 << kSubpixelBits;
  return {static_cast<int>(std::lround(x * kUnits)), static_cast<int>(std::lround(y * kUnits))};
}

void DrawFrame(cv::Mat& canvas, const BoxXyxyPx& box, const Pen& pen, const cv::Scalar& color) {
  // Half a pixel inwards: coordinates are edges of pixels, OpenCV draws through their centres.
  const cv::Point from = Subpixel(box.x_min - 0.5F, box.y_min - 0.5F);
  const cv::Point to = Subpixel(box.x_max - 0.5F, box.y_max - 0.5F);
  // A dark rim keeps the frame visible on ground of its own colour.
  cv::rectangle(canvas, from, to, cv::Scalar(20, 20, 20), pen.line_px + 2, cv::LINE_AA,
                kSubpixelBits);
  cv::rectangle(canvas, from, to, color, pen.line_px, cv::LINE_AA, kSubpixelBits);
}

// Above the box where there is room, else inside it; moved so that the picture's edge does not cut
// it.
void DrawLabel(cv::Mat& canvas, const BoxXyxyPx& box, const std::string& text, const Pen& pen,
               const cv::Scalar& color) {
  int baseline = 0;
  const cv::Size size = cv::getTextSize(text, kFont, pen.font_scale, pen.font_px, &baseline);
  const int width = size.width + 2 * pen.pad_px;
  const int height = size.height + baseline + 2 * pen.pad_px - 2;
  const int half = pen.line_px / 2 + 1;
  int left = static_cast<int>(std::lround(box.x_min)) - half;
  int top = static_cast<int>(std::lround(box.y_min)) - height;
  if (top < 0) top = static_cast<int>(std::lround(box.y_min)) + half;
  left = std::max(0, std::min(left, canvas.cols - width));
  top = std::max(0, std::min(top, canvas.rows - height));
  cv::rectangle(canvas, cv::Rect(left, top, width, height) & cv::Rect({0, 0}, canvas.size()), color,
                cv::FILLED);
  cv::putText(canvas, text, {left + pen.pad_px, top + pen.pad_px + size.height - 1}, kFont,
              pen.font_scale, InkOn(color), pen.font_px, cv::LINE_AA);
}

bool IsDrawable(const BoxXyxyPx& box) {
  return std::isfinite(box.x_min) && std::isfinite(box.y_min) && std::isfinite(box.x_max) &&
         std::isfinite(box.y_max);
}

void DrawAll(Image& image, absl::Span<const DrawItem> items) {
  cv::Mat canvas(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC3,
                 image.rgb.data());
  const Pen pen = PenFor(image);
  // Best first is how detections come: drawn last, they lie on top. Labels over all frames.
  for (size_t i = items.size(); i-- > 0;) {
    if (!IsDrawable(items[i].box)) continue;
    DrawFrame(canvas,
              Clip(items[i].box, static_cast<float>(image.width), static_cast<float>(image.height)),
              pen, ColorOf(items[i].color_index));
  }
  for (size_t i = items.size(); i-- > 0;) {
    if (!IsDrawable(items[i].box) || items[i].text.empty()) continue;
    DrawLabel(canvas,
              Clip(items[i].box, static_cast<float>(image.width), static_cast<float>(image.height)),
              items[i].text, pen, ColorOf(items[i].color_index));
  }
}

}  // namespace

absl::Status DrawBoxes(Image& image, absl::Span<const DrawItem> items) {
  if (image.width < 1 || image.height < 1) return absl::OkStatus();
  UseCallingThreadOnly();
  return CatchOpenCv("draw boxes", [&] { DrawAll(image, items); });
}

}  // namespace lbw::detect

#include "dataset/scene_shapes.h"

#include <algorithm>
#include <cmath>

namespace lbw::dataset {
namespace {

constexpr float kHalfSqrt3 = 0.8660254F;
constexpr float kCos36 = 0.80901699F;
constexpr float kSin36 = 0.58778525F;

float Length(float x, float y) { return std::sqrt(x * x + y * y); }

float Box(float x, float y, float half_x, float half_y) {
  return std::max(std::fabs(x) - half_x, std::fabs(y) - half_y);
}

// Equal sides of 2, the tip up.
float Triangle(float x, float y) {
  return std::max(y - kHalfSqrt3, kHalfSqrt3 * std::fabs(x) - 0.5F * (y + kHalfSqrt3));
}

float Ring(float x, float y) { return std::fabs(Length(x, y) - 0.78F) - 0.22F; }

float Cross(float x, float y) { return std::min(Box(x, y, 1, 0.3F), Box(x, y, 0.3F, 1)); }

// The plane folded along the star's mirror lines into one tenth of it, where the outline is the
// line from a tip (0, -1) to a notch at kInner and 36 degrees.
float Star(float x, float y) {
  constexpr float kInner = 0.45F;
  for (int fold = 0; fold < 2; ++fold) {
    x = std::fabs(x);
    const float beyond = std::max(0.0F, x * kCos36 + y * kSin36);
    x -= 2 * beyond * kCos36;
    y -= 2 * beyond * kSin36;
  }
  x = std::fabs(x);
  const float edge_x = kInner * kSin36;
  const float edge_y = 1 - kInner * kCos36;
  return (x * edge_y - (y + 1) * edge_x) / Length(edge_x, edge_y);
}

float Corner(float x, float y) { return std::max(Box(x, y, 1, 1), std::min(x + 0.45F, 0.45F - y)); }

float Chevron(float x, float y) {
  constexpr float kSlope = 0.7F;
  constexpr float kNorm = 0.8192319F;  // 1 / sqrt(1 + slope^2)
  const float band = (std::fabs(y - kSlope * std::fabs(x) + 0.35F) - 0.24F) * kNorm;
  return std::max(std::fabs(x) - 1, band);
}

float Blob(float x, float y) {
  const float first = Length(x + 0.4F, y - 0.1F) - 0.55F;
  const float second = Length(x - 0.35F, y + 0.2F) - 0.6F;
  const float third = Length(x - 0.1F, y - 0.5F) - 0.42F;
  return std::min(first, std::min(second, third));
}

// How many of 4 x 4 points of the pixel lie inside.
uint8_t Sixteenths(const Pose& pose, float left, float top) {
  uint8_t inside = 0;
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < 4; ++i) {
      const Local at = ToLocal(pose, left + (static_cast<float>(i) + 0.5F) * 0.25F,
                               top + (static_cast<float>(j) + 0.5F) * 0.25F);
      inside = static_cast<uint8_t>(inside + (SignedDistance(pose.outline, at.x, at.y) < 0));
    }
  }
  return inside;
}

}  // namespace

float SignedDistance(Outline outline, float x, float y) {
  switch (outline) {
    case Outline::kDisc:
      return Length(x, y) - 1;
    case Outline::kSquare:
      return Box(x, y, 1, 1);
    case Outline::kTriangle:
      return Triangle(x, y);
    case Outline::kRing:
      return Ring(x, y);
    case Outline::kCross:
      return Cross(x, y);
    case Outline::kStar:
      return Star(x, y);
    case Outline::kHalfDisc:
      return std::max(Length(x, y) - 1, y);
    case Outline::kArc:
      return std::max(Ring(x, y), y - 0.1F);
    case Outline::kTrapezoid:
      return std::max(Triangle(x, y), -0.1F - y);
    case Outline::kTee:
      return std::max(Cross(x, y), y - 0.3F);
    case Outline::kBar:
      return Box(x, y, 1, 0.14F);
    case Outline::kCorner:
      return Corner(x, y);
    case Outline::kChevron:
      return Chevron(x, y);
    case Outline::kBlob:
      return Blob(x, y);
  }
  return 1;
}

Local ToLocal(const Pose& pose, float x_px, float y_px) {
  const float x = x_px - pose.cx;
  const float y = y_px - pose.cy;
  return {(x * pose.cos + y * pose.sin) / (pose.half_px * pose.squeeze_x),
          (y * pose.cos - x * pose.sin) / (pose.half_px * pose.squeeze_y)};
}

Coverage Cover(const Pose& pose, float margin_px) {
  // No outline reaches farther than a square's corner.
  const float reach = pose.half_px * 1.4143F + margin_px + 1;
  Coverage result;
  result.left = static_cast<int32_t>(std::floor(pose.cx - reach));
  result.top = static_cast<int32_t>(std::floor(pose.cy - reach));
  result.width = static_cast<int32_t>(std::floor(pose.cx + reach)) - result.left + 1;
  result.height = static_cast<int32_t>(std::floor(pose.cy + reach)) - result.top + 1;
  const size_t count = static_cast<size_t>(result.width) * static_cast<size_t>(result.height);
  result.alpha.resize(count);
  result.distance_px.resize(count);
  const float px_per_unit = pose.half_px * std::min(pose.squeeze_x, pose.squeeze_y);
  size_t index = 0;
  for (int32_t row = 0; row < result.height; ++row) {
    const auto y = static_cast<float>(result.top + row);
    for (int32_t column = 0; column < result.width; ++column, ++index) {
      const auto x = static_cast<float>(result.left + column);
      const Local at = ToLocal(pose, x + 0.5F, y + 0.5F);
      const float distance = SignedDistance(pose.outline, at.x, at.y) * px_per_unit;
      result.distance_px[index] = distance;
      // Farther than half a pixel's diagonal the whole pixel lies on one side.
      uint8_t alpha = distance < 0 ? 16 : 0;
      if (std::fabs(distance) < 0.75F) alpha = Sixteenths(pose, x, y);
      result.alpha[index] = alpha;
      result.pixels += alpha >= 8 ? 1 : 0;
    }
  }
  return result;
}

}  // namespace lbw::dataset

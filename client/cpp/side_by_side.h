// Pictures in pairs, side by side, as one PNG. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_SIDE_BY_SIDE_H_
#define LBW_CLIENT_SIDE_BY_SIDE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace lbw::client {

struct PixelBox {
  int width = 1;
  int height = 1;
};

// The picture of a PNG file scaled to the largest size that fits into the box with its own shape; a
// small one grows, but at most to four times its size. Errors: kInvalidArgument - no PNG, or more
// than 50 megapixels.
absl::StatusOr<std::string> FitPng(std::string_view png, PixelBox box);

struct SidePair {
  std::string caption = {};  // above both
  std::string left_title = {};
  std::string left_png = {};
  std::string right_title = {};
  std::string right_png = {};
};

// Rows of a caption, two titles and two pictures at their own sizes, on white. Errors:
// kInvalidArgument - no pair, no PNG, a result of more than 64 megapixels; kInternal - cairo fails.
absl::StatusOr<std::string> RenderPairs(absl::Span<const SidePair> pairs);

}  // namespace lbw::client

#endif  // LBW_CLIENT_SIDE_BY_SIDE_H_

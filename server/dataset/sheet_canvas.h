// What a contact sheet is drawn on: OpenCV behind our types. Private to the room; only
// sheet_canvas.cc sees OpenCV's headers.
//
// Threads: one at a time; OpenCV's own threads are off.
#ifndef LBW_DATASET_SHEET_CANVAS_H_
#define LBW_DATASET_SHEET_CANVAS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "detect/image/image.h"

namespace lbw::dataset {

struct Ink {
  std::array<uint8_t, 3> rgb;
};
struct Place {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};
enum class TextSize : uint8_t { kSmall, kTitle };

// Width of the text as drawn, in pixels.
int TextWidth(std::string_view text, TextSize size);

// What can be drawn: printable ASCII, "?" for any other character.
std::string Drawable(std::string_view text);
// The text, its middle replaced by ".." where it is wider than width_px.
std::string ShortenMiddle(std::string_view text, TextSize size, int width_px);
// Lines of at most width_px, broken between words where possible; the last of max_lines ends in
// ".." where text is left.
std::vector<std::string> Wrap(std::string_view text, int width_px, size_t max_lines);

void Fill(const Place& place, Ink ink, detect::Image& canvas);
// x, y: where the line of text begins and its baseline.
void Write(std::string_view text, TextSize size, const Place& at, Ink ink, detect::Image& canvas);
// Errors: kInternal - OpenCV refused; kResourceExhausted, OUT_OF_ROOM.
absl::StatusOr<detect::Image> Resize(const detect::Image& image, int width, int height);
// Copies image to (x, y); it must fit.
void Paste(const detect::Image& image, int x, int y, detect::Image& canvas);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_SHEET_CANVAS_H_

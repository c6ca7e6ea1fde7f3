#include "client/cpp/side_by_side.h"

#include <cairo/cairo.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/plot_style.h"
#include "client/cpp/png.h"

namespace lbw::client {
namespace {

constexpr double kMaxPictureArea = 50e6;
constexpr double kMaxArea = 64e6;
constexpr double kMaxGrowth = 4.0;
constexpr int kMargin = 16;
constexpr int kLine = 24;
constexpr int kMinCell = 360;  // room for the titles
constexpr int kMaxSide = 32767;

struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
struct CairoDeleter {
  void operator()(cairo_t* cairo) const { cairo_destroy(cairo); }
};
using Surface = std::unique_ptr<cairo_surface_t, SurfaceDeleter>;
using Cairo = std::unique_ptr<cairo_t, CairoDeleter>;

absl::Status Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadImage, message);
}

int WidthOf(const Surface& surface) { return cairo_image_surface_get_width(surface.get()); }
int HeightOf(const Surface& surface) { return cairo_image_surface_get_height(surface.get()); }

uint32_t BigEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

// The header is read before cairo makes room for what it says.
absl::Status CheckHeader(std::string_view png) {
  constexpr std::string_view kMagic = "\x89PNG\r\n\x1a\n";
  if (png.size() < 24 || png.substr(0, 8) != kMagic || png.substr(12, 4) != "IHDR") {
    return Bad("not a PNG file");
  }
  const double width = BigEndian(png.substr(16, 4));
  const double height = BigEndian(png.substr(20, 4));
  if (width >= 1.0 && height >= 1.0 && width * height <= kMaxPictureArea) return absl::OkStatus();
  return Bad(
      base::StrCat("a PNG of ", width, " x ", height, " pixels, the limit is ", kMaxPictureArea));
}

absl::StatusOr<Surface> ReadPng(std::string_view png) {
  LBW_RETURN_IF_ERROR(CheckHeader(png));
  const cairo_read_func_t read = [](void* rest, unsigned char* out, unsigned length) {
    auto& bytes = *static_cast<std::string_view*>(rest);
    if (bytes.size() < length) return CAIRO_STATUS_READ_ERROR;
    std::memcpy(out, bytes.data(), length);
    bytes.remove_prefix(length);
    return CAIRO_STATUS_SUCCESS;
  };
  Surface surface(cairo_image_surface_create_from_png_stream(read, &png));
  if (cairo_surface_status(surface.get()) == CAIRO_STATUS_SUCCESS) return surface;
  return Bad("a PNG file that is cut short or broken");
}

Surface White(int width, int height) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  const Cairo cairo(cairo_create(surface.get()));
  cairo_set_source_rgb(cairo.get(), 1.0, 1.0, 1.0);
  cairo_paint(cairo.get());
  return surface;
}

// The longest beginning that fits, with an ellipsis where it was cut.
std::string Fitted(cairo_t* cairo, const std::string& text, double width) {
  std::string shown = Printable(text);
  cairo_text_extents_t extents;
  cairo_text_extents(cairo, shown.c_str(), &extents);
  for (int columns = static_cast<int>(DisplayWidth(shown)); extents.x_advance > width;) {
    if (--columns < 1) return "";
    shown = CutColumns(Printable(text), columns) + "…";
    cairo_text_extents(cairo, shown.c_str(), &extents);
  }
  return shown;
}

struct TextStyle {
  double size = 0.0;
  cairo_font_weight_t weight = CAIRO_FONT_WEIGHT_NORMAL;
};

void DrawText(cairo_t* cairo, const std::string& text, PixelBox at, double width, TextStyle style) {
  cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, style.weight);
  cairo_set_font_size(cairo, style.size);
  cairo_set_source_rgb(cairo, 0.13, 0.13, 0.15);
  const std::string shown = Fitted(cairo, text, width);
  cairo_move_to(cairo, at.width, at.height + style.size);
  cairo_show_text(cairo, shown.c_str());
}

void DrawPicture(cairo_t* cairo, const Surface& picture, int x, int y) {
  cairo_set_source_surface(cairo, picture.get(), x, y);
  cairo_paint(cairo);
}

struct Row {
  Surface left;
  Surface right;
  int height = 0;  // of the pictures
};

}  // namespace

absl::StatusOr<std::string> FitPng(std::string_view png, PixelBox box) {
  LBW_ASSIGN_OR_RETURN(const Surface picture, ReadPng(png));
  const double scale = std::min({kMaxGrowth, static_cast<double>(box.width) / WidthOf(picture),
                                 static_cast<double>(box.height) / HeightOf(picture)});
  const int width = std::max(1, static_cast<int>(std::lround(WidthOf(picture) * scale)));
  const int height = std::max(1, static_cast<int>(std::lround(HeightOf(picture) * scale)));
  const Surface fitted = White(width, height);
  const Cairo cairo(cairo_create(fitted.get()));
  cairo_scale(cairo.get(), static_cast<double>(width) / WidthOf(picture),
              static_cast<double>(height) / HeightOf(picture));
  cairo_set_source_surface(cairo.get(), picture.get(), 0.0, 0.0);
  cairo_pattern_set_filter(cairo_get_source(cairo.get()),
                           scale > 1.0 ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_GOOD);
  // Beyond its edge a picture goes on, or a blend with nothing would frame it.
  cairo_pattern_set_extend(cairo_get_source(cairo.get()), CAIRO_EXTEND_PAD);
  cairo_paint(cairo.get());
  return EncodePng(fitted.get(), "picture");
}

absl::StatusOr<std::string> RenderPairs(absl::Span<const SidePair> pairs) {
  std::vector<Row> rows;
  int cell = kMinCell;
  double height = kMargin;
  for (const SidePair& pair : pairs) {
    Row row;
    LBW_ASSIGN_OR_RETURN(row.left, ReadPng(pair.left_png));
    LBW_ASSIGN_OR_RETURN(row.right, ReadPng(pair.right_png));
    row.height = std::max(HeightOf(row.left), HeightOf(row.right));
    cell = std::max({cell, WidthOf(row.left), WidthOf(row.right)});
    height += 2 * kLine + row.height + kMargin;
    rows.push_back(std::move(row));
  }
  const double width = 3.0 * kMargin + 2.0 * cell;
  if (rows.empty() || width > kMaxSide || height > kMaxSide || width * height > kMaxArea) {
    return Bad(base::StrCat(rows.size(), " pairs of pictures come to ", width, " x ", height,
                            " pixels, the limit is ", kMaxArea));
  }
  const Surface sheet = White(static_cast<int>(width), static_cast<int>(height));
  const Cairo cairo(cairo_create(sheet.get()));
  const int right = 2 * kMargin + cell;
  int y = kMargin;
  for (size_t i = 0; i < rows.size(); ++i) {
    const SidePair& pair = pairs[i];
    DrawText(cairo.get(), pair.caption, {kMargin, y}, width - 2.0 * kMargin,
             {plot::kPanelTitleSize, CAIRO_FONT_WEIGHT_BOLD});
    y += kLine;
    DrawText(cairo.get(), pair.left_title, {kMargin, y}, cell, {plot::kLabelSize});
    DrawText(cairo.get(), pair.right_title, {right, y}, cell, {plot::kLabelSize});
    y += kLine;
    DrawPicture(cairo.get(), rows[i].left, kMargin, y);
    DrawPicture(cairo.get(), rows[i].right, right, y);
    y += rows[i].height + kMargin;
  }
  return EncodePng(sheet.get(), "picture");
}

}  // namespace lbw::client

#include "dataset/sheet.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/random.h"
#include "base/status.h"
#include "dataset/sheet_canvas.h"
#include "dataset/text.h"
#include "detect/image/image.h"

namespace lbw::dataset {
namespace {

constexpr int kMarginPx = 18;
constexpr int kGapPx = 14;
constexpr int kTitlePx = 36;
constexpr int kCaptionPx = 36;
constexpr int kMinLabelledCellPx = 120;
constexpr size_t kMaxLabels = 15;  // more would hide the picture
constexpr size_t kMaxFrames = 500;

constexpr Ink kGround{{24, 26, 30}};
constexpr Ink kPanel{{38, 41, 47}};
constexpr Ink kErrorPanel{{58, 32, 36}};
constexpr Ink kText{{232, 234, 237}};
constexpr Ink kDimText{{154, 160, 170}};
constexpr Ink kErrorText{{255, 138, 128}};

base::Error Bad(std::string_view field, std::string_view message) {
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
  error.Field(field);
  return error;
}

absl::Status CheckRange(std::string_view field, int value, int low, int high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return Bad(field, base::StrCat(field, " must be ", low, "..", high, ": ", field, "=", value));
}

struct Grid {
  int columns = 0;
  int rows = 0;
  int cell_width = 0;
  int cell_height = 0;
  int width() const { return 2 * kMarginPx + columns * cell_width + (columns - 1) * kGapPx; }
  int height() const {
    return kMarginPx + kTitlePx + rows * (cell_height + kCaptionPx) + (rows - 1) * kGapPx +
           kMarginPx / 2;
  }
  Place Cell(int index) const {
    return {kMarginPx + index % columns * (cell_width + kGapPx),
            kMarginPx + kTitlePx + index / columns * (cell_height + kCaptionPx + kGapPx),
            cell_width, cell_height};
  }
};

absl::Status CheckOptions(const SheetOptions& options) {
  LBW_RETURN_IF_ERROR(CheckRange("columns", options.columns, 1, 12));
  LBW_RETURN_IF_ERROR(CheckRange("rows", options.rows, 1, 12));
  LBW_RETURN_IF_ERROR(CheckRange("cell_px", options.cell_px, 64, 640));
  const Grid grid{options.columns, options.rows, options.cell_px, options.cell_px};
  const int64_t pixels = int64_t{grid.width()} * grid.height();
  if (pixels <= kMaxSheetPixels) return absl::OkStatus();
  return Bad("cell_px", base::StrCat("the sheet would be too large: columns=", options.columns,
                                     " rows=", options.rows, " cell_px=", options.cell_px, " make ",
                                     pixels, " pixels, limit=", kMaxSheetPixels));
}

bool Shows(const Picture& picture, int32_t class_index) {
  if (picture.label == class_index) return true;
  return std::any_of(picture.annotations.begin(), picture.annotations.end(),
                     [class_index](const Annotation& a) { return a.class_index == class_index; });
}

absl::StatusOr<std::vector<size_t>> Candidates(const Pack& pack, const SheetOptions& options) {
  LBW_ASSIGN_OR_RETURN(std::vector<size_t> pictures, pack.PicturesOf(options.split));
  if (!options.class_name.empty()) {
    const std::vector<std::string>& classes = pack.dataset().classes;
    const auto found = std::find(classes.begin(), classes.end(), options.class_name);
    if (found == classes.end()) {
      return Bad("class_name",
                 base::StrCat("the dataset has no class '", Shown(options.class_name), "'"));
    }
    const auto index = static_cast<int32_t>(found - classes.begin());
    std::vector<size_t> kept;
    for (const size_t i : pictures) {
      if (Shows(pack.dataset().pictures[i], index)) kept.push_back(i);
    }
    pictures = std::move(kept);
  }
  if (!pictures.empty()) return pictures;
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                     base::StrCat("no picture fits: split '", Shown(options.split), "', class '",
                                  Shown(options.class_name), "'"));
}

// The first, or as many by the seed, still in their order.
std::vector<size_t> Choose(std::vector<size_t> pictures, size_t count, uint64_t seed) {
  count = std::min(count, pictures.size());
  if (seed != 0) {
    base::Random random(seed);
    for (size_t i = 0; i < count; ++i) {
      std::swap(pictures[i], pictures[i + random.Below(pictures.size() - i)]);
    }
    std::sort(pictures.begin(), pictures.begin() + static_cast<ptrdiff_t>(count));
  }
  pictures.resize(count);
  return pictures;
}

// Boxes on a picture that is shown at another size.
std::vector<detect::DrawItem> Frames(const Dataset& dataset, const Picture& picture,
                                     const detect::Image& shown, bool labels) {
  const auto scale_x = static_cast<float>(shown.width) / static_cast<float>(picture.width);
  const auto scale_y = static_cast<float>(shown.height) / static_cast<float>(picture.height);
  // VOC counts pixels from 1: its first pixel's left edge is at 0.
  const float shift = dataset.pixel_rule == PixelRule::kInclusive ? 1.0F : 0.0F;
  std::vector<detect::DrawItem> items;
  for (const Annotation& annotation : picture.annotations) {
    if (items.size() == kMaxFrames) break;
    detect::DrawItem item;
    item.box = {(annotation.box.x_min - shift) * scale_x, (annotation.box.y_min - shift) * scale_y,
                annotation.box.x_max * scale_x, annotation.box.y_max * scale_y};
    item.color_index = annotation.class_index;
    if (labels) {
      item.text = dataset.classes[static_cast<size_t>(annotation.class_index)];
      if (annotation.difficult) item.text += " *";
      if (annotation.crowd) item.text += " #";
    }
    items.push_back(std::move(item));
  }
  return items;
}

std::string Summary(const Dataset& dataset, const Picture& picture) {
  std::string text;
  if (picture.label) {
    base::StrAppend(&text, dataset.classes[static_cast<size_t>(*picture.label)], ", ");
  }
  base::StrAppend(&text, picture.width, "x", picture.height);
  if (dataset.task == Task::kClassification) return text;
  const size_t boxes = picture.annotations.size();
  base::StrAppend(&text, ", ", boxes, boxes == 1 ? " box" : " boxes");
  const auto difficult =
      std::count_if(picture.annotations.begin(), picture.annotations.end(),
                    [](const Annotation& annotation) { return annotation.difficult; });
  if (difficult > 0) base::StrAppend(&text, ", ", difficult, " difficult *");
  return text;
}

int ShownSide(int64_t full, double scale, int limit_px) {
  return std::clamp(static_cast<int>(std::lround(static_cast<double>(full) * scale)), 1, limit_px);
}

// One sheet while it is drawn.
class Painter {
 public:
  Painter(const Pack& pack, const Grid& grid) : pack_(pack), grid_(grid) {
    canvas_.width = grid.width();
    canvas_.height = grid.height();
    canvas_.rgb.resize(static_cast<size_t>(canvas_.width * canvas_.height) * 3);
    Fill({0, 0, grid.width(), grid.height()}, kGround, canvas_);
  }

  void Title(const std::string& text) {
    const int width = grid_.width() - 2 * kMarginPx;
    Write(ShortenMiddle(Drawable(text), TextSize::kTitle, width), TextSize::kTitle,
          {kMarginPx, kMarginPx + 14, 0, 0}, kText, canvas_);
  }

  void Cell(int index, size_t picture_index) {
    const Picture& picture = pack_.dataset().pictures[picture_index];
    const Place cell = grid_.Cell(index);
    const absl::StatusOr<detect::Image> shown = Load(picture_index);
    Fill(cell, shown.ok() ? kPanel : kErrorPanel, canvas_);
    if (shown.ok()) {
      Paste(*shown, cell.x + (cell.width - static_cast<int>(shown->width)) / 2,
            cell.y + (cell.height - static_cast<int>(shown->height)) / 2, canvas_);
    } else {
      ShowError(shown.status(), cell);
    }
    const size_t slash = picture.name.rfind('/');
    const std::string name =
        slash == std::string::npos ? picture.name : picture.name.substr(slash + 1);
    Caption(name, {cell.x, cell.y + cell.height + 15, cell.width, 0}, kText);
    Caption(Summary(pack_.dataset(), picture), {cell.x, cell.y + cell.height + 31, cell.width, 0},
            kDimText);
  }

  const detect::Image& canvas() const { return canvas_; }

 private:
  // The picture at the size of a cell, its boxes drawn.
  absl::StatusOr<detect::Image> Load(size_t picture_index) const {
    const Picture& picture = pack_.dataset().pictures[picture_index];
    LBW_ASSIGN_OR_RETURN(const std::string encoded, pack_.ReadPicture(picture_index));
    LBW_ASSIGN_OR_RETURN(const detect::Image image, detect::DecodeImage(base::AsBytes(encoded)));
    const double scale =
        std::min(static_cast<double>(grid_.cell_width) / static_cast<double>(image.width),
                 static_cast<double>(grid_.cell_height) / static_cast<double>(image.height));
    LBW_ASSIGN_OR_RETURN(detect::Image shown,
                         Resize(image, ShownSide(image.width, scale, grid_.cell_width),
                                ShownSide(image.height, scale, grid_.cell_height)));
    const bool labels =
        grid_.cell_width >= kMinLabelledCellPx && picture.annotations.size() <= kMaxLabels;
    LBW_RETURN_IF_ERROR(detect::DrawBoxes(shown, Frames(pack_.dataset(), picture, shown, labels)));
    return shown;
  }

  void ShowError(const absl::Status& status, const Place& cell) {
    constexpr int kPadPx = 10;
    constexpr int kLinePx = 16;
    Caption("cannot be shown", {cell.x + kPadPx, cell.y + 24, cell.width - 2 * kPadPx, 0},
            kErrorText);
    const size_t max_lines = static_cast<size_t>(std::max(1, (cell.height - 40) / kLinePx));
    int y = cell.y + 24 + kLinePx;
    for (const std::string& line : Wrap(Drawable(base::Std(status.message())),
                                        cell.width - 2 * kPadPx, std::min<size_t>(max_lines, 8))) {
      Write(line, TextSize::kSmall, {cell.x + kPadPx, y, 0, 0}, kDimText, canvas_);
      y += kLinePx;
    }
  }

  void Caption(std::string_view text, const Place& at, Ink ink) {
    Write(ShortenMiddle(Drawable(text), TextSize::kSmall, at.width), TextSize::kSmall, at, ink,
          canvas_);
  }

  const Pack& pack_;
  const Grid grid_;
  detect::Image canvas_;
};

// As high as the highest of the pictures: no bands above and below where all of them are wide.
int CellHeight(const Pack& pack, const std::vector<size_t>& chosen, int cell_px) {
  int height = cell_px / 3;
  for (const size_t i : chosen) {
    const Picture& picture = pack.dataset().pictures[i];
    const double ratio = static_cast<double>(picture.height) / static_cast<double>(picture.width);
    height = std::max(height, ShownSide(cell_px, std::min(1.0, ratio), cell_px));
  }
  return height;
}

std::string TitleOf(const SheetOptions& options, size_t shown, size_t of) {
  std::string text = options.split.empty() ? "all splits" : options.split;
  if (!options.class_name.empty()) base::StrAppend(&text, ", with ", options.class_name);
  base::StrAppend(&text, ": ", shown, " of ", of, of == 1 ? " picture" : " pictures");
  return text;
}

}  // namespace

absl::StatusOr<Sheet> RenderSheet(const Pack& pack, const SheetOptions& options) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  LBW_ASSIGN_OR_RETURN(std::vector<size_t> candidates, Candidates(pack, options));
  const size_t of = candidates.size();
  const std::vector<size_t> chosen = Choose(
      std::move(candidates), static_cast<size_t>(options.columns * options.rows), options.seed);
  const int count = static_cast<int>(chosen.size());
  const int columns = std::min(options.columns, count);
  Painter painter(pack, {columns, (count + columns - 1) / columns, options.cell_px,
                         CellHeight(pack, chosen, options.cell_px)});
  painter.Title(TitleOf(options, chosen.size(), of));
  for (int i = 0; i < count; ++i) painter.Cell(i, chosen[static_cast<size_t>(i)]);
  Sheet sheet;
  LBW_ASSIGN_OR_RETURN(sheet.png, detect::EncodeImage(painter.canvas(), detect::ImageFormat::kPng));
  sheet.pictures = count;
  return sheet;
}

}  // namespace lbw::dataset

#include "dataset/dataset.h"

#include <array>

#include "base/status.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

// By value of the enum.
constexpr std::array<std::string_view, 33> kKinds = {
    "box_outside",
    "zero_area",
    "swapped_corners",
    "float_coordinates",
    "bad_coordinates",
    "difficult_missing",
    "unknown_class",
    "picture_missing",
    "picture_broken",
    "picture_too_large",
    "wrong_extension",
    "unsupported_picture",
    "grey",
    "rgba",
    "palette",
    "cmyk",
    "sixteen_bit",
    "exif_rotation",
    "size_missing",
    "size_differs",
    "annotation_broken",
    "annotation_missing",
    "duplicate_id",
    "unknown_id",
    "category_ids",
    "filename_differs",
    "duplicate_picture",
    "split_overlap",
    "split_unknown",
    "extra_file",
    "too_many_boxes",
    "duplicate_box",
    "class_order",
};
static_assert(kKinds.size() == static_cast<size_t>(DefectKind::kClassOrder) + 1);

constexpr size_t kMaxFileBytes = 1'024;  // of what a defect keeps
constexpr size_t kMaxDetailBytes = 400;

}  // namespace

std::string_view Name(DefectKind kind) {
  const auto index = static_cast<size_t>(kind);
  LBW_CHECK(index < kKinds.size());
  return kKinds[index];
}

std::string_view Name(DefectAction action) {
  switch (action) {
    case DefectAction::kRepaired:
      return "repaired";
    case DefectAction::kLeftOut:
      return "left_out";
    case DefectAction::kNoted:
      return "noted";
  }
  LBW_CHECK(false);
  return "";
}

void DefectList::Add(DefectKind kind, DefectAction action, std::string_view file,
                     std::string_view detail) {
  Count& count = counts_[kind];
  ++count.count;
  if (action == DefectAction::kRepaired) ++count.repaired;
  if (action == DefectAction::kLeftOut) ++count.left_out;
  if (count.count > max_kept_) {
    ++not_kept_;
    if (count.count == 1) count.example = Shown(file, kMaxFileBytes);
    return;
  }
  std::string shown = Shown(file, kMaxFileBytes);
  if (count.count == 1) count.example = shown;
  kept_.push_back({kind, std::move(shown), Shown(detail, kMaxDetailBytes), action});
}

}  // namespace lbw::dataset

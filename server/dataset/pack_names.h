// The words of a pack for formats, tasks and rules. Append-only. Private to the room.
#ifndef LBW_DATASET_PACK_NAMES_H_
#define LBW_DATASET_PACK_NAMES_H_

#include <array>
#include <string_view>

#include "dataset/dataset.h"

namespace lbw::dataset {

// By value of the enum.
inline constexpr std::array<std::string_view, 8> kFormatNames = {
    "auto", "voc", "coco", "yolo", "class_folders", "class_csv", "cifar", "pictures"};
inline constexpr std::array<std::string_view, 2> kTaskNames = {"detection", "classification"};
inline constexpr std::array<std::string_view, 2> kPixelRuleNames = {"inclusive", "continuous"};
static_assert(kFormatNames.size() == static_cast<size_t>(Format::kPictures) + 1);
static_assert(kTaskNames.size() == static_cast<size_t>(Task::kClassification) + 1);
static_assert(kPixelRuleNames.size() == static_cast<size_t>(PixelRule::kContinuous) + 1);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_PACK_NAMES_H_

// Boxes as annotations have them to boxes of the upright picture: repaired, clipped or left out.
// Private to the room. Pure.
#ifndef LBW_DATASET_CHECK_BOXES_H_
#define LBW_DATASET_CHECK_BOXES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dataset/dataset.h"
#include "dataset/read.h"

namespace lbw::dataset {

// What a box is checked against.
struct BoxFrame {
  int64_t width = 0;  // of the upright picture
  int64_t height = 0;
  PixelRule pixel_rule = PixelRule::kInclusive;
  bool tells_difficult = false;
  bool turn = false;    // boxes are of the stored picture
  int orientation = 1;  // EXIF
  std::string file;     // that defects name
};

// label -> class index.
using ClassIndex = std::map<std::string, int32_t, std::less<>>;

std::vector<Annotation> CheckBoxes(const std::vector<RawBox>& boxes, const BoxFrame& frame,
                                   const ClassIndex& classes, DefectList& defects);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_CHECK_BOXES_H_

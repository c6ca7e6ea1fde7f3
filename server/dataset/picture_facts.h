// What the first bytes of a picture tell, before it is decoded. Private to the room. Pure.
#ifndef LBW_DATASET_PICTURE_FACTS_H_
#define LBW_DATASET_PICTURE_FACTS_H_

#include <cstdint>
#include <string_view>

namespace lbw::dataset {

struct PictureFacts {
  enum class Kind : uint8_t { kOther, kJpeg, kPng };
  Kind kind = Kind::kOther;
  bool grey = false;
  bool alpha = false;
  bool palette = false;
  bool cmyk = false;
  bool sixteen_bit = false;
  int orientation = 1;       // EXIF, 1..8
  int64_t stored_width = 0;  // before the orientation; 0 where it is not told
  int64_t stored_height = 0;
};

PictureFacts LookAtPicture(std::string_view encoded);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_PICTURE_FACTS_H_

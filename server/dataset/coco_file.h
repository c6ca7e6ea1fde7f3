// One file of COCO's: its lists as they stand there, without masks. Private to the room.
#ifndef LBW_DATASET_COCO_FILE_H_
#define LBW_DATASET_COCO_FILE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/formats.h"

namespace lbw::dataset {

struct CocoImage {
  int64_t id = -1;
  std::string file_name;
  int64_t width = 0;
  int64_t height = 0;
};
struct CocoBox {
  int64_t id = -1;
  int64_t image_id = -1;
  int64_t category_id = -1;
  std::array<double, 4> bbox = {0, 0, 0, 0};  // x, y, width, height
  uint8_t numbers = 0;                        // that the bbox has; 5: more than four
  std::optional<double> area;
  bool crowd = false;
};

// Lists in their order; deques, which do not copy themselves to grow.
struct CocoFile {
  std::deque<CocoImage> images;
  std::deque<CocoBox> boxes;
  std::vector<std::pair<int64_t, std::string>> categories;
  bool has_images = false;
};

// Reads as it parses: neither the text nor a tree of it is ever in memory. Errors:
// kInvalidArgument, BAD_DATASET - no JSON, nested too deep (file, byte); LIMIT_EXCEEDED - the
// file's bytes, a value's, a category's name's, images, boxes, categories or bytes in memory, at
// the first beyond it; the tick's.
absl::StatusOr<CocoFile> ReadCocoFile(const ReadContext& context, const std::string& path);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_COCO_FILE_H_

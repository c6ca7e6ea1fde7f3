// The lists of classes that come with YOLO's labels. Private to the room.
#ifndef LBW_DATASET_YOLO_NAMES_H_
#define LBW_DATASET_YOLO_NAMES_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/formats.h"

namespace lbw::dataset {

struct YoloNames {
  std::vector<std::string> names;  // by number; empty: nobody tells any
  bool has_keypoints = false;      // numbers behind a box are points, not a polygon
};

// The names of the first file that has some: data.yaml (data.yml), then any other YAML,
// classes.txt, names.txt and *.names by path; without one the caller's, unless the map is about
// numbers. All such files go to `used`. Another file than data.yaml that is larger than
// max_names_file_bytes is no list of names: an `extra_file` names it. Errors: kInvalidArgument,
// LIMIT_EXCEEDED - data.yaml is larger, a name is longer than max_class_name_bytes; the tick's.
absl::StatusOr<YoloNames> ReadYoloNames(const ReadContext& context, std::set<std::string>& used);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_YOLO_NAMES_H_

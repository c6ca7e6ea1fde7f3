// Files of a known layout to a dataset: formats are told apart, annotations read, pictures looked
// at, defects named, what can be repaired is repaired, the rest left out.
//
// Two steps, so that formats know nothing of pictures:
//   ReadAnnotations   tree -> RawDataset: what the files say, box by box, as they say it
//   CheckDataset      RawDataset + pictures -> Dataset and defects
#ifndef LBW_DATASET_READ_H_
#define LBW_DATASET_READ_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/dataset.h"
#include "dataset/file_tree.h"
#include "dataset/ticker.h"

namespace lbw::dataset {

struct RawBox {
  std::array<double, 4> corners = {0, 0, 0, 0};  // x_min, y_min, x_max, y_max as the file has them
  bool relative = false;    // fractions of the picture (YOLO), made pixels by the check
  bool has_floats = false;  // written with a fraction
  std::string class_name;
  std::optional<bool> difficult;  // unset: not told
  bool crowd = false;
  std::optional<double> area_px2;
};

struct RawPicture {
  std::string path;  // in the tree; "" where it was not found: `wanted` tells what was
  std::string wanted;
  std::string
      missing_because;  // without a path: why, where more is known than that it is not there
  std::string annotation_file;
  int64_t declared_width = 0;  // 0: not told
  int64_t declared_height = 0;
  std::vector<std::string> splits;
  std::vector<RawBox> boxes;
  uint64_t boxes_not_kept = 0;       // more than max_boxes_a_picture: how many
  std::optional<std::string> label;  // classification
  std::optional<std::string> png;    // the picture itself where no file holds it (CIFAR), encoded
};

struct RawDataset {
  Format format = Format::kAuto;
  Task task = Task::kDetection;
  PixelRule pixel_rule = PixelRule::kInclusive;
  bool tells_difficult = false;      // the format has such a flag
  bool tells_size = false;           // and the picture's size
  std::vector<std::string> classes;  // in the files' order; empty: found while reading
  std::vector<RawPicture> pictures;
};

// The layout of a tree: by its folders and files. Errors: kInvalidArgument, BAD_DATASET - none
// fits; says what was looked for and the first files that are there; the tick's.
absl::StatusOr<Format> FindFormat(const FileTree& tree, const Tick& tick = {});

// Errors: kInvalidArgument, BAD_DATASET - the layout does not fit options.format, a file that holds
// everything (COCO's JSON, a CSV) is broken (line or offset, what is wrong), an XML with a document
// type or entities; LIMIT_EXCEEDED - a file, a line, a name, or all that was read up to it is more
// than the limits allow; the tick's. What concerns one picture is a defect instead.
// Memory: DatasetLimits; held while reading, not afterwards.
//
// Labels, and the order of classes:
//   folders  a folder's name is its class, as it is written. By name; where all are digits by
//   number
//            ("2" before "10"); where that is not the order by text, a `class_order` tells both.
//   CSV      white space around a label does not count. Where every label of all files is a whole
//            number, and none is the name of a class that the caller gives, labels are numbers:
//            "00014" is 14; they are places in the caller's classes, or classes "0", "1" ... up to
//            the largest (beyond max_classes: only those that occur). The map is asked for a number
//            as it is written, then as "14". Otherwise labels are text as written, and "00014" and
//            "14" are two classes; but where the caller gives classes, no map, and none of them is
//            a label's number, "14" among words is the caller's class 14.
//   YOLO     numbers, named by the files' list, the caller's, or themselves.
//   VOC      by name, numbers as with folders. COCO: by category id.
//
// COCO: every file is a split by its name. A picture that several lists have, or one list twice,
// has
//       all their boxes and splits; the same box (class, corners, crowd) in two lists is one, which
//       is named.
absl::StatusOr<RawDataset> ReadAnnotations(const FileTree& tree, const ReadOptions& options,
                                           DefectList& defects, const Tick& tick = {});

// Called after each picture; a status other than OK ends the work.
using CheckProgress = std::function<absl::Status(uint64_t done, uint64_t total)>;
// Receives the encoded bytes of every picture that is kept, in the order of Dataset::pictures.
using TakePicture = std::function<absl::Status(const Picture& picture, std::string_view encoded)>;

// Decodes every picture once, on up to sinks.threads threads. Errors: kInvalidArgument, BAD_DATASET
// - no usable picture is left (names the commonest defects); LIMIT_EXCEEDED - classes, splits, a
// name of one (its file and field); progress's, take's, tick's.
// Precision: results, defects and calls of the sinks are the same for every number of threads.
// Threads:   the sinks are called on the caller's thread.
struct CheckSinks {
  CheckProgress progress;  // may be empty
  TakePicture take;        // may be empty
  Tick tick;               // before the first picture, while classes and the order are made
  int threads = 1;
};
// Pictures wait for each other up to so many bytes, encoded and decoded; a larger one is alone.
inline constexpr uint64_t kDecodingBytes = uint64_t{512} << 20;
absl::StatusOr<Dataset> CheckDataset(const FileTree& tree, const RawDataset& raw,
                                     const ReadOptions& options, DefectList& defects,
                                     const CheckSinks& sinks);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_READ_H_

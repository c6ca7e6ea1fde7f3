// A dataset as values: pictures, what stands in them, and what was wrong with the files.
#ifndef LBW_DATASET_DATASET_H_
#define LBW_DATASET_DATASET_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detect/box.h"

namespace lbw::dataset {

enum class Format : uint8_t {
  kAuto,
  kVoc,
  kCoco,
  kYolo,
  kClassFolders,
  kClassCsv,
  kCifar,
  kPictures,  // no labels at all
};
enum class Task : uint8_t { kDetection, kClassification };
// How coordinates count pixels. kInclusive: VOC's, first and last pixel, from 1 or 0 as the files
// have it; kContinuous: edges. The same meaning as eval::PixelRule.
enum class PixelRule : uint8_t { kInclusive, kContinuous };

struct Annotation {
  detect::BoxXyxyPx box;  // of the upright picture, as annotated (see pixel_rule)
  int32_t class_index = 0;
  bool difficult = false;
  bool crowd = false;
  std::optional<double> area_px2;  // COCO: of the mask
  bool operator==(const Annotation&) const = default;
};

struct Picture {
  std::string name;   // unique: the path within the dataset, without the common folder
  int64_t width = 0;  // of the upright picture
  int64_t height = 0;
  std::vector<int32_t> splits;          // indices into Dataset::splits, rising
  std::vector<Annotation> annotations;  // detection
  std::optional<int32_t> label;         // classification
  uint64_t offset = 0;                  // of the encoded bytes in the pack
  uint64_t size_bytes = 0;
  bool operator==(const Picture&) const = default;
};

struct Dataset {
  Task task = Task::kDetection;
  Format format = Format::kAuto;  // that it was read from
  PixelRule pixel_rule = PixelRule::kInclusive;
  std::vector<std::string> classes;
  std::vector<std::string> splits;  // at least one; "all" where the files know none
  std::vector<Picture> pictures;    // by name
  bool operator==(const Dataset&) const = default;
};

// Every kind of defect that a check can find; the texts are the API's. Append-only.
enum class DefectKind : uint8_t {
  kBoxOutside,          // "box_outside": partly outside: clipped; wholly: left out
  kZeroArea,            // "zero_area": left out
  kSwappedCorners,      // "swapped_corners": xmin > xmax or ymin > ymax: repaired
  kFloatCoordinates,    // "float_coordinates": where whole pixels are usual: kept
  kBadCoordinates,      // "bad_coordinates": missing, not numbers, not finite: left out
  kDifficultMissing,    // "difficult_missing": taken as 0
  kUnknownClass,        // "unknown_class": not among the classes that were asked for: left out
  kPictureMissing,      // "picture_missing": an annotation without picture: left out
  kPictureBroken,       // "picture_broken": truncated or no picture: left out
  kPictureTooLarge,     // "picture_too_large": left out
  kWrongExtension,      // "wrong_extension": a PNG called .jpg: read by content
  kUnsupportedPicture,  // "unsupported_picture": neither JPEG nor PNG: left out
  kGrey,
  kRgba,
  kPalette,
  kCmyk,
  kSixteenBit,    // "grey", "rgba", ...: converted when decoded
  kExifRotation,  // "exif_rotation": turned upright, boxes with it where they were not
  kSizeMissing,   // "size_missing": 0x0 or none in the annotation: the picture's own
  kSizeDiffers,   // "size_differs": the annotation's size is not the picture's: the picture's own
  kAnnotationBroken,   // "annotation_broken": unreadable: the picture is left out
  kAnnotationMissing,  // "annotation_missing": a picture without annotation file: left out, or
                       // empty
  kDuplicateId,        // "duplicate_id": the first is kept
  kUnknownId,        // "unknown_id": an annotation whose picture or category is not there: left out
  kCategoryIds,      // "category_ids": gaps or out of order: mapped to 0..n-1
  kFilenameDiffers,  // "filename_differs": the annotation names another file or folder: the one
                     // that was taken is named
  kDuplicatePicture,  // "duplicate_picture": the same bytes twice: noted
  kSplitOverlap,      // "split_overlap": a picture in two splits: noted
  kSplitUnknown,      // "split_unknown": a split names a picture that is not there: left out
  kExtraFile,         // "extra_file": neither picture nor annotation: skipped
  kTooManyBoxes,      // "too_many_boxes": beyond the limit a picture: left out
  kDuplicateBox,      // "duplicate_box": the same box of a picture in two lists: the first is kept
  kClassOrder,        // "class_order": by number, where ImageFolder's is by text: noted
};
std::string_view Name(DefectKind kind);

enum class DefectAction : uint8_t { kRepaired, kLeftOut, kNoted };
std::string_view Name(DefectAction action);

struct Defect {
  DefectKind kind = DefectKind::kExtraFile;
  std::string file;
  std::string detail;  // "xmax=512 width=500"
  DefectAction action = DefectAction::kNoted;
};

// Collects defects: all are counted, the first max_kept of each kind are kept.
class DefectList {
 public:
  explicit DefectList(size_t max_kept_a_kind = 1'000) : max_kept_(max_kept_a_kind) {}
  void Add(DefectKind kind, DefectAction action, std::string_view file, std::string_view detail);
  struct Count {
    uint64_t count = 0;
    uint64_t repaired = 0;
    uint64_t left_out = 0;
    std::string example;
  };
  const std::map<DefectKind, Count>& counts() const { return counts_; }
  const std::vector<Defect>& kept() const { return kept_; }
  uint64_t not_kept() const { return not_kept_; }

 private:
  const size_t max_kept_;
  std::map<DefectKind, Count> counts_;
  std::vector<Defect> kept_;
  uint64_t not_kept_ = 0;
};

// Every bound of a check. What is beyond one is refused with LIMIT_EXCEEDED (BAD_ARCHIVE while it
// is unpacked) that names file, value and limit, as soon as it is seen: nothing is read first and
// counted later.
//
// Memory of a check: max_kept_bytes for what it keeps (names of files come on top, max_name_bytes),
//                    one XML or list of names with its tree (40 * max_text_file_bytes), twice
//                    max_json_token_bytes, pictures being decoded (kDecodingBytes, or one of
//                    max_picture_pixels and max_picture_bytes), and the index of the pack while it
//                    is written (3 * 1 GiB at most). Annotation files are never in memory whole.
// Disk:              the unpacked files, the pictures that are kept, and the pack: at most
//                    3 * max_unpacked_bytes and the index, and never the reserve.
struct DatasetLimits {
  uint64_t max_unpacked_bytes = uint64_t{256} << 30;
  // An archive that grows by more than this factor, and beyond 1 GiB, is a bomb; held at every
  // moment against what was read of it.
  uint64_t max_expansion = 200;
  uint64_t max_files = 5'000'000;
  uint64_t max_name_bytes = uint64_t{1} << 30;  // of all files together

  // A file of annotations, by kind.
  uint64_t max_text_file_bytes = uint64_t{8} << 20;    // an XML, a label file
  uint64_t max_names_file_bytes = uint64_t{1} << 20;   // a list of classes, a data.yaml
  uint64_t max_list_bytes = uint64_t{1} << 30;         // a split's list, a CSV, CIFAR's .bin
  uint64_t max_line_bytes = uint64_t{1} << 20;         // of a list, a CSV or a label file
  uint64_t max_json_bytes = uint64_t{2} << 30;         // COCO
  uint64_t max_json_token_bytes = uint64_t{16} << 20;  // a string, and from one value to the next
  // What all annotations together come to in memory, counted with all that is made of them.
  uint64_t max_kept_bytes = uint64_t{4} << 30;

  uint64_t max_picture_bytes = uint64_t{32} << 20;
  int64_t max_picture_pixels = 40'000'000;
  int64_t max_pictures = 5'000'000;  // also: lines of a split's list
  int64_t max_boxes = 20'000'000;
  int64_t max_boxes_a_picture = 10'000;
  int64_t max_classes = 10'000;
  int64_t max_splits = 64;
  uint64_t max_class_name_bytes = 1'024;  // of a class or a split: summaries name all of them

  // What stays free on the disk: the larger of both, but at most a quarter of a small disk. A share
  // of a large disk is at most max_share_bytes.
  uint64_t reserve_bytes = uint64_t{1} << 30;
  uint64_t reserve_percent = 5;
  uint64_t max_share_bytes = uint64_t{10} << 30;
};

// What a caller may tell beside the files.
struct ReadOptions {
  Format format = Format::kAuto;
  std::vector<std::string> classes;              // in order; empty: as the files have them
  std::map<std::string, std::string> class_map;  // names in the files -> class
  DatasetLimits limits;
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_DATASET_H_

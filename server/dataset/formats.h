// The readers behind ReadAnnotations, one a format. Private to the room.
#ifndef LBW_DATASET_FORMATS_H_
#define LBW_DATASET_FORMATS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/budget.h"
#include "dataset/file_tree.h"
#include "dataset/layout.h"
#include "dataset/read.h"
#include "dataset/ticker.h"

namespace lbw::dataset {

// What every reader gets. All borrowed.
struct ReadContext {
  const FileTree& tree;
  const PictureIndex& pictures;
  const ReadOptions& options;
  DefectList& defects;
  Budget& budget;
  Ticker& ticker;
};

absl::StatusOr<RawDataset> ReadVoc(const ReadContext& context);
absl::StatusOr<RawDataset> ReadCoco(const ReadContext& context);
absl::StatusOr<RawDataset> ReadYolo(const ReadContext& context);
absl::StatusOr<RawDataset> ReadClassFolders(const ReadContext& context);
absl::StatusOr<RawDataset> ReadClassCsv(const ReadContext& context);
absl::StatusOr<RawDataset> ReadCifar(const ReadContext& context);
// Every picture of the tree by its path, without labels, classes and splits.
// Errors: kInvalidArgument, BAD_DATASET - no picture; the budget's.
absl::StatusOr<RawDataset> ReadPictures(const ReadContext& context);

// Where a picture's annotation says that it is.
enum class PlaceRule : uint8_t {
  kPath,    // `wanted` is a path, from the annotation file's folder or from a root (COCO, CSV)
  kBeside,  // by the annotation file's own name in its place, then by `wanted` there (VOC)
};
// Fills in the path of every picture from `wanted`, `annotation_file` and, where there is one, the
// first of `splits`. A picture that is not where its annotation says is taken from elsewhere only
// where one file alone can be meant, no other annotation names that file, and the place that the
// annotation tells holds no other pictures (of the same list or split); a `filename_differs` names
// it. All others stay without a path, and missing_because says why. Errors: the budget's, the
// tick's.
absl::Status FindPictures(const ReadContext& context, PlaceRule rule,
                          std::vector<RawPicture>& pictures);
// A defect for every picture that is left out: none of `pictures`, and not among `used`. Errors:
// the tick's.
absl::Status NoteUnused(const ReadContext& context, const std::vector<RawPicture>& pictures,
                        std::set<std::string> used, std::string_view detail);

// Errors: kInvalidArgument, BAD_DATASET.
absl::Status BadDataset(std::string_view message);

// The order of class names: numbers by their value where all are digits ("2" before "10"; equal
// ones as text), as text otherwise.
std::vector<std::string> InClassOrder(const std::set<std::string>& names);
// The digits of a number without leading zeros ("00014" -> "14"); unset where text is no number.
std::optional<std::string> CanonicalNumber(std::string_view text);

// One VOC annotation. picture.path is left empty; wanted is the <filename>, "" without one. Beyond
// max_boxes boxes are only counted, in boxes_not_kept.
// Errors: kInvalidArgument - not well-formed, no <annotation>, nested too deep;
// kFailedPrecondition - a document type or entities, which refuse the whole dataset.
absl::StatusOr<RawPicture> ParseVocXml(std::string_view text, int64_t max_boxes);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_FORMATS_H_

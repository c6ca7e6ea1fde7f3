// The readers behind ReadAnnotations, one a format. Private to the room.
#ifndef LBW_DATASET_FORMATS_H_
#define LBW_DATASET_FORMATS_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dataset/file_tree.h"
#include "dataset/layout.h"
#include "dataset/read.h"

namespace lbw::dataset {

// What every reader gets. All borrowed.
struct ReadContext {
  const FileTree& tree;
  const PictureIndex& pictures;
  const ReadOptions& options;
  DefectList& defects;
};

absl::StatusOr<RawDataset> ReadVoc(const ReadContext& context);
absl::StatusOr<RawDataset> ReadCoco(const ReadContext& context);
absl::StatusOr<RawDataset> ReadYolo(const ReadContext& context);
absl::StatusOr<RawDataset> ReadClassFolders(const ReadContext& context);
absl::StatusOr<RawDataset> ReadClassCsv(const ReadContext& context);
absl::StatusOr<RawDataset> ReadCifar(const ReadContext& context);

// A defect where an annotation calls its picture otherwise; folders, case and an ending
// that it leaves away do not count.
void NoteOtherName(const ReadContext& context, const std::string& annotation_file,
                   const std::string& wanted, const std::string& path);
// A defect for every picture that is not among `used`, which is left out.
void NoteUnused(const ReadContext& context, const std::set<std::string>& used,
                std::string_view detail);

// Errors: kInvalidArgument, BAD_DATASET.
absl::Status BadDataset(std::string_view message);

// One VOC annotation. picture.path is left empty; wanted is the <filename>, "" without one.
// Errors: kInvalidArgument - not well-formed, no <annotation>, nested too deep;
// kFailedPrecondition - a document type or entities, which refuse the whole dataset.
absl::StatusOr<RawPicture> ParseVocXml(std::string_view text);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_FORMATS_H_

// Small trees of files, and what becomes of them, for the tests of readers and of the check.
#ifndef LBW_TESTS_UNIT_DATASET_READING_H_
#define LBW_TESTS_UNIT_DATASET_READING_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"
#include "unit/detect/image/pictures.h"

namespace lbw::dataset {

using Files = std::map<std::string, std::string>;

inline std::string Jpeg(int64_t width = 40, int64_t height = 30) {
  const auto jpeg =
      detect::EncodeImage(detect::Gradient(width, height), detect::ImageFormat::kJpeg);
  LBW_CHECK(jpeg.ok());
  return *jpeg;
}

// <object> of VOC's; corners are written as they are given.
inline std::string VocObject(std::string_view name, const std::vector<std::string>& corners,
                             std::string_view more = "<difficult>0</difficult>") {
  return base::StrCat("<object><name>", name, "</name>", more, "<bndbox><xmin>", corners[0],
                      "</xmin><ymin>", corners[1], "</ymin><xmax>", corners[2], "</xmax><ymax>",
                      corners[3], "</ymax></bndbox></object>");
}

inline std::string VocXml(std::string_view file_name, std::string_view objects, int width = 40,
                          int height = 30) {
  return base::StrCat("<annotation><filename>", file_name, "</filename><size><width>", width,
                      "</width><height>", height, "</height></size>", objects, "</annotation>");
}

// What was read and found, kept together.
struct Outcome {
  DefectList defects;
  absl::StatusOr<RawDataset> raw = absl::UnknownError("not read");
  absl::StatusOr<Dataset> data = absl::UnknownError("not checked");

  uint64_t Count(DefectKind kind) const {
    const auto found = defects.counts().find(kind);
    return found == defects.counts().end() ? 0 : found->second.count;
  }
  // The files that have a defect of a kind, in order.
  std::vector<std::string> Files(DefectKind kind) const {
    std::vector<std::string> files;
    for (const Defect& defect : defects.kept()) {
      if (defect.kind == kind) files.push_back(defect.file);
    }
    return files;
  }
  // "kind=count action, ...": all of them, for a test that expects no others.
  std::string Summary() const {
    std::string text;
    for (const auto& [kind, count] : defects.counts()) {
      text += base::StrCat(text.empty() ? "" : ", ", Name(kind), "=", count.count);
      if (count.repaired > 0) text += " repaired";
      if (count.left_out > 0) text += " left_out";
    }
    return text;
  }
  const Picture* Find(std::string_view name) const {
    for (const Picture& picture : data->pictures) {
      if (picture.name == name) return &picture;
    }
    return nullptr;
  }
};

inline void Check(const FileTree& tree, const ReadOptions& options, Outcome& outcome) {
  outcome.raw = ReadAnnotations(tree, options, outcome.defects);
  if (!outcome.raw.ok()) {
    outcome.data = outcome.raw.status();
    return;
  }
  outcome.data = CheckDataset(tree, *outcome.raw, options, outcome.defects, {});
}

// The annotations only.
inline Outcome ReadFiles(const Files& files, const ReadOptions& options = {}) {
  Outcome outcome;
  outcome.raw = ReadAnnotations(MakeFileTree(files), options, outcome.defects);
  return outcome;
}

// The whole way.
inline Outcome CheckFiles(const Files& files, const ReadOptions& options = {}) {
  Outcome outcome;
  Check(MakeFileTree(files), options, outcome);
  return outcome;
}

}  // namespace lbw::dataset

#endif  // LBW_TESTS_UNIT_DATASET_READING_H_

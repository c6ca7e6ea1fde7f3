#include "client/cpp/dataset_view.h"

#include <array>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"

namespace lbw::client {
namespace {

// More classes or kinds of defects are counted, not listed.
constexpr int kMaxClasses = 100;

constexpr std::array<std::pair<v1::DatasetFormat, std::string_view>, 7> kFormats = {
    {{v1::DATASET_FORMAT_VOC, "voc"},
     {v1::DATASET_FORMAT_COCO, "coco"},
     {v1::DATASET_FORMAT_YOLO, "yolo"},
     {v1::DATASET_FORMAT_CLASS_FOLDERS, "folders"},
     {v1::DATASET_FORMAT_CLASS_CSV, "csv"},
     {v1::DATASET_FORMAT_CIFAR, "cifar"},
     {v1::DATASET_FORMAT_PICTURES, "pictures"}}};

std::string TaskWord(v1::DatasetTask task) {
  switch (task) {
    case v1::DATASET_TASK_DETECTION:
      return "detection";
    case v1::DATASET_TASK_CLASSIFICATION:
      return "classification";
    default:
      return "-";
  }
}

void AddCounts(const v1::Dataset& dataset, Table& table) {
  table.AddRow({"pictures", Grouped(dataset.pictures())});
  if (dataset.task() != v1::DATASET_TASK_DETECTION) return;
  table.AddRow(
      {"boxes", base::StrCat(Grouped(dataset.boxes()), ", ", Grouped(dataset.difficult_boxes()),
                             " of them difficult; ", Grouped(dataset.pictures_without_boxes()),
                             " pictures without a box")});
  if (!dataset.pixel_rule().empty()) table.AddRow({"pixel rule", dataset.pixel_rule()});
}

void AddParts(const v1::Dataset& dataset, std::string& out) {
  const bool has_boxes = dataset.task() == v1::DATASET_TASK_DETECTION;
  const auto cell = [&](uint64_t boxes) { return has_boxes ? Grouped(boxes) : ""; };
  Table splits({{"split"}, {"pictures", Align::kRight}, {has_boxes ? "boxes" : "", Align::kRight}});
  for (const v1::DatasetSplit& split : dataset.splits()) {
    splits.AddRow({split.name(), Grouped(split.pictures()), cell(split.boxes())});
  }
  if (!splits.empty()) out += "\n" + splits.Render();
  Table classes({{"class"},
                 {"pictures", Align::kRight},
                 {has_boxes ? "boxes" : "", Align::kRight},
                 {has_boxes ? "difficult" : "", Align::kRight}});
  for (int i = 0; i < dataset.classes_size() && i < kMaxClasses; ++i) {
    const v1::DatasetClass& one = dataset.classes(i);
    classes.AddRow(
        {one.name(), Grouped(one.pictures()), cell(one.boxes()), cell(one.difficult_boxes())});
  }
  if (!classes.empty()) out += "\n" + classes.Render();
  if (dataset.classes_size() > kMaxClasses) {
    base::StrAppend(&out, "and ", dataset.classes_size() - kMaxClasses, " classes more\n");
  }
}

}  // namespace

absl::StatusOr<v1::DatasetFormat> ParseDatasetFormat(std::string_view text) {
  if (text.empty()) return v1::DATASET_FORMAT_UNSPECIFIED;
  for (const auto& entry : kFormats) {
    if (entry.second == text) return entry.first;
  }
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
      base::StrCat("--format must be voc, coco, yolo, folders, csv, cifar or pictures: '",
                   Printable(text), "'"));
}

std::string DatasetFormatWord(v1::DatasetFormat format) {
  for (const auto& entry : kFormats) {
    if (entry.first == format) return std::string(entry.second);
  }
  return "-";
}

std::string DatasetStateWord(v1::DatasetState state) {
  switch (state) {
    case v1::DATASET_STATE_CHECKING:
      return "CHECKING";
    case v1::DATASET_STATE_READY:
      return "READY";
    case v1::DATASET_STATE_FAILED:
      return "FAILED";
    default:
      return "-";
  }
}

std::string RenderDataset(const v1::Dataset& dataset) {
  Table table({{""}, {""}});
  table.AddRow({"dataset",
                base::StrCat(ShortName(dataset.name()), ", ", DatasetStateWord(dataset.state()))});
  if (!dataset.error().empty()) table.AddRow({"error", dataset.error()});
  table.AddRow({"format",
                base::StrCat(DatasetFormatWord(dataset.format()), ", ", TaskWord(dataset.task()))});
  if (!dataset.job().empty()) table.AddRow({"checked by", dataset.job()});
  if (!dataset.pack_artifact().empty()) {
    table.AddRow({"pack", base::StrCat(ShortName(dataset.pack_artifact()), ", ",
                                       HumanBytes(dataset.pack_bytes()))});
  }
  if (dataset.state() == v1::DATASET_STATE_READY) AddCounts(dataset, table);
  std::string out = table.Render();
  AddParts(dataset, out);
  Table defects({{"defect"},
                 {"count", Align::kRight},
                 {"repaired", Align::kRight},
                 {"left out", Align::kRight},
                 {"example"}});
  for (const v1::DefectCount& defect : dataset.defects()) {
    defects.AddRow({defect.kind(), Grouped(defect.count()), Grouped(defect.repaired()),
                    Grouped(defect.left_out()), defect.example()});
  }
  if (!defects.empty()) {
    out += "\n" + defects.Render();
  } else if (dataset.state() == v1::DATASET_STATE_READY) {
    out += "\nno defects\n";
  }
  return out;
}

std::string RenderDatasetList(const google::protobuf::RepeatedPtrField<v1::Dataset>& list) {
  Table table({{"name"},
               {"state"},
               {"format"},
               {"task"},
               {"pictures", Align::kRight},
               {"boxes", Align::kRight},
               {"classes", Align::kRight},
               {"defects", Align::kRight},
               {"size", Align::kRight}});
  for (const v1::Dataset& dataset : list) {
    uint64_t defects = 0;
    for (const v1::DefectCount& defect : dataset.defects()) defects += defect.count();
    table.AddRow({ShortName(dataset.name()), DatasetStateWord(dataset.state()),
                  DatasetFormatWord(dataset.format()), TaskWord(dataset.task()),
                  Grouped(dataset.pictures()), Grouped(dataset.boxes()),
                  base::StrCat(dataset.classes_size()), Grouped(defects),
                  HumanBytes(dataset.pack_bytes())});
  }
  return table.Render();
}

}  // namespace lbw::client

#include "tasks/dataset_report.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace lbw::tasks {
namespace {

struct FormatName {
  dataset::Format format;
  std::string_view name;
};
constexpr std::array<FormatName, 8> kFormats = {{
    {dataset::Format::kAuto, "DATASET_FORMAT_UNSPECIFIED"},
    {dataset::Format::kVoc, "DATASET_FORMAT_VOC"},
    {dataset::Format::kCoco, "DATASET_FORMAT_COCO"},
    {dataset::Format::kYolo, "DATASET_FORMAT_YOLO"},
    {dataset::Format::kClassFolders, "DATASET_FORMAT_CLASS_FOLDERS"},
    {dataset::Format::kClassCsv, "DATASET_FORMAT_CLASS_CSV"},
    {dataset::Format::kCifar, "DATASET_FORMAT_CIFAR"},
    {dataset::Format::kPictures, "DATASET_FORMAT_PICTURES"},
}};

std::string FormatText(dataset::Format format) {
  for (const FormatName& entry : kFormats) {
    if (entry.format == format) return std::string(entry.name);
  }
  return "DATASET_FORMAT_UNSPECIFIED";
}

struct Counts {
  uint64_t pictures = 0;
  uint64_t boxes = 0;
  uint64_t difficult = 0;
};

struct Totals {
  std::vector<Counts> splits;
  std::vector<Counts> classes;
  Counts all;
  uint64_t empty = 0;  // pictures without boxes
};

Totals Count(const dataset::Dataset& data) {
  Totals totals;
  totals.splits.resize(data.splits.size());
  totals.classes.resize(data.classes.size());
  for (const dataset::Picture& picture : data.pictures) {
    ++totals.all.pictures;
    const bool detection = data.task == dataset::Task::kDetection;
    totals.empty += detection && picture.annotations.empty() ? 1 : 0;
    for (const int32_t split : picture.splits) {
      Counts& counts = totals.splits[static_cast<size_t>(split)];
      ++counts.pictures;
      counts.boxes += picture.annotations.size();
    }
    std::vector<bool> seen(data.classes.size(), false);
    for (const dataset::Annotation& annotation : picture.annotations) {
      Counts& counts = totals.classes[static_cast<size_t>(annotation.class_index)];
      ++counts.boxes;
      counts.difficult += annotation.difficult ? 1 : 0;
      ++totals.all.boxes;
      totals.all.difficult += annotation.difficult ? 1 : 0;
      if (!seen[static_cast<size_t>(annotation.class_index)]) ++counts.pictures;
      seen[static_cast<size_t>(annotation.class_index)] = true;
    }
    if (picture.label.has_value()) ++totals.classes[static_cast<size_t>(*picture.label)].pictures;
  }
  return totals;
}

std::string Text(uint64_t count) { return base::StrCat(count); }

}  // namespace

Json DatasetSummary(const dataset::Dataset& data, const dataset::DefectList& defects) {
  const Totals totals = Count(data);
  Json out;
  out["format"] = FormatText(data.format);
  const bool detection = data.task == dataset::Task::kDetection;
  out["task"] = detection ? "DATASET_TASK_DETECTION" : "DATASET_TASK_CLASSIFICATION";
  Json splits = Json::array();
  for (size_t i = 0; i < data.splits.size(); ++i) {
    splits.push_back({{"name", data.splits[i]},
                      {"pictures", Text(totals.splits[i].pictures)},
                      {"boxes", Text(totals.splits[i].boxes)}});
  }
  out["splits"] = std::move(splits);
  Json classes = Json::array();
  for (size_t i = 0; i < data.classes.size(); ++i) {
    classes.push_back({{"name", data.classes[i]},
                       {"pictures", Text(totals.classes[i].pictures)},
                       {"boxes", Text(totals.classes[i].boxes)},
                       {"difficult_boxes", Text(totals.classes[i].difficult)}});
  }
  out["classes"] = std::move(classes);
  out["pictures"] = Text(totals.all.pictures);
  out["boxes"] = Text(totals.all.boxes);
  out["difficult_boxes"] = Text(totals.all.difficult);
  out["pictures_without_boxes"] = Text(totals.empty);
  Json counts = Json::array();
  for (const auto& [kind, count] : defects.counts()) {
    counts.push_back({{"kind", std::string(dataset::Name(kind))},
                      {"count", Text(count.count)},
                      {"repaired", Text(count.repaired)},
                      {"left_out", Text(count.left_out)},
                      {"example", count.example}});
  }
  out["defects"] = std::move(counts);
  const bool inclusive = data.pixel_rule == dataset::PixelRule::kInclusive;
  out["pixel_rule"] = inclusive ? "inclusive" : "continuous";
  return out;
}

Json DefectsJson(const dataset::DefectList& defects) {
  Json list = Json::array();
  for (const dataset::Defect& defect : defects.kept()) {
    list.push_back({{"kind", std::string(dataset::Name(defect.kind))},
                    {"file", defect.file},
                    {"detail", defect.detail},
                    {"action", std::string(dataset::Name(defect.action))}});
  }
  Json out;
  out["defects"] = std::move(list);
  out["not_kept"] = Text(defects.not_kept());
  return out;
}

std::optional<dataset::Format> ParseFormat(std::string_view name) {
  if (name.empty()) return dataset::Format::kAuto;
  for (const FormatName& entry : kFormats) {
    if (entry.name == name) return entry.format;
  }
  return std::nullopt;
}

}  // namespace lbw::tasks

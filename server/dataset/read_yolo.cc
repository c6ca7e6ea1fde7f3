#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"
#include "dataset/tree_stream.h"
#include "dataset/yolo_names.h"

namespace lbw::dataset {
namespace {

// The label file of a picture: images/ becomes labels/, or beside it. For a picture whose folder is
// called otherwise labels/a.txt, where it can be no other's.
std::string LabelPath(const ReadContext& context, const std::string& picture) {
  const FileTree& tree = context.tree;
  const std::string stem = picture.substr(0, picture.rfind('.'));
  const std::string beside = stem + ".txt";
  std::string swapped = "/" + beside;
  const size_t at = Lower(swapped).rfind("/images/");
  if (at != std::string::npos) {
    swapped.replace(at, 8, "/labels/");
    if (tree.files().count(swapped.substr(1)) != 0) return swapped.substr(1);
  }
  if (tree.files().count(beside) != 0) return beside;
  const std::string elsewhere = "labels/" + StemOf(picture) + ".txt";
  if (tree.files().count(elsewhere) == 0) return "";
  // The twin of labels/ is images/, or whatever folder of pictures stands for it at the top.
  const bool top = FolderOf(picture).find('/') == std::string::npos;
  const bool only = context.pictures.FindStem(StemOf(picture)).path == picture;
  if (!only) return "";
  if (!top) {
    context.defects.Add(DefectKind::kFilenameDiffers, DefectAction::kRepaired, elsewhere,
                        base::StrCat("picture=", picture, ": the only one of its name"));
  }
  return elsewhere;
}

std::string SplitOfPath(const std::string& path) {
  std::string lower = "/" + Lower(path);
  for (const char* name : {"train", "val", "valid", "validation", "test"}) {
    if (lower.find(base::StrCat("/", name, "/")) == std::string::npos &&
        lower.find(base::StrCat("/", name, "2017/")) == std::string::npos) {
      continue;
    }
    return std::string(name).rfind("val", 0) == 0 ? "val" : name;
  }
  return "";
}

using Lists = std::map<std::string, std::vector<std::string>>;  // path of a picture -> splits

absl::Status ReadList(const ReadContext& context, const std::string& path,
                      std::set<std::string>& used, Lists& splits) {
  constexpr uint64_t kNode = 320;
  const DatasetLimits& limits = context.options.limits;
  LBW_ASSIGN_OR_RETURN(LineReader lines, LineReader::Open(context.tree, path, limits.max_list_bytes,
                                                          limits.max_line_bytes, context.ticker));
  const std::string name = Lower(FileNameOf(path));
  const std::string split = name == "valid.txt" ? "val" : StemOf(name);
  for (int64_t count = 1;; ++count) {
    LBW_ASSIGN_OR_RETURN(const bool more, lines.Next());
    if (!more) return absl::OkStatus();
    if (count == 1 && !IsPictureName(lines.line())) return absl::OkStatus();
    used.insert(path);
    if (count > limits.max_pictures) {
      return BeyondLimit("number of lines", path, static_cast<uint64_t>(count),
                         static_cast<uint64_t>(limits.max_pictures));
    }
    const FoundPicture found = context.pictures.Find(lines.line(), FolderOf(path));
    if (found.path.empty()) {
      context.defects.Add(
          DefectKind::kSplitUnknown, DefectAction::kLeftOut, path,
          base::StrCat(lines.line(), found.because.empty() ? "" : ": ", found.because));
      continue;
    }
    if (found.elsewhere) {
      context.defects.Add(DefectKind::kFilenameDiffers, DefectAction::kRepaired, path,
                          base::StrCat("filename=", lines.line(), " picture=", found.path,
                                       ": the only one of its name"));
    }
    const auto [of, is_new] = splits.try_emplace(found.path);
    if (is_new) LBW_RETURN_IF_ERROR(context.budget.Keep(kNode + found.path.size(), path));
    std::vector<std::string>& in = of->second;
    if (std::find(in.begin(), in.end(), split) == in.end()) in.push_back(split);
  }
}

// train.txt, val.txt, test.txt: lists of paths of pictures.
absl::StatusOr<Lists> ReadLists(const ReadContext& context, std::set<std::string>& used) {
  Lists splits;
  for (const auto& [path, entry] : context.tree.files()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    const std::string name = Lower(FileNameOf(path));
    if (name != "train.txt" && name != "val.txt" && name != "valid.txt" && name != "test.txt")
      continue;
    LBW_RETURN_IF_ERROR(ReadList(context, path, used, splits));
  }
  return splits;
}

// x1 y1 x2 y2 ...: around all of them.
std::array<double, 4> Around(const std::vector<double>& points) {
  std::array<double, 4> box = {points[0], points[1], points[0], points[1]};
  for (size_t i = 0; i < points.size(); ++i) {
    box[i % 2] = std::min(box[i % 2], points[i]);
    box[2 + i % 2] = std::max(box[2 + i % 2], points[i]);
  }
  return box;
}

// class cx cy w h, fractions, and maybe a score or keypoints, which are not read; or class and a
// polygon of three points or more.
void ReadLine(const ReadContext& context, const std::string& label, const std::string& line,
              const YoloNames& names, RawPicture& picture) {
  const std::vector<std::string> words = WordsOf(line);
  const bool polygon = words.size() >= 7 && words.size() % 2 == 1 && !names.has_keypoints;
  std::vector<double> values(polygon ? words.size() - 1 : 4);
  uint64_t number = 0;
  bool good = words.size() >= 5 && absl::SimpleAtoi(words[0], &number);
  for (size_t i = 0; good && i < values.size(); ++i) {
    good = absl::SimpleAtod(words[i + 1], &values[i]);
  }
  if (!good || std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) {
    context.defects.Add(DefectKind::kBadCoordinates, DefectAction::kLeftOut, label, line);
    return;
  }
  if (!names.names.empty() && number >= names.names.size()) {
    context.defects.Add(DefectKind::kUnknownClass, DefectAction::kLeftOut, label,
                        base::StrCat("class ", number, " of ", names.names.size()));
    return;
  }
  RawBox box;
  box.relative = true;
  box.difficult = false;
  box.class_name = names.names.empty() ? base::StrCat(number) : names.names[number];
  box.corners = polygon
                    ? Around(values)
                    : std::array<double, 4>{values[0] - values[2] / 2, values[1] - values[3] / 2,
                                            values[0] + values[2] / 2, values[1] + values[3] / 2};
  picture.boxes.push_back(std::move(box));
}

// A text file that no picture has: labels of one that is missing, or something to read.
void NoteText(const ReadContext& context, const std::string& path) {
  const DatasetLimits& limits = context.options.limits;
  absl::StatusOr<LineReader> lines = LineReader::Open(
      context.tree, path, limits.max_text_file_bytes, limits.max_line_bytes, context.ticker);
  std::vector<std::string> words;
  if (lines.ok()) {
    const absl::StatusOr<bool> more = lines->Next();
    if (more.ok() && *more) words = WordsOf(lines->line());
  }
  uint64_t number = 0;
  const bool labels = Lower(FileNameOf(FolderOf(path))) == "labels" ||
                      (words.size() >= 5 && absl::SimpleAtoi(words.front(), &number));
  if (labels) {
    context.defects.Add(DefectKind::kPictureMissing, DefectAction::kLeftOut, path,
                        "annotations without a picture");
  } else {
    context.defects.Add(DefectKind::kExtraFile, DefectAction::kNoted, path, "not read");
  }
}

// The boxes of a label file. Errors: a file that cannot be read, or is beyond a limit of its own
// (of one picture); budget's in `whole`.
absl::Status ReadLabel(const ReadContext& context, const YoloNames& names, RawPicture& picture,
                       absl::Status& whole) {
  const DatasetLimits& limits = context.options.limits;
  const std::string& label = picture.annotation_file;
  LBW_ASSIGN_OR_RETURN(LineReader lines,
                       LineReader::Open(context.tree, label, limits.max_text_file_bytes,
                                        limits.max_line_bytes, context.ticker));
  while (true) {
    LBW_ASSIGN_OR_RETURN(const bool more, lines.Next());
    if (!more) return absl::OkStatus();
    const size_t before = picture.boxes.size();
    ReadLine(context, label, lines.line(), names, picture);
    if (picture.boxes.size() == before) continue;
    if (static_cast<int64_t>(picture.boxes.size()) > limits.max_boxes_a_picture) {
      picture.boxes.pop_back();
      ++picture.boxes_not_kept;
      continue;
    }
    whole = context.budget.KeepBox(2 * picture.boxes.back().class_name.size(), label);
    LBW_RETURN_IF_ERROR(whole);
  }
}

// Class numbers without names: all of them up to the largest.
absl::Status NumberClasses(const ReadContext& context, RawDataset& raw) {
  int64_t largest = -1;
  for (const RawPicture& picture : raw.pictures) {
    LBW_RETURN_IF_ERROR(context.ticker.Items(1 + picture.boxes.size()));
    for (const RawBox& box : picture.boxes) {
      int64_t number = 0;
      if (absl::SimpleAtoi(box.class_name, &number)) largest = std::max(largest, number);
    }
  }
  if (largest >= context.options.limits.max_classes) {
    return BadDataset(base::StrCat("class ", largest, " is beyond the limit of ",
                                   context.options.limits.max_classes));
  }
  for (int64_t i = 0; i <= largest; ++i) raw.classes.push_back(base::StrCat(i));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RawDataset> ReadYolo(const ReadContext& context) {
  RawDataset raw;
  raw.pixel_rule = PixelRule::kContinuous;
  std::set<std::string> used;
  LBW_ASSIGN_OR_RETURN(const YoloNames names, ReadYoloNames(context, used));
  raw.classes = names.names;
  LBW_ASSIGN_OR_RETURN(const Lists lists, ReadLists(context, used));
  for (const std::string& path : context.pictures.all()) {
    LBW_RETURN_IF_ERROR(context.ticker.File());
    RawPicture picture;
    picture.path = path;
    picture.wanted = path;
    const auto listed = lists.find(path);
    if (listed != lists.end()) {
      picture.splits = listed->second;
    } else if (const std::string split = SplitOfPath(path); !split.empty()) {
      picture.splits.push_back(split);
    }
    picture.annotation_file = LabelPath(context, path);
    LBW_RETURN_IF_ERROR(context.budget.KeepPicture(picture));
    if (picture.annotation_file.empty()) {
      // YOLO's own convention: a background picture.
      context.defects.Add(DefectKind::kAnnotationMissing, DefectAction::kNoted, path,
                          "no text file: taken as without objects");
    } else {
      used.insert(picture.annotation_file);
      absl::Status whole;
      const absl::Status read = ReadLabel(context, names, picture, whole);
      LBW_RETURN_IF_ERROR(whole);
      LBW_RETURN_IF_ERROR(context.ticker.status());
      if (!read.ok()) {
        context.defects.Add(DefectKind::kAnnotationBroken, DefectAction::kLeftOut,
                            picture.annotation_file, base::Std(read.message()));
        continue;
      }
    }
    raw.pictures.push_back(std::move(picture));
  }
  for (const auto& [path, entry] : context.tree.files()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (EndingOf(path) != "txt" || used.count(path) != 0) continue;
    LBW_RETURN_IF_ERROR(context.ticker.File());
    NoteText(context, path);
    LBW_RETURN_IF_ERROR(context.ticker.status());
  }
  if (raw.pictures.empty()) return BadDataset("no pictures");
  if (raw.classes.empty()) LBW_RETURN_IF_ERROR(NumberClasses(context, raw));
  return raw;
}

}  // namespace lbw::dataset

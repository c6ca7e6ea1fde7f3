#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"
#include "dataset/tree_stream.h"

namespace lbw::dataset {
namespace {

// What the splits' lines name, in lower case and by SharedFolderOf -> indices of splits' names.
struct Splits {
  std::vector<std::string> names;
  std::map<std::string, std::vector<uint16_t>> of;
};

bool IsInFolder(const std::string& path, std::string_view folder) {
  return absl::StrContains(base::Absl("/" + Lower(path)),
                           base::Absl("/" + std::string(folder) + "/"));
}

// ImageSets/Main/NAME.txt; without that folder, any text file of ids in ImageSets.
std::vector<std::string> SplitFiles(const FileTree& tree) {
  std::vector<std::string> in_main;
  std::vector<std::string> all;
  for (const auto& [path, entry] : tree.files()) {
    if (EndingOf(path) != "txt" || !IsInFolder(path, "imagesets")) continue;
    all.push_back(path);
    if (IsInFolder(path, "imagesets/main")) in_main.push_back(path);
  }
  return in_main.empty() ? all : in_main;
}

absl::StatusOr<LineReader> OpenList(const ReadContext& context, const std::string& path) {
  const DatasetLimits& limits = context.options.limits;
  return LineReader::Open(context.tree, path, limits.max_list_bytes, limits.max_line_bytes,
                          context.ticker);
}

// Whether every line is one word: CLASS_NAME.txt, whose lines have a second column, is not a split.
absl::StatusOr<bool> IsSplit(const ReadContext& context, const std::string& path) {
  LBW_ASSIGN_OR_RETURN(LineReader lines, OpenList(context, path));
  int64_t count = 0;
  while (true) {
    LBW_ASSIGN_OR_RETURN(const bool more, lines.Next());
    if (!more) return true;
    if (WordsOf(lines.line()).size() != 1) return false;
    if (++count > context.options.limits.max_pictures) {
      return BeyondLimit("number of lines", path, static_cast<uint64_t>(count),
                         static_cast<uint64_t>(context.options.limits.max_pictures));
    }
  }
}

absl::Status ReadSplit(const ReadContext& context, const std::string& path, Splits& splits) {
  constexpr uint64_t kNode = 256;
  const std::string name = Lower(StemOf(path));
  const auto known = std::find(splits.names.begin(), splits.names.end(), name);
  const auto index = static_cast<uint16_t>(known - splits.names.begin());
  if (known == splits.names.end()) splits.names.push_back(name);
  if (static_cast<int64_t>(splits.names.size()) > context.options.limits.max_splits) {
    return BeyondLimit("number of splits", path, splits.names.size(),
                       static_cast<uint64_t>(context.options.limits.max_splits));
  }
  LBW_ASSIGN_OR_RETURN(LineReader lines, OpenList(context, path));
  while (true) {
    LBW_ASSIGN_OR_RETURN(const bool more, lines.Next());
    if (!more) return absl::OkStatus();
    const std::string id = WordsOf(lines.line()).front();
    const std::string key =
        SharedFolderOf(id) + Lower(IsPictureName(id) ? StemOf(id) : FileNameOf(id));
    const auto [of, is_new] = splits.of.try_emplace(key);
    // Twice: names are sought by their last part too.
    if (is_new) LBW_RETURN_IF_ERROR(context.budget.Keep(kNode + 2 * key.size(), path));
    std::vector<uint16_t>& in = of->second;
    if (std::find(in.begin(), in.end(), index) == in.end()) in.push_back(index);
  }
}

// Where train and val are both there, trainval is only for what is in neither.
absl::StatusOr<Splits> ReadSplits(const ReadContext& context) {
  Splits splits;
  for (const std::string& path : SplitFiles(context.tree)) {
    LBW_ASSIGN_OR_RETURN(const bool is_split, IsSplit(context, path));
    if (is_split) LBW_RETURN_IF_ERROR(ReadSplit(context, path, splits));
  }
  const auto has = [&](const char* name) {
    return std::find(splits.names.begin(), splits.names.end(), name) != splits.names.end();
  };
  if (!has("train") || !has("val")) return splits;
  for (auto& [id, of] : splits.of) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (of.size() < 2) continue;
    of.erase(std::remove_if(of.begin(), of.end(),
                            [&](uint16_t split) { return splits.names[split] == "trainval"; }),
             of.end());
  }
  return splits;
}

// An id is an annotation's name with as many of its folders as the split tells. Ids with folders of
// another place (an author's disk) are matched by their names where only one annotation has it.
class SplitAssigner {
 public:
  SplitAssigner(const Splits& splits, const RawDataset& raw) : splits_(splits) {
    for (const auto& [id, of] : splits.of) ids_of_name_[FileNameOf(id)].push_back(id);
    for (const RawPicture& picture : raw.pictures) ++annotations_[Stem(picture)];
  }

  void Assign(RawPicture& picture) {
    std::string_view rest;
    const std::string whole = SharedFolderOf(picture.annotation_file) + Stem(picture);
    for (rest = whole;; rest.remove_prefix(rest.find('/') + 1)) {
      const auto found = splits_.of.find(std::string(rest));
      if (found != splits_.of.end()) return Take(found->first, picture);
      if (rest.find('/') == std::string_view::npos) break;
    }
    const auto named = ids_of_name_.find(Stem(picture));
    if (named == ids_of_name_.end() || named->second.size() != 1) return;
    if (annotations_[Stem(picture)] == 1) Take(named->second.front(), picture);
  }
  bool IsTaken(const std::string& id) const { return taken_.count(id) != 0; }

 private:
  static std::string Stem(const RawPicture& picture) {
    return Lower(StemOf(picture.annotation_file));
  }
  void Take(const std::string& id, RawPicture& picture) {
    taken_.insert(id);
    picture.splits.clear();
    for (const uint16_t split : splits_.of.at(id)) picture.splits.push_back(splits_.names[split]);
  }

  const Splits& splits_;
  std::map<std::string, std::vector<std::string>> ids_of_name_;
  std::map<std::string, int64_t> annotations_;  // of a stem
  std::set<std::string> taken_;
};

absl::Status AssignSplits(const ReadContext& context, const Splits& splits, RawDataset& raw) {
  SplitAssigner assigner(splits, raw);
  for (RawPicture& picture : raw.pictures) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    assigner.Assign(picture);
  }
  for (const auto& [id, of] : splits.of) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (assigner.IsTaken(id)) continue;
    context.defects.Add(
        DefectKind::kSplitUnknown, DefectAction::kLeftOut, id,
        base::StrCat("split ", splits.names[of.front()], " names what has no annotation"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RawDataset> ReadVoc(const ReadContext& context) {
  RawDataset raw;
  raw.pixel_rule = PixelRule::kInclusive;
  raw.tells_difficult = true;
  raw.tells_size = true;
  std::set<std::string> used;
  const DatasetLimits& limits = context.options.limits;
  for (const auto& [path, entry] : context.tree.files()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (EndingOf(path) != "xml") continue;
    LBW_RETURN_IF_ERROR(context.ticker.File());
    const auto text = context.tree.Read(path, limits.max_text_file_bytes);
    absl::StatusOr<RawPicture> picture =
        text.ok() ? ParseVocXml(*text, limits.max_boxes_a_picture) : text.status();
    if (absl::IsFailedPrecondition(picture.status())) {
      return BadDataset(base::StrCat(path, ": ", base::Std(picture.status().message())));
    }
    if (!picture.ok()) {
      context.defects.Add(DefectKind::kAnnotationBroken, DefectAction::kLeftOut, path,
                          base::Std(picture.status().message()));
      used.insert(context.pictures.FindBeside(path, "").path);
      continue;
    }
    picture->annotation_file = path;
    LBW_RETURN_IF_ERROR(context.budget.KeepPicture(*picture));
    for (const RawBox& box : picture->boxes) {
      LBW_RETURN_IF_ERROR(context.budget.KeepBox(2 * box.class_name.size(), path));
    }
    raw.pictures.push_back(*std::move(picture));
  }
  LBW_RETURN_IF_ERROR(FindPictures(context, PlaceRule::kBeside, raw.pictures));
  if (raw.pictures.empty()) return BadDataset("no XML annotation could be read");
  LBW_ASSIGN_OR_RETURN(const Splits splits, ReadSplits(context));
  LBW_RETURN_IF_ERROR(AssignSplits(context, splits, raw));
  LBW_RETURN_IF_ERROR(NoteUnused(context, raw.pictures, std::move(used), "no XML of its name"));
  return raw;
}

}  // namespace lbw::dataset

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"

namespace lbw::dataset {
namespace {

// What a split's line names, in lower case and by SharedFolderOf -> split names.
using Splits = std::map<std::string, std::vector<std::string>>;

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

// CLASS_NAME.txt, whose lines have a second column, is not a split. Where train and val are both
// there, trainval is only for what is in neither.
absl::StatusOr<Splits> ReadSplits(const ReadContext& context) {
  Splits splits;
  std::set<std::string> names;
  for (const std::string& path : SplitFiles(context.tree)) {
    LBW_ASSIGN_OR_RETURN(const std::string text,
                         context.tree.Read(path, context.options.limits.max_json_bytes));
    const std::vector<std::string> lines = LinesOf(text);
    const bool pure = std::all_of(lines.begin(), lines.end(), [](const std::string& line) {
      return WordsOf(line).size() == 1;
    });
    if (!pure) continue;
    const std::string name = Lower(StemOf(path));
    names.insert(name);
    for (const std::string& line : lines) {
      const std::string id = WordsOf(line).front();
      const std::string stem = Lower(IsPictureName(id) ? StemOf(id) : FileNameOf(id));
      std::vector<std::string>& of = splits[SharedFolderOf(id) + stem];
      if (std::find(of.begin(), of.end(), name) == of.end()) of.push_back(name);
    }
  }
  if (names.count("train") == 0 || names.count("val") == 0) return splits;
  for (auto& [id, of] : splits) {
    if (of.size() > 1) of.erase(std::remove(of.begin(), of.end(), "trainval"), of.end());
  }
  return splits;
}

void FindPicture(const ReadContext& context, const std::string& xml_path, RawPicture& picture) {
  picture.annotation_file = xml_path;
  picture.path = context.pictures.FindBeside(xml_path, picture.wanted);
  if (picture.path.empty()) picture.path = context.pictures.Find(picture.wanted);
  NoteOtherName(context, xml_path, picture.wanted, picture.path);
  if (picture.wanted.empty()) picture.wanted = StemOf(xml_path);
}

// An id is an annotation's name with as many of its folders as the split tells. Ids with folders of
// another place (an author's disk) are matched by their names where only one annotation has it.
class SplitAssigner {
 public:
  SplitAssigner(const Splits& splits, const RawDataset& raw) : splits_(splits) {
    for (const auto& [id, of] : splits) ids_of_name_[FileNameOf(id)].push_back(id);
    for (const RawPicture& picture : raw.pictures) ++annotations_[Stem(picture)];
  }

  void Assign(RawPicture& picture) {
    std::string_view rest;
    const std::string whole = SharedFolderOf(picture.annotation_file) + Stem(picture);
    for (rest = whole;; rest.remove_prefix(rest.find('/') + 1)) {
      const auto found = splits_.find(std::string(rest));
      if (found != splits_.end()) return Take(found->first, picture);
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
    picture.splits = splits_.at(id);
  }

  const Splits& splits_;
  std::map<std::string, std::vector<std::string>> ids_of_name_;
  std::map<std::string, int64_t> annotations_;  // of a stem
  std::set<std::string> taken_;
};

void AssignSplits(const ReadContext& context, const Splits& splits, RawDataset& raw) {
  SplitAssigner assigner(splits, raw);
  for (RawPicture& picture : raw.pictures) assigner.Assign(picture);
  for (const auto& [id, of] : splits) {
    if (assigner.IsTaken(id)) continue;
    context.defects.Add(DefectKind::kSplitUnknown, DefectAction::kLeftOut, id,
                        base::StrCat("split ", of.front(), " names what has no annotation"));
  }
}

}  // namespace

absl::StatusOr<RawDataset> ReadVoc(const ReadContext& context) {
  RawDataset raw;
  raw.pixel_rule = PixelRule::kInclusive;
  raw.tells_difficult = true;
  raw.tells_size = true;
  std::set<std::string> used;
  for (const auto& [path, entry] : context.tree.files()) {
    if (EndingOf(path) != "xml") continue;
    const auto text = context.tree.Read(path, context.options.limits.max_text_file_bytes);
    absl::StatusOr<RawPicture> picture = text.ok() ? ParseVocXml(*text) : text.status();
    if (absl::IsFailedPrecondition(picture.status())) {
      return BadDataset(base::StrCat(path, ": ", base::Std(picture.status().message())));
    }
    if (!picture.ok()) {
      context.defects.Add(DefectKind::kAnnotationBroken, DefectAction::kLeftOut, path,
                          base::Std(picture.status().message()));
      used.insert(context.pictures.FindBeside(path, ""));
      continue;
    }
    FindPicture(context, path, *picture);
    used.insert(picture->path);
    raw.pictures.push_back(*std::move(picture));
  }
  if (raw.pictures.empty()) return BadDataset("no XML annotation could be read");
  LBW_ASSIGN_OR_RETURN(const Splits splits, ReadSplits(context));
  AssignSplits(context, splits, raw);
  NoteUnused(context, used, "no XML of its name");
  return raw;
}

}  // namespace lbw::dataset

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

using Splits = std::map<std::string, std::vector<std::string>>;  // lower stem -> split names

bool IsInFolder(const std::string& path, std::string_view folder) {
  return absl::StrContains(base::Absl("/" + Lower(path)),
                           base::Absl("/" + std::string(folder) + "/"));
}

// ImageSets/Main/NAME.txt, or any text file of ids in ImageSets. CLASS_NAME.txt, whose lines have a
// second column, is not a split; trainval is the union of train and val where both are there.
absl::StatusOr<Splits> ReadSplits(const ReadContext& context, std::set<std::string>& names) {
  std::map<std::string, std::string> files;  // split -> path
  for (const auto& [path, entry] : context.tree.files()) {
    if (EndingOf(path) == "txt" && IsInFolder(path, "imagesets")) files[Lower(StemOf(path))] = path;
  }
  if (files.count("train") != 0 && files.count("val") != 0) files.erase("trainval");
  Splits splits;
  for (const auto& [name, path] : files) {
    LBW_ASSIGN_OR_RETURN(const std::string text,
                         context.tree.Read(path, context.options.limits.max_json_bytes));
    const std::vector<std::string> lines = LinesOf(text);
    const bool pure = std::all_of(lines.begin(), lines.end(), [](const std::string& line) {
      return WordsOf(line).size() == 1;
    });
    if (!pure || lines.empty()) continue;
    names.insert(name);
    for (const std::string& line : lines) {
      const std::string id = WordsOf(line).front();
      const std::string stem = Lower(IsPictureName(id) ? StemOf(id) : FileNameOf(id));
      std::vector<std::string>& of = splits[stem];
      if (std::find(of.begin(), of.end(), name) == of.end()) of.push_back(name);
    }
  }
  return splits;
}

void FindPicture(const ReadContext& context, const std::string& xml_path, RawPicture& picture) {
  picture.annotation_file = xml_path;
  const std::string wanted = picture.wanted;
  picture.path = context.pictures.FindStem(StemOf(xml_path));
  if (picture.path.empty() && !wanted.empty()) picture.path = context.pictures.Find(wanted);
  if (picture.wanted.empty()) picture.wanted = StemOf(xml_path);
  if (picture.path.empty() || wanted.empty()) return;
  const bool same = Lower(FileNameOf(wanted)) == Lower(FileNameOf(picture.path)) ||
                    Lower(FileNameOf(wanted)) == Lower(StemOf(picture.path));
  if (same) return;
  context.defects.Add(DefectKind::kFilenameDiffers, DefectAction::kRepaired, xml_path,
                      base::StrCat("filename=", wanted, " picture=", picture.path));
}

// Pictures without an annotation of their own.
void AddBare(const ReadContext& context, const std::set<std::string>& used, RawDataset& raw) {
  for (const std::string& path : context.pictures.all()) {
    if (used.count(path) != 0) continue;
    context.defects.Add(DefectKind::kAnnotationMissing, DefectAction::kLeftOut, path,
                        "no XML of its name");
    (void)raw;
  }
}

void AssignSplits(const ReadContext& context, const Splits& splits, RawDataset& raw) {
  std::set<std::string> seen;
  for (RawPicture& picture : raw.pictures) {
    const std::string stem = Lower(StemOf(picture.annotation_file));
    seen.insert(stem);
    const auto found = splits.find(stem);
    if (found != splits.end()) picture.splits = found->second;
  }
  for (const auto& [stem, of] : splits) {
    if (seen.count(stem) != 0) continue;
    context.defects.Add(DefectKind::kSplitUnknown, DefectAction::kLeftOut, stem,
                        base::StrCat("split ", of.front(), " names a picture that is not there"));
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
      used.insert(context.pictures.FindStem(StemOf(path)));
      continue;
    }
    FindPicture(context, path, *picture);
    used.insert(picture->path);
    raw.pictures.push_back(*std::move(picture));
  }
  if (raw.pictures.empty()) return BadDataset("no XML annotation could be read");
  std::set<std::string> names;
  LBW_ASSIGN_OR_RETURN(const Splits splits, ReadSplits(context, names));
  AssignSplits(context, splits, raw);
  AddBare(context, used, raw);
  return raw;
}

}  // namespace lbw::dataset

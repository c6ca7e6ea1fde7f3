#include <algorithm>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

constexpr uint64_t kCifarRecord = 3073;
constexpr uint64_t kMostLookedAt = 64 << 10;

struct Seen {
  size_t xml = 0;
  size_t pictures = 0;
  size_t json = 0;
  size_t text = 0;
  size_t csv = 0;
  size_t cifar = 0;
  bool has_labels_folder = false;
  bool yolo_names = false;
  std::vector<std::string> csvs;
  std::vector<std::string> texts;
};

absl::StatusOr<Seen> Look(const FileTree& tree, Ticker& ticker) {
  Seen seen;
  for (const auto& [path, entry] : tree.files()) {
    LBW_RETURN_IF_ERROR(ticker.Items());
    const std::string ending = EndingOf(path);
    if (ending == "xml") ++seen.xml;
    if (ending == "json") ++seen.json;
    if (ending == "bin" && entry.size_bytes > 0 && entry.size_bytes % kCifarRecord == 0)
      ++seen.cifar;
    if (ending == "csv") seen.csvs.push_back(path);
    if (ending == "txt") seen.texts.push_back(path);
    if (IsPictureName(path)) ++seen.pictures;
    const bool in_labels =
        ("/" + Lower(FolderOf(path)) + "/").find("/labels/") != std::string::npos;
    if (ending == "txt" && in_labels) seen.has_labels_folder = true;
    const std::string name = Lower(FileNameOf(path));
    // classes.txt alone is also what folders of classes come with.
    if (name == "data.yaml" || name == "data.yml" || ending == "names") {
      seen.yolo_names = true;
    }
  }
  seen.csv = seen.csvs.size();
  seen.text = seen.texts.size();
  return seen;
}

// Whether a text file beside pictures has lines of five numbers.
absl::StatusOr<bool> LooksLikeYolo(const FileTree& tree, const Seen& seen, Ticker& ticker) {
  for (const std::string& path : seen.texts) {
    LBW_RETURN_IF_ERROR(ticker.File());
    const auto text = tree.Read(path, kMostLookedAt);
    if (!text.ok()) continue;
    for (const std::string& line : LinesOf(*text)) {
      const std::vector<std::string> words = WordsOf(line);
      const bool numbers = std::all_of(words.begin(), words.end(), [](const std::string& word) {
        return word.find_first_not_of("0123456789.eE+-") == std::string::npos;
      });
      if (words.size() >= 5 && numbers) return true;
      break;
    }
  }
  return false;
}

bool HasFoldersOfPictures(const FileTree& tree) {
  for (const auto& [path, entry] : tree.files()) {
    if (IsPictureName(path) && !FolderOf(path).empty()) return true;
  }
  return false;
}

std::string FirstFiles(const FileTree& tree) {
  constexpr size_t kMost = 5;
  std::vector<std::string> names;
  for (const auto& [path, entry] : tree.files()) {
    if (names.size() == kMost) break;
    names.push_back(Shown(path, 60));
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return base::StrCat(text, " (", tree.files().size(), " files)");
}

}  // namespace

absl::StatusOr<Format> FindFormat(const FileTree& tree, const Tick& tick) {
  Ticker ticker(tick);
  LBW_ASSIGN_OR_RETURN(const Seen seen, Look(tree, ticker));
  if (seen.xml > 0) return Format::kVoc;
  if (seen.json > 0 && seen.pictures > 0) return Format::kCoco;
  if (seen.cifar > 0 && seen.pictures == 0) return Format::kCifar;
  if (seen.text > 0 && seen.pictures > 0) {
    bool yolo = seen.has_labels_folder || seen.yolo_names;
    if (!yolo) {
      LBW_ASSIGN_OR_RETURN(yolo, LooksLikeYolo(tree, seen, ticker));
    }
    if (yolo) return Format::kYolo;
  }
  if (seen.csv > 0 && seen.pictures > 0) return Format::kClassCsv;
  if (seen.pictures > 0 && HasFoldersOfPictures(tree)) return Format::kClassFolders;
  if (seen.pictures > 0) return Format::kPictures;
  return BadDataset(
      base::StrCat("no layout that is read: looked for XML annotations (VOC), a JSON file beside "
                   "pictures (COCO), text "
                   "files of numbers beside pictures (YOLO), a CSV beside pictures, a folder of "
                   "pictures for each class, "
                   "CIFAR's .bin files, pictures alone; there are ",
                   FirstFiles(tree)));
}

absl::Status BadDataset(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadDataset, message);
}

}  // namespace lbw::dataset

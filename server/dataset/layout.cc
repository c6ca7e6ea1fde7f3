#include "dataset/layout.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "base/strings.h"

namespace lbw::dataset {
namespace {

constexpr std::array<std::string_view, 11> kPictureEndings = {
    "jpg", "jpeg", "jpe", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "jfif"};

size_t NameBegin(std::string_view path) {
  const size_t slash = path.find_last_of("/\\");
  return slash == std::string_view::npos ? 0 : slash + 1;
}

constexpr std::array<std::string_view, 9> kTellingFolders = {
    "annotations", "annotation", "xml", "xmls", "labels", "jpegimages", "images", "image", "imgs"};

// "/path" in lower case from its end, so that paths of one end stand together.
std::string Backwards(std::string_view path) {
  std::string text = "/" + Lower(path);
  std::reverse(text.begin(), text.end());
  return text;
}

bool StartsWith(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

}  // namespace

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(base::Absl(text)); }

std::string FolderOf(std::string_view path) {
  const size_t begin = NameBegin(path);
  return begin == 0 ? std::string() : std::string(path.substr(0, begin - 1));
}

std::string FileNameOf(std::string_view path) { return std::string(path.substr(NameBegin(path))); }

std::string StemOf(std::string_view path) {
  const std::string name = FileNameOf(path);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

std::string EndingOf(std::string_view path) {
  const std::string name = FileNameOf(path);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? "" : Lower(std::string_view(name).substr(dot + 1));
}

bool IsPictureName(std::string_view path) {
  const std::string ending = EndingOf(path);
  return std::find(kPictureEndings.begin(), kPictureEndings.end(), ending) != kPictureEndings.end();
}

std::vector<std::string> LinesOf(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark)
    text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    size_t end = text.find_first_of("\r\n", begin);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t") != std::string_view::npos) lines.emplace_back(line);
    begin = end + 1;
  }
  return lines;
}

std::vector<std::string> WordsOf(std::string_view line) {
  std::vector<std::string> words;
  size_t begin = line.find_first_not_of(" \t");
  while (begin != std::string_view::npos) {
    size_t end = line.find_first_of(" \t", begin);
    if (end == std::string_view::npos) end = line.size();
    words.emplace_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(" \t", end);
  }
  return words;
}

std::string SharedFolderOf(std::string_view path) {
  std::string rest = Lower(FolderOf(path)) + "/";
  std::string shared;
  for (size_t slash = rest.find_first_of("/\\"); slash != std::string::npos;
       slash = rest.find_first_of("/\\")) {
    const std::string folder = rest.substr(0, slash);
    rest.erase(0, slash + 1);
    const bool telling =
        std::find(kTellingFolders.begin(), kTellingFolders.end(), folder) != kTellingFolders.end();
    if (!telling && !folder.empty() && folder != ".") shared += folder + "/";
  }
  return shared;
}

PictureIndex::PictureIndex(const FileTree& tree) {
  for (const auto& [path, entry] : tree.files()) {
    if (!IsPictureName(path)) continue;
    backwards_.emplace_back(Backwards(path), all_.size());
    by_stem_[Lower(StemOf(path))].push_back(all_.size());
    by_place_[SharedFolderOf(path) + Lower(StemOf(path))].push_back(all_.size());
    all_.push_back(path);
  }
  std::sort(backwards_.begin(), backwards_.end());
}

std::string PictureIndex::Find(std::string_view name) const {
  constexpr int kMostFolders = 64;
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), '\\', '/');
  std::string_view rest = wanted;
  for (int i = 0; i < kMostFolders; ++i) {
    if (std::binary_search(all_.begin(), all_.end(), rest)) return std::string(rest);
    const std::string key = Backwards(rest);
    const auto at =
        std::lower_bound(backwards_.begin(), backwards_.end(), std::make_pair(key, size_t{0}));
    if (at != backwards_.end() && StartsWith(at->first, key)) {
      // Shorter ends fit more pictures, not fewer.
      const auto next = at + 1;
      const bool more = next != backwards_.end() && StartsWith(next->first, key);
      const bool two_of_one_name = more && next->first == key;
      const bool itself = at->first == key && !two_of_one_name;
      return itself || !more ? all_[at->second] : "";
    }
    const size_t slash = rest.find('/');
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return FindStem(StemOf(wanted));
}

std::string PictureIndex::FindStem(std::string_view stem) const {
  const auto found = by_stem_.find(Lower(stem));
  if (found == by_stem_.end() || found->second.size() != 1) return "";
  return all_[found->second.front()];
}

std::string PictureIndex::FindBeside(std::string_view annotation_file,
                                     std::string_view wanted) const {
  const std::string stem = StemOf(annotation_file);
  if (std::string only = FindStem(stem); !only.empty()) return only;
  const auto found = by_place_.find(SharedFolderOf(annotation_file) + Lower(stem));
  if (found == by_place_.end()) return "";
  // The better a candidate fits, the higher its score; two of one score are no answer.
  const std::string folder = FolderOf(annotation_file);
  const std::string name = Lower(FileNameOf(wanted));
  std::string best;
  int best_score = 0;
  for (const size_t i : found->second) {
    const std::string& path = all_[i];
    const int score =
        1 + (Lower(FileNameOf(path)) == name ? 2 : 0) + (FolderOf(path) == folder ? 1 : 0);
    if (score == best_score) best.clear();
    if (score > best_score) best = path;
    best_score = std::max(best_score, score);
  }
  return best;
}

}  // namespace lbw::dataset

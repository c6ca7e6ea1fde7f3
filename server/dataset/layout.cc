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

constexpr size_t kMostFolders = 64;

// Slashes for backslashes, no "." and "..", no slash at the start.
std::string Normal(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '\\', '/');
  std::string normal;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('/', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    if (!part.empty() && part != "." && part != "..") normal += (normal.empty() ? "" : "/") + part;
    begin = end + 1;
  }
  return normal;
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

std::string WithoutNumber(std::string_view folder) {
  std::string name = Lower(folder);
  while (!name.empty() && name.back() >= '0' && name.back() <= '9') name.pop_back();
  return name;
}

std::string SplitName(std::string_view folder) {
  const std::string name = Lower(folder);
  if (name == "val" || name == "valid" || name == "validation") return "val";
  if (name == "train" || name == "training") return "train";
  return name == "test" ? name : "";
}

std::string SplitOfFolder(std::string_view folder) { return SplitName(WithoutNumber(folder)); }

std::vector<std::string> FoldersOf(std::string_view path) {
  std::vector<std::string> folders;
  for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/')) {
    folders.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash + 1);
  }
  return folders;
}

PictureIndex::PictureIndex(const FileTree& tree) {
  std::set<std::string> folders;
  for (const auto& [path, entry] : tree.files()) {
    if (!IsPictureName(path)) continue;
    backwards_.emplace_back(Backwards(path), all_.size());
    if (folders.insert(Backwards(FolderOf(path))).second) {
      for (const std::string& folder : FoldersOf(path)) splits_.insert(SplitOfFolder(folder));
    }
    by_stem_[Lower(StemOf(path))].push_back(all_.size());
    by_place_[SharedFolderOf(path) + Lower(StemOf(path))].push_back(all_.size());
    all_.push_back(path);
  }
  folders_.assign(folders.begin(), folders.end());
  std::sort(backwards_.begin(), backwards_.end());
}

std::string PictureIndex::FolderThere(const std::string& folder) const {
  std::string there;
  size_t end = folder.size();
  for (size_t i = 0; i < kMostFolders && end > 0; ++i) {
    const size_t slash = folder.rfind('/', end - 1);
    const size_t begin = slash == std::string::npos ? 0 : slash + 1;
    const std::string key = Backwards(std::string_view(folder).substr(begin));
    const auto at = std::lower_bound(folders_.begin(), folders_.end(), key);
    if (at == folders_.end() || !StartsWith(*at, key)) break;
    there = folder.substr(begin);
    end = begin == 0 ? 0 : slash;
  }
  return there;
}

// By the longest end of wanted that a picture has.
FoundPicture PictureIndex::FindEnd(std::string_view wanted) const {
  FoundPicture found;
  std::string_view rest = wanted;
  for (size_t i = 0; i < kMostFolders; ++i) {
    if (std::binary_search(all_.begin(), all_.end(), rest)) {
      found.path = std::string(rest);
    } else {
      const std::string key = Backwards(rest);
      const auto at =
          std::lower_bound(backwards_.begin(), backwards_.end(), std::make_pair(key, size_t{0}));
      if (at != backwards_.end() && StartsWith(at->first, key)) {
        // Shorter ends fit more pictures, not fewer.
        const auto next = at + 1;
        const bool more = next != backwards_.end() && StartsWith(next->first, key);
        const bool two_of_one_name = more && next->first == key;
        const bool itself = at->first == key && !two_of_one_name;
        if (!itself && more) {
          found.because = "several pictures have that name";
          return found;
        }
        found.path = all_[at->second];
      }
    }
    if (!found.path.empty()) {
      found.by_folders = rest.find('/') != std::string_view::npos;
      const bool whole_path = found.path.size() == rest.size();
      found.elsewhere = rest.size() != wanted.size() && !(whole_path && found.by_folders);
      return found;
    }
    const size_t slash = rest.find('/');
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return found;
}

FoundPicture PictureIndex::Find(std::string_view name, std::string_view folder) const {
  const std::string wanted = Normal(name);
  FoundPicture found;
  if (!folder.empty()) {
    const std::string beside = base::StrCat(folder, "/", wanted);
    if (std::binary_search(all_.begin(), all_.end(), beside)) {
      found.path = beside;
      found.beside = true;
      return found;
    }
  }
  found = FindEnd(wanted);
  if (found.path.empty() && found.because.empty()) {
    found = FindStem(StemOf(wanted));
    // A name that leaves the ending away is not another name.
    found.elsewhere = IsPictureName(wanted) || wanted.find('/') != std::string::npos;
  }
  if (found.path.empty()) return found;
  found.beside =
      !folder.empty() && !found.elsewhere && found.path.rfind(base::StrCat(folder, "/"), 0) == 0;
  if (!found.elsewhere) return found;
  const std::string there = FolderThere(FolderOf(wanted));
  if (there.empty() || StartsWith(Backwards(FolderOf(found.path)), Backwards(there))) return found;
  found.because = base::StrCat("not in ", there, "; ", found.path, " is not taken for it");
  found.path.clear();
  return found;
}

FoundPicture PictureIndex::FindStem(std::string_view stem) const {
  FoundPicture found;
  const auto of_stem = by_stem_.find(Lower(stem));
  if (of_stem == by_stem_.end()) return found;
  if (of_stem->second.size() > 1) {
    found.because = "several pictures have that name";
    return found;
  }
  found.path = all_[of_stem->second.front()];
  found.elsewhere = true;
  return found;
}

FoundPicture PictureIndex::FindBeside(std::string_view annotation_file,
                                      std::string_view wanted) const {
  const std::string place = SharedFolderOf(annotation_file);
  const std::string folder = FolderOf(annotation_file);
  const std::string name = Lower(FileNameOf(wanted));
  FoundPicture found;
  auto in_place = by_place_.find(place + Lower(StemOf(annotation_file)));
  if (in_place == by_place_.end() && !wanted.empty()) {
    in_place = by_place_.find(place + Lower(StemOf(wanted)));
  }
  if (in_place == by_place_.end()) return found;
  // The better a candidate fits, the higher its score; two of one score are no answer.
  int best_score = 0;
  for (const size_t i : in_place->second) {
    const std::string& path = all_[i];
    const int score =
        1 + (Lower(FileNameOf(path)) == name ? 2 : 0) + (FolderOf(path) == folder ? 1 : 0);
    if (score == best_score) found.path.clear();
    if (score > best_score) found.path = path;
    best_score = std::max(best_score, score);
  }
  if (found.path.empty()) found.because = "several pictures have that name";
  return found;
}

}  // namespace lbw::dataset

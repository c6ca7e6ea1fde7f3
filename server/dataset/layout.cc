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

// The only one that is there, or "".
std::string Only(const std::map<std::string, std::vector<std::string>, std::less<>>& index,
                 std::string_view key) {
  const auto found = index.find(key);
  if (found == index.end() || found->second.size() != 1) return "";
  return found->second.front();
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

PictureIndex::PictureIndex(const FileTree& tree) {
  for (const auto& [path, entry] : tree.files()) {
    if (!IsPictureName(path)) continue;
    all_.push_back(path);
    by_name_[Lower(FileNameOf(path))].push_back(path);
    by_stem_[Lower(StemOf(path))].push_back(path);
  }
}

std::string PictureIndex::Find(std::string_view name) const {
  const std::string wanted = Lower(name);
  const auto named = by_name_.find(Lower(FileNameOf(name)));
  if (named != by_name_.end()) {
    std::string fits;
    int count = 0;
    for (const std::string& path : named->second) {
      const std::string lower = Lower(path);
      const bool ends = lower.size() > wanted.size() &&
                        lower.compare(lower.size() - wanted.size(), wanted.size(), wanted) == 0 &&
                        lower[lower.size() - wanted.size() - 1] == '/';
      if (lower == wanted) return path;
      if (ends) {
        fits = path;
        ++count;
      }
    }
    if (count == 1) return fits;
  }
  const std::string only = Only(by_name_, Lower(FileNameOf(name)));
  if (!only.empty()) return only;
  return FindStem(StemOf(name));
}

std::string PictureIndex::FindStem(std::string_view stem) const {
  return Only(by_stem_, Lower(stem));
}

}  // namespace lbw::dataset

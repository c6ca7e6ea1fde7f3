// Paths within a tree, as the readers of formats use them. Private to the room. Pure.
#ifndef LBW_DATASET_LAYOUT_H_
#define LBW_DATASET_LAYOUT_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataset/file_tree.h"

namespace lbw::dataset {

std::string Lower(std::string_view text);
std::string FolderOf(std::string_view path);    // "" at the top
std::string FileNameOf(std::string_view path);  // behind the last '/' or '\'
std::string StemOf(std::string_view path);      // of the file name, without its last ending
std::string EndingOf(std::string_view path);    // "jpg", in lower case; "" for none
// By its ending: jpg, jpeg, png, and what is a picture and is not read (bmp, gif, webp, tif ...).
bool IsPictureName(std::string_view path);

// Lines without their ends, a byte order mark, and blank ones.
std::vector<std::string> LinesOf(std::string_view text);
// Words between spaces and tabs.
std::vector<std::string> WordsOf(std::string_view line);

// The folder of a path in lower case, '/' at its end, without the folders that only tell pictures,
// annotations and labels apart: what "train/Images/a/" and "train/Annotations/a/" share.
std::string SharedFolderOf(std::string_view path);

// Pictures of a tree, found by what annotations call them; upper and lower case are the same.
// Cost: O(log n) a search.
class PictureIndex {
 public:
  explicit PictureIndex(const FileTree& tree);
  const std::vector<std::string>& all() const { return all_; }
  // The path for a name as annotations give it: itself, or the one picture that ends with it, with
  // it less its first folders, or that has its stem; "" where none or several fit. A backslash is a
  // slash.
  std::string Find(std::string_view name) const;
  // The picture of an annotation file: the only one of its stem; of several, the one whose folder
  // is the file's or its sibling (SharedFolderOf), of those the one called `wanted`, then the one
  // beside the file. "" where none or several fit.
  std::string FindBeside(std::string_view annotation_file, std::string_view wanted) const;

 private:
  std::string FindStem(std::string_view stem) const;

  std::vector<std::string> all_;
  std::vector<std::pair<std::string, size_t>> backwards_;  // "/path" reversed, in all_; sorted
  std::map<std::string, std::vector<size_t>, std::less<>> by_stem_;
  std::map<std::string, std::vector<size_t>, std::less<>> by_place_;  // SharedFolderOf + stem
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_LAYOUT_H_

// Paths within a tree, as the readers of formats use them. Private to the room. Pure.
#ifndef LBW_DATASET_LAYOUT_H_
#define LBW_DATASET_LAYOUT_H_

#include <map>
#include <string>
#include <string_view>
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

// Pictures of a tree, found by what annotations call them.
class PictureIndex {
 public:
  explicit PictureIndex(const FileTree& tree);
  const std::vector<std::string>& all() const { return all_; }
  // The path for a name as annotations give it: itself, below `folder`, by the end of its path, by
  // its file name, by its stem; "" where none or several fit.
  std::string Find(std::string_view name) const;
  std::string FindStem(std::string_view stem) const;

 private:
  std::vector<std::string> all_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_name_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_stem_;
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_LAYOUT_H_

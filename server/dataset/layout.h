// Paths within a tree, as the readers of formats use them. Private to the room. Pure.
#ifndef LBW_DATASET_LAYOUT_H_
#define LBW_DATASET_LAYOUT_H_

#include <map>
#include <set>
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

// What an annotation's name of a picture led to.
struct FoundPicture {
  std::string path;         // "" where none or several fit
  bool elsewhere = false;   // not where the name says: the only one of its name in another folder
  bool by_folders = false;  // folders of the name are the path's too
  bool beside = false;      // lies in the folder that was given, by the whole name
  std::string because;      // without a path: why, "" where no picture has the name
};

// Pictures of a tree, found by what annotations call them; upper and lower case are the same.
// Cost: O(log n) a search.
class PictureIndex {
 public:
  explicit PictureIndex(const FileTree& tree);
  const std::vector<std::string>& all() const { return all_; }
  // The picture of a path as annotations give it, a backslash being a slash:
  //   in folder, or itself;
  //   the one that ends with all of it (below a root of pictures), or that is all of its end (the
  //   name was given from further up);
  //   else, elsewhere: the one that has the longest end of it, or its stem. Not where the tree has
  //   the folder that the name tells: there the picture is missing.
  FoundPicture Find(std::string_view name, std::string_view folder = "") const;
  // The picture of an annotation file in the file's place, which is its folder and those that are
  // called alike (SharedFolderOf): of the file's stem, of several the one called `wanted`, then the
  // one beside the file; where none has the stem, the one called `wanted`.
  FoundPicture FindBeside(std::string_view annotation_file, std::string_view wanted) const;
  // The only picture of the tree that has the stem.
  FoundPicture FindStem(std::string_view stem) const;
  // Whether pictures lie below a folder of the split (SplitOfFolder).
  bool HasSplit(const std::string& split) const { return splits_.count(split) != 0; }

 private:
  FoundPicture FindEnd(std::string_view wanted) const;
  // The longest end of a folder's path that is a folder of pictures; "" for none.
  std::string FolderThere(const std::string& folder) const;

  std::vector<std::string> all_;
  std::vector<std::pair<std::string, size_t>> backwards_;  // "/path" reversed, in all_; sorted
  std::vector<std::string> folders_;                       // "/folder" reversed; sorted
  std::set<std::string> splits_;
  std::map<std::string, std::vector<size_t>, std::less<>> by_stem_;
  std::map<std::string, std::vector<size_t>, std::less<>> by_place_;  // SharedFolderOf + stem
};

// The folder's name in lower case without a number at its end.
std::string WithoutNumber(std::string_view folder);
// "train", "val" or "test" for a folder that is called so or alike, in any case ("Validation"); ""
// for one that tells no split.
std::string SplitName(std::string_view folder);
// The same but for a number at its end: "valid2017" is "val".
std::string SplitOfFolder(std::string_view folder);
// Folders of a path from the top, without the file.
std::vector<std::string> FoldersOf(std::string_view path);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_LAYOUT_H_

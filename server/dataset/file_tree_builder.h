// How a FileTree comes to be. Private to the room.
#ifndef LBW_DATASET_FILE_TREE_BUILDER_H_
#define LBW_DATASET_FILE_TREE_BUILDER_H_

#include <memory>
#include <string>
#include <utility>

#include "dataset/file_tree.h"

namespace lbw::dataset {

// Threads: one at a time.
class FileTreeBuilder {
 public:
  // False: there is a file of that name, nothing is changed.
  bool Add(std::string path, FileTree::Entry entry) {
    return tree_.files_.emplace(std::move(path), entry).second;
  }
  size_t files() const { return tree_.files_.size(); }
  // bytes holds what the entries point at. Ends the object's use.
  FileTree Finish(std::shared_ptr<const base::RandomAccessReader> bytes) {
    tree_.bytes_ = std::move(bytes);
    return std::move(tree_);
  }

 private:
  FileTree tree_;
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_FILE_TREE_BUILDER_H_

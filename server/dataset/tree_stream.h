// Files of a tree piece by piece and line by line, so that a large one is never in memory. Private
// to the room.
//
// Threads: one at a time.
#ifndef LBW_DATASET_TREE_STREAM_H_
#define LBW_DATASET_TREE_STREAM_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dataset/file_tree.h"
#include "dataset/ticker.h"

namespace lbw::dataset {

class TreeStream {
 public:
  static constexpr size_t kPieceBytes = size_t{256} << 10;
  // tree and ticker are borrowed. Errors: those of FileTree::Locate.
  static absl::StatusOr<TreeStream> Open(const FileTree& tree, std::string_view path,
                                         uint64_t max_bytes, Ticker& ticker);
  // The next bytes, at most kPieceBytes; empty at the end. Good until the next call. Errors: the
  // disk's, the ticker's.
  absl::StatusOr<std::string_view> Next();

 private:
  TreeStream(const FileTree& tree, FileTree::Entry entry, Ticker& ticker)
      : tree_(&tree), ticker_(&ticker), entry_(entry) {}

  const FileTree* tree_;
  Ticker* ticker_;
  FileTree::Entry entry_;
  uint64_t offset_ = 0;
  std::string piece_;
};

// Lines as LinesOf has them: without their ends, a byte order mark, and blank ones.
class LineReader {
 public:
  // Errors: those of FileTree::Locate.
  static absl::StatusOr<LineReader> Open(const FileTree& tree, const std::string& path,
                                         uint64_t max_bytes, uint64_t max_line_bytes,
                                         Ticker& ticker);
  // False at the end. Errors: kInvalidArgument, LIMIT_EXCEEDED - a line longer than max_line_bytes
  // (file, line and limit); the stream's.
  absl::StatusOr<bool> Next();
  const std::string& line() const { return line_; }
  uint64_t number() const { return number_; }  // of the line in the file, from 1; blank ones count

 private:
  LineReader(TreeStream stream, std::string path, uint64_t max_line_bytes)
      : stream_(std::move(stream)), path_(std::move(path)), max_line_bytes_(max_line_bytes) {}
  // One line, blank or not; false at the end.
  absl::StatusOr<bool> Take();

  TreeStream stream_;
  std::string path_;
  uint64_t max_line_bytes_;
  std::string_view rest_;  // of the piece
  std::string line_;
  uint64_t number_ = 0;
  bool after_return_ = false;  // a line feed behind it is no line of its own
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_TREE_STREAM_H_

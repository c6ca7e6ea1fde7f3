// The files of an archive or a folder by their paths: what the readers of formats see. Nothing is
// ever written under a name that an archive chose.
#ifndef LBW_DATASET_FILE_TREE_H_
#define LBW_DATASET_FILE_TREE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/io.h"
#include "dataset/dataset.h"

namespace lbw::dataset {

// Threads: every const method may be called concurrently.
class FileTree {
 public:
  struct Entry {
    uint64_t offset = 0;
    uint64_t size_bytes = 0;
  };
  // Every file's path, '/' between folders, no "." or "..", in order.
  const std::map<std::string, Entry, std::less<>>& files() const { return files_; }
  // Errors: kNotFound; kInvalidArgument, LIMIT_EXCEEDED - larger than max_bytes (names both).
  absl::StatusOr<std::string> Read(std::string_view path, uint64_t max_bytes) const;
  // Where a file lies, for who reads it in pieces. Errors: as Read.
  absl::StatusOr<Entry> Locate(std::string_view path, uint64_t max_bytes) const;
  // Fills out from offset in the file on; within its size. Errors: the disk's.
  absl::Status ReadAt(const Entry& entry, uint64_t offset, absl::Span<std::byte> out) const;

 private:
  friend class FileTreeBuilder;
  std::map<std::string, Entry, std::less<>> files_;
  std::shared_ptr<const base::RandomAccessReader> bytes_;
};

// Called between files, and every 64 MiB within one: (bytes of the archive read, bytes of it); a
// status other than OK ends the work.
using UnpackProgress = std::function<absl::Status(uint64_t done, uint64_t total)>;

class DiskRoom;

// Unpacks a zip or tar (gzip, bzip2, xz, zstd; no other filters or formats) into one scratch file,
// end to end; a path only becomes a key. Folders are skipped, and so is what operating systems
// leave behind (hidden files, "__MACOSX/", "Thumbs.db"). scratch_file must not exist; its name is
// gone at once, its bytes with the tree. Errors: kInvalidArgument - BAD_ARCHIVE: not an archive,
// damaged or cut short, encrypted, an entry with an absolute path, "..", a backslash, control
// characters or bad UTF-8, a link or device, two entries of one name, more files or bytes than the
// limits (names entry, value and limit); progress's; kResourceExhausted, OUT_OF_ROOM - the disk, or
// room's reserve: nothing of it stays. room is borrowed; nullptr: the disk may become full.
absl::StatusOr<FileTree> UnpackArchive(const base::RandomAccessReader& archive,
                                       const std::string& scratch_file, const DatasetLimits& limits,
                                       const UnpackProgress& progress, DiskRoom* room = nullptr);

// For tests and tools: files given as bytes.
FileTree MakeFileTree(const std::map<std::string, std::string>& files);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_FILE_TREE_H_

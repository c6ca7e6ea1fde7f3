// The one way by which this room touches files: so that tests can fail any step and drop what was
// not synced.
//
// Durability: bytes survive a crash after File::Sync; a name (created, renamed, removed) after
// SyncFolder of its folder. Errors:     kNotFound - no such file or folder; kAlreadyExists;
// kResourceExhausted, OUT_OF_ROOM - disk or quota full;
//             kInternal, STORE_FAILED - anything else. Messages name the step, the path and the
//             system's reason.
// Threads:    FileSystem: every method concurrently. File: reads concurrently, the rest one at a
// time.
#ifndef LBW_STORE_FILE_SYSTEM_H_
#define LBW_STORE_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/io.h"

namespace lbw::store {

// An open file; the destructor closes it.
class File {
 public:
  virtual ~File() = default;
  // All of data or an error; on an error any part of it may stand in the file.
  virtual absl::Status WriteAt(uint64_t offset, absl::Span<const std::byte> data) = 0;
  // Fills out. Errors also: kOutOfRange - past the end.
  virtual absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const = 0;
  virtual absl::StatusOr<uint64_t> Size() const = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  // fdatasync. After an error the bytes since the last good one must be written again: the kernel
  // may have dropped them.
  virtual absl::Status Sync() = 0;
};

// Held until the object dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct FileInfo {
  std::string name;  // without the folder
  bool is_folder = false;
  uint64_t size_bytes = 0;
  absl::Time modified;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // kExisting: for reading and writing, must exist. kCreate: makes it where missing. kCreateNew:
  // must not exist.
  enum class Open { kExisting, kCreate, kCreateNew };
  virtual absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, Open mode) = 0;
  virtual absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> OpenReader(
      const std::string& path) const = 0;
  // Replaces what stands at `to`. Both on one file system.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // It was modified now. Errors: kNotFound.
  virtual absl::Status Touch(const std::string& path) = 0;
  virtual absl::StatusOr<FileInfo> Stat(const std::string& path) const = 0;
  // Files and folders in a folder, in no order.
  virtual absl::StatusOr<std::vector<FileInfo>> List(const std::string& folder) const = 0;
  // Also its parents. OK when it exists.
  virtual absl::Status MakeFolder(const std::string& path) = 0;
  virtual absl::Status SyncFolder(const std::string& path) = 0;
  // An advisory lock of a file, among processes too; a process that dies lets go of it. The file is
  // made where missing with kShared and kExclusive, which wait; kTry is exclusive, does not wait
  // and answers nullptr where another holds the lock.
  enum class Lock { kShared, kExclusive, kTry };
  virtual absl::StatusOr<std::unique_ptr<FileLock>> LockFile(const std::string& path,
                                                             Lock mode) = 0;
};

// The machine's; lives for ever.
FileSystem& RealFileSystem();

// Remove that is OK with a file that is not there.
absl::Status RemoveIfThere(FileSystem& files, const std::string& path);

}  // namespace lbw::store

#endif  // LBW_STORE_FILE_SYSTEM_H_

// Keeps two servers out of one data folder: an flock on FOLDER/lock, which holds the process id of
// its owner.
//
// Lifetime: held until the object dies; the kernel drops it when the process does, kill -9
// included.
#ifndef LBW_STORE_FOLDER_LOCK_H_
#define LBW_STORE_FOLDER_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace lbw::store {

class FolderLock {
 public:
  // Errors: kFailedPrecondition, IN_USE - another holds it (names folder and process); kInternal.
  static absl::StatusOr<std::unique_ptr<FolderLock>> Acquire(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace lbw::store

#endif  // LBW_STORE_FOLDER_LOCK_H_

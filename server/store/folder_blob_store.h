// Blobs as files: FOLDER/blobs/ab/abcdef..., temporary names in FOLDER/tmp on the same file system.
//
// Durability: bytes synced, renamed into place, folder synced; only then does Commit or AdoptFile
// answer. A crash leaves the whole blob
//             or a temporary file. Open removes temporary files that no process is writing (a
//             writer holds a lock on its own): several processes may use a folder.
// Threads:    every method may be called concurrently. A Remove beside a Commit of the same digest:
//             either may come last; who needs an order keeps it (the artifact store holds a lock a
//             digest). Commit takes Access::kName by itself, also where its caller holds it: who
//             holds kUnlink never commits.
#ifndef LBW_STORE_FOLDER_BLOB_STORE_H_
#define LBW_STORE_FOLDER_BLOB_STORE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "store/blob_store.h"
#include "store/file_system.h"

namespace lbw::store {

class FolderBlobStore final : public BlobStore {
 public:
  // Makes the folders where missing and removes what crashes left in FOLDER/tmp. files is borrowed.
  // Errors: those of FileSystem.
  static absl::StatusOr<std::unique_ptr<FolderBlobStore>> Open(FileSystem& files,
                                                               const std::string& folder);

  absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob() override;
  absl::Status AdoptFile(const std::string& path, std::string_view sha256) override;
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> Open(
      std::string_view sha256) const override;
  absl::StatusOr<bool> Exists(std::string_view sha256) const override;
  absl::StatusOr<std::optional<absl::Time>> ModifiedTime(std::string_view sha256) const override;
  absl::Status Remove(std::string_view sha256) override;
  absl::StatusOr<std::vector<Listed>> List() const override;
  absl::StatusOr<std::unique_ptr<Hold>> Acquire(Access access) override;

 private:
  class Writer;
  FolderBlobStore(FileSystem& files, const std::string& folder);
  std::string PathOf(std::string_view sha256) const;
  // Makes FOLDER/blobs/ab, durably.
  absl::Status MakeFolderOf(std::string_view sha256);
  absl::Status MoveIntoPlace(const std::string& path, std::string_view sha256);

  FileSystem& files_;
  const std::string blobs_;
  const std::string tmp_;
  const std::string lock_;
};

}  // namespace lbw::store

#endif  // LBW_STORE_FOLDER_BLOB_STORE_H_

// Uploads: rows, files in FOLDER/uploads/ID, and how one becomes an artifact.
//
// Order:   an upload's file exists only after its row does, and goes away after it. Everything that
// changes an upload happens under
//          its ActiveUpload's lock; hashing does not.
// Threads: every method may be called concurrently.
#ifndef LBW_STORE_UPLOADS_H_
#define LBW_STORE_UPLOADS_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "store/active_upload.h"
#include "store/artifact_rows.h"
#include "store/artifacts.h"
#include "store/file_system.h"

namespace lbw::store {

class Uploads {
 public:
  // Everything is borrowed.
  Uploads(Database& database, Artifacts& artifacts, FileSystem& files,
          const ArtifactStoreOptions& options);

  // Makes the folder; see OpenArtifactStore. Before any other method.
  absl::Status Recover();

  absl::StatusOr<Upload> Create(std::string_view subject, const Upload& wanted);
  absl::StatusOr<Upload> Get(std::string_view id);
  absl::Status Delete(const std::string& id);
  absl::StatusOr<std::unique_ptr<UploadWriter>> OpenWriter(const std::string& id,
                                                           ArtifactStore::Start start);
  absl::StatusOr<Artifact> Finish(const std::string& id, std::string_view sha256,
                                  const base::CancelToken& cancel);
  // Removes what has expired, and files without a row.
  absl::Status Sweep();

 private:
  struct Content;
  struct Hashed;

  std::string PathOf(std::string_view id) const;
  absl::StatusOr<UploadRow> Read(std::string_view id);
  absl::Status CheckWanted(const Upload& wanted) const;
  absl::StatusOr<UploadRow> NextWriter(const std::string& id, ArtifactStore::Start start);
  absl::Status OpenFile(ActiveUpload& active, UploadRow& row)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(active.mu);
  absl::Status SetCommitted(const std::string& id, uint64_t committed_bytes);
  // The bytes of an upload whose Finish may have been cut short: its file, or the blob it became.
  absl::StatusOr<Content> OpenContent(const UploadRow& row, const std::string& sha256);
  // The digest, from the running hash where there is one, else by reading everything.
  absl::StatusOr<Hashed> Hash(const UploadRow& row, const std::string& expected,
                              ActiveUpload& active, const base::CancelToken& cancel)
      ABSL_LOCKS_EXCLUDED(active.mu);
  // Makes the artifact and finishes the row.
  absl::StatusOr<Artifact> Place(const UploadRow& row, const std::string& sha256,
                                 ArtifactFormat format);
  // Under the upload's lock: checks that it is still what was hashed, and makes it an artifact.
  absl::StatusOr<Artifact> Settle(const std::string& id, const Hashed& hashed, ActiveUpload& active)
      ABSL_LOCKS_EXCLUDED(active.mu);
  absl::StatusOr<Artifact> FinishedArtifact(const UploadRow& row, std::string_view sha256);
  // Removes the row (where it has expired, or always) and then the file.
  enum class When { kExpired, kAlways };
  absl::Status Drop(const std::string& id, When when);
  absl::Status DropRow(const std::string& id, When when, bool& dropped);
  // Gives the room of unwanted bytes to the database, which cannot delete their row on a full disk.
  // False where there are none.
  bool EmptyFile(const std::string& id, When when, ActiveUpload& active)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(active.mu);
  absl::Status RecoverOne(const UploadRow& row);
  absl::Status RemoveStrayFiles();

  Database& database_;
  Artifacts& artifacts_;
  FileSystem& files_;
  const ArtifactStoreOptions options_;
  const std::string folder_;
  ActiveUploads active_;
};

}  // namespace lbw::store

#endif  // LBW_STORE_UPLOADS_H_

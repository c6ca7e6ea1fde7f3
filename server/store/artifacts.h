// Artifacts' blobs and rows kept in step: the part of the artifact store that knows no uploads.
//
// Order:   a blob is durable before its row is; a row is marked DELETING before its blob is
// unlinked and goes away after it. All of that
//          happens under a lock a digest, so that whoever brings the same content back meets either
//          all of it or nothing.
// Threads: every method may be called concurrently.
#ifndef LBW_STORE_ARTIFACTS_H_
#define LBW_STORE_ARTIFACTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "store/artifact_rows.h"
#include "store/artifact_store.h"
#include "store/blob_store.h"
#include "store/database.h"
#include "store/keyed_mutex.h"

namespace lbw::store {

class Artifacts {
 public:
  // Both are borrowed.
  Artifacts(Database& database, BlobStore& blobs) : database_(database), blobs_(blobs) {}

  // How content becomes an artifact.
  struct Placement {
    // Runs in the first transaction, before anything is changed on disk; may be empty.
    std::function<absl::Status(Session&)> prepare;
    // Gives the blob its name, durably. Not called where the content is stored already.
    std::function<absl::Status()> name_blob;
    // Runs in the transaction that makes the row (or found it); may be empty.
    std::function<absl::Status(Session&)> record;
  };
  absl::StatusOr<Artifact> Put(const ArtifactRow& row, const Placement& placement);

  absl::StatusOr<Artifact> Get(std::string_view sha256);
  absl::StatusOr<ArtifactStore::Page> List(int page_size, std::string_view token);
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> Open(std::string_view sha256);
  absl::Status Delete(std::string_view sha256);

  // Finishes what is marked DELETING.
  absl::Status CollectDeleting();
  // Marks and collects bundles without a reference and blobs without a row that are older than
  // `age`. The bytes of either stay, without a row, where they were committed again since: somebody
  // is about to give them one.
  absl::Status Sweep(absl::Duration age);

  BlobStore& blobs() { return blobs_; }

 private:
  // Unlinks and drops one if it is marked still. Its digest's lock must be held. Bytes that were
  // written at spare_from or later stay.
  absl::Status Collect(std::string_view sha256, absl::Time spare_from = absl::InfiniteFuture());
  // The same, without waiting for other processes where it is not marked.
  absl::Status CollectIfMarked(std::string_view sha256);
  // Takes the lock, asks `wanted` in a transaction that also marks, and collects.
  absl::Status MarkAndCollect(const std::string& sha256,
                              const std::function<absl::StatusOr<bool>(Session&)>& wanted,
                              absl::Time spare_from = absl::InfiniteFuture());

  Database& database_;
  BlobStore& blobs_;
  KeyedMutex digests_;
};

}  // namespace lbw::store

#endif  // LBW_STORE_ARTIFACTS_H_

// Blobs: immutable bytes named by their SHA-256.
//
// Durability: a blob is written to a temporary name, synced, renamed, and its folder synced before
// Commit answers. A crash leaves
//             either the whole blob or a temporary file that the next Open sweeps.
// Threads:    every method may be called concurrently.
#ifndef LBW_STORE_BLOB_STORE_H_
#define LBW_STORE_BLOB_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/io.h"

namespace lbw::store {

struct BlobInfo {
  std::string sha256;
  uint64_t size_bytes = 0;
};

// A blob being written; hashes as it goes. Dropped (bytes removed) unless Commit was called.
// Threads: one at a time.
class BlobWriter : public base::ByteSink {
 public:
  // Ends the bytes and syncs them under their temporary name; tells the digest. Commit after it
  // only names the blob.
  virtual absl::StatusOr<BlobInfo> Seal() = 0;
  // Makes it durable under its digest (seals first where that was not done); an existing blob of
  // the same digest is kept, is as good, and counts as modified now: no sweep takes it for one that
  // nobody wants any more. Asking again answers the same.
  virtual absl::StatusOr<BlobInfo> Commit() = 0;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;
  virtual absl::StatusOr<std::unique_ptr<BlobWriter>> NewBlob() = 0;
  // Makes a blob of a local file that is synced and whose SHA-256 the caller has checked. The file
  // is gone from its path afterwards; on an error it is still there, or the blob is, and asking
  // again with the same path finishes it. Errors: kNotFound - neither is there.
  virtual absl::Status AdoptFile(const std::string& path, std::string_view sha256) = 0;
  // Errors: kNotFound; kInternal.
  virtual absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> Open(
      std::string_view sha256) const = 0;
  virtual absl::StatusOr<bool> Exists(std::string_view sha256) const = 0;
  // When it was written, or committed again. None: it is not there.
  virtual absl::StatusOr<std::optional<absl::Time>> ModifiedTime(std::string_view sha256) const = 0;
  // OK when it is not there.
  virtual absl::Status Remove(std::string_view sha256) = 0;
  // Who makes a row for a blob holds kName from before it looks whether the blob is there until the
  // row is committed; who unlinks blobs holds kUnlink from before it looks whether a row wants them
  // until they are gone. Any number of the former, or one of the latter, over all processes.
  // Waits. Taken before a database transaction, never inside one.
  enum class Access { kName, kUnlink };
  class Hold {
   public:
    virtual ~Hold() = default;
  };
  virtual absl::StatusOr<std::unique_ptr<Hold>> Acquire(Access access) = 0;
  // Every blob with its modification time, for sweeping.
  struct Listed {
    std::string sha256;
    uint64_t size_bytes = 0;
    absl::Time modified;
  };
  virtual absl::StatusOr<std::vector<Listed>> List() const = 0;
};

}  // namespace lbw::store

#endif  // LBW_STORE_BLOB_STORE_H_

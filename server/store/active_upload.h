// What the process knows of an upload beyond its row: the open file, how far it is written, the
// running hash.
#ifndef LBW_STORE_ACTIVE_UPLOAD_H_
#define LBW_STORE_ACTIVE_UPLOAD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/digest.h"
#include "store/file_system.h"

namespace lbw::store {

struct ActiveUpload {
  // Held during this upload's own reads, writes and commits; never together with another upload's.
  absl::Mutex mu;
  int64_t writer ABSL_GUARDED_BY(mu) =
      0;  // number of the newest writer of this process; 0: none yet
  bool gone ABSL_GUARDED_BY(mu) =
      false;  // finished, deleted or expired: writers are told NOT_FOUND
  std::unique_ptr<File> file ABSL_GUARDED_BY(mu);  // open while there is a writer
  uint64_t written ABSL_GUARDED_BY(mu) = 0;
  uint64_t committed ABSL_GUARDED_BY(mu) = 0;
  // Of the bytes [0, written), where a writer of this process wrote all of them: saves Finish a
  // read of the whole file.
  std::optional<base::Sha256> running ABSL_GUARDED_BY(mu);
  // Of all bytes, once known; a new writer clears it.
  std::string digest ABSL_GUARDED_BY(mu);
  // What a write or a sync failed with: bytes since the last good sync may be lost, so this writer
  // is over.
  absl::Status broken ABSL_GUARDED_BY(mu);
};

// Threads: every method may be called concurrently.
class ActiveUploads {
 public:
  // The upload's state; made where there is none.
  std::shared_ptr<ActiveUpload> Get(const std::string& id) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    std::shared_ptr<ActiveUpload>& active = uploads_[id];
    if (active == nullptr) active = std::make_shared<ActiveUpload>();
    return active;
  }
  // For an upload that is no more: what still holds its state cannot change anything any more.
  void Forget(const std::string& id) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    uploads_.erase(id);
  }

 private:
  absl::Mutex mu_;
  absl::flat_hash_map<std::string, std::shared_ptr<ActiveUpload>> uploads_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lbw::store

#endif  // LBW_STORE_ACTIVE_UPLOAD_H_

// Whether a blob that a child or a checkpoint named is still there.
#ifndef LBW_TASKS_REQUIRE_BLOB_H_
#define LBW_TASKS_REQUIRE_BLOB_H_

#include <string_view>

#include "absl/status/status.h"
#include "store/blob_store.h"

namespace lbw::tasks {

// The caller holds BlobStore::Access::kName, so that it stays. what: "pack", for the message.
// Errors: kUnavailable, BLOB_GONE - it was swept; the store's.
absl::Status RequireBlob(const store::BlobStore& blobs, std::string_view what,
                         std::string_view sha256);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_REQUIRE_BLOB_H_

#include "tasks/require_blob.h"

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {

absl::Status RequireBlob(const store::BlobStore& blobs, std::string_view what,
                         std::string_view sha256) {
  LBW_ASSIGN_OR_RETURN(const bool there, blobs.Exists(sha256));
  if (there) return absl::OkStatus();
  return base::Error(absl::StatusCode::kUnavailable, base::reason::kBlobGone,
                     base::StrCat("the ", what, " ", sha256, " was swept; again"));
}

}  // namespace lbw::tasks

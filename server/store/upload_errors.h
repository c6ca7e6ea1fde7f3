// Errors that several parts of uploading answer.
#ifndef LBW_STORE_UPLOAD_ERRORS_H_
#define LBW_STORE_UPLOAD_ERRORS_H_

#include <string_view>

#include "base/digest.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::store {

inline base::Error BadField(std::string_view field, base::Reason reason, std::string_view message) {
  base::Error error(absl::StatusCode::kInvalidArgument, reason, message);
  error.Field(field);
  return error;
}

// OK with an empty one.
inline absl::Status CheckDigest(std::string_view sha256) {
  if (sha256.empty() || base::IsSha256Hex(sha256)) return absl::OkStatus();
  return BadField("sha256", base::reason::kBadArgument,
                  "sha256 must be 64 lower-case hexadecimal digits");
}

inline base::Error TakenOver(std::string_view id) {
  return base::Error(absl::StatusCode::kAborted, base::reason::kUploadTakenOver,
                     base::StrCat("a newer stream writes to ", base::UploadName(id)));
}

}  // namespace lbw::store

#endif  // LBW_STORE_UPLOAD_ERRORS_H_

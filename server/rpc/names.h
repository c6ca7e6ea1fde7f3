// Resource names of one kind only, and short texts that a caller gives. Pure.
//
// Errors: kInvalidArgument - BAD_NAME, or BAD_ARGUMENT for texts; the message and the field name
// what is wrong.
#ifndef LBW_RPC_NAMES_H_
#define LBW_RPC_NAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace lbw::rpc {

// "models/{model}" and nothing behind it.
absl::StatusOr<std::string> ParseModel(std::string_view name, std::string_view field);

struct VersionId {
  std::string model;
  int64_t number = 0;
};
// "models/{model}/versions/{n}".
absl::StatusOr<VersionId> ParseVersion(std::string_view name, std::string_view field);

struct AliasId {
  std::string model;
  std::string alias;
};
// "models/{model}/aliases/{alias}".
absl::StatusOr<AliasId> ParseAlias(std::string_view name, std::string_view field);

// At most max_bytes of UTF-8, no control characters; may be empty.
absl::Status CheckText(std::string_view text, size_t max_bytes, std::string_view field);
inline constexpr size_t kMaxSubmitterBytes = 64;

}  // namespace lbw::rpc

#endif  // LBW_RPC_NAMES_H_

#include "rpc/names.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::rpc {
namespace {

absl::Status BadName(std::string_view expected, std::string_view name, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                     base::StrCat(field, " must be \"", expected, "\": \"", name, "\""))
      .Field(field);
}

}  // namespace

absl::StatusOr<std::string> ParseModel(std::string_view name, std::string_view field) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, base::ParseModelRef(name, field));
  if (ref.version.has_value() || ref.alias.has_value()) {
    return BadName("models/{model}", name, field);
  }
  return ref.model;
}

absl::StatusOr<VersionId> ParseVersion(std::string_view name, std::string_view field) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, base::ParseModelRef(name, field));
  if (!ref.version.has_value()) return BadName("models/{model}/versions/{n}", name, field);
  return VersionId{ref.model, *ref.version};
}

absl::StatusOr<AliasId> ParseAlias(std::string_view name, std::string_view field) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, base::ParseModelRef(name, field));
  if (!ref.alias.has_value()) return BadName("models/{model}/aliases/{alias}", name, field);
  return AliasId{ref.model, *ref.alias};
}

absl::Status CheckText(std::string_view text, size_t max_bytes, std::string_view field) {
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  };
  if (text.size() > max_bytes) {
    return base::Error(
               absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
               base::StrCat(field, " is too long: bytes=", text.size(), " limit=", max_bytes))
        .Field(field);
  }
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat(field, " holds a control character: \"",
                                    absl::CHexEscape(base::Absl(text)), "\""))
        .Field(field);
  }
  return absl::OkStatus();
}

}  // namespace lbw::rpc

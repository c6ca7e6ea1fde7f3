#include "client/cpp/names.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"

namespace lbw::client {
namespace {

constexpr size_t kMinPrefix = 6;
constexpr size_t kMinJobPiece = 4;
constexpr size_t kJobIdLength = 26;

base::Error BadName(std::string_view text, std::string_view why) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                     base::StrCat("'", Printable(text), "' does not name a model: ", why,
                                  "; write NAME, NAME/VERSION or NAME@ALIAS"));
}

absl::StatusOr<int64_t> ParseNumber(std::string_view whole, std::string_view digits) {
  int64_t number = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != digits.npos ||
      !absl::SimpleAtoi(base::Absl(digits), &number) || number < 1) {
    return BadName(whole,
                   base::StrCat("the version must be a number from 1: '", Printable(digits), "'"));
  }
  return number;
}

bool IsLowerHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

absl::StatusOr<base::ModelRef> ParseModelArgument(std::string_view text) {
  if (text.starts_with("models/")) return base::ParseModelRef(text, "model");
  base::ModelRef ref;
  const size_t mark = text.find_first_of("/@");
  ref.model = std::string(text.substr(0, mark));
  if (!base::IsValidName(ref.model)) {
    return BadName(text, "a name is 1 to 63 of a-z 0-9 _ . - and starts with a letter or digit");
  }
  if (mark == text.npos) return ref;
  const std::string_view rest = text.substr(mark + 1);
  if (text[mark] == '/') {
    LBW_ASSIGN_OR_RETURN(ref.version, ParseNumber(text, rest));
    return ref;
  }
  if (!base::IsValidName(rest)) return BadName(text, "the alias is not a valid name");
  ref.alias = std::string(rest);
  return ref;
}

absl::StatusOr<std::string> ParseModelId(std::string_view text) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(text));
  if (ref.version || ref.alias) return BadName(text, "only the model's own name is wanted here");
  return ref.model;
}

absl::StatusOr<int64_t> ParseVersionOf(std::string_view model, std::string_view text) {
  if (text.find('/') == text.npos)
    return ParseNumber(text, text.substr(text.starts_with("v") ? 1 : 0));
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(text));
  if (!ref.version) return BadName(text, "a version is wanted here");
  if (ref.model != model) {
    return BadName(text, base::StrCat("the version must be one of ", model));
  }
  return *ref.version;
}

std::string ResourceName(const base::ModelRef& ref) {
  if (ref.version) return base::VersionName(ref.model, *ref.version);
  if (ref.alias) return base::AliasName(ref.model, *ref.alias);
  return base::ModelName(ref.model);
}

absl::StatusOr<std::string> ResolveVersion(const v1::Model& model, const base::ModelRef& ref) {
  const auto not_found = [&](std::string_view what, const std::vector<std::string>& there) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("model ", ref.model, " has no ", what, "; it has: ",
                                    there.empty() ? "none" : absl::StrJoin(there, ", ")));
  };
  std::vector<std::string> names;
  if (ref.version) {
    const std::string wanted = base::VersionName(ref.model, *ref.version);
    for (const v1::ModelVersion& version : model.versions()) {
      if (version.name() == wanted) return wanted;
      names.push_back(ShortName(version.name()));
    }
    return not_found(base::StrCat("version ", *ref.version), names);
  }
  const std::string alias_name = base::AliasName(ref.model, ref.alias.value_or("stable"));
  for (const v1::Alias& alias : model.aliases()) {
    if (alias.name() == alias_name) return alias.version();
    names.push_back(ShortName(alias.name()));
  }
  if (ref.alias) return not_found(base::StrCat("alias ", *ref.alias), names);
  for (const v1::ModelVersion& version : model.versions()) {
    const bool is_float = !version.has_quantization();
    if (is_float && version.state() == v1::VERSION_STATE_READY) return version.name();
  }
  return not_found("alias stable and no float version that is READY", names);
}

std::string ShortName(std::string_view resource_name) {
  if (resource_name.starts_with("artifacts/")) {
    return std::string(resource_name.substr(10, 12));
  }
  if (resource_name.starts_with("datasets/")) return std::string(resource_name.substr(9));
  if (resource_name.starts_with("jobs/")) return std::string(resource_name.substr(5));
  if (!resource_name.starts_with("models/")) return std::string(resource_name);
  const absl::StatusOr<base::ModelRef> ref = base::ParseModelRef(resource_name, "name");
  if (!ref.ok()) return std::string(resource_name);
  if (ref->version) return base::StrCat(ref->model, "/", *ref->version);
  if (ref->alias) return base::StrCat(ref->model, "@", *ref->alias);
  return ref->model;
}

absl::StatusOr<std::string> ParseDatasetArgument(std::string_view text) {
  if (text.starts_with("datasets/")) {
    LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseDatasetName(text, "dataset"));
    return base::DatasetName(id);
  }
  if (base::IsValidName(text)) return base::DatasetName(text);
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                     base::StrCat("'", Printable(text), "' does not name a dataset: a name is 1 ",
                                  "to 63 of a-z 0-9 _ . - and starts with a letter or digit"));
}

absl::StatusOr<JobArgument> ParseJobArgument(std::string_view text) {
  constexpr std::string_view kCollection = "jobs/";
  JobArgument argument;
  if (text == "latest") {
    argument.is_latest = true;
    return argument;
  }
  const std::string_view id = text.substr(text.starts_with(kCollection) ? kCollection.size() : 0);
  const bool fits = id.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz") == id.npos &&
                    id.size() >= kMinJobPiece && id.size() <= kJobIdLength;
  if (!fits) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadName,
        base::StrCat("'", Printable(text), "' does not name a job: write its id, at least ",
                     kMinJobPiece, " characters that it begins or ends with, or latest"));
  }
  if (id.size() == kJobIdLength) {
    argument.name = base::JobName(id);
  } else {
    argument.piece = std::string(id);
  }
  return argument;
}

absl::StatusOr<std::string> ParseResourceArgument(std::string_view text) {
  if (text.starts_with("artifacts/")) {
    LBW_RETURN_IF_ERROR(base::ParseArtifactName(text, "artifact").status());
  } else if (text.starts_with("datasets/")) {
    LBW_RETURN_IF_ERROR(base::ParseDatasetName(text, "dataset").status());
  } else if (text.starts_with("jobs/")) {
    LBW_RETURN_IF_ERROR(base::ParseJobName(text, "job").status());
  } else if (text.starts_with("evaluations/")) {
    LBW_RETURN_IF_ERROR(base::ParseEvaluationName(text, "evaluation").status());
  } else {
    LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(text));
    return ResourceName(ref);
  }
  return std::string(text);
}

absl::StatusOr<ArtifactArgument> ParseArtifactArgument(std::string_view text) {
  ArtifactArgument argument;
  constexpr std::string_view kCollection = "artifacts/";
  const bool is_resource = text.starts_with(kCollection);
  const std::string_view name = text.substr(is_resource ? kCollection.size() : 0);
  if (base::IsSha256Hex(name)) {
    argument.sha256 = std::string(name);
  } else if (IsLowerHex(name) && name.size() >= kMinPrefix && name.size() < 64) {
    argument.hex_prefix = std::string(name);
  } else if (is_resource) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadName,
        base::StrCat("'", Printable(text), "' must be artifacts/ and the SHA-256, or at least ",
                     kMinPrefix, " of its characters"));
  }
  return argument;
}

}  // namespace lbw::client

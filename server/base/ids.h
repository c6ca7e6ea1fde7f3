// Identifiers: random ones, and resource names ("models/{model}/versions/{n}").
#ifndef LBW_BASE_IDS_H_
#define LBW_BASE_IDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lbw::base {

// 26 characters of Crockford's base 32 in lower case: 48 bits of milliseconds, then 80 random bits
// (ULID). Sorts by time.
std::string NewId();

// A model's or alias's own name: [a-z0-9]([a-z0-9_.-]{0,62}).
bool IsValidName(std::string_view name);

// What a call means by a model: "models/M", "models/M/versions/N" or "models/M/aliases/A".
struct ModelRef {
  std::string model;
  std::optional<int64_t> version;    // from 1
  std::optional<std::string> alias;  // at most one of version and alias
  bool operator==(const ModelRef&) const = default;
};

// Errors: kInvalidArgument, BAD_NAME - what was given and what is expected; its field is `field`.
absl::StatusOr<ModelRef> ParseModelRef(std::string_view name, std::string_view field);
// "uploads/{id}" -> id and "artifacts/{sha256}" -> sha256. Errors as above.
absl::StatusOr<std::string> ParseUploadName(std::string_view name, std::string_view field);
absl::StatusOr<std::string> ParseArtifactName(std::string_view name, std::string_view field);

// "datasets/{dataset}", "jobs/{id}" and "evaluations/{id}".
absl::StatusOr<std::string> ParseDatasetName(std::string_view name, std::string_view field);
absl::StatusOr<std::string> ParseJobName(std::string_view name, std::string_view field);
absl::StatusOr<std::string> ParseEvaluationName(std::string_view name, std::string_view field);

std::string ModelName(std::string_view model);
std::string VersionName(std::string_view model, int64_t version);
std::string AliasName(std::string_view model, std::string_view alias);
std::string UploadName(std::string_view id);
std::string ArtifactName(std::string_view sha256);
std::string DatasetName(std::string_view dataset);
std::string JobName(std::string_view id);
std::string EvaluationName(std::string_view id);

}  // namespace lbw::base

#endif  // LBW_BASE_IDS_H_

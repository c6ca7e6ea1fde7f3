// Names as people type them -> resource names of the API. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_NAMES_H_
#define LBW_CLIENT_NAMES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "lbw/v1/model.pb.h"

namespace lbw::client {

// NAME, NAME/3, NAME@ALIAS, or a resource name: models/NAME, models/NAME/versions/3,
// models/NAME/aliases/A. Errors: kInvalidArgument, BAD_NAME - says what was typed and what is
// expected.
absl::StatusOr<base::ModelRef> ParseModelArgument(std::string_view text);
// The same, but only NAME or models/NAME.
absl::StatusOr<std::string> ParseModelId(std::string_view text);
// A version's number: "3", "v3", NAME/3 or its resource name. model: the one it must belong to.
absl::StatusOr<int64_t> ParseVersionOf(std::string_view model, std::string_view text);

// "models/M", "models/M/versions/N" or "models/M/aliases/A".
std::string ResourceName(const base::ModelRef& ref);

// The version's resource name that ref means in this snapshot of its model: the number given, what
// the alias points at, or for the name alone its "stable" alias, else its newest READY float
// version. Errors: kNotFound - no such version or alias (names those there are), or nothing is
// ready.
absl::StatusOr<std::string> ResolveVersion(const v1::Model& model, const base::ModelRef& ref);

// "models/face/versions/3" -> "face/3", "artifacts/{sha256}" -> its first 12 characters,
// "datasets/D" -> "D", "jobs/ID" -> ID; others stay.
std::string ShortName(std::string_view resource_name);

// "datasets/D" for D or datasets/D. Errors: kInvalidArgument, BAD_NAME.
absl::StatusOr<std::string> ParseDatasetArgument(std::string_view text);

// How text may name a job without asking anybody.
struct JobArgument {
  std::string name;   // set: "jobs/{id}", known at once
  std::string piece;  // set: how an id begins or ends, to be looked up
  bool is_latest = false;
};
// An id, jobs/ID, at least 4 characters that an id begins or ends with, or "latest".
// Errors: kInvalidArgument, BAD_NAME.
absl::StatusOr<JobArgument> ParseJobArgument(std::string_view text);

// The resource name for NAME, NAME/VERSION, NAME@ALIAS, or any resource name of an artifact,
// dataset, job or evaluation. Errors: kInvalidArgument, BAD_NAME.
absl::StatusOr<std::string> ParseResourceArgument(std::string_view text);

// How text may name an artifact without asking anybody.
struct ArtifactArgument {
  std::string sha256;      // set: known at once
  std::string hex_prefix;  // set: at least 6 hexadecimal characters, to be looked up
};
// Both empty: text can only be a file's name. Errors: kInvalidArgument - "artifacts/" before
// something else.
absl::StatusOr<ArtifactArgument> ParseArtifactArgument(std::string_view text);

}  // namespace lbw::client

#endif  // LBW_CLIENT_NAMES_H_

// The tables models, versions and aliases as values. Every function runs inside a transaction of
// its caller.
#ifndef LBW_REGISTRY_REGISTRY_ROWS_H_
#define LBW_REGISTRY_REGISTRY_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "registry/registry.h"
#include "registry/resolve.h"
#include "store/database.h"

namespace lbw::registry {

// A count: the first column of the only row.
absl::StatusOr<int64_t> Count(store::Session& session, std::string_view sql,
                              std::initializer_list<store::Value> parameters);

// Errors, as told: kResourceExhausted, LIMIT_EXCEEDED: "too many WHAT: COUNT limit=LIMIT".
absl::Status TooMany(std::string_view what, int64_t count, int64_t limit);

// A list of texts as a JSON array. A damaged list is an empty one: it is only shown.
std::string TextsToJson(const std::vector<std::string>& texts);
std::vector<std::string> TextsFromJson(const std::string& text);

// Errors: kNotFound.
absl::Status RequireModel(store::Session& session, std::string_view model);
// What resolving needs, without the texts. Errors: kNotFound.
absl::StatusOr<ModelFacts> ReadFacts(store::Session& session, std::string_view model);

absl::Status InsertVersion(store::Session& session, const Version& version);
// Sets everything that publishing fills in, and the state. Answers the row.
absl::StatusOr<Version> FillVersion(store::Session& session, const Version& version);
// With all its texts. Errors: kNotFound.
absl::StatusOr<Version> ReadVersion(store::Session& session, std::string_view model,
                                    int64_t number);

// The same without report_json.
absl::StatusOr<Version> ReadSummary(store::Session& session, std::string_view model,
                                    int64_t number);

// Models whose names are in [first, last], by name, with aliases and with versions (newest first,
// without report_json).
absl::StatusOr<std::vector<Model>> ReadModels(store::Session& session, std::string_view first,
                                              std::string_view last);
// Names behind `after`, in order.
absl::StatusOr<std::vector<std::string>> NamesAfter(store::Session& session, std::string_view after,
                                                    int64_t limit);

// The version's entries of artifact_references. Errors: kFailedPrecondition, NOT_FOUND - it is no
// stored artifact.
absl::Status AddReference(store::Session& session, std::string_view artifact,
                          std::string_view owner);
absl::Status DropReferences(store::Session& session, std::string_view owner);
// Marks an artifact that nothing references any more, and that nobody uploaded or asked for as a
// result, for the store's sweep.
absl::Status ReleaseBundle(store::Session& session, std::string_view sha256);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_REGISTRY_ROWS_H_

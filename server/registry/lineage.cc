#include "registry/lineage.h"

#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/lineage_rows.h"
#include "registry/lineage_walk.h"
#include "registry/registry_rows.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;

constexpr std::string_view kField = "name";

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

absl::Status CheckName(std::string_view name) {
  if (StartsWith(name, "models/")) return base::ParseModelRef(name, kField).status();
  if (StartsWith(name, "artifacts/")) return base::ParseArtifactName(name, kField).status();
  if (StartsWith(name, "datasets/")) return base::ParseDatasetName(name, kField).status();
  if (StartsWith(name, "jobs/")) return base::ParseJobName(name, kField).status();
  if (StartsWith(name, "evaluations/")) return base::ParseEvaluationName(name, kField).status();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                     "name must be that of a model, a version, an alias, an artifact, a dataset, a "
                     "job or an evaluation (\"models/...\", \"artifacts/...\", \"datasets/...\", "
                     "\"jobs/...\", \"evaluations/...\")")
      .Field(kField);
}

// Where the walk begins: a model means its versions, newest first.
absl::StatusOr<std::vector<std::string>> Starts(Session& session, std::string_view name,
                                                size_t max_nodes) {
  if (ToResource(name).kind != Resource::Kind::kOther) return std::vector{std::string(name)};
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, base::ParseModelRef(name, kField));
  LBW_RETURN_IF_ERROR(RequireModel(session, ref.model));
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT number FROM versions WHERE model = $1 ORDER BY number DESC LIMIT $2",
                      {ref.model, static_cast<int64_t>(max_nodes) + 1}));
  std::vector<std::string> starts;
  for (const Row& row : rows) starts.push_back(base::VersionName(ref.model, row.Int(0)));
  return starts;
}

absl::StatusOr<Lineage> Read(Session& session, std::string_view name, size_t max_nodes) {
  LBW_ASSIGN_OR_RETURN(const std::vector<std::string> starts, Starts(session, name, max_nodes));
  RowLinks links(session);
  LBW_ASSIGN_OR_RETURN(LineageShape shape, WalkLineage(links, starts, max_nodes));
  Lineage lineage;
  lineage.edges = std::move(shape.edges);
  lineage.truncated = shape.truncated;
  for (const std::string& node : shape.names) {
    LBW_ASSIGN_OR_RETURN(LineageNode described, DescribeNode(session, node));
    lineage.nodes.push_back(std::move(described));
  }
  const bool nothing = lineage.nodes.size() == 1 && lineage.nodes.front().gone;
  if (!nothing) return lineage;
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                     base::StrCat("there is no ", name));
}

}  // namespace

absl::StatusOr<Lineage> ReadLineage(store::Database& database, std::string_view name,
                                    size_t max_nodes) {
  LBW_RETURN_IF_ERROR(CheckName(name));
  Lineage lineage;
  LBW_RETURN_IF_ERROR(database.Transaction([&](Session& session) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(lineage, Read(session, name, max_nodes));
    return absl::OkStatus();
  }));
  return lineage;
}

}  // namespace lbw::registry

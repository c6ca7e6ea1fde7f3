#include "registry/lineage_rows.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/evaluation_rows.h"
#include "registry/lineage_calibration.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;
using store::Value;
using Kind = Resource::Kind;

// The kind of job whose dataset is what it makes; every other job reads the datasets that it names.
#define LBW_CHECKS_DATASET "kind = 'check_dataset'"

// The first column, or the first two, as a name.
using ToName = std::string (*)(const Row&);
std::string NameAsIs(const Row& row) { return row.Text(0); }
std::string ArtifactOf(const Row& row) { return base::ArtifactName(row.Text(0)); }
std::string DatasetOf(const Row& row) { return base::DatasetName(row.Text(0)); }
std::string JobOf(const Row& row) { return base::JobName(row.Text(0)); }
std::string EvaluationOf(const Row& row) { return base::EvaluationName(row.Text(0)); }
std::string VersionOf(const Row& row) { return base::VersionName(row.Text(0), row.Int(1)); }
std::string AliasOf(const Row& row) { return base::AliasName(row.Text(0), row.Text(1)); }

// Links of one resource as they are gathered.
class Gather {
 public:
  Gather(Session& session, int64_t limit) : session_(session), limit_(limit) {}

  void Add(std::string name, std::string_view relation) {
    links_.push_back({std::move(name), std::string(relation)});
  }
  // Rows of a query whose text ends before its LIMIT.
  absl::Status Query(std::string_view relation, ToName name, std::string_view sql,
                     std::vector<Value> parameters) {
    parameters.emplace_back(limit_);
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        session_.Execute(base::StrCat(sql, " LIMIT $", parameters.size()), parameters));
    for (const Row& row : rows) Add(name(row), relation);
    return absl::OkStatus();
  }
  std::vector<LineageLink> Take() { return std::move(links_); }
  int64_t limit() const { return limit_; }

 private:
  Session& session_;
  const int64_t limit_;
  std::vector<LineageLink> links_;
};

absl::StatusOr<std::vector<Row>> One(Session& session, std::string_view sql,
                                     const Resource& resource) {
  return session.Execute(sql, {resource.id});
}

// What holds the artifact as its bundle or pack, and not as its source.
absl::Status FromArtifact(Session& session, Gather& gather, const Resource& artifact) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> owners,
      One(session,
          "SELECT owner FROM artifact_references WHERE artifact_sha256 = $1 ORDER BY owner",
          artifact));
  for (const Row& row : owners) {
    const Resource owner = ToResource(row.Text(0));
    if (owner.kind == Kind::kVersion) {
      LBW_RETURN_IF_ERROR(gather.Query("bundled", VersionOf,
                                       "SELECT model, number FROM versions WHERE model = $1 AND "
                                       "number = $2 AND bundle = $3",
                                       {owner.model, owner.version, artifact.id}));
    } else if (owner.kind == Kind::kDataset) {
      LBW_RETURN_IF_ERROR(gather.Query(
          "packed", DatasetOf, "SELECT name FROM datasets WHERE name = $1 AND pack_artifact = $2",
          {owner.id, artifact.id}));
    }
  }
  return absl::OkStatus();
}

absl::Status FromVersion(Session& session, Gather& gather, const Resource& version) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                       session.Execute("SELECT source_artifact, parent, quantized, job FROM "
                                       "versions WHERE model = $1 AND number = $2",
                                       {version.model, version.version}));
  if (rows.empty()) return absl::OkStatus();
  const Row& row = rows.front();
  if (!row.Text(0).empty()) gather.Add(base::ArtifactName(row.Text(0)), "imported");
  if (!row.IsNull(1)) {
    gather.Add(base::VersionName(version.model, row.Int(1)),
               row.Int(2) != 0 ? "quantized" : "made");
  }
  if (row.Text(3).empty()) return absl::OkStatus();
  gather.Add(base::JobName(row.Text(3)), "made");
  LBW_ASSIGN_OR_RETURN(const std::vector<LineageLink> datasets,
                       DatasetsOf(session, version.model, version.version));
  for (const LineageLink& dataset : datasets) gather.Add(dataset.name, dataset.relation);
  return absl::OkStatus();
}

absl::Status FromDataset(Session& session, Gather& gather, const Resource& dataset) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      One(session, "SELECT source_artifact, job FROM datasets WHERE name = $1", dataset));
  if (rows.empty()) return absl::OkStatus();
  const Row& row = rows.front();
  if (!row.Text(1).empty()) {
    gather.Add(base::JobName(row.Text(1)), "checked");
  } else if (!row.Text(0).empty()) {
    gather.Add(base::ArtifactName(row.Text(0)), "checked");
  }
  return absl::OkStatus();
}

absl::Status FromJob(Gather& gather, const Resource& job) {
  // The dataset knows its archive also when the job's own rows are gone.
  LBW_RETURN_IF_ERROR(gather.Query(
      "ran", ArtifactOf,
      "SELECT source_artifact FROM datasets WHERE job = $1 AND source_artifact <> ''", {job.id}));
  return gather.Query("ran", NameAsIs,
                      "SELECT resource FROM job_uses JOIN jobs ON jobs.id = job WHERE job = $1 AND "
                      "NOT (" LBW_CHECKS_DATASET
                      " AND resource LIKE 'datasets/%') ORDER BY resource",
                      {job.id});
}

absl::Status FromEvaluation(Session& session, Gather& gather, const Resource& evaluation) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      One(session, "SELECT model, version, dataset, job, against FROM evaluations WHERE id = $1",
          evaluation));
  if (rows.empty()) return absl::OkStatus();
  const Row& row = rows.front();
  gather.Add(VersionOf(row), "evaluated");
  if (!row.Text(2).empty()) gather.Add(base::DatasetName(row.Text(2)), "evaluated");
  if (!row.Text(3).empty()) gather.Add(base::JobName(row.Text(3)), "evaluated");
  if (!row.Text(4).empty()) gather.Add(row.Text(4), "compared_with");
  return absl::OkStatus();
}

// The jobs that read it.
absl::Status IntoJobs(Gather& gather, std::string_view name) {
  return gather.Query("ran", JobOf,
                      "SELECT job FROM job_uses JOIN jobs ON jobs.id = job WHERE resource = $1 AND "
                      "NOT (" LBW_CHECKS_DATASET
                      " AND resource LIKE 'datasets/%') ORDER BY job DESC",
                      {std::string(name)});
}

absl::Status IntoFromArtifact(Gather& gather, const Resource& artifact, std::string_view name) {
  LBW_RETURN_IF_ERROR(gather.Query("imported", VersionOf,
                                   "SELECT model, number FROM versions WHERE source_artifact = $1 "
                                   "ORDER BY create_us DESC, model, number",
                                   {artifact.id}));
  LBW_RETURN_IF_ERROR(gather.Query(
      "ran", JobOf,
      "SELECT job FROM datasets WHERE source_artifact = $1 AND job <> '' ORDER BY job DESC",
      {artifact.id}));
  LBW_RETURN_IF_ERROR(gather.Query(
      "checked", DatasetOf,
      "SELECT name FROM datasets WHERE source_artifact = $1 AND job = '' ORDER BY name",
      {artifact.id}));
  return IntoJobs(gather, name);
}

absl::Status IntoFromVersion(Gather& gather, const Resource& version, std::string_view name) {
  const std::vector<Value> key = {version.model, version.version};
  LBW_RETURN_IF_ERROR(gather.Query("quantized", VersionOf,
                                   "SELECT model, number FROM versions WHERE model = $1 AND "
                                   "parent = $2 AND quantized <> 0 ORDER BY number",
                                   key));
  LBW_RETURN_IF_ERROR(gather.Query("made", VersionOf,
                                   "SELECT model, number FROM versions WHERE model = $1 AND "
                                   "parent = $2 AND quantized = 0 ORDER BY number",
                                   key));
  LBW_RETURN_IF_ERROR(gather.Query("points_at", AliasOf,
                                   "SELECT model, alias FROM aliases WHERE model = $1 AND version "
                                   "= $2 ORDER BY alias",
                                   key));
  LBW_RETURN_IF_ERROR(gather.Query(
      "evaluated", EvaluationOf,
      "SELECT id FROM evaluations WHERE model = $1 AND version = $2 AND " LBW_SINCE_VERSION
      " ORDER BY create_us DESC, id DESC",
      key));
  LBW_RETURN_IF_ERROR(gather.Query("compared_with", EvaluationOf,
                                   "SELECT id FROM evaluations WHERE against = $1 AND against <> "
                                   "'' ORDER BY create_us DESC, id DESC",
                                   {std::string(name)}));
  return IntoJobs(gather, name);
}

absl::Status IntoFromDataset(Session& session, Gather& gather, const Resource& dataset,
                             std::string_view name) {
  LBW_RETURN_IF_ERROR(gather.Query("evaluated", EvaluationOf,
                                   "SELECT id FROM evaluations WHERE dataset = $1 ORDER BY "
                                   "create_us DESC, id DESC",
                                   {dataset.id}));
  LBW_ASSIGN_OR_RETURN(const std::vector<LineageLink> versions,
                       MadeOn(session, name, gather.limit()));
  for (const LineageLink& version : versions) gather.Add(version.name, version.relation);
  return IntoJobs(gather, name);
}

absl::Status IntoFromJob(Gather& gather, const Resource& job) {
  // An evaluation has its job's id.
  LBW_RETURN_IF_ERROR(gather.Query("evaluated", EvaluationOf,
                                   "SELECT id FROM evaluations WHERE id = $1", {job.id}));
  LBW_RETURN_IF_ERROR(gather.Query(
      "checked", DatasetOf, "SELECT name FROM datasets WHERE job = $1 ORDER BY name", {job.id}));
  return gather.Query("made", VersionOf,
                      "SELECT model, number FROM versions WHERE job = $1 AND job <> '' ORDER BY "
                      "model, number",
                      {job.id});
}

// Rows of one resource's inputs: few by nature, bounded all the same.
constexpr int64_t kMostInputs = 1000;

}  // namespace

Resource ToResource(std::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(base::Absl(name), '/');
  Resource resource;
  if (parts.size() == 2) {
    if (parts[0] == "artifacts") resource.kind = Kind::kArtifact;
    if (parts[0] == "datasets") resource.kind = Kind::kDataset;
    if (parts[0] == "jobs") resource.kind = Kind::kJob;
    if (parts[0] == "evaluations") resource.kind = Kind::kEvaluation;
    resource.id = parts[1];
  } else if (parts.size() == 4 && parts[0] == "models") {
    resource.model = parts[1];
    resource.id = parts[3];
    if (parts[2] == "aliases") resource.kind = Kind::kAlias;
    if (parts[2] == "versions" && absl::SimpleAtoi(parts[3], &resource.version))
      resource.kind = Kind::kVersion;
  }
  return resource;
}

absl::StatusOr<std::vector<LineageLink>> RowLinks::MadeFrom(std::string_view name) {
  const Resource resource = ToResource(name);
  Gather gather(session_, kMostInputs);
  switch (resource.kind) {
    case Kind::kOther:
      break;
    case Kind::kArtifact:
      LBW_RETURN_IF_ERROR(FromArtifact(session_, gather, resource));
      break;
    case Kind::kVersion:
      LBW_RETURN_IF_ERROR(FromVersion(session_, gather, resource));
      break;
    case Kind::kAlias:
      LBW_RETURN_IF_ERROR(gather.Query("points_at", VersionOf,
                                       "SELECT model, version FROM aliases WHERE model = $1 AND "
                                       "alias = $2",
                                       {resource.model, resource.id}));
      break;
    case Kind::kDataset:
      LBW_RETURN_IF_ERROR(FromDataset(session_, gather, resource));
      break;
    case Kind::kJob:
      LBW_RETURN_IF_ERROR(FromJob(gather, resource));
      break;
    case Kind::kEvaluation:
      LBW_RETURN_IF_ERROR(FromEvaluation(session_, gather, resource));
      break;
  }
  return gather.Take();
}

absl::StatusOr<std::vector<LineageLink>> RowLinks::MadeInto(std::string_view name, size_t limit) {
  const Resource resource = ToResource(name);
  Gather gather(session_, static_cast<int64_t>(limit));
  switch (resource.kind) {
    case Kind::kArtifact:
      LBW_RETURN_IF_ERROR(IntoFromArtifact(gather, resource, name));
      break;
    case Kind::kVersion:
      LBW_RETURN_IF_ERROR(IntoFromVersion(gather, resource, name));
      break;
    case Kind::kDataset:
      LBW_RETURN_IF_ERROR(IntoFromDataset(session_, gather, resource, name));
      break;
    case Kind::kJob:
      LBW_RETURN_IF_ERROR(IntoFromJob(gather, resource));
      break;
    case Kind::kOther:
    case Kind::kAlias:
    case Kind::kEvaluation:
      break;
  }
  return gather.Take();
}

}  // namespace lbw::registry

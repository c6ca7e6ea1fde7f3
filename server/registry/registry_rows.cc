#include "registry/registry_rows.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::registry {
namespace {

using store::Row;
using store::Session;
using store::Value;

#define LBW_VERSION_COLUMNS                                                                     \
  "model, number, state, create_us, source_artifact, parent, bundle, bundle_bytes, quantized, " \
  "quantization_json, "                                                                         \
  "spec_json, max_batch, head_kind, classes_json, import_notes_json, error, job"

VersionState StateFrom(std::string_view name) {
  for (const VersionState state :
       {VersionState::kCreating, VersionState::kReady, VersionState::kDeleting}) {
    if (Name(state) == name) return state;
  }
  return VersionState::kFailed;
}

Value OptionalInt(const std::optional<int64_t>& value) {
  return value ? Value(*value) : Value(std::monostate{});
}

Version ToVersion(const Row& row) {
  Version version;
  version.model = row.Text(0);
  version.number = row.Int(1);
  version.state = StateFrom(row.Text(2));
  version.create_time = absl::FromUnixMicros(row.Int(3));
  version.source_artifact = row.Text(4);
  version.parent = row.OptionalInt(5);
  version.bundle = row.Text(6);
  version.bundle_bytes = static_cast<uint64_t>(row.Int(7));
  version.quantized = row.Int(8) != 0;
  version.quantization_json = row.Text(9);
  version.spec_json = row.Text(10);
  version.max_batch = row.Int(11);
  version.head_kind = row.Text(12);
  version.classes = TextsFromJson(row.Text(13));
  version.import_notes = TextsFromJson(row.Text(14));
  version.error = row.Text(15);
  version.job = row.Text(16);
  return version;
}

base::Error NotFound(std::string_view what) {
  return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                     base::StrCat("there is no ", what));
}

}  // namespace

std::string TextsToJson(const std::vector<std::string>& texts) {
  return nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> TextsFromJson(const std::string& text) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> texts;
  if (!parsed.is_array()) return texts;
  for (const nlohmann::json& entry : parsed) {
    if (entry.is_string()) texts.push_back(entry.get_ref<const std::string&>());
  }
  return texts;
}

absl::StatusOr<int64_t> Count(Session& session, std::string_view sql,
                              std::initializer_list<Value> parameters) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows, session.Execute(sql, parameters));
  LBW_CHECK(rows.size() == 1);
  return rows.front().Int(0);
}

absl::Status TooMany(std::string_view what, int64_t count, int64_t limit) {
  return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
                     base::StrCat("too many ", what, ": ", count, " limit=", limit));
}

absl::Status RequireModel(Session& session, std::string_view model) {
  LBW_ASSIGN_OR_RETURN(
      const int64_t found,
      Count(session, "SELECT COUNT(*) FROM models WHERE name = $1", {std::string(model)}));
  return found == 0 ? NotFound(base::ModelName(model)) : absl::OkStatus();
}

absl::StatusOr<ModelFacts> ReadFacts(Session& session, std::string_view model) {
  LBW_RETURN_IF_ERROR(RequireModel(session, model));
  ModelFacts facts;
  facts.model = std::string(model);
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> versions,
      session.Execute("SELECT number, state, quantized, parent FROM versions WHERE model = $1",
                      {facts.model}));
  for (const Row& row : versions) {
    facts.versions[row.Int(0)] =
        VersionFacts{StateFrom(row.Text(1)), row.Int(2) != 0, row.OptionalInt(3)};
  }
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> aliases,
      session.Execute("SELECT alias, version FROM aliases WHERE model = $1", {facts.model}));
  for (const Row& row : aliases) facts.aliases[row.Text(0)] = row.Int(1);
  return facts;
}

absl::Status InsertVersion(Session& session, const Version& version) {
  return session
      .Execute("INSERT INTO versions (" LBW_VERSION_COLUMNS
               ", subject, report_json) VALUES ($1, $2, $3, $4, $5, $6, '', 0, $7, $8, '', 0, '', "
               "'[]', '[]', '', $9, '', '')",
               {version.model, version.number, std::string(Name(version.state)),
                absl::ToUnixMicros(version.create_time), version.source_artifact,
                OptionalInt(version.parent), int64_t{version.quantized ? 1 : 0},
                version.quantization_json, version.job})
      .status();
}

absl::StatusOr<Version> FillVersion(Session& session, const Version& version) {
  LBW_RETURN_IF_ERROR(
      session
          .Execute("UPDATE versions SET state = $3, bundle = $4, bundle_bytes = $5, "
                   "quantization_json = $6, "
                   "report_json = $7, spec_json = $8, max_batch = $9, head_kind = $10, "
                   "classes_json = $11, "
                   "import_notes_json = $12, error = $13 WHERE model = $1 AND number = $2",
                   {version.model, version.number, std::string(Name(version.state)), version.bundle,
                    static_cast<int64_t>(version.bundle_bytes), version.quantization_json,
                    version.report_json, version.spec_json, version.max_batch, version.head_kind,
                    TextsToJson(version.classes), TextsToJson(version.import_notes), version.error})
          .status());
  return ReadVersion(session, version.model, version.number);
}

absl::StatusOr<Version> ReadSummary(Session& session, std::string_view model, int64_t number) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                       session.Execute("SELECT " LBW_VERSION_COLUMNS
                                       " FROM versions WHERE model = $1 AND number = $2",
                                       {std::string(model), number}));
  if (rows.empty()) return NotFound(base::VersionName(model, number));
  return ToVersion(rows.front());
}

absl::StatusOr<Version> ReadVersion(Session& session, std::string_view model, int64_t number) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT " LBW_VERSION_COLUMNS
                      ", report_json FROM versions WHERE model = $1 AND number = $2",
                      {std::string(model), number}));
  if (rows.empty()) return NotFound(base::VersionName(model, number));
  Version version = ToVersion(rows.front());
  version.report_json = rows.front().Text(17);
  return version;
}

absl::StatusOr<std::vector<Model>> ReadModels(Session& session, std::string_view first,
                                              std::string_view last) {
  const std::string low(first);
  const std::string high(last);
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute(
          "SELECT name, create_us FROM models WHERE name >= $1 AND name <= $2 ORDER BY name",
          {low, high}));
  std::vector<Model> models;
  std::map<std::string, size_t> place;
  for (const Row& row : rows) {
    place[row.Text(0)] = models.size();
    models.push_back(Model{row.Text(0), absl::FromUnixMicros(row.Int(1)), {}, {}});
  }
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> aliases,
      session.Execute("SELECT model, alias, version, update_us FROM aliases WHERE model >= $1 AND "
                      "model <= $2 ORDER BY model, alias",
                      {low, high}));
  for (const Row& row : aliases) {
    models[place.at(row.Text(0))].aliases.push_back(
        Alias{row.Text(0), row.Text(1), row.Int(2), absl::FromUnixMicros(row.Int(3))});
  }
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> versions,
      session.Execute(
          "SELECT " LBW_VERSION_COLUMNS
          " FROM versions WHERE model >= $1 AND model <= $2 ORDER BY model, number DESC",
          {low, high}));
  for (const Row& row : versions) models[place.at(row.Text(0))].versions.push_back(ToVersion(row));
  return models;
}

absl::StatusOr<std::vector<std::string>> NamesAfter(Session& session, std::string_view after,
                                                    int64_t limit) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT name FROM models WHERE name > $1 ORDER BY name LIMIT $2",
                      {std::string(after), limit}));
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row.Text(0));
  return names;
}

absl::Status AddReference(Session& session, std::string_view artifact, std::string_view owner) {
  LBW_ASSIGN_OR_RETURN(
      const int64_t stored,
      Count(session, "SELECT COUNT(*) FROM artifacts WHERE sha256 = $1 AND state = 'READY'",
            {std::string(artifact)}));
  if (stored == 0) {
    return base::Error(
        absl::StatusCode::kFailedPrecondition, base::reason::kNotFound,
        base::StrCat(base::ArtifactName(artifact), ", which ", owner, " needs, is not stored"));
  }
  return session
      .Execute(
          "INSERT INTO artifact_references (artifact_sha256, owner) VALUES ($1, $2) ON CONFLICT DO "
          "NOTHING",
          {std::string(artifact), std::string(owner)})
      .status();
}

absl::Status DropReferences(Session& session, std::string_view owner) {
  return session.Execute("DELETE FROM artifact_references WHERE owner = $1", {std::string(owner)})
      .status();
}

absl::Status ReleaseBundle(Session& session, std::string_view sha256) {
  return session
      .Execute(
          "UPDATE artifacts SET state = 'DELETING' WHERE sha256 = $1 AND origin = 'bundle' AND "
          "NOT EXISTS "
          "(SELECT 1 FROM artifact_references WHERE artifact_sha256 = artifacts.sha256)",
          {std::string(sha256)})
      .status();
}

}  // namespace lbw::registry

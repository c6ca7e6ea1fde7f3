#include "store/migrations.h"

#include <array>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::store {
namespace {

// States and kinds are texts, so that a row means the same whatever program reads it. Times are
// microseconds since 1970. A text that is not known is '', never NULL.
constexpr std::array<std::string_view, 12> kFirst = {
    R"(CREATE TABLE artifacts (
  sha256 TEXT PRIMARY KEY,
  size_bytes BIGINT NOT NULL,
  format TEXT NOT NULL,
  display_name TEXT NOT NULL,
  subject TEXT NOT NULL,
  origin TEXT NOT NULL,
  state TEXT NOT NULL,
  create_us BIGINT NOT NULL
))",
    "CREATE INDEX artifacts_by_time ON artifacts (create_us, sha256)",
    R"(CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  size_bytes BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  display_name TEXT NOT NULL,
  committed_bytes BIGINT NOT NULL,
  writer BIGINT NOT NULL,
  create_us BIGINT NOT NULL,
  expire_us BIGINT NOT NULL,
  artifact_sha256 TEXT NOT NULL
))",
    "CREATE INDEX uploads_by_digest ON uploads (subject, sha256)",
    "CREATE INDEX uploads_by_expiry ON uploads (expire_us)",
    R"(CREATE TABLE artifact_references (
  artifact_sha256 TEXT NOT NULL REFERENCES artifacts (sha256),
  owner TEXT NOT NULL,
  PRIMARY KEY (artifact_sha256, owner)
))",
    "CREATE INDEX artifact_references_by_owner ON artifact_references (owner)",
    R"(CREATE TABLE models (
  name TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  next_version BIGINT NOT NULL
))",
    R"(CREATE TABLE versions (
  model TEXT NOT NULL REFERENCES models (name),
  number BIGINT NOT NULL,
  state TEXT NOT NULL,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  source_artifact TEXT NOT NULL,
  parent BIGINT,
  bundle TEXT NOT NULL,
  bundle_bytes BIGINT NOT NULL,
  quantized BIGINT NOT NULL,
  quantization_json TEXT NOT NULL,
  report_json TEXT NOT NULL,
  spec_json TEXT NOT NULL,
  max_batch BIGINT NOT NULL,
  head_kind TEXT NOT NULL,
  classes_json TEXT NOT NULL,
  import_notes_json TEXT NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (model, number)
))",
    "CREATE INDEX versions_by_state ON versions (state)",
    R"(CREATE TABLE aliases (
  model TEXT NOT NULL REFERENCES models (name),
  alias TEXT NOT NULL,
  version BIGINT NOT NULL,
  subject TEXT NOT NULL,
  update_us BIGINT NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES versions (model, number)
))",
    "CREATE INDEX aliases_by_version ON aliases (model, version)",
};

constexpr std::string_view kCreateTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, "
    "applied_us BIGINT NOT NULL)";

base::Error WrongSchema(std::string_view what) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kStoreFailed, what);
}

// How many of the steps are applied.
absl::StatusOr<size_t> Applied(Session& session, absl::Span<const Migration> migrations) {
  LBW_RETURN_IF_ERROR(session.Execute(kCreateTable).status());
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session.Execute("SELECT version, name FROM schema_migrations ORDER BY version"));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t version = rows[i].Int(0);
    if (i >= migrations.size()) {
      return WrongSchema(base::StrCat(
          "the database was written by a newer program: schema version=", rows.back().Int(0),
          " newest known here=", migrations.size(),
          "; run that program, or restore a copy from before the update"));
    }
    if (version != migrations[i].version || rows[i].Text(1) != migrations[i].name) {
      return WrongSchema(base::StrCat("the database has another history: step ", version,
                                      " is called ", rows[i].Text(1), ", expected ",
                                      migrations[i].version, " ", migrations[i].name));
    }
  }
  return rows.size();
}

// Applies one step, if one is missing. Sets done otherwise.
absl::Status ApplyNext(Session& session, absl::Span<const Migration> migrations, bool& done) {
  LBW_ASSIGN_OR_RETURN(const size_t applied, Applied(session, migrations));
  done = applied == migrations.size();
  if (done) return absl::OkStatus();
  const Migration& next = migrations[applied];
  for (const std::string_view statement : next.statements) {
    const absl::Status status = session.Execute(statement).status();
    if (!status.ok())
      return base::WithContext(status, base::StrCat("migration ", next.version, " ", next.name));
  }
  return session
      .Execute("INSERT INTO schema_migrations (version, name, applied_us) VALUES ($1, $2, $3)",
               {next.version, std::string(next.name), session.NowUs()})
      .status();
}

}  // namespace

absl::Span<const Migration> Migrations() {
  static constexpr std::array<Migration, 1> kAll = {{{1, "artifacts, uploads, models", kFirst}}};
  return kAll;
}

absl::Status Migrate(Database& database, absl::Span<const Migration> migrations) {
  bool done = false;
  while (!done) {
    LBW_RETURN_IF_ERROR(database.Transaction(
        [&](Session& session) { return ApplyNext(session, migrations, done); }));
  }
  return absl::OkStatus();
}

}  // namespace lbw::store

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

// Jobs and what belongs to them, datasets, evaluations, and the history of aliases. `ready` is 0
// while a QUEUED job waits for its retry time; a lane stands for the ready jobs of one kind,
// priority and submitter, so that leasing seeks in indexes and never walks the queue.
constexpr std::array<std::string_view, 31> kJobs = {
    R"(CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  submitter TEXT NOT NULL,
  subject TEXT NOT NULL,
  request_id TEXT,
  priority BIGINT NOT NULL,
  spec_json TEXT NOT NULL,
  labels_json TEXT NOT NULL,
  estimate_json TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  update_us BIGINT NOT NULL,
  start_us BIGINT,
  end_us BIGINT,
  queued_us BIGINT NOT NULL,
  ready BIGINT NOT NULL,
  retry_us BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  failed_attempts BIGINT NOT NULL,
  lost_attempts BIGINT NOT NULL,
  lease_token BIGINT NOT NULL,
  worker TEXT NOT NULL,
  lease_expire_us BIGINT,
  step BIGINT NOT NULL,
  total_steps BIGINT NOT NULL,
  progress_json TEXT NOT NULL,
  checkpoint TEXT NOT NULL,
  error_code BIGINT NOT NULL,
  error_reason TEXT NOT NULL,
  error_message TEXT NOT NULL,
  result_json TEXT NOT NULL,
  artifacts_json TEXT NOT NULL,
  last_cursor BIGINT NOT NULL,
  kept_events BIGINT NOT NULL,
  log_bytes BIGINT NOT NULL,
  UNIQUE (submitter, request_id)
))",
    "CREATE INDEX jobs_by_queue ON jobs (kind, priority, submitter, create_us, id) "
    "WHERE state = 'QUEUED' AND ready = 1",
    "CREATE INDEX jobs_by_retry ON jobs (retry_us) WHERE state = 'QUEUED' AND ready = 0",
    "CREATE INDEX jobs_by_lease ON jobs (lease_expire_us, submitter) "
    "WHERE lease_expire_us IS NOT NULL",
    "CREATE INDEX jobs_by_time ON jobs (create_us, id)",
    "CREATE INDEX jobs_by_end ON jobs (end_us, create_us, id)",
    R"(CREATE TABLE job_counts (
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  count BIGINT NOT NULL,
  PRIMARY KEY (kind, state)
))",
    R"(CREATE TABLE job_lanes (
  submitter TEXT NOT NULL,
  kind TEXT NOT NULL,
  priority BIGINT NOT NULL,
  last_lease_us BIGINT NOT NULL,
  PRIMARY KEY (submitter, kind, priority)
))",
    "CREATE INDEX job_lanes_by_turn ON job_lanes (kind, priority, last_lease_us, submitter)",
    R"(CREATE TABLE submitters (
  submitter TEXT PRIMARY KEY,
  last_lease_us BIGINT NOT NULL
))",
    R"(CREATE TABLE job_uses (
  resource TEXT NOT NULL,
  job TEXT NOT NULL REFERENCES jobs (id),
  PRIMARY KEY (resource, job)
))",
    "CREATE INDEX job_uses_by_job ON job_uses (job, resource)",
    R"(CREATE TABLE job_labels (
  job TEXT NOT NULL REFERENCES jobs (id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (job, key)
))",
    "CREATE INDEX job_labels_by_value ON job_labels (key, value, job)",
    R"(CREATE TABLE job_events (
  job TEXT NOT NULL REFERENCES jobs (id),
  cursor BIGINT NOT NULL,
  time_us BIGINT NOT NULL,
  is_state BIGINT NOT NULL,
  json TEXT NOT NULL,
  PRIMARY KEY (job, cursor)
))",
    R"(CREATE TABLE job_checkpoints (
  job TEXT NOT NULL REFERENCES jobs (id),
  sha256 TEXT NOT NULL,
  number BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL,
  step BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  create_us BIGINT NOT NULL,
  best BIGINT NOT NULL,
  metric DOUBLE PRECISION,
  PRIMARY KEY (job, sha256)
))",
    R"(CREATE TABLE job_logs (
  job TEXT NOT NULL REFERENCES jobs (id),
  first_byte BIGINT NOT NULL,
  size_bytes BIGINT NOT NULL,
  text BYTEA NOT NULL,
  PRIMARY KEY (job, first_byte)
))",
    R"(CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  device TEXT NOT NULL,
  start_us BIGINT NOT NULL,
  seen_us BIGINT NOT NULL,
  job TEXT NOT NULL
))",
    R"(CREATE TABLE datasets (
  name TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  source_artifact TEXT NOT NULL,
  pack_artifact TEXT NOT NULL,
  pack_bytes BIGINT NOT NULL,
  job TEXT NOT NULL,
  summary_json TEXT NOT NULL,
  defects_json TEXT NOT NULL,
  error TEXT NOT NULL
))",
    "CREATE INDEX datasets_by_job ON datasets (job)",
    "CREATE INDEX datasets_by_source ON datasets (source_artifact)",
    R"(CREATE TABLE evaluations (
  id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  version BIGINT NOT NULL,
  dataset TEXT NOT NULL,
  pack_artifact TEXT NOT NULL,
  split TEXT NOT NULL,
  job TEXT NOT NULL,
  against TEXT NOT NULL,
  subject TEXT NOT NULL,
  create_us BIGINT NOT NULL,
  options_json TEXT NOT NULL,
  metrics_json TEXT NOT NULL,
  summary_json TEXT NOT NULL,
  result_json TEXT NOT NULL
))",
    "CREATE INDEX evaluations_by_version ON evaluations (model, version, create_us)",
    "CREATE INDEX evaluations_by_dataset ON evaluations (dataset, create_us)",
    "CREATE INDEX evaluations_by_time ON evaluations (create_us, id)",
    "CREATE INDEX evaluations_by_against ON evaluations (against) WHERE against <> ''",
    R"(CREATE TABLE alias_moves (
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  number BIGINT NOT NULL,
  version BIGINT,
  previous BIGINT,
  time_us BIGINT NOT NULL,
  action TEXT NOT NULL,
  submitter TEXT NOT NULL,
  subject TEXT NOT NULL,
  comment TEXT NOT NULL,
  passed_json TEXT NOT NULL,
  PRIMARY KEY (model, alias, number)
))",
    "ALTER TABLE versions ADD COLUMN job TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX versions_by_source ON versions (source_artifact)",
    "CREATE INDEX versions_by_job ON versions (job) WHERE job <> ''",
    // The aliases that are there begin their history as they stand.
    "INSERT INTO alias_moves (model, alias, number, version, previous, time_us, action, submitter, "
    "subject, comment, passed_json) SELECT model, alias, 1, version, NULL, update_us, 'set', '', "
    "subject, '', '[]' FROM aliases",
};

// What a caller sent, so that its retry is known whatever it would be filled in with by then; the
// number of a job's state changes, so that they are bounded without being counted.
constexpr std::array<std::string_view, 3> kRequests = {
    "ALTER TABLE jobs ADD COLUMN request_digest TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE jobs ADD COLUMN state_events BIGINT NOT NULL DEFAULT 0",
    "UPDATE jobs SET state_events = (SELECT COUNT(*) FROM job_events WHERE job = jobs.id AND "
    "is_state = 1)",
};

// How often in a row a job could not be begun, so that it does not wait for ever.
constexpr std::array<std::string_view, 1> kNotBegun = {
    "ALTER TABLE jobs ADD COLUMN not_begun BIGINT NOT NULL DEFAULT 0",
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
  static constexpr std::array<Migration, 4> kAll = {
      {{1, "artifacts, uploads, models", kFirst},
       {2, "jobs, datasets, evaluations, alias history", kJobs},
       {3, "digests of requests, counts of state events", kRequests},
       {4, "counts of attempts that were not begun", kNotBegun}}};
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

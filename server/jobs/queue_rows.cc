#include "jobs/queue_rows.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue_checkpoints.h"
#include "jobs/queue_history.h"
#include "jobs/queue_lanes.h"
#include "store/artifact_rows.h"

namespace lbw::jobs {
namespace {

using store::Row;
using store::Session;
using store::Value;

#define LBW_JOB_COLUMNS                                                                       \
  "id, kind, state, submitter, request_id, priority, spec_json, labels_json, estimate_json, " \
  "create_us, update_us, start_us, end_us, queued_us, ready, retry_us, attempts, "            \
  "failed_attempts, lost_attempts, lease_token, worker, lease_expire_us, step, total_steps, " \
  "progress_json, checkpoint, error_code, error_reason, error_message, result_json, "         \
  "artifacts_json, last_cursor, kept_events, log_bytes, request_digest, state_events, not_begun"

std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Damaged texts are empty ones: labels are only shown, and artifacts only keep a reference longer.
std::map<std::string, std::string> ParseLabels(const std::string& text) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  std::map<std::string, std::string> labels;
  if (!parsed.is_object()) return labels;
  for (const auto& [key, value] : parsed.items()) {
    if (value.is_string()) labels[key] = value.get<std::string>();
  }
  return labels;
}

std::vector<std::string> ParseTexts(const std::string& text) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> texts;
  if (!parsed.is_array()) return texts;
  for (const nlohmann::json& entry : parsed) {
    if (entry.is_string()) texts.push_back(entry.get<std::string>());
  }
  return texts;
}

Value OptionalTime(const std::optional<absl::Time>& time) {
  return time ? Value(absl::ToUnixMicros(*time)) : Value(std::monostate{});
}

std::optional<absl::Time> TimeAt(const Row& row, size_t column) {
  const std::optional<int64_t> us = row.OptionalInt(column);
  return us ? std::optional<absl::Time>(absl::FromUnixMicros(*us)) : std::nullopt;
}

JobRow ToJob(const Row& row) {
  JobRow result;
  Job& job = result.job;
  size_t at = 0;
  job.id = row.Text(at++);
  job.kind = row.Text(at++);
  // A state that a newer program wrote: nothing here may run it.
  job.state = ParseState(row.Text(at++)).value_or(JobState::kFailed);
  job.submitter = row.Text(at++);
  job.request_id = row.Text(at++);
  job.priority = static_cast<int32_t>(row.Int(at++));
  job.spec_json = row.Text(at++);
  job.labels = ParseLabels(row.Text(at++));
  job.estimate_json = row.Text(at++);
  job.create_time = absl::FromUnixMicros(row.Int(at++));
  job.update_time = absl::FromUnixMicros(row.Int(at++));
  job.start_time = TimeAt(row, at++);
  job.end_time = TimeAt(row, at++);
  job.queued_time = absl::FromUnixMicros(row.Int(at++));
  const bool ready = row.Int(at++) != 0;
  const int64_t retry_us = row.Int(at++);
  if (job.state == JobState::kQueued && !ready) job.retry_time = absl::FromUnixMicros(retry_us);
  job.attempts = row.Int(at++);
  job.failed_attempts = row.Int(at++);
  job.lost_attempts = row.Int(at++);
  job.lease_token = row.Int(at++);
  job.worker = row.Text(at++);
  job.lease_expire_time = TimeAt(row, at++);
  job.step = row.Int(at++);
  job.total_steps = row.Int(at++);
  job.progress_json = row.Text(at++);
  if (!row.Text(at).empty()) job.checkpoint.emplace().sha256 = row.Text(at);
  ++at;
  job.error.code = static_cast<absl::StatusCode>(row.Int(at++));
  job.error.reason = row.Text(at++);
  job.error.message = row.Text(at++);
  job.result_json = row.Text(at++);
  result.artifacts = ParseTexts(row.Text(at++));
  job.last_cursor = row.Int(at++);
  result.kept_events = row.Int(at++);
  result.log_bytes = row.Int(at++);
  job.request_digest = row.Text(at++);
  result.state_events = row.Int(at++);
  job.not_begun = row.Int(at++);
  return result;
}

absl::Status InsertRow(Session& session, const JobRow& row) {
  const Job& job = row.job;
  const int64_t create_us = absl::ToUnixMicros(job.create_time);
  const Value request_id = job.request_id.empty() ? Value(std::monostate{}) : Value(job.request_id);
  return session
      .Execute(
          "INSERT INTO jobs (" LBW_JOB_COLUMNS
          ", subject) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, NULL, NULL, $10, "
          "1, 0, 0, 0, 0, 0, '', NULL, 0, 0, '', '', 0, '', '', '', $11, 1, 1, 0, $12, 1, 0, '')",
          {job.id, job.kind, std::string(Name(job.state)), job.submitter, request_id,
           int64_t{job.priority}, job.spec_json, Dump(nlohmann::json(job.labels)),
           job.estimate_json, create_us, Dump(nlohmann::json(row.artifacts)), job.request_digest})
      .status();
}

absl::Status InsertUsesAndLabels(Session& session, const Job& job) {
  for (const std::string& resource : job.uses) {
    LBW_RETURN_IF_ERROR(session
                            .Execute("INSERT INTO job_uses (resource, job) VALUES ($1, $2) "
                                     "ON CONFLICT DO NOTHING",
                                     {resource, job.id})
                            .status());
  }
  for (const auto& [key, value] : job.labels) {
    LBW_RETURN_IF_ERROR(session
                            .Execute("INSERT INTO job_labels (job, key, value) VALUES ($1, $2, $3)",
                                     {job.id, key, value})
                            .status());
  }
  return absl::OkStatus();
}

absl::Status ReferArtifacts(Session& session, const JobRow& row) {
  for (const std::string& sha256 : row.artifacts) {
    const absl::StatusOr<store::ArtifactRow> artifact = store::RequireArtifact(session, sha256);
    if (absl::IsNotFound(artifact.status())) {
      return base::Error(
          absl::StatusCode::kFailedPrecondition, base::reason::kNotFound,
          base::StrCat(base::ArtifactName(sha256), ", which the job needs, is not stored"));
    }
    LBW_RETURN_IF_ERROR(artifact.status());
    LBW_RETURN_IF_ERROR(
        session
            .Execute("INSERT INTO artifact_references (artifact_sha256, owner) VALUES ($1, $2) "
                     "ON CONFLICT DO NOTHING",
                     {sha256, ReferenceOwner(row.job.id)})
            .status());
  }
  return absl::OkStatus();
}

enum class By : int8_t { kLess = -1, kMore = 1 };
absl::Status Tally(Session& session, const std::string& kind, JobState state, By by) {
  return session
      .Execute(
          "INSERT INTO job_counts (kind, state, count) VALUES ($1, $2, $3) ON CONFLICT (kind, "
          "state) DO UPDATE SET count = job_counts.count + excluded.count",
          {kind, std::string(Name(state)), static_cast<int64_t>(by)})
      .status();
}

// What goes with a state besides the state.
void SetTimesOf(Job& job, absl::Time now) {
  job.update_time = now;
  if (job.state == JobState::kQueued) job.queued_time = now;
  if (job.state != JobState::kQueued) job.retry_time.reset();
  if (HasEnded(job.state)) job.end_time = now;
  if (HasLease(job.state)) return;
  job.worker.clear();
  job.lease_expire_time.reset();
}

absl::Status UpdateRow(Session& session, const JobRow& row) {
  const Job& job = row.job;
  const bool ready = job.state == JobState::kQueued && !job.retry_time;
  return session
      .Execute(
          "UPDATE jobs SET state = $2, update_us = $3, start_us = $4, end_us = $5, queued_us = $6, "
          "ready = $7, retry_us = $8, attempts = $9, failed_attempts = $10, lost_attempts = $11, "
          "lease_token = $12, worker = $13, lease_expire_us = $14, error_code = $15, "
          "error_reason = $16, error_message = $17, result_json = $18, last_cursor = $19, "
          "kept_events = $20, state_events = $21, not_begun = $22 WHERE id = $1",
          {job.id,
           std::string(Name(job.state)),
           absl::ToUnixMicros(job.update_time),
           OptionalTime(job.start_time),
           OptionalTime(job.end_time),
           absl::ToUnixMicros(job.queued_time),
           int64_t{ready ? 1 : 0},
           job.retry_time ? absl::ToUnixMicros(*job.retry_time) : int64_t{0},
           job.attempts,
           job.failed_attempts,
           job.lost_attempts,
           job.lease_token,
           job.worker,
           OptionalTime(job.lease_expire_time),
           static_cast<int64_t>(job.error.code),
           job.error.reason,
           job.error.message,
           job.result_json,
           job.last_cursor,
           row.kept_events,
           row.state_events,
           job.not_begun})
      .status();
}

}  // namespace

std::string ReferenceOwner(std::string_view id) { return base::JobName(id); }

absl::Status LeaseLost(const LeaseKey& lease) {
  return base::Error(absl::StatusCode::kAborted, base::reason::kLeaseLost,
                     base::StrCat("the lease of ", base::JobName(lease.job),
                                  " was taken away: token=", lease.token));
}

absl::StatusOr<std::vector<JobRow>> JobRows::Select(std::string_view rest,
                                                    absl::Span<const Value> parameters) {
  LBW_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      session_.Execute(base::StrCat("SELECT " LBW_JOB_COLUMNS " FROM jobs ", rest), parameters));
  std::vector<JobRow> jobs;
  jobs.reserve(rows.size());
  for (const Row& row : rows) {
    JobRow& added = jobs.emplace_back(ToJob(row));
    LBW_ASSIGN_OR_RETURN(
        const std::vector<Row> uses,
        session_.Execute("SELECT resource FROM job_uses WHERE job = $1 ORDER BY resource",
                         {added.job.id}));
    for (const Row& use : uses) added.job.uses.push_back(use.Text(0));
    if (!added.job.checkpoint) continue;
    LBW_ASSIGN_OR_RETURN(added.job.checkpoint,
                         FindCheckpoint(session_, added.job.id, added.job.checkpoint->sha256));
  }
  return jobs;
}

absl::StatusOr<JobRow> JobRows::Load(std::string_view id) {
  const Value key = std::string(id);
  LBW_ASSIGN_OR_RETURN(std::vector<JobRow> rows,
                       Select("WHERE id = $1", absl::MakeConstSpan(&key, 1)));
  if (rows.empty()) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("there is no ", base::JobName(id)));
  }
  return std::move(rows.front());
}

absl::StatusOr<JobRow> JobRows::LoadLeased(const LeaseKey& lease) {
  absl::StatusOr<JobRow> row = Load(lease.job);
  if (absl::IsNotFound(row.status())) return LeaseLost(lease);
  LBW_RETURN_IF_ERROR(row.status());
  if (row->job.lease_token != lease.token || !HasLease(row->job.state)) return LeaseLost(lease);
  return row;
}

absl::Status JobRows::Insert(JobRow& row) {
  Job& job = row.job;
  const absl::Time now = Now();
  job.state = JobState::kQueued;
  job.create_time = now;
  SetTimesOf(job, now);
  job.last_cursor = 1;
  row.kept_events = 1;
  row.state_events = 1;
  LBW_RETURN_IF_ERROR(InsertRow(session_, row));
  LBW_RETURN_IF_ERROR(Tally(session_, job.kind, job.state, By::kMore));
  LBW_RETURN_IF_ERROR(InsertUsesAndLabels(session_, job));
  LBW_RETURN_IF_ERROR(ReferArtifacts(session_, row));
  LBW_RETURN_IF_ERROR(InsertStateEvent(session_, row, StateNote{}));
  return OpenLane(session_, Lane{job.submitter, job.kind, job.priority});
}

absl::Status JobRows::Move(JobRow& row, JobState to, std::string_view reason) {
  Job& job = row.job;
  LBW_CHECK(IsAllowed(job.state, to));
  StateNote note;
  note.worker = job.worker;
  note.reason = reason;
  LBW_RETURN_IF_ERROR(Tally(session_, job.kind, job.state, By::kLess));
  LBW_RETURN_IF_ERROR(Tally(session_, job.kind, to, By::kMore));
  job.state = to;
  SetTimesOf(job, Now());
  ++job.last_cursor;
  ++row.kept_events;
  ++row.state_events;
  LBW_RETURN_IF_ERROR(InsertStateEvent(session_, row, note));
  LBW_RETURN_IF_ERROR(PruneStateEvents(session_, row, limits_));
  LBW_RETURN_IF_ERROR(PruneEvents(session_, row, limits_.max_events_per_job));
  LBW_RETURN_IF_ERROR(UpdateRow(session_, row));
  if (to != JobState::kQueued || job.retry_time) return absl::OkStatus();
  return OpenLane(session_, Lane{job.submitter, job.kind, job.priority});
}

absl::Status JobRows::Remove(const JobRow& row) {
  const std::string& id = row.job.id;
  LBW_RETURN_IF_ERROR(Tally(session_, row.job.kind, row.job.state, By::kLess));
  LBW_RETURN_IF_ERROR(DropAllCheckpoints(session_, row));
  LBW_RETURN_IF_ERROR(
      session_.Execute("DELETE FROM artifact_references WHERE owner = $1", {ReferenceOwner(id)})
          .status());
  for (const std::string_view statement :
       {"DELETE FROM job_events WHERE job = $1", "DELETE FROM job_logs WHERE job = $1",
        "DELETE FROM job_uses WHERE job = $1", "DELETE FROM job_labels WHERE job = $1",
        "DELETE FROM jobs WHERE id = $1"}) {
    LBW_RETURN_IF_ERROR(session_.Execute(statement, {id}).status());
  }
  return absl::OkStatus();
}

}  // namespace lbw::jobs

#include "jobs/queue_checkpoints.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue_history.h"
#include "store/artifact_rows.h"

namespace lbw::jobs {
namespace {

using store::Row;
using store::Session;
using store::Value;

#define LBW_CHECKPOINT_COLUMNS "sha256, size_bytes, step, epoch, create_us, best, metric, number"

CheckpointInfo ToCheckpoint(const Row& row) {
  CheckpointInfo info;
  info.sha256 = row.Text(0);
  info.size_bytes = static_cast<uint64_t>(row.Int(1));
  info.step = row.Int(2);
  info.epoch = row.Int(3);
  info.create_time = absl::FromUnixMicros(row.Int(4));
  info.best = row.Int(5) != 0;
  if (!row.IsNull(6)) info.metric = row.Double(6);
  return info;
}

std::string EventOf(const CheckpointInfo& info) {
  nlohmann::json event = {{"artifact", base::ArtifactName(info.sha256)},
                          {"step", std::to_string(info.step)},
                          {"epoch", std::to_string(info.epoch)},
                          {"size_bytes", std::to_string(info.size_bytes)},
                          {"create_time", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ",
                                                           info.create_time, absl::UTCTimeZone())},
                          {"best", info.best}};
  if (info.metric) event["metric"] = *info.metric;
  return nlohmann::json({{"checkpoint", event}})
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Forgets the reference, unless the job was given the artifact too, and marks the artifact for the
// store's sweep where nobody needs it and nobody uploaded it.
absl::Status Release(Session& session, const JobRow& row, const std::string& sha256) {
  const bool given =
      std::find(row.artifacts.begin(), row.artifacts.end(), sha256) != row.artifacts.end();
  if (given) return absl::OkStatus();
  LBW_RETURN_IF_ERROR(
      session
          .Execute("DELETE FROM artifact_references WHERE artifact_sha256 = $1 AND owner = $2",
                   {sha256, ReferenceOwner(row.job.id)})
          .status());
  LBW_ASSIGN_OR_RETURN(const std::optional<store::ArtifactRow> artifact,
                       store::FindArtifact(session, sha256));
  if (!artifact || artifact->origin == store::ArtifactOrigin::kUpload) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const std::optional<std::string> owner,
                       store::AnyReference(session, sha256));
  return owner ? absl::OkStatus() : store::MarkDeleting(session, sha256);
}

absl::Status Drop(Session& session, const JobRow& row, const std::string& sha256) {
  LBW_RETURN_IF_ERROR(session
                          .Execute("DELETE FROM job_checkpoints WHERE job = $1 AND sha256 = $2",
                                   {row.job.id, sha256})
                          .status());
  return Release(session, row, sha256);
}

absl::Status PutArtifactOf(Session& session, const JobRow& row, const CheckpointInfo& info) {
  store::ArtifactRow artifact;
  artifact.artifact.sha256 = info.sha256;
  artifact.artifact.size_bytes = info.size_bytes;
  artifact.artifact.format = store::ArtifactFormat::kSafetensors;
  artifact.artifact.display_name =
      base::StrCat("checkpoint-", row.job.id, "-", info.step, ".safetensors");
  artifact.origin = store::ArtifactOrigin::kResult;
  LBW_RETURN_IF_ERROR(store::PutArtifact(session, artifact).status());
  return session
      .Execute(
          "INSERT INTO artifact_references (artifact_sha256, owner) VALUES ($1, $2) ON "
          "CONFLICT DO NOTHING",
          {info.sha256, ReferenceOwner(row.job.id)})
      .status();
}

bool IsBest(const CheckpointInfo& told, const std::vector<CheckpointInfo>& older) {
  if (told.best) return true;
  if (!told.metric) return false;
  for (const CheckpointInfo& other : older) {
    if (other.best && other.sha256 != told.sha256) {
      return !other.metric || *told.metric > *other.metric;
    }
  }
  return true;
}

absl::Status PutRow(Session& session, const std::string& job, const CheckpointInfo& info) {
  if (info.best) {
    LBW_RETURN_IF_ERROR(
        session.Execute("UPDATE job_checkpoints SET best = 0 WHERE job = $1", {job}).status());
  }
  return session
      .Execute("INSERT INTO job_checkpoints (job, " LBW_CHECKPOINT_COLUMNS
               ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT COALESCE(MAX(number), 0) + 1 "
               "FROM job_checkpoints WHERE job = $1)) ON CONFLICT (job, sha256) DO UPDATE SET "
               "number = excluded.number, best = excluded.best, metric = excluded.metric",
               {job, info.sha256, static_cast<int64_t>(info.size_bytes), info.step, info.epoch,
                absl::ToUnixMicros(info.create_time), int64_t{info.best ? 1 : 0},
                info.metric ? Value(*info.metric) : Value(std::monostate{})})
      .status();
}

}  // namespace

absl::StatusOr<std::optional<CheckpointInfo>> FindCheckpoint(Session& session, std::string_view job,
                                                             std::string_view sha256) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                       session.Execute("SELECT " LBW_CHECKPOINT_COLUMNS
                                       " FROM job_checkpoints WHERE job = $1 AND sha256 = $2",
                                       {std::string(job), std::string(sha256)}));
  if (rows.empty()) return std::optional<CheckpointInfo>();
  return std::optional<CheckpointInfo>(ToCheckpoint(rows.front()));
}

absl::StatusOr<std::vector<CheckpointInfo>> ReadCheckpoints(Session& session,
                                                            std::string_view job) {
  LBW_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                       session.Execute("SELECT " LBW_CHECKPOINT_COLUMNS
                                       " FROM job_checkpoints WHERE job = $1 ORDER BY number DESC",
                                       {std::string(job)}));
  std::vector<CheckpointInfo> checkpoints;
  for (const Row& row : rows) checkpoints.push_back(ToCheckpoint(row));
  return checkpoints;
}

absl::Status RecordCheckpoint(JobRows& rows, JobRow& row, const CheckpointInfo& told) {
  Session& session = rows.session();
  Job& job = row.job;
  LBW_ASSIGN_OR_RETURN(const std::vector<CheckpointInfo> older, ReadCheckpoints(session, job.id));
  CheckpointInfo info = told;
  info.create_time = rows.Now();
  info.best = IsBest(told, older);
  LBW_RETURN_IF_ERROR(PutArtifactOf(session, row, info));
  LBW_RETURN_IF_ERROR(PutRow(session, job.id, info));
  if (older.empty() || info.step > older.front().step) {
    job.failed_attempts = 0;
    job.lost_attempts = 0;
  }
  LBW_RETURN_IF_ERROR(AppendEvents(rows, row, {EventOf(info)}));
  LBW_RETURN_IF_ERROR(
      session
          .Execute("UPDATE jobs SET checkpoint = $2, update_us = $3, failed_attempts = $4, "
                   "lost_attempts = $5, last_cursor = $6, kept_events = $7 WHERE id = $1",
                   {job.id, info.sha256, session.NowUs(), job.failed_attempts, job.lost_attempts,
                    job.last_cursor, row.kept_events})
          .status());
  LBW_ASSIGN_OR_RETURN(const std::vector<CheckpointInfo> all, ReadCheckpoints(session, job.id));
  constexpr size_t kNewest = 2;
  for (size_t i = kNewest; i < all.size(); ++i) {
    if (!all[i].best) LBW_RETURN_IF_ERROR(Drop(session, row, all[i].sha256));
  }
  return absl::OkStatus();
}

absl::Status DropAllCheckpoints(Session& session, const JobRow& row) {
  LBW_ASSIGN_OR_RETURN(const std::vector<CheckpointInfo> all, ReadCheckpoints(session, row.job.id));
  for (const CheckpointInfo& info : all) {
    LBW_RETURN_IF_ERROR(Drop(session, row, info.sha256));
  }
  return absl::OkStatus();
}

}  // namespace lbw::jobs

#include "rpc/convert_job.h"

#include <algorithm>

#include "base/ids.h"
#include "base/status.h"
#include "rpc/convert.h"
#include "rpc/json.h"
#include "rpc/status_mapping.h"
#include "tasks/tasks.h"

namespace lbw::rpc {
namespace {

void ErrorToProto(const jobs::JobError& error, google::rpc::Status* out) {
  const absl::Status status = base::Error(error.code, base::Reason{error.reason}, error.message);
  *out = ToRpcStatus(status);
}

// The error of an attempt that was followed by a better one is history: events keep it.
bool ShowsError(const jobs::Job& job) {
  const bool shown = job.state == jobs::JobState::kFailed || job.state == jobs::JobState::kQueued;
  return shown && job.error.code != absl::StatusCode::kOk;
}

void SpecToProto(const jobs::Job& job, v1::JobSpec* out) {
  if (job.kind == tasks::kEvaluate) MergeJson(job.spec_json, out->mutable_evaluate());
  if (job.kind == tasks::kCheckDataset) MergeJson(job.spec_json, out->mutable_check_dataset());
}

void ResultToProto(const jobs::Job& job, bool details, v1::JobResult* out) {
  if (job.kind == tasks::kEvaluate) {
    MergeJson(job.result_json, out->mutable_evaluation());
    if (!details) DropDetails(out->mutable_evaluation());
  }
  if (job.kind == tasks::kCheckDataset) MergeJson(job.result_json, out->mutable_dataset());
}

void TimesToProto(const jobs::Job& job, v1::Job* out) {
  SetTimestamp(job.create_time, out->mutable_create_time());
  SetTimestamp(job.update_time, out->mutable_update_time());
  if (job.start_time.has_value()) SetTimestamp(*job.start_time, out->mutable_start_time());
  if (job.end_time.has_value()) SetTimestamp(*job.end_time, out->mutable_end_time());
  if (job.retry_time.has_value()) SetTimestamp(*job.retry_time, out->mutable_retry_time());
  if (job.lease_expire_time.has_value()) {
    SetTimestamp(*job.lease_expire_time, out->mutable_lease_expire_time());
  }
}

void ProgressToProto(const jobs::Job& job, v1::Job* out) {
  v1::JobProgress progress;
  MergeJson(job.progress_json, &progress);
  *out->mutable_values() = progress.values();
  // What is left is known of a job that runs; afterwards it would only be wrong.
  if (progress.has_eta() && jobs::HasLease(job.state)) *out->mutable_eta() = progress.eta();
  out->set_step(static_cast<uint64_t>(job.step));
  out->set_total_steps(static_cast<uint64_t>(job.total_steps));
}

// The length of the character that begins here, or 0 and in `broken` the bytes of a part of one
// (The Unicode Standard 15.0, table 3-7, and section 3.9 on maximal subparts).
size_t CharacterAt(std::string_view text, size_t& broken) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  broken = 1;
  if (first < 0x80) return 1;
  const size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                        : (first & 0xf0) == 0xe0         ? 3
                        : first >= 0xf0 && first <= 0xf4 ? 4
                                                         : 0;
  if (length == 0) return 0;
  for (size_t i = 1; i < length; ++i) {
    unsigned low = 0x80;
    unsigned high = 0xbf;
    if (i == 1 && first == 0xe0) low = 0xa0;   // overlong
    if (i == 1 && first == 0xed) high = 0x9f;  // surrogates
    if (i == 1 && first == 0xf0) low = 0x90;   // overlong
    if (i == 1 && first == 0xf4) high = 0x8f;  // past U+10FFFF
    if (i >= text.size() || byte(i) < low || byte(i) > high) return 0;
    broken = i + 1;
  }
  return length;
}

}  // namespace

v1::JobState ToProto(jobs::JobState state) {
  switch (state) {
    case jobs::JobState::kQueued:
      return v1::JOB_STATE_QUEUED;
    case jobs::JobState::kRunning:
      return v1::JOB_STATE_RUNNING;
    case jobs::JobState::kPausing:
      return v1::JOB_STATE_PAUSING;
    case jobs::JobState::kPaused:
      return v1::JOB_STATE_PAUSED;
    case jobs::JobState::kCancelling:
      return v1::JOB_STATE_CANCELLING;
    case jobs::JobState::kSucceeded:
      return v1::JOB_STATE_SUCCEEDED;
    case jobs::JobState::kFailed:
      return v1::JOB_STATE_FAILED;
    case jobs::JobState::kCancelled:
      return v1::JOB_STATE_CANCELLED;
  }
  return v1::JOB_STATE_UNSPECIFIED;
}

void ToProto(const jobs::Job& job, const JobView& view, v1::Job* out) {
  out->set_name(base::JobName(job.id));
  out->set_kind(job.kind);
  out->set_state(ToProto(job.state));
  SpecToProto(job, out->mutable_spec());
  out->set_submitter(job.submitter);
  out->set_priority(job.priority);
  TimesToProto(job, out);
  out->set_attempts(static_cast<uint32_t>(job.attempts));
  out->set_failed_attempts(static_cast<uint32_t>(job.failed_attempts));
  out->set_max_attempts(static_cast<uint32_t>(view.max_attempts));
  out->set_worker(job.worker);
  ProgressToProto(job, out);
  if (job.checkpoint.has_value()) {
    out->set_checkpoint(base::ArtifactName(job.checkpoint->sha256));
    out->set_checkpoint_step(static_cast<uint64_t>(job.checkpoint->step));
    SetTimestamp(job.checkpoint->create_time, out->mutable_checkpoint_time());
  }
  if (ShowsError(job)) ErrorToProto(job.error, out->mutable_error());
  if (!job.result_json.empty()) ResultToProto(job, view.details, out->mutable_result());
  if (!job.estimate_json.empty()) MergeJson(job.estimate_json, out->mutable_estimate());
  out->set_last_cursor(static_cast<uint64_t>(job.last_cursor));
  for (const auto& label : job.labels) (*out->mutable_labels())[label.first] = label.second;
}

void ToProto(const jobs::Event& event, v1::JobEvent* out) {
  MergeJson(event.json, out);
  out->set_cursor(static_cast<uint64_t>(event.cursor));
  SetTimestamp(event.time, out->mutable_time());
}

void ToProto(const jobs::CheckpointInfo& checkpoint, v1::JobCheckpoint* out) {
  out->set_artifact(base::ArtifactName(checkpoint.sha256));
  out->set_step(static_cast<uint64_t>(checkpoint.step));
  out->set_epoch(static_cast<uint64_t>(checkpoint.epoch));
  out->set_size_bytes(checkpoint.size_bytes);
  SetTimestamp(checkpoint.create_time, out->mutable_create_time());
  out->set_best(checkpoint.best);
  if (checkpoint.metric.has_value()) out->set_metric(*checkpoint.metric);
}

void ToProto(const jobs::Queue::Log& log, v1::GetJobLogResponse* out) {
  out->set_text(ToValidUtf8(log.text));
  out->set_written_bytes(log.written_bytes);
  out->set_dropped_bytes(log.dropped_bytes);
}

void ToProto(const jobs::WorkerInfo& worker, bool alive, v1::Worker* out) {
  out->set_id(worker.id);
  out->set_host(worker.host);
  out->set_pid(worker.pid);
  out->set_device(worker.device);
  SetTimestamp(worker.start_time, out->mutable_start_time());
  SetTimestamp(worker.last_seen_time, out->mutable_last_seen_time());
  if (!worker.job.empty()) out->set_job(base::JobName(worker.job));
  out->set_alive(alive);
}

void DropDetails(v1::Evaluation* evaluation) {
  if (evaluation->has_voc()) {
    for (v1::VocClassScores& scores : *evaluation->mutable_voc()->mutable_classes()) {
      scores.clear_curve();
    }
  }
  if (evaluation->has_classification()) evaluation->mutable_classification()->clear_confusion();
  if (evaluation->has_agreement()) {
    for (v1::VocClassScores& scores : *evaluation->mutable_agreement()->mutable_classes()) {
      scores.clear_curve();
    }
  }
}

std::string ToValidUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    size_t broken = 0;
    const size_t length = CharacterAt(bytes, broken);
    if (length == 0) {
      text += "\xef\xbf\xbd";
    } else {
      text.append(bytes.substr(0, length));
    }
    bytes.remove_prefix(length == 0 ? broken : length);
  }
  return text;
}

}  // namespace lbw::rpc

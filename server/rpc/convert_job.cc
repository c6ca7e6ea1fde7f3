#include "rpc/convert_job.h"

#include "base/ids.h"
#include "base/status.h"
#include "rpc/answer_room.h"
#include "rpc/convert.h"
#include "rpc/convert_registry.h"
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
  if (job.kind == tasks::kQuantize) MergeJson(job.spec_json, out->mutable_quantize());
  if (job.kind == tasks::kCompare) MergeJson(job.spec_json, out->mutable_compare());
  if (job.kind == tasks::kTrain) MergeJson(job.spec_json, out->mutable_train());
  if (job.kind == tasks::kFineTune) MergeJson(job.spec_json, out->mutable_fine_tune());
}

void ResultToProto(const jobs::Job& job, bool details, v1::JobResult* out) {
  MergeJson(job.result_json, out);
  if (out->has_evaluation()) DropUndefined(out->mutable_evaluation());
  if (out->has_evaluation() && !details) DropDetails(out->mutable_evaluation());
  if (out->has_quantization() && !details) DropDetails(out->mutable_quantization());
  if (out->has_comparison() && !details) DropDetails(out->mutable_comparison());
  if (out->has_training()) {
    v1::TrainingResult* training = out->mutable_training();
    if (training->has_evaluation()) DropUndefined(training->mutable_evaluation());
    if (!details) DropDetails(training);
  }
  if (out->has_dataset()) {
    ShrinkToFit(details ? kMostDatasetBytes : kMostListedDatasetBytes, out->mutable_dataset());
  }
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

void DropLayers(v1::CalibrationReport* calibration) {
  calibration->clear_layers();
  calibration->clear_activations();
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
  out->set_text(log.text);
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

void DropDetails(v1::QuantizationResult* quantization) {
  if (quantization->has_report()) quantization->mutable_report()->clear_tensors();
  if (quantization->has_calibration()) DropLayers(quantization->mutable_calibration());
}

void DropDetails(v1::Comparison* comparison) {
  comparison->clear_values();
  comparison->clear_compared();
}

void DropDetails(v1::TrainingResult* training) {
  if (training->has_training()) {
    training->mutable_training()->clear_layers();
    training->mutable_training()->clear_history();
  }
  if (training->has_evaluation()) DropDetails(training->mutable_evaluation());
  if (training->has_report()) training->mutable_report()->clear_tensors();
  if (training->has_calibration()) DropLayers(training->mutable_calibration());
}

}  // namespace lbw::rpc

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/job_words.h"
#include "unit/client/fake_server.h"

namespace lbw::client {
namespace {

grpc::Status NotFound(const std::string& name) {
  return MakeStatus({grpc::StatusCode::NOT_FOUND, "no " + name, "NOT_FOUND"});
}

}  // namespace

grpc::Status FakeModels::CreateModel(grpc::ServerContext*, const v1::CreateModelRequest* request,
                                     v1::Model* response) {
  last_create = *request;
  if (!create_errors.empty()) {
    const FakeError error = create_errors.front();
    create_errors.pop_front();
    return MakeStatus(error);
  }
  *response = model;
  return grpc::Status::OK;
}

grpc::Status FakeModels::RollbackAlias(grpc::ServerContext*,
                                       const v1::RollbackAliasRequest* request,
                                       v1::Alias* response) {
  last_rollback = *request;
  response->set_name(request->name());
  response->set_version(model.name() + "/versions/1");
  return grpc::Status::OK;
}

grpc::Status FakeModels::ListAliasMoves(grpc::ServerContext*, const v1::ListAliasMovesRequest*,
                                        v1::ListAliasMovesResponse* response) {
  *response = moves;
  return grpc::Status::OK;
}

grpc::Status FakeModels::ListEvaluations(grpc::ServerContext*,
                                         const v1::ListEvaluationsRequest* request,
                                         v1::ListEvaluationsResponse* response) {
  // One a page, so that paging is walked.
  size_t index = request->page_token().empty() ? 0 : std::stoul(request->page_token());
  for (; index < evaluations.size(); ++index) {
    const v1::Evaluation& one = evaluations[index];
    const bool fits = (request->version().empty() || one.version() == request->version() ||
                       one.version().rfind(request->version() + "/", 0) == 0) &&
                      (request->dataset().empty() || one.dataset() == request->dataset());
    if (!fits) continue;
    *response->add_evaluations() = one;
    if (index + 1 < evaluations.size()) {
      response->set_next_page_token(std::to_string(index + 1));
    }
    break;
  }
  return grpc::Status::OK;
}

grpc::Status FakeModels::GetEvaluation(grpc::ServerContext*,
                                       const v1::GetEvaluationRequest* request,
                                       v1::Evaluation* response) {
  for (const v1::Evaluation& one : evaluations) {
    if (one.name() == request->name()) {
      *response = one;
      return grpc::Status::OK;
    }
  }
  return NotFound(request->name());
}

grpc::Status FakeModels::GetVersion(grpc::ServerContext*, const v1::GetVersionRequest* request,
                                    v1::ModelVersion* response) {
  if (request->name() != version.name()) return NotFound(request->name());
  *response = version;
  return grpc::Status::OK;
}

grpc::Status FakeModels::QuantizeVersion(grpc::ServerContext*,
                                         const v1::QuantizeVersionRequest* request,
                                         v1::ModelVersion* response) {
  last_quantize = *request;
  *response = version;
  return grpc::Status::OK;
}

grpc::Status FakeModels::GetLineage(grpc::ServerContext*, const v1::GetLineageRequest* request,
                                    v1::Lineage* response) {
  last_lineage = request->name();
  *response = lineage;
  return grpc::Status::OK;
}

void FakeJobs::Put(const Script& script) {
  const absl::MutexLock lock(&mu_);
  scripts_.insert(scripts_.begin(), script);
  Script& stored = scripts_.front();
  for (size_t i = 0; i < stored.events.size(); ++i) stored.events[i].set_cursor(i + 1);
  stored.job.set_last_cursor(stored.events.size());
}

std::vector<v1::CreateJobRequest> FakeJobs::Created() {
  const absl::MutexLock lock(&mu_);
  return created_;
}

std::vector<uint64_t> FakeJobs::WatchStarts() {
  const absl::MutexLock lock(&mu_);
  return watch_starts_;
}

FakeJobs::Script* FakeJobs::Find(const std::string& name) {
  for (Script& script : scripts_) {
    if (script.job.name() == name) return &script;
  }
  return nullptr;
}

bool FakeJobs::AnswerOtherKind(const v1::CreateJobRequest& request, v1::Job& job) {
  if (request.spec().has_quantize()) {
    job.set_kind("quantize");
    *job.mutable_result()->mutable_quantization() = quantization;
  } else if (request.spec().has_compare()) {
    job.set_kind("compare");
    *job.mutable_result()->mutable_comparison() = comparison;
  } else if (request.spec().has_train() || request.spec().has_fine_tune()) {
    job.set_kind(request.spec().has_train() ? "train" : "fine_tune");
    *job.mutable_result()->mutable_training() = training;
  } else {
    return false;
  }
  if (request.validate_only()) job.clear_result();
  return true;
}

grpc::Status FakeJobs::CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request,
                                 v1::Job* response) {
  const absl::MutexLock lock(&mu_);
  created_.push_back(*request);
  const std::string number = std::to_string(created_.size());
  v1::Job& job = *response;
  job.set_name("jobs/01hzzzzzzzzzzzzzzzzzzzzz" + std::string(2 - number.size(), '0') + number);
  job.set_kind("evaluate");
  *job.mutable_spec() = request->spec();
  job.mutable_estimate()->mutable_duration()->set_seconds(90);
  job.mutable_estimate()->set_basis("a test");
  const bool is_other = AnswerOtherKind(*request, job);
  if (request->validate_only()) {
    if (is_other) return grpc::Status::OK;
    v1::EvaluateSpec& spec = *job.mutable_spec()->mutable_evaluate();
    if (spec.split().empty()) spec.set_split("val");
    if (!spec.options().has_score_threshold()) spec.mutable_options()->set_score_threshold(0.02F);
    return grpc::Status::OK;
  }
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  if (!next_ends.empty()) {
    job.set_state(next_ends.front().state());
    *job.mutable_error() = next_ends.front().error();
    next_ends.pop_front();
  }
  if (is_other) {
    scripts_.insert(scripts_.begin(), {job, {}});
    return grpc::Status::OK;
  }
  v1::Evaluation evaluation;
  evaluation.set_name("evaluations/" + job.name().substr(5));
  evaluation.set_version(request->spec().evaluate().version());
  evaluation.set_dataset(request->spec().evaluate().dataset());
  evaluation.set_split(request->spec().evaluate().split());
  *evaluation.mutable_options() = request->spec().evaluate().options();
  evaluation.set_pack_artifact(pack_artifact);
  evaluation.set_metric("map_50");
  evaluation.set_value(0.8957);
  evaluation.mutable_voc()->set_map_50(0.8957);
  v1::VocClassScores& mask = *evaluation.mutable_voc()->add_classes();
  mask.set_label("mask");
  mask.set_ap(0.91);
  v1::CurvePoint& point = *mask.add_curve();
  point.set_recall(0.5);
  point.set_precision(0.9);
  point.set_score(0.4);
  models_.evaluations.insert(models_.evaluations.begin(), evaluation);
  job.mutable_result()->mutable_evaluation()->set_name(evaluation.name());
  scripts_.insert(scripts_.begin(), {job, {}});
  return grpc::Status::OK;
}

grpc::Status FakeJobs::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                              v1::Job* response) {
  const absl::MutexLock lock(&mu_);
  const Script* const script = Find(request->name());
  if (script == nullptr) return NotFound(request->name());
  *response = script->job;
  return grpc::Status::OK;
}

grpc::Status FakeJobs::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                                v1::ListJobsResponse* response) {
  const absl::MutexLock lock(&mu_);
  last_filter = request->filter();
  const size_t index = request->page_token().empty() ? 0 : std::stoul(request->page_token());
  if (index >= scripts_.size()) return grpc::Status::OK;
  *response->add_jobs() = scripts_[index].job;
  if (index + 1 < scripts_.size()) response->set_next_page_token(std::to_string(index + 1));
  return grpc::Status::OK;
}

grpc::Status FakeJobs::PauseJob(grpc::ServerContext*, const v1::PauseJobRequest* request,
                                v1::Job* response) {
  last_call = "pause " + request->name();
  response->set_name(request->name());
  response->set_state(v1::JOB_STATE_PAUSING);
  return grpc::Status::OK;
}

grpc::Status FakeJobs::CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request,
                                 v1::Job*) {
  return MakeStatus({grpc::StatusCode::FAILED_PRECONDITION,
                     request->name() + " is SUCCEEDED; only a job that has not ended can be "
                                       "cancelled",
                     "WRONG_STATE"});
}

grpc::Status FakeJobs::WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                                grpc::ServerWriter<v1::WatchJobResponse>* writer) {
  Script script;
  int break_after = -1;
  {
    const absl::MutexLock lock(&mu_);
    const Script* const found = Find(request->name());
    if (found == nullptr) return NotFound(request->name());
    script = *found;
    watch_starts_.push_back(request->after_cursor());
    if (!break_watch_after.empty()) {
      break_after = break_watch_after.front();
      break_watch_after.pop_front();
    }
  }
  v1::WatchJobResponse response;
  *response.mutable_job() = script.job;
  // As it stood before its end.
  if (!script.events.empty()) response.mutable_job()->set_state(v1::JOB_STATE_RUNNING);
  response.mutable_job()->set_last_cursor(0);
  writer->Write(response);
  response.Clear();
  for (const v1::JobEvent& event : script.events) {
    if (event.cursor() <= request->after_cursor()) continue;
    if (break_after-- == 0) return {grpc::StatusCode::UNAVAILABLE, "broken by the test"};
    *response.add_events() = event;
    writer->Write(response);
    response.Clear();
  }
  while (never_ends && !context->IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
  *response.mutable_job() = script.job;
  writer->Write(response);
  return grpc::Status::OK;
}

grpc::Status FakeJobs::ListCheckpoints(grpc::ServerContext*,
                                       const v1::ListCheckpointsRequest* request,
                                       v1::ListCheckpointsResponse* response) {
  last_call = "checkpoints " + request->job();
  v1::JobCheckpoint& one = *response->add_checkpoints();
  one.set_artifact("artifacts/" + std::string(64, 'e'));
  one.set_step(1000);
  one.set_best(true);
  return grpc::Status::OK;
}

grpc::Status FakeJobs::GetJobLog(grpc::ServerContext*, const v1::GetJobLogRequest*,
                                 v1::GetJobLogResponse* response) {
  response->set_text("one\n\x1b[2Jtwo\n");
  response->set_written_bytes(4096);
  response->set_dropped_bytes(1024);
  return grpc::Status::OK;
}

grpc::Status FakeDatasets::CreateDataset(grpc::ServerContext*,
                                         const v1::CreateDatasetRequest* request,
                                         v1::Dataset* response) {
  last_create = *request;
  FakeJobs::Script check;
  check.job.set_name("jobs/01hyyyyyyyyyyyyyyyyyyyyyy1");
  check.job.set_kind("check_dataset");
  check.job.set_state(v1::JOB_STATE_SUCCEEDED);
  if (request->dataset_id() == "broken") {
    check.job.set_state(v1::JOB_STATE_FAILED);
    check.job.mutable_error()->set_code(3);
    check.job.mutable_error()->set_message("nothing usable in it");
  }
  check.events.emplace_back().mutable_progress()->set_stage("check");
  jobs_.Put(check);
  v1::Dataset& dataset = datasets["datasets/" + request->dataset_id()];
  dataset.set_name("datasets/" + request->dataset_id());
  dataset.set_state(v1::DATASET_STATE_CHECKING);
  dataset.set_job(check.job.name());
  dataset.set_source_artifact(request->artifact());
  dataset.set_format(request->format());
  *response = dataset;
  dataset.set_state(v1::DATASET_STATE_READY);
  dataset.set_task(v1::DATASET_TASK_DETECTION);
  dataset.set_pictures(1839);
  v1::DefectCount& defect = *dataset.add_defects();
  defect.set_kind("box_outside");
  defect.set_count(12);
  defect.set_repaired(11);
  defect.set_left_out(1);
  defect.set_example("Annotations/7.xml");
  return grpc::Status::OK;
}

grpc::Status FakeDatasets::GetDataset(grpc::ServerContext*, const v1::GetDatasetRequest* request,
                                      v1::Dataset* response) {
  const auto found = datasets.find(request->name());
  if (found == datasets.end()) return NotFound(request->name());
  *response = found->second;
  return grpc::Status::OK;
}

grpc::Status FakeDatasets::ListDatasets(grpc::ServerContext*, const v1::ListDatasetsRequest*,
                                        v1::ListDatasetsResponse* response) {
  for (const auto& entry : datasets) *response->add_datasets() = entry.second;
  return grpc::Status::OK;
}

grpc::Status FakeDatasets::DeleteDataset(grpc::ServerContext*,
                                         const v1::DeleteDatasetRequest* request,
                                         google::protobuf::Empty*) {
  return datasets.erase(request->name()) == 1 ? grpc::Status::OK : NotFound(request->name());
}

grpc::Status FakeDatasets::ListDefects(grpc::ServerContext*, const v1::ListDefectsRequest* request,
                                       v1::ListDefectsResponse* response) {
  response->set_not_kept(defects.not_kept());
  for (const v1::DatasetDefect& one : defects.defects()) {
    if (request->kind().empty() || one.kind() == request->kind()) *response->add_defects() = one;
  }
  return grpc::Status::OK;
}

grpc::Status FakeDatasets::RenderDataset(grpc::ServerContext*,
                                         const v1::RenderDatasetRequest* request,
                                         v1::RenderDatasetResponse* response) {
  last_render = *request;
  response->set_png("a picture");
  response->set_pictures(request->columns() * request->rows());
  return grpc::Status::OK;
}

}  // namespace lbw::client

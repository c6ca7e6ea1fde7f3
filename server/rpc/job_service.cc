#include "rpc/job_service.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "base/status.h"
#include "jobs/queue.h"
#include "jobs/runner.h"
#include "rpc/answer_room.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/convert_job.h"
#include "rpc/job_plan.h"
#include "rpc/job_spec.h"
#include "rpc/json.h"
#include "rpc/request_digest.h"
#include "store/paging.h"

namespace lbw::rpc {
namespace {

JobView View(const ServiceContext& context, bool details) {
  JobView view;
  view.max_attempts = context.limits.max_attempts;
  view.details = details;
  return view;
}

// A job is created without an estimate rather than not at all.
absl::Status AddEstimate(const v1::CreateJobRequest& request, JobPlan& plan) {
  const absl::StatusOr<tasks::Estimate> estimate = plan.estimate();
  if (estimate.ok()) {
    plan.draft.estimate_json = ToJson(ToProto(*estimate));
    return absl::OkStatus();
  }
  if (request.validate_only()) return estimate.status();
  base::LogWarning("estimate_failed", {{"error", estimate.status()}});
  return absl::OkStatus();
}

// The job that this request made before.
absl::StatusOr<std::optional<jobs::Job>> FindEarlier(const ServiceContext& context,
                                                     const v1::CreateJobRequest& request,
                                                     const std::string& digest) {
  if (request.request_id().empty() || request.validate_only()) return std::optional<jobs::Job>();
  return context.queue->FindByRequest({request.submitter(), request.request_id(), digest});
}

absl::StatusOr<jobs::Job> MakeJob(const ServiceContext& context,
                                  const v1::CreateJobRequest& request,
                                  const base::CancelToken& token) {
  LBW_RETURN_IF_ERROR(CheckCreateRequest(request));
  const std::string digest = DigestOf(request);
  // Before anything that the request names is looked up: it may have moved, or be gone.
  LBW_ASSIGN_OR_RETURN(std::optional<jobs::Job> earlier, FindEarlier(context, request, digest));
  if (earlier.has_value()) return *std::move(earlier);
  LBW_ASSIGN_OR_RETURN(JobPlan plan, PlanJob(context, request));
  plan.draft.request_digest = digest;
  LBW_RETURN_IF_ERROR(AddEstimate(request, plan));
  if (request.validate_only()) return PreviewOf(plan.draft);
  LBW_RETURN_IF_ERROR(token.Check());
  return context.queue->Create(plan.draft, [&plan](store::Session& session, std::string_view) {
    return CheckStillThere(session, plan);
  });
}

absl::Status CreateNow(const ServiceContext& context, const v1::CreateJobRequest& request,
                       const base::CancelToken& token, v1::Job* response) {
  LBW_ASSIGN_OR_RETURN(const jobs::Job job, MakeJob(context, request, token));
  ToProto(job, View(context, true), response);
  if (request.validate_only()) {
    response->clear_name();
    response->clear_create_time();
    response->clear_update_time();
  }
  return absl::OkStatus();
}

absl::Status AskNow(const ServiceContext& context, const std::string& name, jobs::Wish wish,
                    v1::Job* response) {
  LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseJobName(name, "name"));
  // One that no worker holds ends here: nobody else tells the dataset that waits for it.
  const auto on_failure = [&context](store::Session& session, const jobs::Job& job) {
    return context.kinds->ApplyFailure(session, job);
  };
  LBW_ASSIGN_OR_RETURN(const jobs::Job job, context.queue->Ask(id, wish, on_failure));
  ToProto(job, View(context, true), response);
  return absl::OkStatus();
}

absl::Status ListJobsNow(const ServiceContext& context, const v1::ListJobsRequest& request,
                         v1::ListJobsResponse* response) {
  LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  LBW_ASSIGN_OR_RETURN(const jobs::JobFilter filter, jobs::ParseFilter(request.filter()));
  LBW_ASSIGN_OR_RETURN(const jobs::Queue::Page page,
                       context.queue->List(filter, page_size, request.page_token()));
  response->set_next_page_token(page.next_token);
  const jobs::Job* const last = FillPage(
      context.limits.max_message_bytes, page.jobs,
      [&](const jobs::Job& job, v1::Job* one) { ToProto(job, View(context, false), one); },
      response->mutable_jobs());
  if (last != nullptr) {
    response->set_next_page_token(store::PageTokenBehind(last->create_time, last->id));
  }
  return absl::OkStatus();
}

absl::Status ListCheckpointsNow(jobs::Queue& queue, const v1::ListCheckpointsRequest& request,
                                v1::ListCheckpointsResponse* response) {
  LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseJobName(request.job(), "job"));
  LBW_ASSIGN_OR_RETURN(const std::vector<jobs::CheckpointInfo> checkpoints, queue.Checkpoints(id));
  for (const jobs::CheckpointInfo& checkpoint : checkpoints) {
    ToProto(checkpoint, response->add_checkpoints());
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* JobService::CreateJob(grpc::CallbackServerContext* context,
                                                const v1::CreateJobRequest* request,
                                                v1::Job* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken& token) {
                    return CreateNow(context_, *request, token, response);
                  });
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context,
                                             const v1::GetJobRequest* request, v1::Job* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const std::string id,
                                         base::ParseJobName(request->name(), "name"));
                    LBW_ASSIGN_OR_RETURN(const jobs::Job job, context_.queue->Get(id));
                    ToProto(job, View(context_, true), response);
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* context,
                                               const v1::ListJobsRequest* request,
                                               v1::ListJobsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return ListJobsNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* context,
                                                const v1::CancelJobRequest* request,
                                                v1::Job* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return AskNow(context_, request->name(), jobs::Wish::kCancel, response);
                  });
}

grpc::ServerUnaryReactor* JobService::PauseJob(grpc::CallbackServerContext* context,
                                               const v1::PauseJobRequest* request,
                                               v1::Job* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return AskNow(context_, request->name(), jobs::Wish::kPause, response);
                  });
}

grpc::ServerUnaryReactor* JobService::ResumeJob(grpc::CallbackServerContext* context,
                                                const v1::ResumeJobRequest* request,
                                                v1::Job* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return AskNow(context_, request->name(), jobs::Wish::kResume, response);
                  });
}

grpc::ServerUnaryReactor* JobService::DeleteJob(grpc::CallbackServerContext* context,
                                                const v1::DeleteJobRequest* request,
                                                google::protobuf::Empty*) {
  return RunUnary(
      context, *context_.short_work, [this, request](const base::CancelToken&) -> absl::Status {
        LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseJobName(request->name(), "name"));
        return context_.queue->Delete(id);
      });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* JobService::WatchJob(
    grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) {
  return watchers_.Watch(*context, *request);
}

grpc::ServerUnaryReactor* JobService::ListCheckpoints(grpc::CallbackServerContext* context,
                                                      const v1::ListCheckpointsRequest* request,
                                                      v1::ListCheckpointsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return ListCheckpointsNow(*context_.queue, *request, response);
                  });
}

grpc::ServerUnaryReactor* JobService::GetJobLog(grpc::CallbackServerContext* context,
                                                const v1::GetJobLogRequest* request,
                                                v1::GetJobLogResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const std::string id,
                                         base::ParseJobName(request->job(), "job"));
                    LBW_ASSIGN_OR_RETURN(const jobs::Queue::Log log, context_.queue->ReadLog(id));
                    ToProto(log, response);
                    return absl::OkStatus();
                  });
}

}  // namespace lbw::rpc

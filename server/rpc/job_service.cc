#include "rpc/job_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/log.h"
#include "base/status.h"
#include "jobs/queue.h"
#include "jobs/runner.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/convert_job.h"
#include "rpc/job_plan.h"
#include "rpc/job_spec.h"
#include "rpc/json.h"

namespace lbw::rpc {
namespace {

JobView View(const ServiceContext& context, bool details) {
  JobView view;
  view.max_attempts = context.limits.max_attempts;
  view.details = details;
  return view;
}

// Two steps on two pools with one answer.
class CreateCall {
 public:
  CreateCall(const ServiceContext& context, const v1::CreateJobRequest& request, v1::Job* response)
      : context_(context), request_(request), response_(response) {}

  absl::Status Plan() {
    LBW_ASSIGN_OR_RETURN(plan_, PlanJob(context_, request_));
    return absl::OkStatus();
  }
  bool WantsEstimate() const {
    return request_.validate_only() || context_.long_work->queued() == 0;
  }
  // A job is created without an estimate rather than not at all.
  absl::Status Estimate() {
    const absl::StatusOr<tasks::Estimate> estimate = EstimateOf(context_, plan_);
    if (estimate.ok()) {
      plan_.draft.estimate_json = ToJson(ToProto(*estimate));
    } else if (request_.validate_only()) {
      return estimate.status();
    } else {
      base::LogWarning("estimate_failed", {{"error", estimate.status()}});
    }
    return absl::OkStatus();
  }
  absl::Status Create() {
    if (request_.validate_only()) {
      ToProto(PreviewOf(plan_.draft), View(context_, true), response_);
      response_->clear_name();
      response_->clear_create_time();
      response_->clear_update_time();
      return absl::OkStatus();
    }
    LBW_ASSIGN_OR_RETURN(const jobs::Job job, context_.queue->Create(plan_.draft));
    ToProto(job, View(context_, true), response_);
    return absl::OkStatus();
  }
  bool validate_only() const { return request_.validate_only(); }

 private:
  const ServiceContext& context_;
  const v1::CreateJobRequest& request_;
  v1::Job* const response_;
  JobPlan plan_;
};

void EstimateAndCreate(UnaryCall* call, const base::CancelToken& token, CreateCall& create) {
  absl::Status status = token.Check();
  if (status.ok()) status = create.Estimate();
  if (status.ok()) status = token.Check();
  if (status.ok()) status = create.Create();
  call->Finish(ToGrpcStatus(status));
}

void PlanAndGoOn(UnaryCall* call, const base::CancelToken& token, base::ThreadPool& long_work,
                 const std::shared_ptr<CreateCall>& create) {
  absl::Status status = token.Check();
  if (status.ok()) status = create->Plan();
  if (status.ok() && create->WantsEstimate()) {
    const std::shared_ptr<PoolPlace> place = call->shared_place();
    const absl::Status queued =
        place->Enter(long_work, [call, token, create] { EstimateAndCreate(call, token, *create); });
    if (queued.ok()) {
      // It may have been given up between the two pools, when it had no place to leave. Unless it
      // leaves here, the call is the other pool's now.
      if (token.Check().ok() || !place->Leave()) return;
      status = LeftTheQueue();
    } else if (create->validate_only()) {
      status = queued;
    }
  }
  if (status.ok()) status = create->Create();
  call->Finish(ToGrpcStatus(status));
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
  for (const jobs::Job& job : page.jobs) {
    ToProto(job, View(context, false), response->add_jobs());
  }
  response->set_next_page_token(page.next_token);
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
  auto* call = new UnaryCall;
  const base::CancelToken token = MakeToken(call->cancelled(), *context);
  auto create = std::make_shared<CreateCall>(context_, *request, response);
  const absl::Status queued = call->place().Enter(
      *context_.short_work,
      [this, call, token, create] { PlanAndGoOn(call, token, *context_.long_work, create); });
  // gRPC acts on Finish only after the handler has returned: the call is still here.
  if (!queued.ok()) {
    call->Finish(ToGrpcStatus(queued));
  } else if (call->cancelled()->load() && call->place().Leave()) {
    call->Finish(ToGrpcStatus(LeftTheQueue()));
  }
  return call;
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

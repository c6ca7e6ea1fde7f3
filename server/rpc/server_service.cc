#include "rpc/server_service.h"

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "jobs/queue.h"
#include "registry/datasets.h"
#include "registry/registry.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/convert_job.h"
#include "serving/detector.h"
#include "store/artifact_store.h"

namespace lbw::rpc {
namespace {

void LoadedToProto(const serving::LoadedInfo& from, const ServiceLimits& limits,
                   v1::LoadedVersion* out) {
  out->set_version(from.job.empty() ? base::VersionName(from.model, from.version)
                                    : CheckpointName(from.model, from.job));
  out->set_bytes(from.bytes);
  out->set_queue_length(static_cast<uint32_t>(from.queue_length));
  out->set_queue_limit(static_cast<uint32_t>(limits.queue_calls));
  out->set_pictures(from.pictures);
  SetTimestamp(from.last_used, out->mutable_last_used_time());
}

absl::Status FillJobs(const ServiceContext& context, v1::ServerStatus* out) {
  LBW_ASSIGN_OR_RETURN(const std::vector<jobs::JobCount> counts, context.queue->Counts());
  for (const jobs::JobCount& from : counts) {
    if (jobs::HasEnded(from.state) || from.count == 0) continue;
    v1::JobCount* count = out->add_jobs();
    count->set_kind(from.kind);
    count->set_state(std::string(jobs::Name(from.state)));
    count->set_count(static_cast<uint64_t>(from.count));
  }
  LBW_ASSIGN_OR_RETURN(const std::vector<jobs::WorkerInfo> workers, context.queue->Workers());
  const absl::Time silent_since = base::RealClock().Now() - context.limits.worker_silence;
  for (const jobs::WorkerInfo& worker : workers) {
    ToProto(worker, worker.last_seen_time >= silent_since, out->add_workers());
  }
  LBW_ASSIGN_OR_RETURN(const int64_t datasets, context.datasets->Count());
  out->set_datasets(static_cast<uint64_t>(datasets));
  return absl::OkStatus();
}

absl::Status FillStatus(const ServiceContext& context, v1::ServerStatus* out) {
  out->set_version(context.version);
  SetTimestamp(context.start_time, out->mutable_start_time());
  out->set_state(context.draining->load() ? "draining" : "ready");
  uint64_t loaded_bytes = 0;
  for (const serving::LoadedInfo& loaded : context.detector->Loaded()) {
    LoadedToProto(loaded, context.limits, out->add_loaded());
    loaded_bytes += loaded.bytes;
  }
  out->set_loaded_bytes(loaded_bytes);
  out->set_loaded_bytes_limit(context.limits.loaded_bytes);
  v1::Device* device = out->add_devices();
  device->set_name("cpu");
  device->set_threads(static_cast<uint32_t>(context.limits.threads));
  device->set_detail(context.device_detail);
  LBW_ASSIGN_OR_RETURN(const int64_t models, context.registry->CountModels());
  out->set_models(static_cast<uint64_t>(models));
  LBW_ASSIGN_OR_RETURN(const store::ArtifactStore::Stats stats, context.artifacts->GetStats());
  out->set_artifacts(stats.artifacts);
  out->set_stored_bytes(stats.stored_bytes);
  out->set_unfinished_uploads(stats.unfinished_uploads);
  return FillJobs(context, out);
}

}  // namespace

grpc::ServerUnaryReactor* ServerService::GetServerStatus(grpc::CallbackServerContext* context,
                                                         const v1::GetServerStatusRequest*,
                                                         v1::ServerStatus* response) {
  return RunUnary(context, *context_.short_work, [this, response](const base::CancelToken&) {
    return FillStatus(context_, response);
  });
}

}  // namespace lbw::rpc

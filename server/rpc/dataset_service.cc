#include "rpc/dataset_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/pack.h"
#include "jobs/queue.h"
#include "registry/datasets.h"
#include "rpc/answer_room.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/convert_dataset.h"
#include "rpc/json.h"
#include "store/artifact_store.h"
#include "tasks/tasks.h"

namespace lbw::rpc {
namespace {

void Answer(const registry::Dataset& dataset, v1::Dataset* response) {
  ToProto(dataset, response);
  ShrinkToFit(kMostDatasetBytes, response);
}

absl::Status CreateNow(const ServiceContext& context, const v1::CreateDatasetRequest& request,
                       v1::Dataset* response) {
  LBW_ASSIGN_OR_RETURN(const v1::CheckDatasetSpec spec, CheckSpecOf(request));
  LBW_ASSIGN_OR_RETURN(const std::string artifact,
                       base::ParseArtifactName(request.artifact(), "artifact"));
  LBW_RETURN_IF_ERROR(context.artifacts->GetArtifact(artifact).status());
  jobs::JobDraft draft;
  draft.kind = std::string(tasks::kCheckDataset);
  draft.spec_json = ToCanonicalJson(spec);
  draft.submitter = request.submitter();
  draft.uses = {spec.dataset()};
  draft.artifacts = {artifact};
  const auto insert = [&](store::Session& session, std::string_view job) {
    return context.datasets->Insert(session, request.dataset_id(), artifact, job);
  };
  LBW_RETURN_IF_ERROR(context.queue->Create(draft, insert).status());
  LBW_ASSIGN_OR_RETURN(const registry::Dataset dataset,
                       context.datasets->Get(request.dataset_id()));
  Answer(dataset, response);
  return absl::OkStatus();
}

absl::Status GetNow(const ServiceContext& context, const v1::GetDatasetRequest& request,
                    v1::Dataset* response) {
  LBW_ASSIGN_OR_RETURN(const std::string name, base::ParseDatasetName(request.name(), "name"));
  LBW_ASSIGN_OR_RETURN(const registry::Dataset dataset, context.datasets->Get(name));
  Answer(dataset, response);
  return absl::OkStatus();
}

absl::Status ListNow(const ServiceContext& context, const v1::ListDatasetsRequest& request,
                     v1::ListDatasetsResponse* response) {
  LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  LBW_ASSIGN_OR_RETURN(const registry::Datasets::Page page,
                       context.datasets->List(page_size, request.page_token()));
  response->set_next_page_token(page.next_token);
  const registry::Dataset* const last = FillPage(context.limits.max_message_bytes, page.datasets,
                                                 Answer, response->mutable_datasets());
  if (last != nullptr) response->set_next_page_token(last->name);  // as the registry has it
  return absl::OkStatus();
}

absl::Status InUse(const std::string& dataset, const std::vector<std::string>& jobs) {
  constexpr size_t kMostNamed = 8;
  std::vector<std::string> names;
  for (const std::string& job : jobs) {
    if (names.size() == kMostNamed) break;
    names.push_back(base::JobName(job));
  }
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInUse,
                     base::StrCat(dataset, " is used by ", jobs.size(),
                                  " job(s) that have not ended: ", absl::StrJoin(names, ", "),
                                  jobs.size() > kMostNamed ? ", ..." : "",
                                  "; cancel them, or delete it with force"))
      .Field("name");
}

absl::Status DeleteNow(const ServiceContext& context, const v1::DeleteDatasetRequest& request) {
  LBW_ASSIGN_OR_RETURN(const std::string name, base::ParseDatasetName(request.name(), "name"));
  std::string check;  // that nobody waits for any more
  // In the transaction that removes it: a job that is created on it meanwhile is seen here, or
  // finds it gone.
  const auto look = [&](store::Session& session, const registry::Dataset& dataset) -> absl::Status {
    check.clear();
    LBW_ASSIGN_OR_RETURN(const std::vector<std::string> users,
                         jobs::ActiveUsersOf(session, request.name()));
    if (!users.empty() && !request.force()) return InUse(request.name(), users);
    if (std::find(users.begin(), users.end(), dataset.job) != users.end()) check = dataset.job;
    return absl::OkStatus();
  };
  LBW_RETURN_IF_ERROR(context.datasets->Delete(name, look));
  // Jobs that read it fail when they look for it.
  if (check.empty()) return absl::OkStatus();
  const absl::Status cancelled = context.queue->Ask(check, jobs::Wish::kCancel).status();
  if (!cancelled.ok()) base::LogInfo("check_not_cancelled", {{"error", cancelled}});
  return absl::OkStatus();
}

absl::Status ListDefectsNow(const ServiceContext& context, const v1::ListDefectsRequest& request,
                            v1::ListDefectsResponse* response) {
  LBW_ASSIGN_OR_RETURN(const std::string name,
                       base::ParseDatasetName(request.dataset(), "dataset"));
  LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  LBW_ASSIGN_OR_RETURN(const registry::Dataset dataset, context.datasets->Get(name));
  return DefectsToProto(dataset, request, {page_size, context.limits.max_message_bytes}, response);
}

absl::Status RenderNow(const ServiceContext& context, const v1::RenderDatasetRequest& request,
                       v1::RenderDatasetResponse* response) {
  LBW_ASSIGN_OR_RETURN(const std::string name, base::ParseDatasetName(request.name(), "name"));
  LBW_ASSIGN_OR_RETURN(const dataset::SheetOptions options, FromProto(request));
  LBW_ASSIGN_OR_RETURN(const registry::Dataset found, context.datasets->RequireReady(name));
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<base::RandomAccessReader> reader,
                       context.artifacts->OpenArtifact(found.pack_artifact));
  LBW_ASSIGN_OR_RETURN(const dataset::Pack pack, dataset::Pack::Open(std::move(reader)));
  LBW_ASSIGN_OR_RETURN(dataset::Sheet sheet, dataset::RenderSheet(pack, options));
  if (sheet.png.size() > context.limits.max_message_bytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("the sheet is larger than a message may be: bytes=",
                                    sheet.png.size(), " limit=", context.limits.max_message_bytes,
                                    "; ask for fewer rows or columns"))
        .Field("rows");
  }
  response->set_png(std::move(sheet.png));
  response->set_pictures(static_cast<uint32_t>(sheet.pictures));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* DatasetService::CreateDataset(grpc::CallbackServerContext* context,
                                                        const v1::CreateDatasetRequest* request,
                                                        v1::Dataset* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return CreateNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* DatasetService::GetDataset(grpc::CallbackServerContext* context,
                                                     const v1::GetDatasetRequest* request,
                                                     v1::Dataset* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return GetNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* request,
                                                       v1::ListDatasetsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return ListNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* DatasetService::DeleteDataset(grpc::CallbackServerContext* context,
                                                        const v1::DeleteDatasetRequest* request,
                                                        google::protobuf::Empty*) {
  return RunUnary(context, *context_.short_work, [this, request](const base::CancelToken&) {
    return DeleteNow(context_, *request);
  });
}

grpc::ServerUnaryReactor* DatasetService::ListDefects(grpc::CallbackServerContext* context,
                                                      const v1::ListDefectsRequest* request,
                                                      v1::ListDefectsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return ListDefectsNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* DatasetService::RenderDataset(grpc::CallbackServerContext* context,
                                                        const v1::RenderDatasetRequest* request,
                                                        v1::RenderDatasetResponse* response) {
  return RunUnary(context, *context_.long_work,
                  [this, request, response](const base::CancelToken&) {
                    return RenderNow(context_, *request, response);
                  });
}

}  // namespace lbw::rpc

// The part of ModelService that tells what versions reached and where they came from.
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/answer_room.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/convert_registry.h"
#include "rpc/model_service.h"
#include "rpc/names.h"
#include "store/paging.h"

namespace lbw::rpc {
namespace {

absl::Status GetVersionNow(const ServiceContext& context, const v1::GetVersionRequest& request,
                           v1::ModelVersion* response) {
  LBW_ASSIGN_OR_RETURN(const VersionId id, ParseVersion(request.name(), "name"));
  LBW_ASSIGN_OR_RETURN(const registry::Version version,
                       context.registry->GetVersion(id.model, id.number));
  ToProto(version, Detail::kFull, response);
  LBW_ASSIGN_OR_RETURN(const std::vector<registry::Evaluation> newest,
                       context.evaluations->Newest(id.model, id.number));
  for (const registry::Evaluation& evaluation : newest) {
    ToProto(evaluation, Detail::kSummary, response->add_evaluations());
  }
  return absl::OkStatus();
}

absl::Status ListEvaluationsNow(const ServiceContext& context,
                                const v1::ListEvaluationsRequest& request,
                                v1::ListEvaluationsResponse* response) {
  LBW_ASSIGN_OR_RETURN(const registry::Evaluations::Query query, QueryOf(request));
  LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  LBW_ASSIGN_OR_RETURN(const registry::Evaluations::Page page,
                       context.evaluations->List(query, page_size, request.page_token()));
  response->set_next_page_token(page.next_token);
  const registry::Evaluation* const last = FillPage(
      context.limits.max_message_bytes, page.evaluations,
      [](const registry::Evaluation& row, v1::Evaluation* one) {
        ToProto(row, Detail::kSummary, one);
      },
      response->mutable_evaluations());
  if (last != nullptr) {
    response->set_next_page_token(store::PageTokenBehind(last->create_time, last->id));
  }
  return absl::OkStatus();
}

absl::Status GetEvaluationNow(registry::Evaluations& evaluations,
                              const v1::GetEvaluationRequest& request, v1::Evaluation* response) {
  LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseEvaluationName(request.name(), "name"));
  LBW_ASSIGN_OR_RETURN(const registry::Evaluation evaluation, evaluations.Get(id));
  ToProto(evaluation, Detail::kFull, response);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ModelService::GetVersion(grpc::CallbackServerContext* context,
                                                   const v1::GetVersionRequest* request,
                                                   v1::ModelVersion* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return GetVersionNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* ModelService::ListEvaluations(grpc::CallbackServerContext* context,
                                                        const v1::ListEvaluationsRequest* request,
                                                        v1::ListEvaluationsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return ListEvaluationsNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* ModelService::GetEvaluation(grpc::CallbackServerContext* context,
                                                      const v1::GetEvaluationRequest* request,
                                                      v1::Evaluation* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return GetEvaluationNow(*context_.evaluations, *request, response);
                  });
}

grpc::ServerUnaryReactor* ModelService::GetLineage(grpc::CallbackServerContext* context,
                                                   const v1::GetLineageRequest* request,
                                                   v1::Lineage* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(
                        const registry::Lineage lineage,
                        registry::ReadLineage(*context_.database, request->name()));
                    ToProto(lineage, response);
                    return absl::OkStatus();
                  });
}

}  // namespace lbw::rpc

#include "rpc/model_service.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/model_origin.h"
#include "rpc/names.h"
#include "rpc/observe.h"
#include "serving/detector.h"

namespace lbw::rpc {
namespace {

registry::Registry::Force ToForce(bool force) {
  return force ? registry::Registry::Force::kYes : registry::Registry::Force::kNo;
}

absl::StatusOr<registry::Version> Preview(const registry::VersionBuilder& builder,
                                          const ModelOrigin& origin, const std::string& spec) {
  if (origin.architecture) return builder.PreviewBuild(*origin.architecture, spec);
  return builder.PreviewImport(origin.artifact, spec);
}

absl::Status CreateModelNow(const ServiceContext& context, const registry::VersionBuilder& builder,
                            const v1::CreateModelRequest& request, v1::Model* response,
                            const base::CancelToken& cancel) {
  LBW_ASSIGN_OR_RETURN(const ModelOrigin origin, OriginOf(request));
  if (request.validate_only()) {
    LBW_ASSIGN_OR_RETURN(registry::Version preview, Preview(builder, origin, request.spec()));
    preview.model = request.model_id();
    preview.number = 1;
    response->set_name(base::ModelName(request.model_id()));
    ToProto(preview, Detail::kFull, response->add_versions());
    return absl::OkStatus();
  }
  LBW_ASSIGN_OR_RETURN(
      const registry::Version version,
      origin.architecture
          ? builder.BuildModel(request.model_id(), *origin.architecture, request.spec(), cancel)
          : builder.CreateModel(request.model_id(), origin.artifact, request.spec(), cancel));
  LBW_ASSIGN_OR_RETURN(const registry::Model model, context.registry->GetModel(version.model));
  ToProto(model, response);
  return absl::OkStatus();
}

absl::Status QuantizeNow(const ServiceContext& context, const registry::VersionBuilder& builder,
                         const v1::QuantizeVersionRequest& request, v1::ModelVersion* response,
                         const base::CancelToken& cancel) {
  registry::VersionBuilder::QuantizeRequest quantize;
  LBW_ASSIGN_OR_RETURN(quantize.from, base::ParseModelRef(request.version(), "version"));
  LBW_ASSIGN_OR_RETURN(quantize.options, FromProto(request.options(), "options"));
  quantize.options_text = OptionsToText(request.options());
  quantize.report_to_text = [rules =
                                 quantize.options.rules](const model::QuantizeOutcome& outcome) {
    return ReportToText(outcome, rules);
  };
  quantize.mode = request.dry_run() ? model::WriteMode::kDryRun : model::WriteMode::kWrite;
  const base::Stopwatch watch;
  LBW_ASSIGN_OR_RETURN(const registry::VersionBuilder::Quantized quantized,
                       builder.Quantize(quantize, [&cancel](size_t, size_t, std::string_view) {
                         return cancel.Check();
                       }));
  if (request.dry_run()) {
    response->set_parent_version(
        base::VersionName(quantized.version.model, quantized.version.number));
    *response->mutable_quantization() = request.options();
    ToProto(quantized.outcome, response->mutable_report());
    RuleMatchesToProto(quantized.outcome, quantize.options.rules, response->mutable_rule_matches());
    return absl::OkStatus();
  }
  ObserveQuantization(*context.metrics, "version", quantized.outcome, watch);
  ToProto(quantized.version, Detail::kFull, response);
  return absl::OkStatus();
}

// Versions newest first; the token is the last number that was given.
absl::Status ListVersionsNow(const ServiceContext& context, const v1::ListVersionsRequest& request,
                             v1::ListVersionsResponse* response) {
  LBW_ASSIGN_OR_RETURN(const std::string model, ParseModel(request.model(), "model"));
  LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  int64_t before = INT64_MAX;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &before)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("page_token is not one that this server gave: \"",
                                    request.page_token(), "\""))
        .Field("page_token");
  }
  LBW_ASSIGN_OR_RETURN(const registry::Model found, context.registry->GetModel(model));
  for (const registry::Version& version : found.versions) {
    if (version.number >= before) continue;
    if (response->versions_size() == page_size) {
      LBW_ASSIGN_OR_RETURN(
          const VersionId last,
          ParseVersion(response->versions(response->versions_size() - 1).name(), "name"));
      response->set_next_page_token(base::StrCat(last.number));
      break;
    }
    ToProto(version, Detail::kSummary, response->add_versions());
  }
  return absl::OkStatus();
}

absl::Status DeleteModelNow(const ServiceContext& context, const v1::DeleteModelRequest& request) {
  LBW_ASSIGN_OR_RETURN(const std::string name, ParseModel(request.name(), "name"));
  LBW_ASSIGN_OR_RETURN(const registry::Model model, context.registry->GetModel(name));
  LBW_RETURN_IF_ERROR(context.registry->DeleteModel(name, ToForce(request.force())));
  for (const registry::Version& version : model.versions) {
    context.detector->Unload(name, version.number);
  }
  return absl::OkStatus();
}

absl::Status ExportNow(const registry::VersionBuilder& builder,
                       const v1::ExportVersionRequest& request,
                       v1::ExportVersionResponse* response) {
  LBW_ASSIGN_OR_RETURN(const VersionId id, ParseVersion(request.version(), "version"));
  registry::ExportAs format = registry::ExportAs::kPacked;
  switch (request.format()) {
    case v1::EXPORT_FORMAT_PACKED:
      break;
    case v1::EXPORT_FORMAT_SAFETENSORS:
      format = registry::ExportAs::kFloat;
      break;
    default:
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("format must be EXPORT_FORMAT_PACKED or "
                                      "EXPORT_FORMAT_SAFETENSORS: format=",
                                      static_cast<int>(request.format())))
          .Field("format");
  }
  LBW_ASSIGN_OR_RETURN(const store::Artifact artifact, builder.Export(id.model, id.number, format));
  ToProto(artifact, response->mutable_artifact());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ModelService::CreateModel(grpc::CallbackServerContext* context,
                                                    const v1::CreateModelRequest* request,
                                                    v1::Model* response) {
  return RunUnary(context, *context_.long_work,
                  [this, request, response](const base::CancelToken& cancel) {
                    return CreateModelNow(context_, builder_, *request, response, cancel);
                  });
}

grpc::ServerUnaryReactor* ModelService::CreateVersion(grpc::CallbackServerContext* context,
                                                      const v1::CreateVersionRequest* request,
                                                      v1::ModelVersion* response) {
  return RunUnary(
      context, *context_.long_work,
      [this, request, response](const base::CancelToken& cancel) -> absl::Status {
        LBW_ASSIGN_OR_RETURN(const std::string model, ParseModel(request->model(), "model"));
        LBW_ASSIGN_OR_RETURN(const std::string artifact,
                             base::ParseArtifactName(request->artifact(), "artifact"));
        LBW_ASSIGN_OR_RETURN(const registry::Version version,
                             builder_.CreateVersion(model, artifact, request->spec(), cancel));
        ToProto(version, Detail::kFull, response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ModelService::QuantizeVersion(grpc::CallbackServerContext* context,
                                                        const v1::QuantizeVersionRequest* request,
                                                        v1::ModelVersion* response) {
  return RunUnary(context, *context_.long_work,
                  [this, request, response](const base::CancelToken& cancel) {
                    return QuantizeNow(context_, builder_, *request, response, cancel);
                  });
}

grpc::ServerUnaryReactor* ModelService::GetModel(grpc::CallbackServerContext* context,
                                                 const v1::GetModelRequest* request,
                                                 v1::Model* response) {
  return RunUnary(
      context, *context_.short_work,
      [this, request, response](const base::CancelToken&) -> absl::Status {
        LBW_ASSIGN_OR_RETURN(const std::string name, ParseModel(request->name(), "name"));
        LBW_ASSIGN_OR_RETURN(const registry::Model model, context_.registry->GetModel(name));
        ToProto(model, response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ModelService::ListModels(grpc::CallbackServerContext* context,
                                                   const v1::ListModelsRequest* request,
                                                   v1::ListModelsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request->page_size()));
                    LBW_ASSIGN_OR_RETURN(
                        const registry::Registry::ModelPage page,
                        context_.registry->ListModels(page_size, request->page_token()));
                    for (const registry::Model& model : page.models) {
                      ToProto(model, response->add_models());
                    }
                    response->set_next_page_token(page.next_token);
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelService::DeleteModel(grpc::CallbackServerContext* context,
                                                    const v1::DeleteModelRequest* request,
                                                    google::protobuf::Empty*) {
  return RunUnary(context, *context_.short_work, [this, request](const base::CancelToken&) {
    return DeleteModelNow(context_, *request);
  });
}

grpc::ServerUnaryReactor* ModelService::ListVersions(grpc::CallbackServerContext* context,
                                                     const v1::ListVersionsRequest* request,
                                                     v1::ListVersionsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) {
                    return ListVersionsNow(context_, *request, response);
                  });
}

grpc::ServerUnaryReactor* ModelService::DeleteVersion(grpc::CallbackServerContext* context,
                                                      const v1::DeleteVersionRequest* request,
                                                      google::protobuf::Empty*) {
  return RunUnary(
      context, *context_.short_work, [this, request](const base::CancelToken&) -> absl::Status {
        LBW_ASSIGN_OR_RETURN(const VersionId id, ParseVersion(request->name(), "name"));
        LBW_RETURN_IF_ERROR(
            context_.registry->DeleteVersion(id.model, id.number, registry::Registry::Force::kNo));
        context_.detector->Unload(id.model, id.number);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::ExportVersionResponse>* ModelService::ExportVersion(
    grpc::CallbackServerContext* context, const v1::ExportVersionRequest* request) {
  using Call = ProgressCall<v1::ExportVersionResponse>;
  return RunWithProgress<v1::ExportVersionResponse>(
      context, *context_.long_work,
      [this, request](Call& call,
                      const base::CancelToken&) -> absl::StatusOr<v1::ExportVersionResponse> {
        call.Progress([](v1::ExportVersionResponse& message) {
          message.mutable_progress()->set_stage("export");
        });
        v1::ExportVersionResponse response;
        LBW_RETURN_IF_ERROR(ExportNow(builder_, *request, &response));
        return response;
      });
}

}  // namespace lbw::rpc

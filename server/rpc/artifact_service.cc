#include "rpc/artifact_service.h"

#include <memory>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "model/import_model.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/transfer.h"
#include "store/artifact_store.h"
#include "tensorfile/packed.h"

namespace lbw::rpc {
namespace {

// There is no authentication yet in front of the services; every caller is the same subject.
constexpr std::string_view kSubject;

void TensorsToProto(const tensorfile::PackedFile& file, v1::ListTensorsResponse* out) {
  for (const tensorfile::LogicalTensor& tensor : file.tensors()) {
    v1::TensorInfo* info = out->add_tensors();
    info->set_name(tensor.name);
    info->set_dtype(std::string(base::Name(tensor.dtype)));
    info->mutable_shape()->Assign(tensor.shape.begin(), tensor.shape.end());
    info->set_bytes(tensor.stored_bytes);
    if (!tensor.quantized) continue;
    const bool uniform = tensor.options.scheme == quant::Scheme::kUniform;
    info->set_bits(static_cast<uint32_t>(tensor.options.bits));
    info->set_scheme(uniform ? "uniform" : "lbw");
    if (!uniform) info->set_code_book(std::string(quant::Name(tensor.options.code_book)));
    info->set_granularity(std::string(quant::Name(tensor.options.granularity)));
  }
  for (const auto& [key, value] : file.metadata()) {
    // A bundle's graph is long and of no use in a list of tensors.
    if (key != "lbw.graph") (*out->mutable_metadata())[key] = value;
  }
}

absl::Status ListTensorsOf(const ServiceContext& context, const std::string& sha256,
                           v1::ListTensorsResponse* out) {
  LBW_ASSIGN_OR_RETURN(const store::Artifact artifact, context.artifacts->GetArtifact(sha256));
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<base::RandomAccessReader> reader,
                       context.artifacts->OpenArtifact(sha256));
  if (artifact.format == store::ArtifactFormat::kOnnx) {
    LBW_ASSIGN_OR_RETURN(const std::string bytes,
                         base::ReadAll(*reader, context.limits.max_import_bytes));
    LBW_ASSIGN_OR_RETURN(const auto initializers, model::ListOnnxInitializers(bytes));
    for (const model::InitializerInfo& from : initializers) {
      v1::TensorInfo* info = out->add_tensors();
      info->set_name(from.name);
      info->set_dtype(std::string(base::Name(from.dtype)));
      info->mutable_shape()->Assign(from.shape.begin(), from.shape.end());
      info->set_bytes(from.bytes);
    }
    return absl::OkStatus();
  }
  if (artifact.format != store::ArtifactFormat::kSafetensors &&
      artifact.format != store::ArtifactFormat::kPackedSafetensors) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedFormat,
                       base::StrCat("artifact (\"", artifact.display_name,
                                    "\") is neither a safetensors nor an ONNX file"))
        .Field("artifact");
  }
  LBW_ASSIGN_OR_RETURN(const tensorfile::PackedFile file, tensorfile::PackedFile::Open(*reader));
  TensorsToProto(file, out);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ArtifactService::CreateUpload(grpc::CallbackServerContext* context,
                                                        const v1::CreateUploadRequest* request,
                                                        v1::Upload* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const store::Upload upload,
                                         context_.artifacts->CreateUpload(
                                             kSubject, request->size_bytes(), request->sha256(),
                                             request->display_name()));
                    ToProto(upload, response);
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ArtifactService::GetUpload(grpc::CallbackServerContext* context,
                                                     const v1::GetUploadRequest* request,
                                                     v1::Upload* response) {
  return RunUnary(
      context, *context_.short_work,
      [this, request, response](const base::CancelToken&) -> absl::Status {
        LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseUploadName(request->name(), "name"));
        LBW_ASSIGN_OR_RETURN(const store::Upload upload, context_.artifacts->GetUpload(id));
        ToProto(upload, response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ArtifactService::DeleteUpload(grpc::CallbackServerContext* context,
                                                        const v1::DeleteUploadRequest* request,
                                                        google::protobuf::Empty*) {
  return RunUnary(
      context, *context_.short_work, [this, request](const base::CancelToken&) -> absl::Status {
        LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseUploadName(request->name(), "name"));
        return context_.artifacts->DeleteUpload(id);
      });
}

grpc::ServerReadReactor<v1::WriteUploadRequest>* ArtifactService::WriteUpload(
    grpc::CallbackServerContext*, v1::WriteUploadResponse* response) {
  return new UploadCall(context_, response);
}

grpc::ServerUnaryReactor* ArtifactService::FinishUpload(grpc::CallbackServerContext* context,
                                                        const v1::FinishUploadRequest* request,
                                                        v1::Artifact* response) {
  // A pool of its own: no upload waits behind quantizations that take minutes.
  return RunUnary(
      context, *context_.hash_work,
      [this, request, response](const base::CancelToken& cancel) -> absl::Status {
        LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseUploadName(request->name(), "name"));
        LBW_ASSIGN_OR_RETURN(const store::Artifact artifact,
                             context_.artifacts->FinishUpload(id, request->sha256(), cancel));
        ToProto(artifact, response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ArtifactService::GetArtifact(grpc::CallbackServerContext* context,
                                                       const v1::GetArtifactRequest* request,
                                                       v1::Artifact* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const std::string sha256,
                                         base::ParseArtifactName(request->name(), "name"));
                    LBW_ASSIGN_OR_RETURN(const store::Artifact artifact,
                                         context_.artifacts->GetArtifact(sha256));
                    ToProto(artifact, response);
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ArtifactService::ListArtifacts(grpc::CallbackServerContext* context,
                                                         const v1::ListArtifactsRequest* request,
                                                         v1::ListArtifactsResponse* response) {
  return RunUnary(context, *context_.short_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const int page_size, PageSize(request->page_size()));
                    LBW_ASSIGN_OR_RETURN(
                        const store::ArtifactStore::Page page,
                        context_.artifacts->ListArtifacts(page_size, request->page_token()));
                    for (const store::Artifact& artifact : page.artifacts) {
                      ToProto(artifact, response->add_artifacts());
                    }
                    response->set_next_page_token(page.next_token);
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ArtifactService::DeleteArtifact(grpc::CallbackServerContext* context,
                                                          const v1::DeleteArtifactRequest* request,
                                                          google::protobuf::Empty*) {
  return RunUnary(context, *context_.short_work,
                  [this, request](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const std::string sha256,
                                         base::ParseArtifactName(request->name(), "name"));
                    return context_.artifacts->DeleteArtifact(sha256);
                  });
}

grpc::ServerUnaryReactor* ArtifactService::ListTensors(grpc::CallbackServerContext* context,
                                                       const v1::ListTensorsRequest* request,
                                                       v1::ListTensorsResponse* response) {
  return RunUnary(context, *context_.long_work,
                  [this, request, response](const base::CancelToken&) -> absl::Status {
                    LBW_ASSIGN_OR_RETURN(const std::string sha256,
                                         base::ParseArtifactName(request->artifact(), "artifact"));
                    return ListTensorsOf(context_, sha256, response);
                  });
}

grpc::ServerWriteReactor<v1::ReadArtifactResponse>* ArtifactService::ReadArtifact(
    grpc::CallbackServerContext*, const v1::ReadArtifactRequest* request) {
  return new DownloadCall(context_, *request);
}

}  // namespace lbw::rpc

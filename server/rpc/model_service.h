// lbw.v1.ModelService over registry::Registry, registry::VersionBuilder and registry::Evaluations.
// Its methods stand in model_service.cc (models and versions), alias_calls.cc (aliases and their
// history) and evaluation_calls.cc (what versions reached, and where they came from).
#ifndef LBW_RPC_MODEL_SERVICE_H_
#define LBW_RPC_MODEL_SERVICE_H_

#include "lbw/v1/model.grpc.pb.h"
#include "registry/version_builder.h"
#include "rpc/services.h"

namespace lbw::rpc {

class ModelService final : public v1::ModelService::CallbackService {
 public:
  // builder is borrowed.
  ModelService(const ServiceContext& context, const registry::VersionBuilder& builder)
      : context_(context), builder_(builder) {}

  grpc::ServerUnaryReactor* CreateModel(grpc::CallbackServerContext*, const v1::CreateModelRequest*,
                                        v1::Model*) override;
  grpc::ServerUnaryReactor* CreateVersion(grpc::CallbackServerContext*,
                                          const v1::CreateVersionRequest*,
                                          v1::ModelVersion*) override;
  grpc::ServerUnaryReactor* QuantizeVersion(grpc::CallbackServerContext*,
                                            const v1::QuantizeVersionRequest*,
                                            v1::ModelVersion*) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext*, const v1::GetModelRequest*,
                                     v1::Model*) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext*, const v1::ListModelsRequest*,
                                       v1::ListModelsResponse*) override;
  grpc::ServerUnaryReactor* DeleteModel(grpc::CallbackServerContext*, const v1::DeleteModelRequest*,
                                        google::protobuf::Empty*) override;
  grpc::ServerUnaryReactor* GetVersion(grpc::CallbackServerContext*, const v1::GetVersionRequest*,
                                       v1::ModelVersion*) override;
  grpc::ServerUnaryReactor* ListVersions(grpc::CallbackServerContext*,
                                         const v1::ListVersionsRequest*,
                                         v1::ListVersionsResponse*) override;
  grpc::ServerUnaryReactor* DeleteVersion(grpc::CallbackServerContext*,
                                          const v1::DeleteVersionRequest*,
                                          google::protobuf::Empty*) override;
  grpc::ServerUnaryReactor* SetAlias(grpc::CallbackServerContext*, const v1::SetAliasRequest*,
                                     v1::Alias*) override;
  grpc::ServerUnaryReactor* DeleteAlias(grpc::CallbackServerContext*, const v1::DeleteAliasRequest*,
                                        google::protobuf::Empty*) override;
  grpc::ServerUnaryReactor* RollbackAlias(grpc::CallbackServerContext*,
                                          const v1::RollbackAliasRequest*, v1::Alias*) override;
  grpc::ServerUnaryReactor* ListAliasMoves(grpc::CallbackServerContext*,
                                           const v1::ListAliasMovesRequest*,
                                           v1::ListAliasMovesResponse*) override;
  grpc::ServerUnaryReactor* ListEvaluations(grpc::CallbackServerContext*,
                                            const v1::ListEvaluationsRequest*,
                                            v1::ListEvaluationsResponse*) override;
  grpc::ServerUnaryReactor* GetEvaluation(grpc::CallbackServerContext*,
                                          const v1::GetEvaluationRequest*,
                                          v1::Evaluation*) override;
  grpc::ServerUnaryReactor* GetLineage(grpc::CallbackServerContext*, const v1::GetLineageRequest*,
                                       v1::Lineage*) override;
  grpc::ServerWriteReactor<v1::ExportVersionResponse>* ExportVersion(
      grpc::CallbackServerContext*, const v1::ExportVersionRequest*) override;

 private:
  const ServiceContext context_;
  const registry::VersionBuilder& builder_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_MODEL_SERVICE_H_

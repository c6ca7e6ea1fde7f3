// lbw.v1.ArtifactService over store::ArtifactStore.
#ifndef LBW_RPC_ARTIFACT_SERVICE_H_
#define LBW_RPC_ARTIFACT_SERVICE_H_

#include "lbw/v1/artifact.grpc.pb.h"
#include "rpc/services.h"

namespace lbw::rpc {

class ArtifactService final : public v1::ArtifactService::CallbackService {
 public:
  explicit ArtifactService(const ServiceContext& context) : context_(context) {}

  grpc::ServerUnaryReactor* CreateUpload(grpc::CallbackServerContext*,
                                         const v1::CreateUploadRequest*, v1::Upload*) override;
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext*, const v1::GetUploadRequest*,
                                      v1::Upload*) override;
  grpc::ServerUnaryReactor* DeleteUpload(grpc::CallbackServerContext*,
                                         const v1::DeleteUploadRequest*,
                                         google::protobuf::Empty*) override;
  grpc::ServerReadReactor<v1::WriteUploadRequest>* WriteUpload(grpc::CallbackServerContext*,
                                                               v1::WriteUploadResponse*) override;
  grpc::ServerUnaryReactor* FinishUpload(grpc::CallbackServerContext*,
                                         const v1::FinishUploadRequest*, v1::Artifact*) override;
  grpc::ServerUnaryReactor* GetArtifact(grpc::CallbackServerContext*, const v1::GetArtifactRequest*,
                                        v1::Artifact*) override;
  grpc::ServerUnaryReactor* ListArtifacts(grpc::CallbackServerContext*,
                                          const v1::ListArtifactsRequest*,
                                          v1::ListArtifactsResponse*) override;
  grpc::ServerUnaryReactor* DeleteArtifact(grpc::CallbackServerContext*,
                                           const v1::DeleteArtifactRequest*,
                                           google::protobuf::Empty*) override;
  grpc::ServerUnaryReactor* ListTensors(grpc::CallbackServerContext*, const v1::ListTensorsRequest*,
                                        v1::ListTensorsResponse*) override;
  grpc::ServerWriteReactor<v1::ReadArtifactResponse>* ReadArtifact(
      grpc::CallbackServerContext*, const v1::ReadArtifactRequest*) override;

 private:
  const ServiceContext context_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_ARTIFACT_SERVICE_H_

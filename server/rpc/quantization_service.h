// lbw.v1.QuantizationService over registry::VersionBuilder.
#ifndef LBW_RPC_QUANTIZATION_SERVICE_H_
#define LBW_RPC_QUANTIZATION_SERVICE_H_

#include "lbw/v1/quantization.grpc.pb.h"
#include "registry/version_builder.h"
#include "rpc/services.h"

namespace lbw::rpc {

class QuantizationService final : public v1::QuantizationService::CallbackService {
 public:
  // builder is borrowed.
  QuantizationService(const ServiceContext& context, const registry::VersionBuilder& builder)
      : context_(context), builder_(builder) {}

  grpc::ServerWriteReactor<v1::QuantizeArtifactResponse>* QuantizeArtifact(
      grpc::CallbackServerContext*, const v1::QuantizeArtifactRequest*) override;
  grpc::ServerWriteReactor<v1::DequantizeArtifactResponse>* DequantizeArtifact(
      grpc::CallbackServerContext*, const v1::DequantizeArtifactRequest*) override;

 private:
  const ServiceContext context_;
  const registry::VersionBuilder& builder_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_QUANTIZATION_SERVICE_H_

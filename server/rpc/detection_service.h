// lbw.v1.DetectionService over serving::Detector.
#ifndef LBW_RPC_DETECTION_SERVICE_H_
#define LBW_RPC_DETECTION_SERVICE_H_

#include "lbw/v1/detection.grpc.pb.h"
#include "rpc/services.h"

namespace lbw::rpc {

class DetectionService final : public v1::DetectionService::CallbackService {
 public:
  explicit DetectionService(const ServiceContext& context) : context_(context) {}
  grpc::ServerUnaryReactor* Detect(grpc::CallbackServerContext*, const v1::DetectRequest*,
                                   v1::DetectResponse*) override;

 private:
  const ServiceContext context_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_DETECTION_SERVICE_H_

// lbw.v1.ServerService: the server about itself.
#ifndef LBW_RPC_SERVER_SERVICE_H_
#define LBW_RPC_SERVER_SERVICE_H_

#include "lbw/v1/server.grpc.pb.h"
#include "rpc/services.h"

namespace lbw::rpc {

class ServerService final : public v1::ServerService::CallbackService {
 public:
  explicit ServerService(const ServiceContext& context) : context_(context) {}
  grpc::ServerUnaryReactor* GetServerStatus(grpc::CallbackServerContext*,
                                            const v1::GetServerStatusRequest*,
                                            v1::ServerStatus*) override;

 private:
  const ServiceContext context_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_SERVER_SERVICE_H_

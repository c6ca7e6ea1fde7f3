// The gRPC port: services, health, reflection, TLS and the limits of connections.
#ifndef LBW_APP_GRPC_SERVER_H_
#define LBW_APP_GRPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "config/values.h"
#include "metrics/metrics.h"
#include "rpc/services.h"
#include "rpc/side_calls.h"

namespace grpc {
class Server;
}

namespace lbw::app {

struct GrpcServerOptions {
  config::Address address;
  int max_message_bytes = 48 << 20;
  bool reflection = true;
  // All empty: plain text. PEM files, read again when they change.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;  // not empty: clients must show a certificate that it signed
};

class GrpcServer {
 public:
  // Listens when it returns; health says SERVING. services and metrics are borrowed.
  // Errors: those of CheckBindable; kInvalidArgument, BAD_FILE - a TLS file that cannot be read or
  // is not PEM (names key and path).
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const GrpcServerOptions& options,
                                                           rpc::Services& services,
                                                           metrics::Metrics& metrics);
  ~GrpcServer();
  int port() const { return port_; }
  // Health says NOT_SERVING from now on.
  void StopServing();
  // Takes no new calls, waits for those in work, cancels them at the deadline. Health watches and
  // reflection streams are cancelled at once. Idempotent.
  void Shutdown(absl::Time deadline);

 private:
  explicit GrpcServer(std::unique_ptr<rpc::SideCalls> side_calls);
  const std::unique_ptr<rpc::SideCalls> side_calls_;  // outlives the server
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace lbw::app

#endif  // LBW_APP_GRPC_SERVER_H_

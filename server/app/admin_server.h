// The admin HTTP port: /metrics, /livez, /readyz. Plain text, no authentication: bind it to
// loopback or to the cluster's inside.
#ifndef LBW_APP_ADMIN_SERVER_H_
#define LBW_APP_ADMIN_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace lbw::app {

class AdminServer {
 public:
  struct Options {
    std::string address;                   // "HOST:PORT"; port 0 picks a free one
    std::function<std::string()> metrics;  // the text of /metrics
    std::function<bool()> ready;           // what /readyz says
  };
  // Errors: kInvalidArgument - the address; kUnavailable - it cannot be bound.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(Options options);
  ~AdminServer();
  int port() const;
  void Stop();

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Splits "HOST:PORT" and "[V6]:PORT". Errors: kInvalidArgument - names the value.
struct HostPort {
  std::string host;
  int port = 0;
};
absl::StatusOr<HostPort> ParseHostPort(const std::string& address, const std::string& key);

}  // namespace lbw::app

#endif  // LBW_APP_ADMIN_SERVER_H_

// The admin port: GET /metrics, /livez and /readyz over HTTP. Not authenticated; 127.0.0.1 by
// default.
#ifndef LBW_APP_ADMIN_SERVER_H_
#define LBW_APP_ADMIN_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "config/values.h"

namespace lbw::app {

// Called from the port's threads, concurrently.
struct AdminHandlers {
  std::function<std::string()> metrics;  // the text exposition format
  std::function<absl::Status()> ready;   // an error says why not
};

class AdminServer {
 public:
  // Listens when it returns. Errors: those of CheckBindable.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const config::Address& address,
                                                            AdminHandlers handlers);
  ~AdminServer();
  int port() const;
  // Closes the port, finishes requests in work. Idempotent.
  void Stop();

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace lbw::app

#endif  // LBW_APP_ADMIN_SERVER_H_

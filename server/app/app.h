// The composition root: builds every room in order, serves, and drains in reverse. The only place
// that names all rooms.
//
// Lifetime: Start returns a server that answers; Shutdown, or the destructor, drains it. Several
// may
//           live in one process, each with a data folder of its own.
// Threads:  Start and Shutdown from one thread; the rest from any.
#ifndef LBW_APP_APP_H_
#define LBW_APP_APP_H_

#include <memory>

#include "absl/status/statusor.h"
#include "config/config.h"

namespace lbw::app {

class App {
 public:
  // Locks and opens the data folder, builds everything, listens on both ports, says that it is
  // ready, and writes the port file. log.* of the configuration is the process's business and not
  // looked at. Errors (each names the key): kFailedPrecondition, IN_USE - another server has the
  // folder (names its process) or a port; kInvalidArgument - an address or a TLS file;
  // kInternal, kResourceExhausted, kDataLoss - the folder cannot be written or is damaged.
  static absl::StatusOr<std::unique_ptr<App>> Start(const config::Config& config);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Readiness and health say no, new calls are refused, those in work finish within drain_timeout
  // or are cancelled, then everything stops. Idempotent.
  void Shutdown();

  int grpc_port() const;
  int admin_port() const;

 private:
  struct Rooms;
  explicit App(std::unique_ptr<Rooms> rooms);
  const std::unique_ptr<Rooms> rooms_;
};

}  // namespace lbw::app

#endif  // LBW_APP_APP_H_

// The server: builds every room in order, serves, and drains in reverse. The only place that names
// all rooms.
//
// Lifetime: Start returns a server that answers; Shutdown (or the destructor) drains it: readiness
// and health say no, new connections
//           are refused, calls in work finish within drain_timeout, then everything stops.
//           Idempotent.
// Threads:  Start and Shutdown from one thread; the rest from any.
#ifndef LBW_APP_APP_H_
#define LBW_APP_APP_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "config/config.h"

namespace lbw::app {

class App {
 public:
  // Errors: kFailedPrecondition, IN_USE - the data folder belongs to a running server (names its
  // pid); kInvalidArgument - a configuration value that cannot work (TLS files, threads);
  // kUnavailable - a port that cannot be bound; those of the store.
  static absl::StatusOr<std::unique_ptr<App>> Start(const config::Config& config);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  int grpc_port() const;
  int admin_port() const;
  void Shutdown();

 private:
  struct Rooms;
  explicit App(std::unique_ptr<Rooms> rooms);
  std::unique_ptr<Rooms> rooms_;
};

// Starts, tells the ports to config.port_file, and serves until SIGTERM or SIGINT; a second signal
// ends the process at once. Must be called before any other thread exists. Returns the process's
// exit status.
int ServeUntilSignal(const config::Config& config);

}  // namespace lbw::app

#endif  // LBW_APP_APP_H_

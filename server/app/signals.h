// SIGTERM and SIGINT as something to wait for: the first asks to stop, the second ends the process
// at once.
//
// Lifetime: made before any other thread, since threads inherit the blocked signals; one a process.
#ifndef LBW_APP_SIGNALS_H_
#define LBW_APP_SIGNALS_H_

#include <thread>

#include "absl/synchronization/notification.h"

namespace lbw::app {

class SignalWatch {
 public:
  // What a further SIGTERM does. kIgnored: nothing, for a worker, which a service manager, its
  // server and the server's end may all tell to stop; a second SIGINT ends it at once all the same.
  enum class Again { kEndsAtOnce, kIgnored };
  // Blocks both signals for the calling thread and ignores SIGPIPE.
  explicit SignalWatch(Again term_again = Again::kEndsAtOnce);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  // Returns after the first signal.
  void Wait() { asked_.WaitForNotification(); }

 private:
  void Run();

  const Again term_again_;
  int signal_fd_ = -1;
  int end_fd_ = -1;  // readable: the watch ends
  absl::Notification asked_;
  std::thread thread_;
};

}  // namespace lbw::app

#endif  // LBW_APP_SIGNALS_H_

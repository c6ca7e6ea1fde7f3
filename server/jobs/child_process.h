// A job's process as its worker sees it: started, spoken to, ended, and why it ended.
//
// Life:     `program run-job --fd N` with the socket on N, in a session of its own (a terminal's
//           Ctrl-C reaches the worker alone), stdout and stderr in one pipe. The kernel kills it
//           when the starting thread dies (PR_SET_PDEATHSIG, checked after it is set); it also ends
//           at the end of its socket.
// Threads:  Start and everything else from one thread that lives as long as the worker.
#ifndef LBW_JOBS_CHILD_PROCESS_H_
#define LBW_JOBS_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "jobs/retry_policy.h"

namespace lbw::jobs {

struct ChildOptions {
  std::string program;  // absolute path
  std::vector<std::string>
      arguments;  // behind the program's name; "{fd}" becomes the socket's number
  std::vector<std::pair<std::string, std::string>> environment;  // set beside the inherited one
};

class ChildProcess {
 public:
  // Errors: kResourceExhausted - no process or descriptor left; kInternal.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const ChildOptions& options);
  // Kills it where it still runs, and reaps it.
  ~ChildProcess();

  pid_t pid() const;
  int socket_fd() const;  // non-blocking
  int log_fd() const;     // non-blocking; its stdout and stderr
  int exit_fd() const;    // a pidfd: readable once it has ended
  // SIGKILL; remembered, so that HowItEnded does not call it an outsider's.
  void Kill();
  // None while it runs. What ended it, where it told neither result nor error: kCrashed,
  // kOutOfMemory (memory.events of its cgroup rose meanwhile) or kKilled.
  std::optional<Outcome> HowItEnded();

 private:
  struct Impl;
  explicit ChildProcess(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_CHILD_PROCESS_H_

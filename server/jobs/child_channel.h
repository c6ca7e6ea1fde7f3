// A job's process with what is said to it and what it says: lines of the protocol, and its log.
//
// Never blocks. Threads: one, that of the ChildProcess.
#ifndef LBW_JOBS_CHILD_CHANNEL_H_
#define LBW_JOBS_CHILD_CHANNEL_H_

#include <poll.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "jobs/child_process.h"
#include "jobs/log_buffer.h"
#include "jobs/protocol.h"

namespace lbw::jobs {

class ChildChannel {
 public:
  // Errors: those of ChildProcess::Start.
  static absl::StatusOr<std::unique_ptr<ChildChannel>> Start(const ChildOptions& options);

  ChildProcess& process() { return *process_; }
  LogBuffer& log() { return log_; }

  // Sends a line, now or as soon as the socket takes it.
  void Send(std::string_view line);
  // Whether its lines are to be read. While they are not, a child that says more waits.
  enum class Lines { kRead, kLeave };
  // What to poll for: its socket, its log and its end.
  static constexpr size_t kPollFds = 3;
  void FillPoll(Lines lines, absl::Span<pollfd> fds) const;
  // Sends and reads what is possible at this moment, at most 256 KiB of each. True where something
  // was read. Errors: kInvalidArgument - a line that is no message; the messages before it are
  // given, and no line is read any more.
  absl::StatusOr<bool> Pump(Lines lines, std::vector<Up>& messages);
  // It says no more: its end of the socket is closed.
  bool socket_ended() const { return socket_ended_; }

 private:
  explicit ChildChannel(std::unique_ptr<ChildProcess> process) : process_(std::move(process)) {}
  void Flush();
  bool ReadLog();
  absl::Status ReadLines(std::vector<Up>& messages, bool& read_some);

  const std::unique_ptr<ChildProcess> process_;
  LogBuffer log_;
  LineSplitter splitter_;
  std::string outgoing_;
  bool socket_ended_ = false;
  bool log_ended_ = false;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_CHILD_CHANNEL_H_

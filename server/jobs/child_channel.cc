#include "jobs/child_channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/status.h"

namespace lbw::jobs {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 10;
constexpr int kPieces = 4;  // a pump

bool MayComeLater(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

absl::StatusOr<std::unique_ptr<ChildChannel>> ChildChannel::Start(const ChildOptions& options) {
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> process, ChildProcess::Start(options));
  return std::unique_ptr<ChildChannel>(new ChildChannel(std::move(process)));
}

void ChildChannel::Send(std::string_view line) {
  outgoing_.append(line);
  outgoing_.push_back('\n');
  Flush();
}

void ChildChannel::Flush() {
  while (!outgoing_.empty() && !socket_ended_) {
    const ssize_t sent =
        ::send(process_->socket_fd(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
    if (sent < 0 && MayComeLater(errno)) return;
    // Its end is closed: what it said before can still be read.
    if (sent < 0) outgoing_.clear();
    if (sent > 0) outgoing_.erase(0, static_cast<size_t>(sent));
  }
}

void ChildChannel::FillPoll(Lines lines, absl::Span<pollfd> fds) const {
  LBW_CHECK(fds.size() == kPollFds);
  // A negative descriptor is skipped; one that has ended would be ready for ever.
  short events = lines == Lines::kRead ? POLLIN : 0;
  if (!outgoing_.empty()) events = static_cast<short>(events | POLLOUT);
  const bool socket = !socket_ended_ && events != 0;
  fds[0] = {socket ? process_->socket_fd() : -1, events, 0};
  fds[1] = {log_ended_ ? -1 : process_->log_fd(), POLLIN, 0};
  fds[2] = {process_->exit_fd(), POLLIN, 0};
}

absl::StatusOr<bool> ChildChannel::Pump(Lines lines, std::vector<Up>& messages) {
  Flush();
  bool read_some = ReadLog();
  if (lines == Lines::kRead) LBW_RETURN_IF_ERROR(ReadLines(messages, read_some));
  return read_some;
}

bool ChildChannel::ReadLog() {
  std::array<char, kPieceBytes> piece;
  bool read_some = false;
  for (int i = 0; i < kPieces && !log_ended_; ++i) {
    const ssize_t got = ::read(process_->log_fd(), piece.data(), piece.size());
    if (got < 0 && MayComeLater(errno)) break;
    if (got <= 0) {
      log_ended_ = true;
      break;
    }
    log_.Append({piece.data(), static_cast<size_t>(got)});
    read_some = true;
  }
  return read_some;
}

absl::Status ChildChannel::ReadLines(std::vector<Up>& messages, bool& read_some) {
  std::array<char, kPieceBytes> piece;
  for (int i = 0; i < kPieces && !socket_ended_; ++i) {
    const ssize_t got = ::recv(process_->socket_fd(), piece.data(), piece.size(), 0);
    if (got < 0 && MayComeLater(errno)) break;
    if (got <= 0) {
      socket_ended_ = true;
      break;
    }
    read_some = true;
    std::vector<std::string> found;
    absl::Status status = splitter_.Feed({piece.data(), static_cast<size_t>(got)}, found);
    for (const std::string& line : found) {
      absl::StatusOr<Up> message = DecodeUp(line);
      if (!message.ok()) {
        status = message.status();
        break;
      }
      messages.push_back(*std::move(message));
    }
    if (!status.ok()) {
      socket_ended_ = true;
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace lbw::jobs

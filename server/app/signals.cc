#include "app/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/log.h"
#include "base/status.h"
#include "base/thread_pool.h"

namespace lbw::app {

SignalWatch::SignalWatch(Again term_again) : term_again_(term_again) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  end_fd_ = ::eventfd(0, EFD_CLOEXEC);
  LBW_CHECK(signal_fd_ >= 0 && end_fd_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

SignalWatch::~SignalWatch() {
  const uint64_t one = 1;
  LBW_CHECK(::write(end_fd_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  ::close(signal_fd_);
  ::close(end_fd_);
}

void SignalWatch::Run() {
  base::SetThreadName("signals");
  pollfd waits[2] = {{signal_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
  while (true) {
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return;
    if ((waits[1].revents & POLLIN) != 0) return;
    if ((waits[0].revents & POLLIN) == 0) continue;
    signalfd_siginfo info{};
    if (::read(signal_fd_, &info, sizeof(info)) != sizeof(info)) continue;
    const int number = static_cast<int>(info.ssi_signo);
    if (asked_.HasBeenNotified()) {
      if (number == SIGTERM && term_again_ == Again::kIgnored) continue;
      base::LogWarning("server_killed", {{"signal", number}});
      // As a shell reports a process that its signal ended.
      constexpr int kSignalled = 128;
      ::_exit(kSignalled + number);
    }
    base::LogInfo("signal", {{"signal", number}});
    asked_.Notify();
  }
}

}  // namespace lbw::app

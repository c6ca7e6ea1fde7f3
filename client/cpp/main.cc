// `lbw`: see cli.h. SIGINT and SIGTERM cancel what is under way; the exit status is then 128 +
// signal.
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "client/cpp/cli.h"
#include "grpc/support/log.h"

namespace {

lbw::client::TerminalSize SizeOf(int file) {
  winsize size = {};
  if (::ioctl(file, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

// gRPC's own log would mix with what is printed; GRPC_VERBOSITY brings it back.
void QuietLog(gpr_log_func_args* /*arguments*/) {}

}  // namespace

int main(int argc, char** argv) {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function(QuietLog);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  // Blocked before any thread starts, so that only the waiting thread below takes them.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  lbw::client::Canceller canceller;
  std::atomic<int> caught = 0;
  std::thread([&canceller, &caught, signals] {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) return;
    caught = signal;
    canceller.Cancel();
    // The second one does not wait for what the first one asked.
    if (sigwait(&signals, &signal) == 0) ::_exit(128 + signal);
  }).detach();

  lbw::client::Terminal terminal = {std::cout, std::cerr, ::isatty(STDERR_FILENO) == 1,
                                    SizeOf(STDERR_FILENO).columns};
  if (::isatty(STDOUT_FILENO) == 1) terminal.out_size = [] { return SizeOf(STDOUT_FILENO); };
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  int status = lbw::client::RunCli(arguments, terminal, canceller);
  if (status != 0 && caught != 0) status = 128 + caught;
  std::cout.flush();
  std::cerr.flush();
  // The waiting thread still holds references into this frame: leave without unwinding it.
  ::_exit(status);
}

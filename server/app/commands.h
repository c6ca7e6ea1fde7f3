// What the commands of lbw-server do. Each returns the exit status of the process.
#ifndef LBW_APP_COMMANDS_H_
#define LBW_APP_COMMANDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "config/config.h"

namespace lbw::app {

// Serves until SIGTERM or SIGINT, drains, returns 0; what prevents the start is one line on stderr,
// and 1. Called from main, before any thread is made. argv: main's; the program may execute itself
// once more with it, with a variable set that a library reads when it is loaded.
int Serve(const config::Config& config, char** argv);

// Runs jobs until SIGTERM or SIGINT, or until the socket parent_fd (-1: none) ends; checkpoints,
// gives the lease back, returns 0.
int Work(const config::Config& config, int parent_fd);

// One job for the worker at the other end of fd. nice: how much the process stands back.
int RunJob(int fd, int nice);

// Key, value and source in aligned columns.
std::string ConfigTable(absl::Span<const config::Provenance> values);
int PrintConfig(absl::Span<const config::Provenance> values);

int PrintVersion();
int PrintHelp(const std::string& help);
// "CODE: message" on stderr, and 1.
int Fail(const absl::Status& status);

}  // namespace lbw::app

#endif  // LBW_APP_COMMANDS_H_

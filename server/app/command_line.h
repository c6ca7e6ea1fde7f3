// The command line of lbw-server: which command, and what it was given.
#ifndef LBW_APP_COMMAND_LINE_H_
#define LBW_APP_COMMAND_LINE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace lbw::app {

enum class Command : uint8_t { kServe, kWorker, kRunJob, kConfig, kVersion, kHelp };

struct CommandLine {
  Command command = Command::kHelp;
  std::string help;         // kHelp: what to print
  std::string config_file;  // kServe, kWorker, kConfig
  int fd = -1;              // kRunJob: the worker's socket; kWorker: the server's, or -1
  int nice = 0;             // kRunJob
  std::map<std::string, std::string> flags;  // configuration key -> value
};

// arguments: without the program's name. Errors: kInvalidArgument - an unknown command or flag, a
// flag without its value; the message says where help is.
absl::StatusOr<CommandLine> ParseCommandLine(absl::Span<const char* const> arguments);

}  // namespace lbw::app

#endif  // LBW_APP_COMMAND_LINE_H_

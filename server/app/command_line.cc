#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "config/config.h"

namespace lbw::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  lbw-server serve                                     on 127.0.0.1:8500, data in ./lbw-data
  lbw-server serve --data-dir /var/lib/lbw --listen 0.0.0.0:8500
  lbw-server serve --config lbw.yaml --log-level debug
  lbw-server serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --port-file ports.json
  lbw-server worker --data-dir /var/lib/lbw            a worker of its own beside it
  lbw-server config --config lbw.yaml                  every value in force, and where it came from

A flag beats the environment (LBW_SERVING_QUEUE_CALLS=64), which beats the file
(serving: {queue_calls: 64}), which beats the default.
)";

// A command that reads the configuration: one flag a key.
struct ConfigCommand {
  CLI::App* app = nullptr;
  std::map<std::string, std::string> values;  // key -> text; stable addresses
  std::map<std::string, CLI::Option*> options;
  std::string file;

  void AddTo(CLI::App& root, const std::string& name, const std::string& description) {
    app = root.add_subcommand(name, description);
    app->footer(kExamples);
    app->add_option("--config", file, "YAML file of the configuration")->type_name("FILE");
    for (const config::KeyDoc& doc : config::Keys()) {
      CLI::Option* option = app->add_option(doc.flag, values[doc.key], doc.meaning);
      option->type_name("VALUE");
      option->default_str(doc.default_value);
      options[doc.key] = option;
    }
  }

  CommandLine Result(Command command) const {
    CommandLine line;
    line.command = command;
    line.config_file = file;
    for (const auto& entry : options) {
      if (entry.second->count() > 0) line.flags[entry.first] = values.at(entry.first);
    }
    return line;
  }
};

base::Error Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(message, "; see lbw-server --help"));
}

absl::Status CheckCommand(absl::Span<const char* const> arguments) {
  if (arguments.empty()) return Bad("a command is missing: serve, worker, config or version");
  const std::string_view first = arguments.front();
  const std::vector<std::string_view> known = {"serve",   "worker", "run-job", "config",
                                               "version", "--help", "-h"};
  if (std::find(known.begin(), known.end(), first) != known.end()) return absl::OkStatus();
  return Bad(
      base::StrCat("unknown command ", first, "; the commands are serve, worker, config, version"));
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(absl::Span<const char* const> arguments) {
  LBW_RETURN_IF_ERROR(CheckCommand(arguments));
  CLI::App root("LBW Serve: low-bit object detectors over gRPC", "lbw-server");
  root.footer(kExamples);
  root.require_subcommand(1);
  ConfigCommand serve;
  ConfigCommand worker;
  ConfigCommand config;
  int fd = -1;
  int nice = 0;
  serve.AddTo(root, "serve", "Serve until SIGTERM, which drains; a second one ends at once");
  worker.AddTo(root, "worker",
               "Run jobs of the same data folder until SIGTERM, which checkpoints and gives back");
  worker.app->add_option("--parent-fd", fd)->group("");
  // What a worker starts a job with; not for people.
  CLI::App* run_job = root.add_subcommand("run-job", "One job, for a worker")->group("");
  run_job->add_option("--fd", fd)->required();
  run_job->add_option("--nice", nice);
  config.AddTo(root, "config", "Print every value in force and where it came from");
  CLI::App* version = root.add_subcommand("version", "Print the version");
  // The parser takes them from the back.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    root.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    CommandLine line;
    line.help = root.help();
    return line;
  } catch (const CLI::ParseError& error) {
    return Bad(error.what());
  }
  if (serve.app->parsed()) return serve.Result(Command::kServe);
  if (worker.app->parsed()) {
    CommandLine line = worker.Result(Command::kWorker);
    line.fd = fd;
    return line;
  }
  if (run_job->parsed()) {
    CommandLine line;
    line.command = Command::kRunJob;
    line.fd = fd;
    line.nice = nice;
    return line;
  }
  if (config.app->parsed()) return config.Result(Command::kConfig);
  CommandLine line;
  if (version->parsed()) line.command = Command::kVersion;
  return line;
}

}  // namespace lbw::app

#include "app/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>

#include "app/app.h"
#include "base/log.h"
#include "base/status.h"
#include "config/config.h"

#ifndef LBW_VERSION
#define LBW_VERSION "0"
#endif

namespace lbw::app {
namespace {

// What CLI11 filled in for one subcommand.
struct Flags {
  std::string file;
  std::map<std::string, std::string> values;  // key -> text, every key
  std::map<std::string, CLI::Option*> options;

  config::Sources Sources() const {
    config::Sources sources;
    sources.file = file;
    sources.environment = config::ReadEnvironment();
    for (const auto& [key, option] : options) {
      if (option->count() > 0) sources.flags[key] = values.at(key);
    }
    return sources;
  }
};

void AddFlags(CLI::App& command, Flags& flags) {
  command.add_option("--config", flags.file, "YAML file with the keys below");
  for (const config::KeyDoc& key : config::Keys()) {
    if (key.flag.empty()) continue;
    flags.options[key.key] = command.add_option(key.flag, flags.values[key.key],
                                                key.meaning + " [" + key.default_value + "]");
  }
}

int Fail(const absl::Status& status) {
  std::cerr << absl::StatusCodeToString(status.code()) << ": " << status.message() << "\n";
  return 1;
}

void ApplyLog(const config::Config& config) {
  static const std::map<std::string, base::LogLevel> kLevels = {
      {"debug", base::LogLevel::kDebug},
      {"info", base::LogLevel::kInfo},
      {"warning", base::LogLevel::kWarning},
      {"error", base::LogLevel::kError}};
  const bool json =
      config.log_format == "json" || (config.log_format == "auto" && isatty(STDERR_FILENO) == 0);
  base::ConfigureLog(kLevels.at(config.log_level),
                     json ? base::LogFormat::kJson : base::LogFormat::kText);
}

int Serve(const Flags& flags) {
  const absl::StatusOr<config::Loaded> loaded = config::Load(flags.Sources());
  if (!loaded.ok()) return Fail(loaded.status());
  ApplyLog(loaded->config);
  return ServeUntilSignal(loaded->config);
}

int PrintConfig(const Flags& flags) {
  const absl::StatusOr<config::Loaded> loaded = config::Load(flags.Sources());
  if (!loaded.ok()) return Fail(loaded.status());
  size_t key_width = 3;
  size_t value_width = 5;
  for (const config::Provenance& value : loaded->values) {
    key_width = std::max(key_width, value.key.size());
    value_width = std::max(value_width, value.value.size());
  }
  const auto print = [&](const std::string& key, const std::string& value,
                         const std::string& source) {
    std::cout << std::left << std::setw(static_cast<int>(key_width) + 2) << key
              << std::setw(static_cast<int>(value_width) + 2) << value << source << "\n";
  };
  print("KEY", "VALUE", "SOURCE");
  for (const config::Provenance& value : loaded->values) {
    print(value.key, value.value, value.source);
  }
  return 0;
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  CLI::App program("LBW Serve: quantizes detectors to powers of two and serves them.");
  program.require_subcommand(1);
  program.footer(
      "Examples:\n"
      "  lbw-server serve --data-dir ./data\n"
      "  lbw-server serve --listen 0.0.0.0:8500 --admin 127.0.0.1:8501\n"
      "  lbw-server serve --listen 127.0.0.1:0 --port-file ports.json\n"
      "  lbw-server config --config lbw.yaml        what would be in force, and why\n"
      "Every flag is also a key of the file and a variable: --data-dir, data_dir, LBW_DATA_DIR.");
  Flags serve_flags;
  Flags config_flags;
  CLI::App* serve =
      program.add_subcommand("serve", "Serve gRPC, and the admin port, until SIGTERM");
  CLI::App* print =
      program.add_subcommand("config", "Print the configuration in force and its sources");
  CLI::App* version = program.add_subcommand("version", "Print the version");
  AddFlags(*serve, serve_flags);
  AddFlags(*print, config_flags);
  try {
    program.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return program.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << "INVALID_ARGUMENT: " << error.what() << "\nTry: lbw-server --help\n";
    return 1;
  }
  if (version->parsed()) {
    std::cout << "lbw-server " << LBW_VERSION << "\n";
    return 0;
  }
  return serve->parsed() ? Serve(serve_flags) : PrintConfig(config_flags);
}

}  // namespace lbw::app

#include "client/cpp/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/calibration_view.h"
#include "client/cpp/commands/commands.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw status
  lbw quantize weights.safetensors --bits 4 --out weights.lbw4.safetensors
  lbw model create face --onnx face.onnx --spec face.yaml
  lbw model quantize face --bits 4 --keep-float '*conv1.weight'
  lbw detect face photo.jpg --out annotated
  lbw dataset create faces voc.zip
  lbw evaluate face --dataset faces --plot curves.png
Each command teaches more: lbw COMMAND --help)";

void AddGlobals(CLI::App& app, GlobalOptions& options) {
  app.add_option("--server", options.server, "HOST:PORT of lbw-server")
      ->envname("LBW_SERVER")
      ->capture_default_str();
  app.add_option("--token-file", options.token_file,
                 "file with the token that is sent as 'authorization: Bearer TOKEN'");
  app.add_option("--tls-ca", options.tls_ca,
                 "PEM of who signed the server's certificate; turns on TLS");
  app.add_option("--tls-cert", options.tls_cert, "PEM of this client's certificate (mutual TLS)");
  app.add_option("--tls-key", options.tls_key, "PEM of this client's key (mutual TLS)");
  app.add_option("--timeout", options.timeout_s, "seconds for the whole command; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--submitter", options.submitter,
                 "who asks for jobs, datasets and aliases; your user name by default");
  app.add_flag("--json", options.json, "print the response as JSON and nothing else");
  app.add_flag("--quiet", options.quiet, "no progress, notes and warnings");
}

// The innermost command that was named, for its usage line.
std::string UsedCommand(const CLI::App& app) {
  std::string name = "lbw";
  const CLI::App* here = &app;
  while (true) {
    const auto chosen = here->get_subcommands();
    if (chosen.empty()) return name;
    here = chosen.front();
    name += " " + here->get_name();
  }
}

struct Parsed {
  bool is_done = false;  // help was printed, or the arguments were refused
  int exit_status = 0;
};

Parsed Parse(CLI::App& app, const std::vector<std::string>& arguments, const Terminal& terminal) {
  // CLI11 takes them last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
    return {};
  } catch (const CLI::CallForHelp&) {
    const CLI::App* here = &app;
    while (!here->get_subcommands().empty()) here = here->get_subcommands().front();
    terminal.out << here->help(
        here == &app ? "" : UsedCommand(app).substr(0, UsedCommand(app).rfind(' ')));
    return {true, 0};
  } catch (const CLI::ParseError& error) {
    const std::string command = UsedCommand(app);
    terminal.err << "INVALID_ARGUMENT: " << error.what() << "\n  see: " << command << " --help\n";
    return {true, 1};
  }
}

}  // namespace

int RunCli(const std::vector<std::string>& arguments, const Terminal& terminal,
           Canceller& canceller) {
  GlobalOptions options;
  Command command;
  CLI::App app("Quantizes neural networks to zero and signed powers of two, and serves them.",
               "lbw");
  app.footer(kExamples);
  app.require_subcommand(1);
  // Global options may stand before and after the command.
  app.fallthrough();
  AddGlobals(app, options);
  AddQuantizeCommand(app, command);
  AddDequantizeCommand(app, command);
  AddArtifactCommands(app, command);
  AddModelCommands(app, command);
  AddDetectCommand(app, command);
  AddDatasetCommands(app, command);
  AddEvaluateCommand(app, command);
  AddTrainCommand(app, command);
  AddFineTuneCommand(app, command);
  AddJobCommands(app, command);
  AddStatusCommand(app, command);
  AddVersionCommand(app, command);

  const Parsed parsed = Parse(app, arguments, terminal);
  if (parsed.is_done) return parsed.exit_status;
  Session session(options, terminal, canceller);
  absl::Status status = command(session);
  if (!session.out().flush() && status.ok()) {
    status = base::Error(absl::StatusCode::kInternal, base::reason::kStoreFailed,
                         "standard output cannot be written");
  }
  if (status.ok()) return 0;
  terminal.err << RenderError(status, options.server) << std::flush;
  return base::GetErrorDetails(status).reason == kDropMissed.text ? kDropMissedStatus : 1;
}

}  // namespace lbw::client

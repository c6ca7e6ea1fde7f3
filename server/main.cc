// lbw-server: flags -> Config -> App -> Run.
#include "app/command_line.h"
#include "app/commands.h"
#include "config/config.h"

int main(int argc, char** argv) {
  namespace app = lbw::app;
  namespace config = lbw::config;
  const auto line = app::ParseCommandLine({argv + 1, static_cast<size_t>(argc > 1 ? argc - 1 : 0)});
  if (!line.ok()) return app::Fail(line.status());
  if (line->command == app::Command::kHelp) return app::PrintHelp(line->help);
  if (line->command == app::Command::kVersion) return app::PrintVersion();
  if (line->command == app::Command::kRunJob) return app::RunJob(line->fd, line->nice);
  const auto loaded = config::Load({line->flags, line->config_file, config::ReadEnvironment()});
  if (!loaded.ok()) return app::Fail(loaded.status());
  if (line->command == app::Command::kConfig) return app::PrintConfig(loaded->values);
  if (line->command == app::Command::kWorker) return app::Work(loaded->config, line->fd);
  return app::Serve(loaded->config, argv);
}

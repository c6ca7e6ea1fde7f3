// The commands of `lbw`, one function a group: each adds its subcommands with their help, and when
// one of them is parsed sets `command` to what it does.
#ifndef LBW_CLIENT_COMMANDS_COMMANDS_H_
#define LBW_CLIENT_COMMANDS_COMMANDS_H_

#include "client/cpp/session.h"

namespace CLI {
class App;
}

namespace lbw::client {

void AddQuantizeCommand(CLI::App& app, Command& command);
void AddDequantizeCommand(CLI::App& app, Command& command);
void AddArtifactCommands(CLI::App& app, Command& command);
void AddModelCommands(CLI::App& app, Command& command);
void AddDetectCommand(CLI::App& app, Command& command);
void AddDatasetCommands(CLI::App& app, Command& command);
void AddEvaluateCommand(CLI::App& app, Command& command);
void AddTrainCommand(CLI::App& app, Command& command);
void AddFineTuneCommand(CLI::App& app, Command& command);
void AddJobCommands(CLI::App& app, Command& command);
void AddStatusCommand(CLI::App& app, Command& command);
void AddVersionCommand(CLI::App& app, Command& command);

// The subcommands of `lbw model`.
void AddModelCreateCommand(CLI::App& model, Command& command);
void AddModelQuantizeCommand(CLI::App& model, Command& command);
void AddModelCompareCommand(CLI::App& model, Command& command);
void AddModelShowCommands(CLI::App& model, Command& command);
// delete.
void AddModelEditCommands(CLI::App& model, Command& command);
// alias, rollback, history.
void AddModelAliasCommands(CLI::App& model, Command& command);
// lineage, evaluations.
void AddModelOriginCommands(CLI::App& model, Command& command);
void AddModelExportCommand(CLI::App& model, Command& command);

}  // namespace lbw::client

#endif  // LBW_CLIENT_COMMANDS_COMMANDS_H_

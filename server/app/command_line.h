// The command line of lbw-server.
#ifndef LBW_APP_COMMAND_LINE_H_
#define LBW_APP_COMMAND_LINE_H_

namespace lbw::app {

// Parses, loads the configuration and runs the subcommand: serve, config, version. Returns the exit
// status: 0, or 1 with "CODE: message" on stderr.
int RunCommandLine(int argc, char** argv);

}  // namespace lbw::app

#endif  // LBW_APP_COMMAND_LINE_H_

// The program `lbw`: arguments in, exit status out.
#ifndef LBW_CLIENT_CLI_H_
#define LBW_CLIENT_CLI_H_

#include <string>
#include <vector>

#include "client/cpp/canceller.h"
#include "client/cpp/session.h"

namespace lbw::client {

// Runs one command. arguments: without the program's name.
// Returns 0, or 1 after "CODE: message" on terminal.err; also a usage error is INVALID_ARGUMENT.
// kDropMissedStatus in place of 1 where a version was made whose value drops more than was asked.
// With --json standard output holds the JSON and nothing else; after an error, nothing unless the
// command had results besides (a picture that failed among others).
// Threads: canceller.Cancel() from any thread ends the command with CANCELLED.
inline constexpr int kDropMissedStatus = 3;
int RunCli(const std::vector<std::string>& arguments, const Terminal& terminal,
           Canceller& canceller);

}  // namespace lbw::client

#endif  // LBW_CLIENT_CLI_H_

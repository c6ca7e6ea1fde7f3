// The file that tells scripts and tests on which ports a server listens.
#ifndef LBW_APP_PORT_FILE_H_
#define LBW_APP_PORT_FILE_H_

#include <string>

#include "absl/status/status.h"

namespace lbw::app {

// Writes {"grpc": N, "admin": N}; whoever sees the file sees it whole.
// Errors: kInternal - names path and cause.
absl::Status WritePortFile(const std::string& path, int grpc_port, int admin_port);

}  // namespace lbw::app

#endif  // LBW_APP_PORT_FILE_H_

// The file that tells scripts and tests on which ports a server listens.
#ifndef LBW_APP_PORT_FILE_H_
#define LBW_APP_PORT_FILE_H_

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace lbw::app {

// Writes {"grpc": N, "admin": N}, or whatever ports there are; whoever sees the file sees it whole.
// Errors: kInternal - names path and cause.
absl::Status WritePortFile(const std::string& path,
                           std::initializer_list<std::pair<const char*, int>> ports);

}  // namespace lbw::app

#endif  // LBW_APP_PORT_FILE_H_

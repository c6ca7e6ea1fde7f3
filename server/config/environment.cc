#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "config/config.h"

namespace lbw::config {
namespace {

// Variables of the client, the tests and the build script: not the server's.
constexpr std::array<std::string_view, 3> kOthers = {"LBW_SERVER", "LBW_TEST_DATA", "LBW_JOBS"};

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// Kubernetes puts variables such as LBW_SERVICE_HOST and LBW_SERVER_PORT_8500_TCP_ADDR into every
// pod beside a Service whose name begins with "lbw"; they are nobody's configuration.
bool IsServiceLink(std::string_view name) {
  return EndsWith(name, "_SERVICE_HOST") || EndsWith(name, "_PORT") ||
         name.find("_SERVICE_PORT") != std::string_view::npos ||
         (name.find("_PORT_") != std::string_view::npos &&
          name.find("_TCP") != std::string_view::npos);
}

}  // namespace

std::map<std::string, std::string> ReadEnvironment() {
  std::map<std::string, std::string> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (text.substr(0, 4) != "LBW_" || equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end()) continue;
    if (IsServiceLink(name)) continue;
    result.emplace(name, text.substr(equals + 1));
  }
  return result;
}

bool SetVariableIfUnset(const std::string& name, const std::string& value) {
  if (::getenv(name.c_str()) != nullptr) return false;
  return ::setenv(name.c_str(), value.c_str(), 0) == 0;
}

char** InheritedEnvironment() { return environ; }

}  // namespace lbw::config

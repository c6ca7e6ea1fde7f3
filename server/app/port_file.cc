#include "app/port_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/status.h"

namespace lbw::app {
namespace {

absl::Status Failed(const std::string& path, int error) {
  return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                     base::StrCat("cannot write port_file ", path, ": ", std::strerror(error)));
}

}  // namespace

absl::Status WritePortFile(const std::string& path,
                           std::initializer_list<std::pair<const char*, int>> ports) {
  const std::string temporary = base::StrCat(path, ".", ::getpid());
  std::ofstream file(temporary, std::ios::trunc);
  const char* before = "{";
  for (const auto& [name, port] : ports) {
    file << before << "\"" << name << "\": " << port;
    before = ", ";
  }
  file << "}\n";
  file.close();
  if (!file) return Failed(path, errno);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    (void)std::remove(temporary.c_str());
    return Failed(path, error);
  }
  return absl::OkStatus();
}

}  // namespace lbw::app

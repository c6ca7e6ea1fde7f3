#include "app/bind_check.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "base/status.h"

namespace lbw::app {
namespace {

absl::Status BindError(const config::Address& address, std::string_view key, int error) {
  const std::string message = base::StrCat("cannot listen on ", config::FormatAddress(address),
                                           " (", key, "): ", std::strerror(error));
  switch (error) {
    case EADDRINUSE:
      return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInUse, message);
    case EADDRNOTAVAIL:
    case EACCES:
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
    default:
      return base::Error(absl::StatusCode::kInternal, base::reason::kInternal, message);
  }
}

}  // namespace

absl::Status CheckBindable(const config::Address& address, std::string_view key) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("cannot listen on ", config::FormatAddress(address), " (", key,
                                    "): ", ::gai_strerror(failed)));
  }
  const absl::Cleanup free_found = [found] { ::freeaddrinfo(found); };
  const int socket = ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
  if (socket < 0) return BindError(address, key, errno);
  const absl::Cleanup close_socket = [socket] { ::close(socket); };
  // As the servers do: a port whose last connections are in TIME_WAIT is free.
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket, found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket, 1) != 0) {
    return BindError(address, key, errno);
  }
  return absl::OkStatus();
}

}  // namespace lbw::app

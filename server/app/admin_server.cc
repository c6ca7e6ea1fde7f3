#include "app/admin_server.h"

#include <httplib.h>

#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"

namespace lbw::app {
namespace {

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kTextType = "text/plain; charset=utf-8";
constexpr size_t kThreads = 2;
constexpr int kTimeoutSeconds = 5;

}  // namespace

struct AdminServer::Impl {
  httplib::Server server;
  std::thread thread;
  int port = 0;
};

absl::StatusOr<HostPort> ParseHostPort(const std::string& address, const std::string& key) {
  const size_t colon = address.rfind(':');
  HostPort result;
  const bool split = colon != std::string::npos && colon > 0 &&
                     absl::SimpleAtoi(address.substr(colon + 1), &result.port);
  if (!split || result.port < 0 || result.port > 65535) {
    return base::Error(
               absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
               base::StrCat(key, " must be HOST:PORT with a port of 0..65535: ", key, "=", address))
        .Field(key);
  }
  result.host = address.substr(0, colon);
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
  }
  return result;
}

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(Options options) {
  LBW_ASSIGN_OR_RETURN(const HostPort where, ParseHostPort(options.address, "admin"));
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // The library's own options share the port between processes (SO_REUSEPORT): two servers would
  // answer in turn.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  server.set_payload_max_length(1024);
  server.Get("/metrics", [metrics = std::move(options.metrics)](const httplib::Request&,
                                                                httplib::Response& response) {
    response.set_content(metrics(), kMetricsType);
  });
  server.Get("/livez", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", kTextType);
  });
  server.Get("/readyz", [ready = std::move(options.ready)](const httplib::Request&,
                                                           httplib::Response& response) {
    const bool is_ready = ready();
    response.status = is_ready ? 200 : 503;
    response.set_content(is_ready ? "ready\n" : "not ready\n", kTextType);
  });
  impl->port = where.port == 0 ? server.bind_to_any_port(where.host)
                               : (server.bind_to_port(where.host, where.port) ? where.port : -1);
  if (impl->port <= 0) {
    return base::Error(absl::StatusCode::kUnavailable, base::reason::kInternal,
                       base::StrCat("cannot listen for admin requests: admin=", options.address,
                                    " is taken or not an address of this machine"));
  }
  impl->thread = std::thread([server = &impl->server] {
    base::SetThreadName("admin");
    server->listen_after_bind();
  });
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::~AdminServer() { Stop(); }

int AdminServer::port() const { return impl_->port; }

void AdminServer::Stop() {
  if (!impl_->thread.joinable()) return;
  // stop() before the loop has begun would be lost.
  while (!impl_->server.is_running()) std::this_thread::yield();
  impl_->server.stop();
  impl_->thread.join();
}

}  // namespace lbw::app

#include "app/admin_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <thread>
#include <utility>

#include "app/bind_check.h"
#include "base/status.h"
#include "base/thread_pool.h"

namespace lbw::app {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kMaxQueue = 64;
constexpr int kIoSeconds = 5;
constexpr size_t kMaxPayloadBytes = 4096;
constexpr const char* kText = "text/plain; charset=utf-8";

// Named and bounded, unlike the library's own pool.
class Tasks final : public httplib::TaskQueue {
 public:
  Tasks() : pool_({"admin", kThreads, kMaxQueue}) {}
  void enqueue(std::function<void()> task) override {
    // A task that is dropped would leave its connection open: with a full queue the accepting
    // thread serves it itself, which keeps others waiting outside.
    const auto shared = std::make_shared<std::function<void()>>(std::move(task));
    if (!pool_.Submit([shared] { (*shared)(); }).ok()) (*shared)();
  }
  void shutdown() override { pool_.Shutdown(); }

 private:
  base::ThreadPool pool_;
};

}  // namespace

struct AdminServer::Impl {
  AdminHandlers handlers;
  httplib::Server server;
  int port = 0;
  std::thread thread;

  void Route() {
    server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(handlers.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
    server.Get("/livez", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("ok\n", kText);
    });
    server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      constexpr int kUnavailable = 503;
      const absl::Status ready = handlers.ready();
      if (!ready.ok()) response.status = kUnavailable;
      response.set_content(
          ready.ok() ? std::string("ready\n") : absl::StrCat(ready.message(), "\n"), kText);
    });
    server.Get("/", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("lbw-server admin: /metrics /livez /readyz\n", kText);
    });
  }

  void Configure() {
    server.new_task_queue = [] { return new Tasks; };
    // The library's default is SO_REUSEPORT, with which two servers share a port unnoticed.
    server.set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    // One request a connection: an idle one would hold one of few threads.
    server.set_keep_alive_max_count(1);
    server.set_read_timeout(kIoSeconds);
    server.set_write_timeout(kIoSeconds);
    server.set_payload_max_length(kMaxPayloadBytes);
  }
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() { Stop(); }

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const config::Address& address,
                                                                AdminHandlers handlers) {
  if (address.port != 0) LBW_RETURN_IF_ERROR(CheckBindable(address, "admin"));
  auto impl = std::make_unique<Impl>();
  impl->handlers = std::move(handlers);
  impl->Configure();
  impl->Route();
  if (address.port == 0) {
    impl->port = impl->server.bind_to_any_port(address.host);
  } else if (impl->server.bind_to_port(address.host, address.port)) {
    impl->port = address.port;
  }
  if (impl->port <= 0) {
    LBW_RETURN_IF_ERROR(CheckBindable(address, "admin"));
    return base::Error(
        absl::StatusCode::kInternal, base::reason::kInternal,
        base::StrCat("cannot listen on ", config::FormatAddress(address), " (admin)"));
  }
  impl->thread = std::thread([raw = impl.get()] {
    base::SetThreadName("admin-accept");
    raw->server.listen_after_bind();
  });
  // stop() before the thread runs would have no effect.
  while (!impl->server.is_running()) std::this_thread::yield();
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

int AdminServer::port() const { return impl_->port; }

void AdminServer::Stop() {
  if (!impl_->thread.joinable()) return;
  impl_->server.stop();
  impl_->thread.join();
}

}  // namespace lbw::app

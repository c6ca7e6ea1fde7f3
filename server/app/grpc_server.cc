#include "app/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "app/bind_check.h"
#include "base/io.h"
#include "base/status.h"
#include "base/thread_pool.h"

namespace lbw::app {
namespace {

constexpr absl::Duration kCancelEvery = absl::Milliseconds(50);
constexpr int kMaxStreamsPerConnection = 1'000;
constexpr int kKeepaliveMs = 60'000;         // a silent connection is asked whether it is alive
constexpr int kKeepaliveTimeoutMs = 20'000;  // and closed when it does not answer
constexpr int kLeastClientPingMs = 10'000;   // clients that ask more often are closed
constexpr unsigned kTlsReloadSeconds = 10;
constexpr uint64_t kMaxPemBytes = uint64_t{4} << 20;

// Reflection as a switch of one server: the library turns it on for every server of a process that
// is linked with it.
class Reflection final : public grpc::ServerBuilderOption {
 public:
  explicit Reflection(bool offered) : offered_(offered) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    using Plugin = grpc::reflection::ProtoServerReflectionPlugin;
    const auto is_reflection = [](const std::unique_ptr<grpc::ServerBuilderPlugin>& plugin) {
      return dynamic_cast<const Plugin*>(plugin.get()) != nullptr;
    };
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(), is_reflection), plugins->end());
    if (offered_) plugins->push_back(std::make_unique<Plugin>());
  }

 private:
  const bool offered_;
};

// gRPC starts with files that it cannot read and then fails every handshake.
absl::Status CheckPem(std::string_view key, const std::string& path) {
  const auto bad = [&](std::string_view why) -> absl::Status {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                       base::StrCat(key, " ", path, ": ", why))
        .Field(key);
  };
  const absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> reader =
      base::OpenFileReader(path);
  if (!reader.ok()) return bad(base::Std(reader.status().message()));
  const absl::StatusOr<std::string> text = base::ReadAll(**reader, kMaxPemBytes);
  if (!text.ok()) return bad(base::Std(text.status().message()));
  if (text->find("-----BEGIN ") == std::string::npos) return bad("not a PEM file");
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const GrpcServerOptions& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  LBW_RETURN_IF_ERROR(CheckPem("tls.cert", options.tls_cert));
  LBW_RETURN_IF_ERROR(CheckPem("tls.key", options.tls_key));
  const bool mutual = !options.tls_client_ca.empty();
  if (mutual) LBW_RETURN_IF_ERROR(CheckPem("tls.client_ca", options.tls_client_ca));
  const auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      options.tls_key, options.tls_cert, options.tls_client_ca, kTlsReloadSeconds);
  grpc::experimental::TlsServerCredentialsOptions tls(provider);
  tls.watch_identity_key_cert_pairs();
  if (mutual) tls.watch_root_certs();
  tls.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(tls);
}

void SetLimits(const GrpcServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.SetMaxSendMessageSize(options.max_message_bytes);
  // Bytes of all connections' buffers; above it gRPC reads no further, and closes connections when
  // that does not help: many times what a call may need.
  constexpr size_t kLeastQuotaBytes = size_t{1} << 30;
  constexpr size_t kMessagesInQuota = 32;
  grpc::ResourceQuota quota("lbw-server");
  quota.Resize(std::max(kLeastQuotaBytes,
                        kMessagesInQuota * static_cast<size_t>(options.max_message_bytes)));
  builder.SetResourceQuota(quota);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kLeastClientPingMs);
  // Off: with it a second server shares the port unnoticed.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

GrpcServer::GrpcServer(std::unique_ptr<rpc::SideCalls> side_calls)
    : side_calls_(std::move(side_calls)) {}

GrpcServer::~GrpcServer() = default;

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const GrpcServerOptions& options,
                                                              rpc::Services& services,
                                                              metrics::Metrics& metrics) {
  LBW_RETURN_IF_ERROR(CheckBindable(options.address, "listen"));
  LBW_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials,
                       MakeCredentials(options));
  std::unique_ptr<GrpcServer> result(new GrpcServer(std::make_unique<rpc::SideCalls>()));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetLimits(options, builder);
  builder.SetOption(std::make_unique<Reflection>(options.reflection));
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(rpc::NewMetricsInterceptorFactory(metrics, *result->side_calls_));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  services.RegisterWith(builder);
  builder.AddListeningPort(config::FormatAddress(options.address), credentials, &result->port_);
  result->server_ = builder.BuildAndStart();
  if (result->server_ == nullptr || result->port_ == 0) {
    return base::Error(
        absl::StatusCode::kInternal, base::reason::kInternal,
        base::StrCat("cannot listen on ", config::FormatAddress(options.address), " (listen)"));
  }
  for (const std::string& name : services.names()) {
    result->server_->GetHealthCheckService()->SetServingStatus(name, true);
  }
  return result;
}

void GrpcServer::StopServing() { server_->GetHealthCheckService()->Shutdown(); }

void GrpcServer::Shutdown(absl::Time deadline) {
  absl::Notification done;
  // Again and again: a client may open its watch anew before it hears that the server goes.
  std::thread canceller([this, &done] {
    base::SetThreadName("drain");
    do {
      side_calls_->CancelAll();
    } while (!done.WaitForNotificationWithTimeout(kCancelEvery));
  });
  server_->Shutdown(absl::ToChronoTime(deadline));
  server_->Wait();
  done.Notify();
  canceller.join();
}

}  // namespace lbw::app

#include "app/app.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "app/adapters.h"
#include "app/admin_server.h"
#include "app/sweeper.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "engine/torch/torch_executor.h"
#include "metrics/metrics.h"
#include "registry/registry.h"
#include "rpc/services.h"
#include "serving/detector.h"
#include "store/artifact_store.h"
#include "store/file_system.h"
#include "store/folder_blob_store.h"
#include "store/sqlite_database.h"

#ifndef LBW_VERSION
#define LBW_VERSION "0"
#endif

namespace lbw::app {
namespace {

constexpr absl::Duration kSweepInterval = absl::Minutes(5);
constexpr size_t kShortThreads = 4;
constexpr size_t kShortQueue = 4096;

int CoresOr(int64_t configured) {
  return configured > 0 ? static_cast<int>(configured)
                        : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

serving::ServingLimits ServingLimitsOf(const config::Config& config) {
  serving::ServingLimits limits;
  limits.loaded_bytes = static_cast<uint64_t>(config.loaded_bytes);
  limits.queue_calls = static_cast<size_t>(config.queue_calls);
  limits.queue_bytes = static_cast<uint64_t>(config.queue_bytes);
  limits.images_per_call = static_cast<size_t>(config.max_images_per_call);
  limits.image.max_bytes = static_cast<uint64_t>(config.max_image_bytes);
  limits.image.max_pixels = config.max_image_pixels;
  limits.threads = CoresOr(config.threads);
  return limits;
}

// Plain text, TLS, or mutual TLS; files are read again when they change.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(
    const config::Config& config) {
  if (config.tls_cert.empty() && config.tls_key.empty() && config.tls_client_ca.empty()) {
    return grpc::InsecureServerCredentials();
  }
  if (config.tls_cert.empty() || config.tls_key.empty()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       "TLS needs both tls.cert and tls.key")
        .Field(config.tls_cert.empty() ? "tls.cert" : "tls.key");
  }
  constexpr unsigned kRefreshSeconds = 10;
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      config.tls_key, config.tls_cert, config.tls_client_ca, kRefreshSeconds);
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  if (!config.tls_client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace

// In build order; destroyed in reverse.
struct App::Rooms {
  explicit Rooms(const config::Config& c) : config(c) {}

  absl::Status BuildStore();
  absl::Status BuildServices();
  absl::Status StartServing();
  void Drain();

  const config::Config config;
  const absl::Time start_time = absl::Now();
  std::atomic<bool> draining{false};
  std::atomic<bool> ready{false};
  std::unique_ptr<metrics::Metrics> metrics;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<store::BlobStore> blobs;
  std::unique_ptr<store::ArtifactStore> artifacts;
  std::unique_ptr<registry::Registry> registry;
  std::unique_ptr<ServingMetrics> serving_metrics;
  std::unique_ptr<engine::ExecutorFactory> engine;
  std::unique_ptr<serving::Detector> detector;
  std::unique_ptr<base::ThreadPool> short_work;
  std::unique_ptr<base::ThreadPool> long_work;
  std::unique_ptr<rpc::Services> services;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<AdminServer> admin;
  std::unique_ptr<Sweeper> sweeper;
  int grpc_port = 0;
  bool drained = false;
};

absl::Status App::Rooms::BuildStore() {
  store::SqliteOptions sqlite;
  sqlite.folder = config.data_dir;
  LBW_ASSIGN_OR_RETURN(database, store::SqliteDatabase::Open(sqlite));
  store::FileSystem& files = store::RealFileSystem();
  LBW_ASSIGN_OR_RETURN(blobs, store::FolderBlobStore::Open(files, config.data_dir));
  store::ArtifactStoreOptions options;
  options.folder = config.data_dir;
  options.limits.max_upload_bytes = static_cast<uint64_t>(config.max_upload_bytes);
  options.limits.max_unfinished = config.max_unfinished_uploads;
  options.limits.lifetime = config.upload_lifetime;
  options.detect_format = DetectFormat;
  LBW_ASSIGN_OR_RETURN(artifacts, store::OpenArtifactStore(*database, *blobs, files, options));
  registry::RegistryLimits limits;
  limits.max_models = config.max_models;
  LBW_ASSIGN_OR_RETURN(registry, registry::OpenRegistry(*database, limits));
  return absl::OkStatus();
}

absl::Status App::Rooms::BuildServices() {
  metrics->SetStoreNumbers([this] {
    const absl::StatusOr<store::ArtifactStore::Stats> stats = artifacts->GetStats();
    metrics::Metrics::StoreNumbers numbers;
    if (!stats.ok()) return numbers;
    numbers.artifacts = stats->artifacts;
    numbers.stored_bytes = stats->stored_bytes;
    numbers.unfinished_uploads = stats->unfinished_uploads;
    return numbers;
  });
  serving_metrics = std::make_unique<ServingMetrics>(*metrics);
  engine = engine::NewTorchExecutorFactory();
  serving::DetectorContext detector_context;
  detector_context.registry = registry.get();
  detector_context.artifacts = artifacts.get();
  detector_context.engine = engine.get();
  detector_context.observer = serving_metrics.get();
  detector = serving::NewDetector(detector_context, ServingLimitsOf(config));
  short_work = std::make_unique<base::ThreadPool>(
      base::ThreadPool::Options{"short", kShortThreads, kShortQueue});
  long_work = std::make_unique<base::ThreadPool>(
      base::ThreadPool::Options{"long", static_cast<size_t>(config.quantize_concurrency),
                                static_cast<size_t>(config.quantize_queue)});
  rpc::ServiceContext context;
  context.artifacts = artifacts.get();
  context.registry = registry.get();
  context.detector = detector.get();
  context.metrics = metrics.get();
  context.long_work = long_work.get();
  context.short_work = short_work.get();
  context.draining = &draining;
  context.version = LBW_VERSION;
  context.device_detail = DescribeCpu();
  context.start_time = start_time;
  context.limits.max_import_bytes = static_cast<uint64_t>(config.max_import_bytes);
  context.limits.loaded_bytes = static_cast<uint64_t>(config.loaded_bytes);
  context.limits.queue_calls = static_cast<size_t>(config.queue_calls);
  context.limits.threads = CoresOr(config.threads);
  services = std::make_unique<rpc::Services>(context);
  return absl::OkStatus();
}

absl::Status App::Rooms::StartServing() {
  LBW_RETURN_IF_ERROR(ParseHostPort(config.listen, "listen").status());
  LBW_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials,
                       MakeCredentials(config));
  grpc::EnableDefaultHealthCheckService(true);
  if (config.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.AddListeningPort(config.listen, credentials, &grpc_port);
  // Two servers must never share a port by accident.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(config.max_message_bytes));
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(rpc::NewMetricsInterceptorFactory(*metrics));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  services->RegisterWith(builder);
  server = builder.BuildAndStart();
  if (server == nullptr || grpc_port == 0) {
    return base::Error(absl::StatusCode::kUnavailable, base::reason::kInternal,
                       base::StrCat("cannot listen for gRPC: listen=", config.listen,
                                    " is taken or not an address of this machine"));
  }
  for (const std::string& name : services->names()) {
    server->GetHealthCheckService()->SetServingStatus(name, true);
  }
  AdminServer::Options options;
  options.address = config.admin;
  options.metrics = [this] { return metrics->Scrape(); };
  options.ready = [this] { return ready.load(); };
  LBW_ASSIGN_OR_RETURN(admin, AdminServer::Start(std::move(options)));
  sweeper = std::make_unique<Sweeper>(kSweepInterval, [this] {
    const absl::Status status = artifacts->Sweep();
    if (!status.ok()) base::LogWarning("sweep_failed", {{"status", status}});
  });
  ready = true;
  metrics->SetReady(true);
  return absl::OkStatus();
}

void App::Rooms::Drain() {
  if (drained) return;
  drained = true;
  draining = true;
  ready = false;
  metrics->SetReady(false);
  sweeper.reset();
  if (server != nullptr) {
    base::LogInfo("server_draining",
                  {{"timeout_seconds", absl::ToDoubleSeconds(config.drain_timeout)}});
    server->GetHealthCheckService()->SetServingStatus(false);
    const absl::Time deadline = absl::Now() + config.drain_timeout;
    // Refuses new calls and waits for those in work; what is left at the deadline is cancelled.
    server->Shutdown(absl::ToChronoTime(deadline));
    server->Wait();
    detector->Drain(deadline);
  }
  if (long_work != nullptr) long_work->Shutdown();
  if (short_work != nullptr) short_work->Shutdown();
  server.reset();
  if (admin != nullptr) admin->Stop();
}

App::App(std::unique_ptr<Rooms> rooms) : rooms_(std::move(rooms)) {}

App::~App() { Shutdown(); }

absl::StatusOr<std::unique_ptr<App>> App::Start(const config::Config& config) {
  std::unique_ptr<App> app(new App(std::make_unique<Rooms>(config)));
  Rooms& rooms = *app->rooms_;
  metrics::MetricsOptions options;
  options.version = LBW_VERSION;
  rooms.metrics = metrics::NewMetrics(options);
  LBW_RETURN_IF_ERROR(rooms.BuildStore());
  LBW_RETURN_IF_ERROR(rooms.BuildServices());
  LBW_RETURN_IF_ERROR(rooms.StartServing());
  return app;
}

int App::grpc_port() const { return rooms_->grpc_port; }
int App::admin_port() const { return rooms_->admin->port(); }
void App::Shutdown() { rooms_->Drain(); }

}  // namespace lbw::app

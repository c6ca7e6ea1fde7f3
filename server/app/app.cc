#include "app/app.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "app/admin_server.h"
#include "app/artifact_format.h"
#include "app/cpu.h"
#include "app/grpc_server.h"
#include "app/job_metrics.h"
#include "app/job_numbers.h"
#include "app/job_rooms.h"
#include "app/periodic.h"
#include "app/port_file.h"
#include "app/serving_metrics.h"
#include "app/version.h"
#include "app/worker_pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "config/values.h"
#include "engine/torch/torch_executor.h"
#include "metrics/metrics.h"
#include "registry/registry.h"
#include "rpc/services.h"
#include "serving/detector.h"
#include "store/artifact_store.h"
#include "store/file_system.h"
#include "store/folder_blob_store.h"
#include "store/sqlite_database.h"

namespace lbw::app {
namespace {

constexpr absl::Duration kSweepEvery = absl::Minutes(5);
constexpr absl::Duration kExpireLeasesEvery = absl::Seconds(2);

int Cores() { return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1); }

int ThreadsOf(const config::Config& config) {
  return config.threads > 0 ? static_cast<int>(config.threads) : Cores();
}

store::ArtifactStoreOptions StoreOptions(const config::Config& config) {
  store::ArtifactStoreOptions options;
  options.folder = config.data_dir;
  options.limits.max_upload_bytes = static_cast<uint64_t>(config.max_upload_bytes);
  options.limits.max_unfinished = config.max_unfinished_uploads;
  options.limits.lifetime = config.upload_lifetime;
  options.detect_format = DetectFormat;
  return options;
}

serving::ServingLimits ServingLimitsOf(const config::Config& config) {
  serving::ServingLimits limits;
  limits.loaded_bytes = static_cast<uint64_t>(config.loaded_bytes);
  limits.queue_calls = static_cast<size_t>(config.queue_calls);
  limits.queue_bytes = static_cast<uint64_t>(config.queue_bytes);
  limits.images_per_call = static_cast<size_t>(config.max_images_per_call);
  limits.image.max_bytes = static_cast<uint64_t>(config.max_image_bytes);
  limits.image.max_pixels = config.max_image_pixels;
  limits.threads = ThreadsOf(config);
  return limits;
}

base::ThreadPool::Options ShortWork() {
  // They wait for disks more than they compute.
  constexpr int kLeast = 4;
  constexpr int kMost = 16;
  base::ThreadPool::Options options;
  options.name = "short";
  options.threads = static_cast<size_t>(std::clamp(2 * Cores(), kLeast, kMost));
  options.max_queue = 4'096;
  return options;
}

base::ThreadPool::Options HashWork() {
  base::ThreadPool::Options options;
  options.name = "hash";
  options.threads = 2;
  options.max_queue = 256;
  return options;
}

base::ThreadPool::Options LongWork(const config::Config& config) {
  base::ThreadPool::Options options;
  options.name = "long";
  options.threads = static_cast<size_t>(config.quantize_concurrency);
  options.max_queue = static_cast<size_t>(config.quantize_queue);
  return options;
}

GrpcServerOptions GrpcOptions(const config::Config& config) {
  GrpcServerOptions options;
  options.address = config::ParseAddress(config.listen).value_or(config::Address{});
  options.max_message_bytes = static_cast<int>(config.max_message_bytes);
  options.reflection = config.reflection;
  options.tls_cert = config.tls_cert;
  options.tls_key = config.tls_key;
  options.tls_client_ca = config.tls_client_ca;
  return options;
}

absl::Status WithFolder(const absl::Status& status, const config::Config& config) {
  return base::WithContext(status, base::StrCat("data_dir ", config.data_dir));
}

}  // namespace

// In build order; what is declared later uses what is declared earlier, and goes first.
struct App::Rooms {
  explicit Rooms(const config::Config& given)
      : config(given),
        metrics(metrics::NewMetrics({.version = std::string(kVersion)})),
        serving_metrics(*metrics),
        job_metrics(*metrics) {}

  absl::Status OpenStore();
  void BuildServing();
  rpc::ServiceLimits ServiceLimitsOf() const;
  metrics::Metrics::StoreNumbers ReadNumbers();
  void StartHousekeeping();
  void BuildServices();
  absl::Status Listen();
  absl::Status Ready();
  void Drain();

  const config::Config config;
  const absl::Time start_time = base::RealClock().Now();
  std::atomic<bool> listening{false};
  std::atomic<bool> draining{false};
  const std::unique_ptr<metrics::Metrics> metrics;
  ServingMetrics serving_metrics;
  JobMetrics job_metrics;
  std::unique_ptr<store::SqliteDatabase> database;  // holds the folder's lock
  std::unique_ptr<store::FolderBlobStore> blobs;
  std::unique_ptr<store::ArtifactStore> artifacts;
  std::unique_ptr<registry::Registry> registry;
  JobRooms jobs;
  std::unique_ptr<engine::ExecutorFactory> engine;
  std::unique_ptr<serving::Detector> detector;
  std::unique_ptr<base::ThreadPool> short_work;
  std::unique_ptr<base::ThreadPool> hash_work;
  std::unique_ptr<base::ThreadPool> long_work;
  std::unique_ptr<rpc::Services> services;
  std::unique_ptr<Periodic> sweeper;
  std::unique_ptr<Periodic> lease_keeper;
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<AdminServer> admin;
  std::unique_ptr<GrpcServer> grpc;
  bool stopped = false;
};

absl::Status App::Rooms::OpenStore() {
  store::SqliteOptions options;
  options.folder = config.data_dir;
  absl::StatusOr<std::unique_ptr<store::SqliteDatabase>> opened =
      store::SqliteDatabase::Open(options);
  if (!opened.ok()) return WithFolder(opened.status(), config);
  database = *std::move(opened);
  store::FileSystem& files = store::RealFileSystem();
  absl::StatusOr<std::unique_ptr<store::FolderBlobStore>> folder =
      store::FolderBlobStore::Open(files, config.data_dir);
  if (!folder.ok()) return WithFolder(folder.status(), config);
  blobs = *std::move(folder);
  absl::StatusOr<std::unique_ptr<store::ArtifactStore>> store =
      store::OpenArtifactStore(*database, *blobs, files, StoreOptions(config));
  if (!store.ok()) return WithFolder(store.status(), config);
  artifacts = *std::move(store);
  absl::StatusOr<std::unique_ptr<registry::Registry>> models =
      registry::OpenRegistry(*database, RegistryLimitsOf(config));
  if (!models.ok()) return WithFolder(models.status(), config);
  registry = *std::move(models);
  jobs = BuildJobRooms(config, {*database, *blobs, *registry});
  return absl::OkStatus();
}

void App::Rooms::BuildServing() {
  engine = engine::NewTorchExecutorFactory();
  serving::DetectorContext context;
  context.registry = registry.get();
  context.artifacts = artifacts.get();
  context.engine = engine.get();
  context.observer = &serving_metrics;
  detector = serving::NewDetector(context, ServingLimitsOf(config));
}

metrics::Metrics::StoreNumbers App::Rooms::ReadNumbers() {
  metrics::Metrics::StoreNumbers numbers = ReadJobNumbers(*jobs.queue, *jobs.datasets);
  const absl::StatusOr<store::ArtifactStore::Stats> stats = artifacts->GetStats();
  if (!stats.ok()) {
    base::LogWarning("store_stats_failed", {{"error", stats.status()}});
    return numbers;
  }
  numbers.artifacts = stats->artifacts;
  numbers.stored_bytes = stats->stored_bytes;
  numbers.unfinished_uploads = stats->unfinished_uploads;
  return numbers;
}

rpc::ServiceLimits App::Rooms::ServiceLimitsOf() const {
  rpc::ServiceLimits limits;
  limits.max_import_bytes = static_cast<uint64_t>(config.max_import_bytes);
  limits.loaded_bytes = static_cast<uint64_t>(config.loaded_bytes);
  limits.queue_calls = static_cast<size_t>(config.queue_calls);
  limits.threads = ThreadsOf(config);
  limits.max_message_bytes = static_cast<uint64_t>(config.max_message_bytes);
  limits.job_threads = config.job_threads > 0 ? static_cast<int>(config.job_threads) : Cores();
  limits.max_attempts = config.job_max_attempts;
  return limits;
}

void App::Rooms::BuildServices() {
  metrics->SetStoreNumbers([this] { return ReadNumbers(); });
  short_work = std::make_unique<base::ThreadPool>(ShortWork());
  hash_work = std::make_unique<base::ThreadPool>(HashWork());
  long_work = std::make_unique<base::ThreadPool>(LongWork(config));
  rpc::ServiceContext context;
  context.artifacts = artifacts.get();
  context.registry = registry.get();
  context.detector = detector.get();
  context.metrics = metrics.get();
  context.database = database.get();
  context.datasets = jobs.datasets.get();
  context.evaluations = jobs.evaluations.get();
  context.queue = jobs.queue.get();
  context.kinds = jobs.kinds.get();
  context.long_work = long_work.get();
  context.hash_work = hash_work.get();
  context.short_work = short_work.get();
  context.draining = &draining;
  context.version = std::string(kVersion);
  context.device_detail = DescribeCpu();
  context.start_time = start_time;
  context.limits = ServiceLimitsOf();
  services = std::make_unique<rpc::Services>(context);
}

absl::Status App::Rooms::Ready() {
  if (draining.load()) {
    return base::Error(absl::StatusCode::kUnavailable, base::reason::kDraining, "draining");
  }
  if (!listening.load()) {
    return base::Error(absl::StatusCode::kUnavailable, base::reason::kDraining, "starting");
  }
  // A server whose database is gone can do nothing.
  return registry->CountModels().status();
}

App::App(std::unique_ptr<Rooms> rooms) : rooms_(std::move(rooms)) {}

App::~App() { Shutdown(); }

absl::StatusOr<std::unique_ptr<App>> App::Start(const config::Config& config) {
  base::LogInfo("server_starting",
                {{"version", kVersion}, {"pid", ::getpid()}, {"data_dir", config.data_dir}});
  auto rooms = std::make_unique<Rooms>(config);
  LBW_RETURN_IF_ERROR(rooms->OpenStore());
  rooms->BuildServing();
  rooms->BuildServices();
  std::unique_ptr<App> app(new App(std::move(rooms)));
  LBW_RETURN_IF_ERROR(app->rooms_->Listen());
  return app;
}

absl::Status App::Rooms::Listen() {
  LBW_ASSIGN_OR_RETURN(grpc, GrpcServer::Start(GrpcOptions(config), *services, *metrics));
  AdminHandlers handlers;
  handlers.metrics = [this] { return metrics->Scrape(); };
  handlers.ready = [this] { return Ready(); };
  LBW_ASSIGN_OR_RETURN(
      admin, AdminServer::Start(config::ParseAddress(config.admin).value_or(config::Address{}),
                                std::move(handlers)));
  StartHousekeeping();
  if (!config.port_file.empty()) {
    LBW_RETURN_IF_ERROR(
        WritePortFile(config.port_file, {{"grpc", grpc->port()}, {"admin", admin->port()}}));
  }
  listening.store(true);
  metrics->SetReady(true);
  base::LogInfo("server_ready", {{"grpc_port", grpc->port()},
                                 {"admin_port", admin->port()},
                                 {"data_dir", config.data_dir},
                                 {"version", kVersion},
                                 {"tls", !config.tls_cert.empty()},
                                 {"threads", ThreadsOf(config)},
                                 {"cpu", DescribeCpu()}});
  return absl::OkStatus();
}

void App::Rooms::StartHousekeeping() {
  sweeper = std::make_unique<Periodic>("sweep", kSweepEvery, [this] {
    const absl::Status jobs_swept = jobs.queue->Sweep().status();
    if (!jobs_swept.ok()) base::LogWarning("job_sweep_failed", {{"error", jobs_swept}});
    const absl::Status swept = artifacts->Sweep();
    if (!swept.ok()) base::LogWarning("sweep_failed", {{"error", swept}});
  });
  // Workers do this too; a server without one must see that another machine's has died.
  lease_keeper = std::make_unique<Periodic>("leases", kExpireLeasesEvery, [this] {
    const absl::Status expired =
        jobs.queue
            ->ExpireLeases([this](store::Session& session, const jobs::Job& job) {
              return jobs.kinds->ApplyFailure(session, job);
            })
            .status();
    if (!expired.ok()) base::LogWarning("lease_expiry_failed", {{"error", expired}});
  });
  if (config.workers == 0) return;
  WorkerPoolOptions options;
  options.program = "/proc/self/exe";
  options.arguments = {"worker"};
  for (std::string& flag : config::ToFlags(config)) options.arguments.push_back(std::move(flag));
  options.workers = static_cast<int>(config.workers);
  workers = std::make_unique<WorkerPool>(options, job_metrics);
}

void App::Rooms::Drain() {
  const base::Stopwatch watch;
  const absl::Time deadline = base::RealClock().Now() + config.drain_delay + config.drain_timeout;
  // A server that never was ready has nothing to tell but why.
  const bool told = listening.load();
  if (told) {
    base::LogInfo("server_draining", {{"timeout", absl::FormatDuration(config.drain_timeout)}});
  }
  draining.store(true);
  metrics->SetReady(false);
  // Jobs write their checkpoints while calls finish.
  std::thread stop_workers([this, deadline] {
    if (workers == nullptr) return;
    workers->Stop(std::max(deadline, base::RealClock().Now() + config.job_obey_timeout));
  });
  if (grpc != nullptr) {
    grpc->StopServing();
    // Load balancers hear of it and turn away while calls are still served.
    if (told) absl::SleepFor(config.drain_delay);
    grpc->Shutdown(deadline);
  }
  // Every call has ended or is being cancelled: what is left here ends by itself.
  detector->Drain(deadline);
  long_work->Shutdown();
  hash_work->Shutdown();
  short_work->Shutdown();
  stop_workers.join();
  if (lease_keeper != nullptr) lease_keeper->Stop();
  if (sweeper != nullptr) sweeper->Stop();
  // Last, so that probes see a server that is alive until it is not.
  if (admin != nullptr) admin->Stop();
  if (!told) return;
  base::LogInfo("server_stopped", {{"seconds", watch.ElapsedSeconds()}});
}

void App::Shutdown() {
  if (std::exchange(rooms_->stopped, true)) return;
  rooms_->Drain();
}

int App::grpc_port() const { return rooms_->grpc->port(); }

int App::admin_port() const { return rooms_->admin->port(); }

}  // namespace lbw::app

#include "app/worker_app.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <utility>

#include "app/admin_server.h"
#include "app/cpu.h"
#include "app/job_metrics.h"
#include "app/job_numbers.h"
#include "app/job_rooms.h"
#include "app/port_file.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "config/values.h"
#include "jobs/worker.h"
#include "jobs/worker_slot.h"
#include "metrics/metrics.h"
#include "store/file_system.h"
#include "store/folder_blob_store.h"
#include "store/sqlite_database.h"

namespace lbw::app {
namespace {

std::string HostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

jobs::WorkerOptions OptionsOf(const config::Config& config, const jobs::WorkerSlot& slot) {
  jobs::WorkerOptions options;
  options.info.id = slot.id();
  options.info.host = HostName();
  options.info.pid = ::getpid();
  options.info.device = DescribeCpu();
  options.info.start_time = base::RealClock().Now();
  options.data_dir = config.data_dir;
  options.scratch_dir = slot.scratch_dir();
  options.child.program = "/proc/self/exe";
  options.child.arguments = {"run-job", "--fd={fd}", base::StrCat("--nice=", config.job_nice)};
  // Threads that spin while they wait take the core from the server's.
  options.child.environment = {{"OMP_WAIT_POLICY", "passive"}};
  options.threads = static_cast<int>(config.job_threads);
  options.warm_child = config.job_warm_child;
  options.lease = config.job_lease;
  options.stall_timeout = config.job_stall_timeout;
  options.obey_timeout = config.job_obey_timeout;
  return options;
}

// Blocks until the server at the other end is gone.
void WaitForEnd(int fd) {
  std::array<char, 64> ignored{};
  while (true) {
    const ssize_t got = ::recv(fd, ignored.data(), ignored.size(), 0);
    if (got == 0 || (got < 0 && errno != EINTR)) return;
  }
}

}  // namespace

// In build order.
struct WorkerApp::Rooms {
  Rooms(const config::Config& given, int fd)
      : config(given),
        parent_fd(fd),
        metrics(metrics::NewMetrics({.version = std::string(kVersion)})),
        job_metrics(*metrics),
        lines(fd) {}
  absl::Status Open();
  absl::Status Listen();

  const config::Config config;
  const int parent_fd;
  const std::unique_ptr<metrics::Metrics> metrics;
  JobMetrics job_metrics;
  JobLines lines;
  std::unique_ptr<store::SqliteDatabase> database;
  std::unique_ptr<store::FolderBlobStore> blobs;
  std::unique_ptr<registry::Registry> registry;
  JobRooms jobs;
  std::unique_ptr<jobs::WorkerSlot> slot;
  std::unique_ptr<jobs::Worker> worker;
  std::unique_ptr<AdminServer> admin;
};

absl::Status WorkerApp::Rooms::Open() {
  store::SqliteOptions options;
  options.folder = config.data_dir;
  options.lock = store::SqliteOptions::Lock::kNone;
  LBW_ASSIGN_OR_RETURN(database, store::SqliteDatabase::Open(options));
  LBW_ASSIGN_OR_RETURN(blobs,
                       store::FolderBlobStore::Open(store::RealFileSystem(), config.data_dir));
  LBW_ASSIGN_OR_RETURN(registry, registry::OpenRegistry(*database, RegistryLimitsOf(config),
                                                        registry::OpenedBy::kWorker));
  jobs = BuildJobRooms(config, {*database, *blobs, *registry});
  LBW_ASSIGN_OR_RETURN(slot, jobs::WorkerSlot::Take(config.data_dir));
  jobs::JobObserver* const observer =
      parent_fd >= 0 ? static_cast<jobs::JobObserver*>(&lines) : &job_metrics;
  worker = jobs::Worker::New(*jobs.queue, *jobs.kinds, observer, OptionsOf(config, *slot));
  return absl::OkStatus();
}

absl::Status WorkerApp::Rooms::Listen() {
  metrics->SetStoreNumbers([this] { return ReadJobNumbers(*jobs.queue, *jobs.datasets); });
  AdminHandlers handlers;
  handlers.metrics = [this] { return metrics->Scrape(); };
  handlers.ready = [this] { return jobs.queue->Counts().status(); };
  LBW_ASSIGN_OR_RETURN(
      admin,
      AdminServer::Start(config::ParseAddress(config.worker_admin).value_or(config::Address{}),
                         std::move(handlers)));
  metrics->SetReady(true);
  if (config.port_file.empty()) return absl::OkStatus();
  return WritePortFile(config.port_file, {{"admin", admin->port()}});
}

WorkerApp::WorkerApp(std::unique_ptr<Rooms> rooms) : rooms_(std::move(rooms)) {}
WorkerApp::~WorkerApp() = default;

absl::StatusOr<std::unique_ptr<WorkerApp>> WorkerApp::Start(const config::Config& config,
                                                            int parent_fd) {
  auto rooms = std::make_unique<Rooms>(config, parent_fd);
  if (const absl::Status opened = rooms->Open(); !opened.ok()) {
    return base::WithContext(opened, base::StrCat("data_dir ", config.data_dir));
  }
  if (parent_fd < 0) LBW_RETURN_IF_ERROR(rooms->Listen());
  base::LogInfo("worker_ready", {{"worker", rooms->slot->id()},
                                 {"pid", ::getpid()},
                                 {"admin_port", rooms->admin ? rooms->admin->port() : 0},
                                 {"data_dir", config.data_dir},
                                 {"version", kVersion}});
  return std::unique_ptr<WorkerApp>(new WorkerApp(std::move(rooms)));
}

void WorkerApp::Run(SignalWatch& signals) {
  // Lives until the process ends: nothing else tells it that the worker has stopped.
  if (rooms_->parent_fd >= 0) {
    std::thread([fd = rooms_->parent_fd] {
      base::SetThreadName("parent");
      WaitForEnd(fd);
      ::kill(::getpid(), SIGTERM);
    }).detach();
  }
  std::thread stopper([this, &signals] {
    base::SetThreadName("stopper");
    signals.Wait();
    rooms_->worker->Stop();
  });
  rooms_->worker->Run();
  stopper.join();
  rooms_->metrics->SetReady(false);
  if (rooms_->admin != nullptr) rooms_->admin->Stop();
  base::LogInfo("worker_stopped", {{"worker", rooms_->slot->id()}});
}

}  // namespace lbw::app

// The gRPC services of lbw.v1: each converts, calls its rooms, and maps the status. Long work runs
// on a pool of its own, never on gRPC's threads.
//
// Lifetime: the rooms in ServiceContext are borrowed and outlive the services; Services outlives
// the grpc::Server that serves it.
#ifndef LBW_RPC_SERVICES_H_
#define LBW_RPC_SERVICES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace grpc {
class Service;
class ServerBuilder;
namespace experimental {
class ServerInterceptorFactoryInterface;
}
}  // namespace grpc

namespace lbw::store {
class ArtifactStore;
class Database;
}  // namespace lbw::store
namespace lbw::registry {
class Registry;
class Datasets;
class Evaluations;
}  // namespace lbw::registry
namespace lbw::jobs {
class Queue;
class JobKinds;
}  // namespace lbw::jobs
namespace lbw::serving {
class Detector;
}
namespace lbw::metrics {
class Metrics;
}
namespace lbw::base {
class ThreadPool;
}

namespace lbw::rpc {

struct ServiceLimits {
  uint64_t max_import_bytes = uint64_t{2} << 30;
  uint64_t loaded_bytes = uint64_t{4} << 30;
  size_t queue_calls = 256;
  uint64_t max_message_bytes = uint64_t{48} << 20;  // of an answer
  int threads = 1;
  // Jobs
  int job_threads = 1;       // that a job's network uses where its spec does not say
  int64_t max_attempts = 5;  // as the queue has it; shown with every job
  size_t max_watchers = 1'000;
  int watch_page = 500;                                 // events that one message may carry
  absl::Duration watch_keep_alive = absl::Seconds(15);  // silence that a watcher never sees
  absl::Duration worker_silence = absl::Seconds(30);    // after which a worker counts as dead
};

struct ServiceContext {
  store::ArtifactStore* artifacts = nullptr;
  registry::Registry* registry = nullptr;
  serving::Detector* detector = nullptr;
  metrics::Metrics* metrics = nullptr;
  store::Database* database = nullptr;  // of the rows that lineage walks
  registry::Datasets* datasets = nullptr;
  registry::Evaluations* evaluations = nullptr;
  jobs::Queue* queue = nullptr;
  jobs::JobKinds* kinds = nullptr;  // what a job that is cancelled before it ran leaves behind
  base::ThreadPool* hash_work = nullptr;   // FinishUpload: seconds for a large file
  base::ThreadPool* long_work = nullptr;   // quantize, import, export
  base::ThreadPool* short_work = nullptr;  // database and disk: everything else that may block
  const std::atomic<bool>* draining = nullptr;
  std::string version;
  std::string device_detail;  // the CPU's model and instruction sets, for ServerService
  absl::Time start_time;
  ServiceLimits limits;
};

class Services {
 public:
  // Everything in the context must be set.
  explicit Services(const ServiceContext& context);
  ~Services();
  // Registers every service. message limits, credentials and ports are the caller's.
  void RegisterWith(grpc::ServerBuilder& builder);
  // Names for grpc.health.v1: "lbw.v1.DetectionService", ...
  std::vector<std::string> names() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Counts, times and logs every call, also those that fail; the id of a call comes from the metadata
// x-request-id or is made.
class SideCalls;
// Both are borrowed and outlive the grpc::Server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewMetricsInterceptorFactory(
    metrics::Metrics& metrics, SideCalls& side_calls);

}  // namespace lbw::rpc

#endif  // LBW_RPC_SERVICES_H_

#include "serving/detector.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "registry/checkpoint_version.h"
#include "serving/call.h"
#include "serving/gauges.h"
#include "serving/network.h"
#include "serving/request.h"
#include "serving/served_version.h"
#include "serving/stages.h"
#include "serving/supervisor.h"
#include "serving/version_table.h"

namespace lbw::serving {
namespace {

using CallPtr = std::shared_ptr<Call>;

constexpr size_t kResolveThreads = 2;
constexpr size_t kLoadThreads = 2;
constexpr size_t kMaxQueuedTasks = 16'384;  // pictures, of the decoding and of the finishing pool
constexpr size_t kMaxResolving = 1'024;

size_t Cores() { return std::max<size_t>(std::thread::hardware_concurrency(), 1); }

base::ThreadPool::Options PoolOptions(std::string name, size_t threads, size_t max_queue) {
  base::ThreadPool::Options options;
  options.name = std::move(name);
  options.threads = threads;
  options.max_queue = max_queue;
  return options;
}

// A pool took no more: the version's own queue is bounded, but there may be many versions.
absl::Status Busy(const absl::Status& refused) {
  constexpr int64_t kRetryMs = 1'000;
  if (refused.code() != absl::StatusCode::kResourceExhausted) return refused;
  return base::Error(refused.code(), base::reason::kQueueFull, base::Std(refused.message()))
      .RetryAfterMs(kRetryMs);
}

// A place in a full queue may be held by a call that nobody wants any more.
bool IsFull(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted;
}

// Of an alias "job-{id}": its id.
std::optional<std::string> JobOf(const base::ModelRef& ref) {
  constexpr std::string_view kPrefix = registry::kJobAlias;
  if (!ref.alias.has_value() || ref.alias->compare(0, kPrefix.size(), kPrefix) != 0) {
    return std::nullopt;
  }
  return ref.alias->substr(kPrefix.size());
}

// A checkpoint has no number of its own; a version keeps the job that made it.
ServedName NameOf(const registry::Version& version) {
  return {version.model, version.number, version.number == 0 ? version.job : ""};
}

// The way of a call: Detect -> Resolve -> (wait for Load) -> Prepare -> the version's thread ->
// RunCall -> Finish. Every arrow but the first goes to another thread.
class DetectorImpl final : public Detector {
 public:
  DetectorImpl(const DetectorContext& context, const ServingLimits& limits)
      : context_(context),
        limits_(limits),
        clock_(context.clock != nullptr ? *context.clock : base::RealClock()),
        stages_{limits.image, &clock_, context.observer},
        load_{context.registry, context.artifacts, context.engine,
              limits.threads > 0 ? limits.threads : static_cast<int>(Cores())},
        gauges_(context.observer),
        table_(limits.loaded_bytes, clock_, [this](const ServedName& name) { return Make(name); }),
        supervisor_([this] { gauges_.Report(table_.List()); }),
        finishers_(PoolOptions("finish", DecodeThreads(), kMaxQueuedTasks)),
        decoders_(PoolOptions("decode", DecodeThreads(), kMaxQueuedTasks)),
        loaders_(PoolOptions("load", kLoadThreads, kMaxResolving)),
        resolvers_(PoolOptions("resolve", kResolveThreads, kMaxResolving)) {}

  ~DetectorImpl() override {
    Drain(clock_.Now());
    // In the order of the stages, so that none hands work to one that is gone; what is left in the
    // queues belongs to calls that have ended and is dropped quickly.
    resolvers_.Shutdown();
    loaders_.Shutdown();
    decoders_.Shutdown();
    table_.Clear();
    finishers_.Shutdown();
    supervisor_.Stop();
  }

  void Detect(DetectRequest request, Call::Done done) override {
    const auto call = std::make_shared<Call>(std::move(request), std::move(done), supervisor_);
    if (!supervisor_.Add(call)) return;
    absl::Status status = CheckRequest(call->request, limits_);
    if (status.ok()) status = Busy(resolvers_.Submit([this, call] { Resolve(call); }));
    if (!status.ok()) supervisor_.Refuse(call, std::move(status));
  }

  void Unload(std::string_view model, int64_t version) override {
    if (!table_.Remove({std::string(model), version, ""})) return;
    base::LogInfo("version_unloaded", {{"model", model}, {"version", version}});
    supervisor_.Touch();
  }

  std::vector<LoadedInfo> Loaded() const override {
    std::vector<LoadedInfo> list = table_.List();
    list.erase(std::remove_if(list.begin(), list.end(),
                              [](const LoadedInfo& info) { return info.bytes == 0; }),
               list.end());
    return list;
  }

  void Drain(absl::Time deadline) override { supervisor_.Drain(deadline); }

 private:
  size_t DecodeThreads() const {
    return limits_.decode_threads > 0 ? limits_.decode_threads : Cores();
  }

  std::shared_ptr<ServedVersion> Make(const ServedName& name) {
    const QueueLimits queue{limits_.queue_calls, limits_.queue_bytes};
    return supervisor_.Adopt(std::make_unique<ServedVersion>(
        name, queue,
        [this](ServedVersion& version, const CallPtr& call) { return RunCall(version, call); }));
  }

  absl::StatusOr<registry::Version> Find(const base::ModelRef& ref) {
    const std::optional<std::string> job = JobOf(ref);
    if (!job.has_value()) return context_.registry->Resolve(ref);
    absl::StatusOr<registry::Version> found = context_.registry->ResolveCheckpoint(ref.model, *job);
    // The job has ended: nobody will be answered with its checkpoint again.
    if (!found.ok() && table_.Remove({ref.model, 0, *job})) supervisor_.Touch();
    return found;
  }

  void Resolve(const CallPtr& call) {
    call->EndIfUnwanted();
    if (call->finished()) return;
    const absl::StatusOr<registry::Version> found = Find(call->request.model);
    if (!found.ok()) {
      call->Finish(found.status());
      return;
    }
    call->work.response.bundle = found->bundle;
    VersionTable::Acquired acquired = table_.Acquire(NameOf(*found), found->bundle);
    const std::shared_ptr<ServedVersion> version = acquired.use.version();
    call->Attach(std::move(acquired.use));
    if (acquired.is_new) StartLoad(version, *found);
    // The network's input is part of it where its size is known already; else Prepare adds it.
    const Network* network = version->network();
    call->work.counted_bytes =
        EncodedBytes(call->request) +
        (network == nullptr ? 0 : InputBytes(*network, call->request.images.size()));
    absl::StatusOr<Slot> slot = ServedVersion::TakeSlot(version, call->work.counted_bytes);
    if (IsFull(slot.status())) {
      supervisor_.EndUnwanted();
      slot = ServedVersion::TakeSlot(version, call->work.counted_bytes);
    }
    if (!slot.ok()) {
      call->Finish(slot.status());
      return;
    }
    call->TakeSlot(*std::move(slot));
    call->work.wait_start_ns = clock_.SteadyNs();
    const absl::StatusOr<bool> loaded = version->WaitForLoad(call);
    if (!loaded.ok()) {
      call->Finish(loaded.status());
    } else if (*loaded) {
      Prepare(version, call);
    } else if (call->finished()) {
      version->Remove(call.get());  // it ended before it stood among the waiters
    }
  }

  void StartLoad(const std::shared_ptr<ServedVersion>& version, const registry::Version& found) {
    auto load = [this, version, found, use = VersionUse(version)] { Load(version, found); };
    const absl::Status status = Busy(loaders_.Submit(std::move(load)));
    if (!status.ok()) EndLoad(version, status);
  }

  void Load(const std::shared_ptr<ServedVersion>& version, const registry::Version& found) {
    const base::Stopwatch watch(clock_);
    absl::StatusOr<std::unique_ptr<Network>> network = LoadNetwork(load_, found);
    uint64_t bytes = 0;
    if (network.ok()) {
      bytes = (*network)->bytes;
      const absl::Status settled = table_.Settle(*version, bytes);
      if (!settled.ok()) network = settled;
    }
    const double seconds = watch.ElapsedSeconds();
    if (context_.observer != nullptr) {
      context_.observer->LoadDone(found.model, seconds, network.ok());
    }
    if (network.ok()) {
      base::LogInfo("version_loaded", {{"model", found.model},
                                       {"version", found.number},
                                       {"bundle", found.bundle},
                                       {"bytes", bytes},
                                       {"seconds", seconds}});
    } else {
      base::LogError(
          "version_load_failed",
          {{"model", found.model}, {"version", found.number}, {"error", network.status()}});
    }
    EndLoad(version, std::move(network));
  }

  void EndLoad(const std::shared_ptr<ServedVersion>& version,
               absl::StatusOr<std::unique_ptr<Network>> network) {
    const absl::Status status = network.status();
    // The next call tries again, with a version of its own.
    if (!status.ok()) table_.RemoveExactly(*version);
    for (const CallPtr& call : version->FinishLoad(std::move(network))) {
      if (status.ok()) {
        call->work.waited_ns = clock_.SteadyNs() - call->work.wait_start_ns;
        Prepare(version, call);
      } else {
        call->Finish(status);
      }
    }
    supervisor_.Touch();
  }

  void Prepare(const std::shared_ptr<ServedVersion>& version, const CallPtr& call) {
    if (call->finished()) return;
    const size_t pictures = call->request.images.size();
    const uint64_t counted = call->work.counted_bytes;
    const uint64_t total = EncodedBytes(call->request) + InputBytes(*version->network(), pictures);
    absl::Status status = version->TakeBytes(counted, total);
    if (IsFull(status)) {
      supervisor_.EndUnwanted();
      status = version->TakeBytes(counted, total);
    }
    if (status.ok()) {
      call->GrowSlot(total - counted);
      status = Plan(*version, *call);
    }
    if (!status.ok()) {
      call->Finish(std::move(status));
      return;
    }
    call->work.pending = pictures;
    for (size_t i = 0; i < pictures; ++i) {
      status = Busy(decoders_.Submit([this, call, i] { PrepareOne(call, i); }));
      if (status.ok()) continue;
      call->Finish(std::move(status));
      return;
    }
  }

  void PrepareOne(const CallPtr& call, size_t index) {
    if (call->finished()) return;
    PreparePicture(stages_, *call, index);
    if (call->work.pending.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (Compact(*call) == 0) {
      Answer(call);
      return;
    }
    call->work.wait_start_ns = clock_.SteadyNs();
    const std::shared_ptr<ServedVersion> version = call->version();
    version->Enqueue(call);
    if (call->finished()) version->Remove(call.get());
  }

  bool RunCall(ServedVersion& version, const CallPtr& call) {
    call->EndIfUnwanted();
    if (call->finished()) return false;
    TellQueued(*call);
    const absl::Status status = RunBatches(stages_, *call);
    if (!status.ok()) {
      call->Finish(status);
      return true;
    }
    size_t good = 0;
    for (const Batch& batch : call->work.batches) good += batch.good.size();
    version.CountPictures(good);
    call->work.pending = good;
    // By value: once the last picture is handed over, the call may end and its batches go.
    std::vector<size_t> indices;
    for (const Batch& batch : call->work.batches) {
      indices.insert(indices.end(), batch.good.begin(), batch.good.end());
    }
    for (const size_t index : indices) {
      const absl::Status queued =
          finishers_.Submit([this, call, index] { FinishOne(call, index); });
      // No room there: this thread does it, and thereby slows down what would fill it further.
      if (!queued.ok()) FinishOne(call, index);
    }
    return true;
  }

  void TellQueued(Call& call) {
    CallWork& work = call.work;
    work.waited_ns += clock_.SteadyNs() - work.wait_start_ns;
    const auto waited_us = static_cast<uint32_t>(work.waited_ns / 1000);
    work.response.queue_us = waited_us;
    for (PictureResult& picture : work.response.pictures) picture.timings.queue_us = waited_us;
    if (context_.observer == nullptr) return;
    context_.observer->StageDone(work.response.model, ServingObserver::Stage::kQueue,
                                 static_cast<double>(work.waited_ns) * 1e-9);
  }

  void FinishOne(const CallPtr& call, size_t index) {
    if (!call->finished()) FinishPicture(stages_, *call, index);
    if (call->work.pending.fetch_sub(1, std::memory_order_acq_rel) == 1) Answer(call);
  }

  void Answer(const CallPtr& call) {
    if (call->finished()) return;
    if (context_.observer != nullptr) {
      const DetectResponse& response = call->work.response;
      for (const PictureResult& picture : response.pictures) {
        context_.observer->PictureDone(response.model, picture.status.ok());
      }
    }
    call->Finish(std::move(call->work.response));
  }

  const DetectorContext context_;
  const ServingLimits limits_;
  const base::Clock& clock_;
  const StageContext stages_;
  const LoadContext load_;

  Gauges gauges_;  // the supervisor's thread alone
  VersionTable table_;
  Supervisor supervisor_;
  base::ThreadPool finishers_;
  base::ThreadPool decoders_;
  base::ThreadPool loaders_;
  base::ThreadPool resolvers_;
};

}  // namespace

std::unique_ptr<Detector> NewDetector(const DetectorContext& context, const ServingLimits& limits) {
  return std::make_unique<DetectorImpl>(context, limits);
}

}  // namespace lbw::serving

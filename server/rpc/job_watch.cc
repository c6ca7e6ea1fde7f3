#include "rpc/job_watch.h"

#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "rpc/status_mapping.h"
#include "rpc/watch_state.h"

namespace lbw::rpc {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(50);  // at the drain, and for stragglers
constexpr absl::Duration kPace = absl::Milliseconds(20);       // between two rounds
constexpr absl::Duration kUnreadAfter = absl::Seconds(1);      // of a drain
constexpr int64_t kRetryMs = 1'000;

grpc::Status Draining() {
  return ToGrpcStatus(base::Error(absl::StatusCode::kUnavailable, base::reason::kDraining,
                                  "the server is draining: watch on from the last cursor")
                          .RetryAfterMs(kRetryMs));
}

grpc::Status GoneClient() { return {grpc::StatusCode::CANCELLED, "the client is gone"}; }

// A stream that never begins.
class RefusedWatch final : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  explicit RefusedWatch(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

WatchState::Limits LimitsOf(const ServiceLimits& limits) {
  WatchState::Limits result;
  result.page = static_cast<size_t>(limits.watch_page);
  result.view.max_attempts = limits.max_attempts;
  return result;
}

}  // namespace

class JobWatcher final : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  JobWatcher(JobWatchers& hub, grpc::CallbackServerContext& context, std::string job,
             uint64_t after_cursor)
      : hub_(hub),
        context_(context),
        job_(std::move(job)),
        limits_(LimitsOf(hub.context_.limits)),
        state_(after_cursor) {}

  void OnCancel() override {
    cancelled_.store(true);
    if (hub_.Leave(this)) Finish(GoneClient());
  }
  void OnDone() override {
    hub_.Remove(this);
    delete this;
  }
  void OnWriteDone(bool ok) override {
    last_sent_ns_ = base::RealClock().SteadyNs();
    if (!ok) {
      Finish(GoneClient());
    } else if (step_.last) {
      Finish(grpc::Status::OK);
    } else if (step_.more) {
      GoOn();
    } else {
      Wait();
    }
  }

  void Begin() {
    const absl::Status queued = SubmitRead();
    if (!queued.ok()) Finish(ToGrpcStatus(queued));
  }
  // From waiting. A pool without room is asked again a round later.
  void GoOn() {
    const absl::Status queued = SubmitRead();
    if (queued.ok()) return;
    if (absl::IsResourceExhausted(queued)) {
      epoch_ = ~uint64_t{0};  // asked for in any case
      Wait();
    } else {
      Finish(ToGrpcStatus(queued));
    }
  }
  void EndDraining() { Finish(Draining()); }

  // For the hub, under its lock; the watcher is not running then.
  const std::string& job() const { return job_; }
  bool HasNews(const jobs::Job& job) const { return state_.HasNews(job); }
  bool IsDue(int64_t now_ns) const {
    return now_ns - last_sent_ns_ >=
           absl::ToInt64Nanoseconds(hub_.context_.limits.watch_keep_alive);
  }
  bool cancelled() const { return cancelled_.load(); }
  void TryCancel() const { context_.TryCancel(); }

 private:
  absl::Status SubmitRead() {
    return hub_.context_.short_work->Submit([this] { Read(); });
  }

  void Read() {
    const absl::Status status = ReadPage();
    if (!status.ok()) {
      Finish(ToGrpcStatus(status));
    } else if (step_.send) {
      StartWrite(&response_);
    } else {
      Wait();
    }
  }

  absl::Status ReadPage() {
    if (cancelled()) {
      return base::Error(absl::StatusCode::kCancelled, base::reason::kCancelled,
                         "the client is gone");
    }
    epoch_ = hub_.epoch();
    jobs::Queue& queue = *hub_.context_.queue;
    LBW_ASSIGN_OR_RETURN(const jobs::Job job, queue.Get(job_));
    if (!began_) LBW_RETURN_IF_ERROR(state_.CheckCursor(job));
    began_ = true;
    LBW_ASSIGN_OR_RETURN(const std::vector<jobs::Event> events,
                         queue.EventsAfter(job_, state_.cursor(), hub_.context_.limits.watch_page));
    response_.Clear();
    step_ = state_.Next(job, events, IsDue(base::RealClock().SteadyNs()), limits_, &response_);
    return absl::OkStatus();
  }

  // Nothing of this object may be used afterwards.
  void Wait() {
    if (!hub_.Wait(this, epoch_)) Finish(GoneClient());
  }

  JobWatchers& hub_;
  grpc::CallbackServerContext& context_;
  const std::string job_;
  const WatchState::Limits limits_;
  std::atomic<bool> cancelled_{false};
  // Of whoever has the watcher
  WatchState state_;
  WatchState::Step step_;
  v1::WatchJobResponse response_;
  uint64_t epoch_ = 0;
  int64_t last_sent_ns_ = base::RealClock().SteadyNs();
  bool began_ = false;
};

JobWatchers::JobWatchers(const ServiceContext& context) : context_(context) {
  thread_ = std::thread([this] {
    base::SetThreadName("job-watch");
    Run();
  });
}

JobWatchers::~JobWatchers() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* JobWatchers::Watch(
    grpc::CallbackServerContext& context, const v1::WatchJobRequest& request) {
  const absl::StatusOr<std::string> job = base::ParseJobName(request.name(), "name");
  if (!job.ok()) return new RefusedWatch(ToGrpcStatus(job.status()));
  if (context_.draining->load()) return new RefusedWatch(Draining());
  auto* watcher = new JobWatcher(*this, context, *job, request.after_cursor());
  bool refused = false;
  {
    absl::MutexLock lock(&mu_);
    refused = all_.size() >= context_.limits.max_watchers;
    if (!refused) all_.insert(watcher);
  }
  if (refused) {
    delete watcher;
    return new RefusedWatch(
        ToGrpcStatus(base::Error(absl::StatusCode::kResourceExhausted, base::reason::kLimitExceeded,
                                 base::StrCat("too many calls of WatchJob at a time: limit=",
                                              context_.limits.max_watchers))
                         .RetryAfterMs(kRetryMs)));
  }
  watcher->Begin();
  return watcher;
}

bool JobWatchers::Wait(JobWatcher* watcher, uint64_t epoch) {
  absl::MutexLock lock(&mu_);
  // OnCancel sets its mark before it comes for the lock.
  if (watcher->cancelled()) return false;
  waiting_.emplace(watcher, epoch != epoch_.load());
  return true;
}

bool JobWatchers::Leave(JobWatcher* watcher) {
  absl::MutexLock lock(&mu_);
  return waiting_.erase(watcher) > 0;
}

void JobWatchers::Remove(JobWatcher* watcher) {
  absl::MutexLock lock(&mu_);
  all_.erase(watcher);
}

void JobWatchers::Run() {
  uint64_t token = 0;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &JobWatchers::HasWork));
      if (stopping_) return;
    }
    const uint64_t seen = context_.queue->WaitForChange(token, kLookEvery);
    const bool changed = seen != token;
    token = seen;
    // Before anything is read: who reads from now on sees this change.
    if (changed) epoch_.fetch_add(1);
    if (context_.draining->load()) {
      EndAll();
    } else {
      for (JobWatcher* watcher : TakeReady(changed)) watcher->GoOn();
    }
    // A busy database would have this thread read without end.
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&stopping_), kPace);
  }
}

std::vector<JobWatcher*> JobWatchers::TakeReady(bool changed) {
  std::map<std::string, std::optional<jobs::Job>> watched;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& entry : waiting_) {
      if (changed || entry.second) watched.emplace(entry.first->job(), std::nullopt);
    }
  }
  for (auto& entry : watched) {
    absl::StatusOr<jobs::Job> job = context_.queue->Get(entry.first);
    if (job.ok()) entry.second = *std::move(job);
  }
  std::vector<JobWatcher*> ready;
  const int64_t now_ns = base::RealClock().SteadyNs();
  absl::MutexLock lock(&mu_);
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    JobWatcher* const watcher = entry->first;
    const auto found = watched.find(watcher->job());
    const bool asked = found != watched.end();
    // A job that cannot be read is the watcher's to find out: it may be gone.
    const bool news = asked && (!found->second.has_value() || watcher->HasNews(*found->second));
    if (news || watcher->IsDue(now_ns)) {
      ready.push_back(watcher);
      entry = waiting_.erase(entry);
      continue;
    }
    if (asked) entry->second = false;
    ++entry;
  }
  return ready;
}

void JobWatchers::EndAll() {
  const int64_t now_ns = base::RealClock().SteadyNs();
  if (drain_began_ns_ == 0) drain_began_ns_ = now_ns;
  const bool is_late = now_ns - drain_began_ns_ > absl::ToInt64Nanoseconds(kUnreadAfter);
  std::map<JobWatcher*, bool> waiting;
  {
    absl::MutexLock lock(&mu_);
    waiting.swap(waiting_);
    // Under the lock, which keeps them alive; cancelling only queues the end of the call.
    for (JobWatcher* watcher : all_) {
      if (is_late && waiting.count(watcher) == 0) watcher->TryCancel();
    }
  }
  for (const auto& entry : waiting) entry.first->EndDraining();
}

}  // namespace lbw::rpc

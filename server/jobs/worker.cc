#include "jobs/worker.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "jobs/attempt.h"
#include "jobs/attempt_policy.h"
#include "jobs/change_watcher.h"
#include "jobs/child_channel.h"
#include "jobs/fd.h"
#include "jobs/worker_slot.h"

namespace lbw::jobs {
namespace {

constexpr absl::Duration kSeeEvery = absl::Seconds(5);
constexpr absl::Duration kDeadEvery = absl::Seconds(10);
// A job that waits for its retry time becomes due without a change of the database.
constexpr absl::Duration kLookEvery = absl::Seconds(1);

// Doubles from its first to its longest with every failure.
class Backoff {
 public:
  Backoff(absl::Duration first, absl::Duration longest) : first_(first), longest_(longest) {}
  void Failed(absl::Duration now) {
    delay_ = std::clamp(2 * delay_, first_, longest_);
    until_ = now + delay_;
  }
  void Worked() { delay_ = until_ = absl::ZeroDuration(); }
  bool Waits(absl::Duration now) const { return now < until_; }

 private:
  const absl::Duration first_;
  const absl::Duration longest_;
  absl::Duration delay_;
  absl::Duration until_;
};

struct Periodic {
  absl::Duration every;
  absl::Duration next;

  bool Due(absl::Duration now) {
    if (now < next) return false;
    next = now + every;
    return true;
  }
};

int PollMs(absl::Duration patience) {
  return static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(patience, absl::Milliseconds(1))));
}

class WorkerImpl final : public Worker {
 public:
  WorkerImpl(Queue& queue, JobKinds& kinds, JobObserver* observer, const WorkerOptions& options);
  void Run() override;
  void Stop() override {
    stopping_ = true;
    stop_.Wake();
  }

 private:
  bool Reclaim();
  void KeepHouse();
  void ReclaimDead();
  void See(std::string_view job);
  void Log(std::string_view step, const absl::Status& status) const;
  // True where a job was run, or tried to.
  bool RunNext();
  void RunJob(const Lease& lease, absl::Duration taken);
  absl::StatusOr<std::unique_ptr<ChildChannel>> TakeChild();
  absl::StatusOr<Assignment> Assign(const Job& job);
  // Assigned, and a process to give it to; or why not.
  absl::StatusOr<std::unique_ptr<ChildChannel>> Begin(const absl::StatusOr<Assignment>& assignment);
  void Watch(Attempt& attempt);
  void KeepWarm();
  void HearWarm();
  void WaitIdle();
  // Waits for fds, a change, or the wish to stop. True where the database may have changed.
  bool Wait(absl::Span<pollfd> fds, absl::Duration patience);

  Queue& queue_;
  JobKinds& kinds_;
  JobObserver* const observer_;
  const WorkerOptions options_;
  const AttemptContext context_;
  const Queue::ApplyFailure on_failure_;

  WakeFd stop_;
  std::atomic<bool> stopping_ = false;

  // Of the Run thread
  std::unique_ptr<ChangeWatcher> watcher_;
  std::unique_ptr<ChildChannel> warm_;
  Backoff child_backoff_{absl::Milliseconds(500), absl::Minutes(1)};
  // Of preparation: what is wrong with the disk or the database is so for the next job too.
  Backoff prepare_backoff_{absl::Milliseconds(500), absl::Minutes(1)};
  Backoff queue_backoff_{absl::Milliseconds(100), absl::Seconds(5)};
  bool reclaimed_ = false;
  bool due_ = true;  // a job may be
  absl::Duration change_heard_at_;
  Periodic look_{kLookEvery, {}};
  Periodic see_{kSeeEvery, {}};
  Periodic dead_{kDeadEvery, {}};
  Periodic expire_;
  std::string job_;
};

WorkerImpl::WorkerImpl(Queue& queue, JobKinds& kinds, JobObserver* observer,
                       const WorkerOptions& options)
    : queue_(queue),
      kinds_(kinds),
      observer_(observer),
      options_(options),
      context_{
          &queue, &kinds, observer, {options.lease, options.stall_timeout, options.obey_timeout}},
      on_failure_([this](store::Session& session, const Job& job) {
        return kinds_.ApplyFailure(session, job);
      }),
      expire_{options.lease / 3, {}} {}

void WorkerImpl::Log(std::string_view step, const absl::Status& status) const {
  if (status.ok()) return;
  base::LogWarning("worker_step_failed",
                   {{"worker", options_.info.id}, {"step", step}, {"error", status}});
}

void WorkerImpl::Run() {
  std::error_code ignored;
  std::filesystem::remove_all(options_.scratch_dir, ignored);
  watcher_ = std::make_unique<ChangeWatcher>(queue_);
  while (!stopping_) {
    KeepHouse();
    if (RunNext()) continue;
    KeepWarm();
    WaitIdle();
  }
  warm_.reset();
  watcher_.reset();
  Log("forget_worker", queue_.ForgetWorker(options_.info.id));
}

// --- Housekeeping --------------------------------------------------------------------------------

void WorkerImpl::See(std::string_view job) {
  job_ = std::string(job);
  WorkerInfo info = options_.info;
  info.job = job_;
  info.last_seen_time = base::RealClock().Now();
  Log("see_worker", queue_.SeeWorker(info));
}

void WorkerImpl::KeepHouse() {
  const absl::Duration now = SteadyNow();
  if (see_.Due(now)) See(job_);
  if (dead_.Due(now)) ReclaimDead();
  if (expire_.Due(now)) Log("expire_leases", queue_.ExpireLeases(on_failure_).status());
}

void WorkerImpl::ReclaimDead() {
  const auto reclaim = [this](const std::string& id) {
    const absl::StatusOr<int64_t> freed = queue_.ReclaimLeases(id, on_failure_);
    Log("reclaim_leases_of_dead", freed.status());
    if (!freed.ok()) return;
    if (*freed > 0) base::LogInfo("leases_of_dead_freed", {{"worker", id}, {"leases", *freed}});
    Log("forget_worker", queue_.ForgetWorker(id));
  };
  Log("find_dead_workers", WorkerSlot::ForEachDead(options_.data_dir, reclaim));
}

// Its own leases of an earlier life: nobody runs those jobs.
bool WorkerImpl::Reclaim() {
  if (reclaimed_) return true;
  const absl::StatusOr<int64_t> freed = queue_.ReclaimLeases(options_.info.id, on_failure_);
  Log("reclaim_own_leases", freed.status());
  reclaimed_ = freed.ok();
  return reclaimed_;
}

// --- Jobs ----------------------------------------------------------------------------------------

bool WorkerImpl::RunNext() {
  const absl::Duration now = SteadyNow();
  if (queue_backoff_.Waits(now) || child_backoff_.Waits(now) || prepare_backoff_.Waits(now)) {
    return false;
  }
  if (look_.Due(now)) due_ = true;
  if (!due_) return false;
  if (!Reclaim()) {
    queue_backoff_.Failed(now);
    return false;
  }
  const absl::StatusOr<std::optional<Lease>> lease =
      queue_.LeaseNext(options_.info.id, kinds_.names());
  if (!lease.ok()) {
    Log("lease_next", lease.status());
    queue_backoff_.Failed(now);
    return false;
  }
  queue_backoff_.Worked();
  if (!lease->has_value()) {
    due_ = false;
    return false;
  }
  job_ = (*lease)->job.id;
  RunJob(**lease, now);
  job_.clear();
  return true;
}

void WorkerImpl::RunJob(const Lease& lease, absl::Duration taken) {
  const Job& job = lease.job;
  base::LogInfo("job_started", {{"job", job.id}, {"kind", job.kind}, {"token", lease.token}});
  if (observer_ != nullptr) {
    const absl::Duration waited = base::RealClock().Now() - job.queued_time;
    observer_->JobStarted(job.kind, std::max(0.0, absl::ToDoubleSeconds(waited)));
  }
  std::string outcome;
  const absl::StatusOr<Assignment> assignment = Assign(job);
  absl::StatusOr<std::unique_ptr<ChildChannel>> child = Begin(assignment);
  if (child.ok()) {
    Attempt attempt(context_, lease, *std::move(child), taken);
    Watch(attempt);
    outcome = attempt.Finish();
  } else {
    outcome = RecordEnd(context_, lease, NotBegun(child.status()), "", taken);
  }
  std::error_code ignored;
  if (assignment.ok()) std::filesystem::remove_all(assignment->scratch_folder, ignored);
  const absl::Duration lasted = SteadyNow() - taken;
  base::LogInfo("job_attempt_ended", {{"job", job.id},
                                      {"kind", job.kind},
                                      {"outcome", outcome},
                                      {"seconds", absl::ToDoubleSeconds(lasted)}});
  if (observer_ != nullptr) {
    observer_->AttemptEnded(job.kind, outcome, absl::ToDoubleSeconds(lasted));
  }
}

absl::StatusOr<std::unique_ptr<ChildChannel>> WorkerImpl::Begin(
    const absl::StatusOr<Assignment>& assignment) {
  if (!assignment.ok()) {
    // A job's own fault says nothing about the next job.
    if (NotBegun(assignment.status()).kind == Outcome::Kind::kNotStarted) {
      Log("prepare", assignment.status());
      prepare_backoff_.Failed(SteadyNow());
    }
    return assignment.status();
  }
  prepare_backoff_.Worked();
  LBW_ASSIGN_OR_RETURN(const std::string line, TryEncode(Down(*assignment)));
  absl::StatusOr<std::unique_ptr<ChildChannel>> child = TakeChild();
  if (!child.ok()) {
    // A process that cannot be started is the machine's fault, whatever it says.
    return base::Error(absl::StatusCode::kUnavailable, base::reason::kInternal,
                       base::Std(child.status().message()));
  }
  (*child)->Send(line);
  return child;
}

absl::StatusOr<Assignment> WorkerImpl::Assign(const Job& job) {
  Assignment assignment;
  LBW_ASSIGN_OR_RETURN(assignment.inputs_json, kinds_.Prepare(job));
  assignment.job = job.id;
  assignment.kind = job.kind;
  assignment.spec_json = job.spec_json;
  if (job.checkpoint) {
    assignment.checkpoint = job.checkpoint->sha256;
    assignment.checkpoint_step = job.checkpoint->step;
  }
  assignment.attempt = job.attempts;
  assignment.data_dir = options_.data_dir;
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  assignment.threads = options_.threads > 0 ? options_.threads : cores;
  assignment.scratch_folder = base::StrCat(options_.scratch_dir, "/", job.id, "-", job.attempts);
  std::error_code error;
  std::filesystem::remove_all(assignment.scratch_folder, error);
  if (!error) std::filesystem::create_directories(assignment.scratch_folder, error);
  if (error) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       base::StrCat("cannot make the job's folder ", assignment.scratch_folder,
                                    ": ", error.message()));
  }
  return assignment;
}

// The warm one, where it still lives.
absl::StatusOr<std::unique_ptr<ChildChannel>> WorkerImpl::TakeChild() {
  HearWarm();
  if (warm_ != nullptr) return std::move(warm_);
  absl::StatusOr<std::unique_ptr<ChildChannel>> child = ChildChannel::Start(options_.child);
  if (child.ok()) {
    child_backoff_.Worked();
  } else {
    child_backoff_.Failed(SteadyNow());
    Log("start_child", child.status());
  }
  return child;
}

void WorkerImpl::Watch(Attempt& attempt) {
  std::vector<pollfd> fds(ChildChannel::kPollFds);
  while (true) {
    attempt.Hear();
    if (attempt.ended()) return;
    if (stopping_) attempt.Stop();
    attempt.Act();
    KeepHouse();
    attempt.FillPoll(absl::MakeSpan(fds));
    if (Wait(absl::MakeSpan(fds), attempt.Patience())) attempt.LookForWishes();
  }
}

// --- Idle ----------------------------------------------------------------------------------------

void WorkerImpl::KeepWarm() {
  if (!options_.warm_child || warm_ != nullptr || stopping_) return;
  const absl::Duration now = SteadyNow();
  if (child_backoff_.Waits(now)) return;
  absl::StatusOr<std::unique_ptr<ChildChannel>> child = ChildChannel::Start(options_.child);
  if (!child.ok()) {
    Log("start_child", child.status());
    return child_backoff_.Failed(now);
  }
  warm_ = *std::move(child);
}

void WorkerImpl::HearWarm() {
  if (warm_ == nullptr) return;
  std::vector<Up> messages;
  const absl::StatusOr<bool> heard = warm_->Pump(ChildChannel::Lines::kRead, messages);
  const std::optional<Outcome> ended = warm_->process().HowItEnded();
  if (heard.ok() && !ended && !warm_->socket_ended()) {
    // It has come as far as to wait: the program is sound.
    if (!messages.empty()) child_backoff_.Worked();
    return;
  }
  base::LogWarning("idle_child_ended", {{"worker", options_.info.id},
                                        {"how", ended ? ended->detail : "closed its socket"},
                                        {"log", base::CutUtf8(warm_->log().TakeAll(), 1000)}});
  warm_.reset();
  child_backoff_.Failed(SteadyNow());
}

void WorkerImpl::WaitIdle() {
  std::vector<pollfd> fds(ChildChannel::kPollFds, pollfd{-1, 0, 0});
  if (warm_ != nullptr) warm_->FillPoll(ChildChannel::Lines::kRead, absl::MakeSpan(fds));
  if (Wait(absl::MakeSpan(fds), absl::Milliseconds(200))) due_ = true;
  HearWarm();
}

bool WorkerImpl::Wait(absl::Span<pollfd> fds, absl::Duration patience) {
  const bool was_stopping = stopping_;
  // Changes are answered at most once in `poll`: neighbours may write often.
  const absl::Duration quiet = change_heard_at_ + options_.poll - SteadyNow();
  const bool hear_changes = quiet <= absl::ZeroDuration();
  if (!hear_changes) patience = std::min(patience, quiet);
  std::vector<pollfd> all(fds.begin(), fds.end());
  all.push_back({hear_changes ? watcher_->fd() : -1, POLLIN, 0});
  // Once it is known it would be ready for ever.
  all.push_back({was_stopping ? -1 : stop_.get(), POLLIN, 0});
  if (::poll(all.data(), all.size(), PollMs(patience)) <= 0) return false;
  if (all[fds.size()].revents == 0) return false;
  watcher_->Drain();
  change_heard_at_ = SteadyNow();
  return true;
}

}  // namespace

std::unique_ptr<Worker> Worker::New(Queue& queue, JobKinds& kinds, JobObserver* observer,
                                    const WorkerOptions& options) {
  return std::make_unique<WorkerImpl>(queue, kinds, observer, options);
}

}  // namespace lbw::jobs

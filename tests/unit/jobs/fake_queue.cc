#include "unit/jobs/fake_queue.h"

#include <algorithm>

#include "base/status.h"

namespace lbw::jobs {
namespace {

// The rows of a kind's result need a session; the fake has none to give.
class NoSession final : public store::Session {
 public:
  using store::Session::Execute;
  absl::StatusOr<std::vector<store::Row>> Execute(std::string_view,
                                                  absl::Span<const store::Value>) override {
    return absl::UnimplementedError("no rows here");
  }
  int64_t changes() const override { return 0; }
  int64_t NowUs() override { return 0; }
};

}  // namespace

void FakeQueue::Changed() {
  ++changes_;
  changed_.SignalAll();
}

std::string FakeQueue::Add(const std::string& kind, const std::string& spec) {
  absl::MutexLock lock(&mu_);
  FakeJob fake;
  fake.job.id = "job" + std::to_string(jobs_.size());
  fake.job.kind = kind;
  fake.job.spec_json = spec;
  fake.job.queued_time = base::RealClock().Now();
  const std::string id = fake.job.id;
  jobs_[id] = std::move(fake);
  Changed();
  return id;
}

FakeJob FakeQueue::Look(const std::string& id) {
  absl::MutexLock lock(&mu_);
  return jobs_.at(id);
}

bool FakeQueue::WaitUntil(const std::string& id, const std::function<bool(const FakeJob&)>& so) {
  const absl::Time deadline = base::RealClock().Now() + absl::Seconds(20);
  absl::MutexLock lock(&mu_);
  while (!so(jobs_.at(id))) {
    if (changed_.WaitWithDeadline(&mu_, deadline)) return so(jobs_.at(id));
  }
  return true;
}

bool FakeQueue::WaitUntilEnded(const std::string& id) {
  return WaitUntil(id, [](const FakeJob& fake) { return HasEnded(fake.job.state); });
}

void FakeQueue::Wish(const std::string& id, JobState state) {
  absl::MutexLock lock(&mu_);
  jobs_.at(id).job.state = state;
  Changed();
}

void FakeQueue::TakeAway(const std::string& id) {
  absl::MutexLock lock(&mu_);
  ++jobs_.at(id).job.lease_token;
  Changed();
}

void FakeQueue::FailWith(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  fault_ = status;
  Changed();
}

bool FakeQueue::WaitForFaults(int64_t count) {
  const absl::Time deadline = base::RealClock().Now() + absl::Seconds(20);
  absl::MutexLock lock(&mu_);
  while (faults_ < count) {
    if (changed_.WaitWithDeadline(&mu_, deadline)) return faults_ >= count;
  }
  return true;
}

std::vector<std::string> FakeQueue::reclaimed() {
  absl::MutexLock lock(&mu_);
  return reclaimed_;
}

std::vector<WorkerInfo> FakeQueue::seen() {
  absl::MutexLock lock(&mu_);
  return seen_;
}

std::vector<std::string> FakeQueue::forgotten() {
  absl::MutexLock lock(&mu_);
  return forgotten_;
}

absl::StatusOr<FakeJob*> FakeQueue::Held(const LeaseKey& lease) {
  if (!fault_.ok()) {
    ++faults_;
    changed_.SignalAll();
    return fault_;
  }
  FakeJob& fake = jobs_.at(std::string(lease.job));
  if (fake.job.lease_token != lease.token || !HasLease(fake.job.state)) {
    return base::Error(absl::StatusCode::kAborted, base::reason::kLeaseLost, "taken away");
  }
  return &fake;
}

absl::StatusOr<std::optional<Lease>> FakeQueue::LeaseNext(std::string_view worker,
                                                          absl::Span<const std::string> kinds) {
  absl::MutexLock lock(&mu_);
  LBW_RETURN_IF_ERROR(fault_);
  for (auto& [id, fake] : jobs_) {
    const bool known = std::find(kinds.begin(), kinds.end(), fake.job.kind) != kinds.end();
    const bool due = due_.count(id) == 0 || due_[id] <= base::RealClock().Now();
    if (fake.job.state != JobState::kQueued || !known || !due) continue;
    fake.job.state = JobState::kRunning;
    fake.job.worker = std::string(worker);
    ++fake.job.attempts;
    ++fake.job.lease_token;
    Changed();
    return Lease{fake.job, fake.job.lease_token};
  }
  return std::nullopt;
}

absl::StatusOr<JobState> FakeQueue::Renew(const LeaseKey& lease) {
  absl::MutexLock lock(&mu_);
  LBW_ASSIGN_OR_RETURN(FakeJob * fake, Held(lease));
  ++fake->renewals;
  Changed();
  return fake->job.state;
}

absl::StatusOr<JobState> FakeQueue::Peek(const LeaseKey& lease) {
  absl::MutexLock lock(&mu_);
  LBW_ASSIGN_OR_RETURN(FakeJob * fake, Held(lease));
  return fake->job.state;
}

absl::Status FakeQueue::Report(const LeaseKey& lease, const Progress& progress) {
  absl::MutexLock lock(&mu_);
  LBW_ASSIGN_OR_RETURN(FakeJob * fake, Held(lease));
  ++fake->reports;
  fake->events.insert(fake->events.end(), progress.events_json.begin(), progress.events_json.end());
  if (progress.step) fake->job.step = *progress.step;
  if (progress.total_steps) fake->job.total_steps = *progress.total_steps;
  if (!progress.progress_json.empty()) fake->job.progress_json = progress.progress_json;
  fake->log += progress.log_text;
  Changed();
  return absl::OkStatus();
}

absl::Status FakeQueue::AddCheckpoint(const LeaseKey& lease, const CheckpointInfo& checkpoint) {
  absl::MutexLock lock(&mu_);
  LBW_ASSIGN_OR_RETURN(FakeJob * fake, Held(lease));
  if (checkpoint.epoch == 404) return absl::FailedPreconditionError("no such blob");
  fake->checkpoints.push_back(checkpoint);
  fake->job.checkpoint = checkpoint;
  fake->job.failed_attempts = fake->job.lost_attempts = 0;
  Changed();
  return absl::OkStatus();
}

absl::StatusOr<Job> FakeQueue::Finish(const LeaseKey& lease, const Outcome& outcome,
                                      std::string_view result_json, const ApplyResult& apply,
                                      const ApplyFailure& on_failure) {
  absl::MutexLock lock(&mu_);
  LBW_ASSIGN_OR_RETURN(FakeJob * fake, Held(lease));
  NoSession session;
  Outcome end = outcome;
  std::string result(result_json);
  if (end.kind == Outcome::Kind::kResult && apply) {
    const absl::Status applied = apply(session, fake->job, result);
    if (!applied.ok()) {
      end = {Outcome::Kind::kError, {applied.code(), "", std::string(applied.message())}, ""};
    }
  }
  const Decision decision = Decide(fake->job, end, limits_);
  fake->outcomes.push_back(end);
  fake->job.state = decision.next;
  fake->job.error = decision.error;
  fake->job.failed_attempts = decision.failed_attempts;
  fake->job.lost_attempts = decision.lost_attempts;
  fake->job.not_begun = decision.not_begun;
  fake->job.worker.clear();
  if (decision.next == JobState::kSucceeded) fake->job.result_json = result;
  due_[fake->job.id] = base::RealClock().Now() + decision.delay;
  if (decision.next == JobState::kFailed || decision.next == JobState::kCancelled) {
    LBW_RETURN_IF_ERROR(on_failure(session, fake->job));
  }
  Changed();
  return fake->job;
}

absl::StatusOr<int64_t> FakeQueue::ExpireLeases(const ApplyFailure&) { return 0; }

absl::StatusOr<int64_t> FakeQueue::ReclaimLeases(std::string_view worker, const ApplyFailure&) {
  absl::MutexLock lock(&mu_);
  LBW_RETURN_IF_ERROR(fault_);
  reclaimed_.emplace_back(worker);
  return 0;
}

absl::Status FakeQueue::SeeWorker(const WorkerInfo& worker) {
  absl::MutexLock lock(&mu_);
  seen_.push_back(worker);
  return absl::OkStatus();
}

absl::Status FakeQueue::ForgetWorker(std::string_view id) {
  absl::MutexLock lock(&mu_);
  forgotten_.emplace_back(id);
  return absl::OkStatus();
}

uint64_t FakeQueue::WaitForChange(uint64_t token, absl::Duration timeout) {
  const absl::Time deadline = base::RealClock().Now() + timeout;
  absl::MutexLock lock(&mu_);
  while (changes_ == token) {
    if (changed_.WaitWithDeadline(&mu_, deadline)) break;
  }
  return changes_;
}

}  // namespace lbw::jobs

#include "serving/supervisor.h"

#include "base/status.h"
#include "base/thread_pool.h"

namespace lbw::serving {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(10);

absl::Status Draining() {
  return base::Error(absl::StatusCode::kUnavailable, base::reason::kDraining,
                     "the server is shutting down; retry elsewhere")
      .RetryAfterMs(1'000);
}

}  // namespace

Supervisor::Supervisor(std::function<void()> report)
    : report_(std::move(report)), thread_([this] { Run(); }) {}

Supervisor::~Supervisor() { Stop(); }

bool Supervisor::Add(const std::shared_ptr<Call>& call) {
  absl::MutexLock lock(&mu_);
  calls_.emplace(call.get(), call);
  if (draining_) refusals_.emplace_back(call, Draining());
  return !draining_;
}

void Supervisor::Refuse(std::shared_ptr<Call> call, absl::Status error) {
  absl::MutexLock lock(&mu_);
  refusals_.emplace_back(std::move(call), std::move(error));
}

void Supervisor::Forget(const Call* call) {
  std::shared_ptr<Call> forgotten;  // dropped behind the lock
  absl::MutexLock lock(&mu_);
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  forgotten = std::move(found->second);
  calls_.erase(found);
  touched_ = true;
}

void Supervisor::Touch() {
  absl::MutexLock lock(&mu_);
  touched_ = true;
}

std::shared_ptr<ServedVersion> Supervisor::Adopt(std::unique_ptr<ServedVersion> version) {
  {
    absl::MutexLock lock(&mu_);
    ++versions_;
  }
  return std::shared_ptr<ServedVersion>(version.release(),
                                        [this](ServedVersion* dead) { Bury(dead); });
}

void Supervisor::Bury(ServedVersion* version) {
  absl::MutexLock lock(&mu_);
  graveyard_.emplace_back(version);
}

void Supervisor::Drain(absl::Time deadline) {
  const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return Empty(); };
  absl::MutexLock lock(&mu_);
  draining_ = true;
  if (mu_.AwaitWithDeadline(absl::Condition(&empty), deadline)) return;
  fail_calls_ = true;
  mu_.Await(absl::Condition(&empty));
}

void Supervisor::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

bool Supervisor::Empty() const { return calls_.empty() && refusals_.empty(); }

bool Supervisor::Urgent() const {
  const bool last_is_near = stopping_ && Empty() && versions_ == 0;
  return !refusals_.empty() || !graveyard_.empty() || (fail_calls_ && !calls_.empty()) ||
         last_is_near;
}

bool Supervisor::Awake() const { return Urgent() || touched_ || !calls_.empty(); }

Supervisor::Round Supervisor::NextRound() {
  const auto urgent = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return Urgent(); };
  const auto awake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return Awake(); };
  Round round;
  absl::MutexLock lock(&mu_);
  if (calls_.empty()) {
    mu_.Await(absl::Condition(&awake));
  } else {
    mu_.AwaitWithTimeout(absl::Condition(&urgent), kLookEvery);
  }
  round.refusals.swap(refusals_);
  round.buried.swap(graveyard_);
  round.calls.reserve(calls_.size());
  for (const auto& entry : calls_) round.calls.push_back(entry.second);
  round.fail_calls = fail_calls_;
  touched_ = false;
  versions_ -= round.buried.size();
  round.last = stopping_ && Empty() && versions_ == 0 && round.refusals.empty();
  return round;
}

void Supervisor::EndUnwanted() {
  std::vector<std::shared_ptr<Call>> calls;
  {
    absl::MutexLock lock(&mu_);
    calls.reserve(calls_.size());
    for (const auto& entry : calls_) calls.push_back(entry.second);
  }
  for (const std::shared_ptr<Call>& call : calls) {
    call->EndIfUnwanted();
    // Another thread may be ending it at this moment, and not have come to its place yet.
    if (call->finished()) call->GiveSlotBack();
  }
}

void Supervisor::Run() {
  base::SetThreadName("serve-watch");
  bool last = false;
  while (!last) {
    Round round = NextRound();
    last = round.last;
    for (Refusal& refusal : round.refusals) refusal.first->Finish(std::move(refusal.second));
    for (const std::shared_ptr<Call>& call : round.calls) {
      if (round.fail_calls) call->Finish(Draining());
      call->EndIfUnwanted();
    }
    round.calls.clear();
    round.buried.clear();
    report_();
  }
}

}  // namespace lbw::serving

#include "jobs/attempt.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"

namespace lbw::jobs {
namespace {

constexpr absl::Duration kReportEvery = absl::Milliseconds(200);
constexpr size_t kMostEvents = 512;  // that wait to be recorded
constexpr size_t kMostEventBytes = size_t{1} << 20;
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(50);
constexpr absl::Duration kLongestBackoff = absl::Seconds(5);

// Another worker has the job, or it is gone.
bool IsLost(const absl::Status& status) {
  return status.code() == absl::StatusCode::kNotFound ||
         (status.code() == absl::StatusCode::kAborted &&
          base::GetErrorDetails(status).reason == base::reason::kLeaseLost.text);
}

// Of a checkpoint: asking again brings its bytes back no more.
bool IsGone(const absl::Status& status) {
  return base::GetErrorDetails(status).reason == base::reason::kBlobGone.text;
}

// The database itself, not what it was given.
bool MayPassLater(const absl::Status& status) {
  return MayPass(status.code()) || status.code() == absl::StatusCode::kCancelled;
}

// The JobProgress of an event, "" of a message; none of what a child may not say.
std::optional<std::string> ProgressOf(const std::string& event_json) {
  const nlohmann::json event = nlohmann::json::parse(event_json, nullptr, false);
  if (!event.is_object() || event.size() != 1) return std::nullopt;
  const auto only = event.begin();
  if (!only->is_object()) return std::nullopt;
  if (only.key() == "message") return std::string();
  if (only.key() != "progress") return std::nullopt;
  return only->dump();
}

}  // namespace

absl::Duration SteadyNow() { return absl::Nanoseconds(base::RealClock().SteadyNs()); }

std::string RecordEnd(const AttemptContext& context, const Lease& lease, const Outcome& outcome,
                      std::string_view result_json, absl::Duration taken) {
  const LeaseKey key{lease.job.id, lease.token};
  const auto apply = [&context](store::Session& session, const Job& job, std::string& result) {
    return context.kinds->Apply(session, job, result);
  };
  const auto on_failure = [&context](store::Session& session, const Job& job) {
    return context.kinds->ApplyFailure(session, job);
  };
  Outcome end = outcome;
  absl::Duration backoff = kFirstBackoff;
  while (true) {
    const std::unique_ptr<store::BlobStore::Hold> hold =
        end.kind == Outcome::Kind::kResult ? context.kinds->HoldBlobs() : nullptr;
    const absl::StatusOr<Job> job = context.queue->Finish(key, end, result_json, apply, on_failure);
    if (job.ok()) return std::string(Name(job->state));
    base::LogWarning("job_end_not_recorded", {{"job", lease.job.id}, {"error", job.status()}});
    if (IsLost(job.status())) return std::string(kLostOutcome);
    // The token guards against the lease's next owner, so asking late does no harm.
    if (SteadyNow() - taken >= 2 * context.limits.lease) return std::string(kLostOutcome);
    if (!MayPassLater(job.status()) && end.kind != Outcome::Kind::kError) {
      end = {Outcome::Kind::kError,
             {job.status().code(), base::GetErrorDetails(job.status()).reason,
              std::string(job.status().message())},
             ""};
      continue;
    }
    ::poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(backoff)));
    backoff = std::min(2 * backoff, kLongestBackoff);
  }
}

Attempt::Attempt(const AttemptContext& context, Lease lease, std::unique_ptr<ChildChannel> child,
                 absl::Duration taken)
    : context_(context),
      lease_(std::move(lease)),
      child_(std::move(child)),
      moved_at_(SteadyNow()),
      renewed_at_(taken),
      reported_at_(moved_at_) {
  snapshot_.state = lease_.job.state;
  step_ = lease_.job.checkpoint ? lease_.job.checkpoint->step : 0;
  reported_step_ = step_;
}

bool Attempt::IsFull() const {
  return checkpoint_ || progress_.events_json.size() >= kMostEvents ||
         event_bytes_ >= kMostEventBytes;
}

ChildChannel::Lines Attempt::lines() const {
  return IsFull() ? ChildChannel::Lines::kLeave : ChildChannel::Lines::kRead;
}

void Attempt::FillPoll(absl::Span<pollfd> fds) const {
  child_->FillPoll(lines(), fds);
  // It stays readable, while the rest may have to wait for the database.
  if (exited_) fds[2].fd = -1;
}

void Attempt::Hear() {
  exited_ = child_->process().HowItEnded().has_value();
  // What it had said before it ended is all there: read until there is no more.
  bool more = true;
  while (more && lines() == ChildChannel::Lines::kRead) {
    std::vector<Up> messages;
    const absl::StatusOr<bool> read = child_->Pump(lines(), messages);
    for (Up& message : messages) Handle(std::move(message));
    if (!read.ok()) {
      snapshot_.bad_line = true;
      bad_line_ = std::string(read.status().message());
    }
    more = exited_ && read.ok() && *read;
  }
  if (lines() == ChildChannel::Lines::kLeave) {
    std::vector<Up> none;
    (void)child_->Pump(ChildChannel::Lines::kLeave, none);
  }
  if (child_->socket_ended() && !snapshot_.bad_line && !last_word_at_) last_word_at_ = SteadyNow();
  // One that ended while what it said waits to be recorded is heard to its end afterwards.
  ended_ = exited_ && (!more || killed_);
}

void Attempt::Handle(Up message) {
  if (!std::holds_alternative<std::monostate>(last_word_)) return;  // nothing counts behind it
  if (auto* event = std::get_if<EventLine>(&message)) return HandleEvent(std::move(*event));
  if (const auto* beat = std::get_if<Heartbeat>(&message)) return MoveTo(beat->step);
  if (auto* line = std::get_if<CheckpointLine>(&message)) {
    moved_at_ = checkpoint_told_at_ = SteadyNow();
    checkpoint_ = std::move(line->info);
    return;
  }
  if (auto* result = std::get_if<ResultLine>(&message)) return SayLast(std::move(*result));
  if (auto* error = std::get_if<ErrorLine>(&message)) return SayLast(std::move(*error));
  if (const auto* obeyed = std::get_if<Obeyed>(&message)) return SayLast(*obeyed);
}

void Attempt::HandleEvent(EventLine event) {
  const std::optional<std::string> progress = ProgressOf(event.json);
  if (!progress) {
    base::LogWarning("job_event_refused", {{"job", lease_.job.id}});
    return;
  }
  if (!progress->empty()) progress_.progress_json = *progress;
  event_bytes_ += event.json.size();
  progress_.events_json.push_back(std::move(event.json));
  if (event.total_steps) progress_.total_steps = event.total_steps;
  if (event.step) MoveTo(*event.step);
}

void Attempt::MoveTo(int64_t step) {
  if (step == step_) return;
  step_ = step;
  moved_at_ = SteadyNow();
  progress_.step = step;
}

void Attempt::SayLast(LastWord word) {
  last_word_ = std::move(word);
  last_word_at_ = SteadyNow();
}

void Attempt::LookForWishes() {
  if (ended_ || killed_ || SteadyNow() < retry_at_) return;
  const absl::StatusOr<JobState> state = context_.queue->Peek(key());
  if (Accepted(state.status(), "peek") && state.ok()) snapshot_.state = *state;
}

AttemptSnapshot Attempt::Snapshot(absl::Duration now) const {
  AttemptSnapshot snapshot = snapshot_;
  snapshot.since_told = now - told_at_;
  snapshot.since_step = now - moved_at_;
  snapshot.since_renewed = now - renewed_at_;
  if (last_word_at_) snapshot.since_last_word = now - *last_word_at_;
  return snapshot;
}

void Attempt::Act() {
  const absl::Duration now = SteadyNow();
  if (!killed_) Do(NextAction(Snapshot(now), context_.limits), now);
  RecordDue(now);
}

void Attempt::Do(AttemptAction action, absl::Duration now) {
  if (Kills(action)) {
    killed_ = action;
    child_->process().Kill();
    return;
  }
  if (action == AttemptAction::kTellPause) return Tell(Command::kPause, now);
  if (action == AttemptAction::kTellCancel) return Tell(Command::kCancel, now);
  if (action == AttemptAction::kTellStop) return Tell(Command::kStop, now);
  if (action == AttemptAction::kRenew && now >= retry_at_) Renew(now);
}

void Attempt::Tell(Command command, absl::Duration now) {
  if (snapshot_.told == Told{}) told_at_ = now;
  snapshot_.told.pause |= command == Command::kPause;
  snapshot_.told.cancel |= command == Command::kCancel;
  snapshot_.told.stop |= command == Command::kStop;
  child_->Send(Encode(Down(command)));
}

void Attempt::Renew(absl::Duration now) {
  const absl::StatusOr<JobState> state = context_.queue->Renew(key());
  if (!state.ok() && context_.observer != nullptr)
    context_.observer->RenewalFailed(lease_.job.kind);
  if (!Accepted(state.status(), "renew") || !state.ok()) return;
  renewed_at_ = now;  // from before it was asked: rather too early than too late
  snapshot_.state = *state;
}

void Attempt::RecordDue(absl::Duration now) {
  if (snapshot_.lease_lost || now < retry_at_) return;
  if (now - reported_at_ < kReportEvery && !IsFull()) return;
  progress_.log_text += child_->log().Take();
  if (Accepted(Report(), "report") && checkpoint_) Accepted(Commit(), "checkpoint");
}

absl::Status Attempt::Report() {
  if (progress_.events_json.empty() && progress_.log_text.empty() && !progress_.step) {
    return absl::OkStatus();
  }
  LBW_RETURN_IF_ERROR(context_.queue->Report(key(), progress_));
  ForgetReported();
  const absl::Duration now = SteadyNow();
  if (context_.observer != nullptr && step_ > reported_step_) {
    context_.observer->StepsDone(lease_.job.kind, step_ - reported_step_,
                                 absl::ToDoubleSeconds(now - reported_at_));
  }
  reported_step_ = step_;
  reported_at_ = now;
  return absl::OkStatus();
}

void Attempt::ForgetReported() {
  progress_ = {};
  event_bytes_ = 0;
}

absl::Status Attempt::Commit() {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<store::BlobStore::Hold> hold,
                       context_.kinds->HoldBlob(checkpoint_->sha256));
  LBW_RETURN_IF_ERROR(context_.queue->AddCheckpoint(key(), *checkpoint_));
  child_->Send(Encode(Down(Committed{checkpoint_->sha256})));
  if (context_.observer != nullptr) {
    context_.observer->CheckpointDone(lease_.job.kind, checkpoint_->size_bytes,
                                      absl::ToDoubleSeconds(SteadyNow() - checkpoint_told_at_));
  }
  checkpoint_.reset();
  return absl::OkStatus();
}

bool Attempt::Accepted(const absl::Status& status, std::string_view step) {
  if (status.ok()) {
    backoff_ = absl::ZeroDuration();
    return true;
  }
  base::LogWarning("job_write_failed", {{"job", lease_.job.id}, {"step", step}, {"error", status}});
  if (IsLost(status)) {
    snapshot_.lease_lost = true;
    return false;
  }
  if (MayPassLater(status) && !IsGone(status)) {
    backoff_ = std::clamp(2 * backoff_, kFirstBackoff,
                          std::min(kLongestBackoff, context_.limits.lease / 6));
    retry_at_ = SteadyNow() + backoff_;
    return false;
  }
  // It will be refused for ever. Events that are no such thing are dropped; a checkpoint that is
  // none ends the attempt with the reason.
  if (step == "checkpoint") {
    checkpoint_.reset();
    // The job goes on from the one before; how its child ended says why.
    if (IsGone(status) && exited_) return true;
    SayLast(ErrorLine{
        {status.code(), base::GetErrorDetails(status).reason, std::string(status.message())}});
    child_->process().Kill();
    killed_ = AttemptAction::kKillLingering;
  } else if (step == "report") {
    ForgetReported();
  }
  return true;
}

absl::Duration Attempt::Patience() const {
  // The policy's limits are seconds and minutes; asking it five times a second costs nothing.
  return std::clamp(context_.limits.lease / 12, absl::Milliseconds(5), kReportEvery);
}

std::string Attempt::Finish() {
  progress_.log_text += child_->log().TakeAll();
  while (!snapshot_.lease_lost) {
    const absl::Duration now = SteadyNow();
    if (now - renewed_at_ >= context_.limits.lease) break;
    if (now < retry_at_) {
      ::poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(retry_at_ - now)) + 1);
    }
    if (!Accepted(Report(), "report")) continue;
    if (checkpoint_ && !Accepted(Commit(), "checkpoint")) continue;
    if (!checkpoint_) break;
  }
  const auto* result = std::get_if<ResultLine>(&last_word_);
  // Past its lease a result may still be in time; the token decides.
  const bool expired = killed_ == AttemptAction::kKillLost && result == nullptr;
  if (snapshot_.lease_lost || expired) return std::string(kLostOutcome);
  AttemptEnd end;
  end.last_word = last_word_;
  end.told = snapshot_.told;
  end.killed = killed_;
  end.bad_line = bad_line_;
  end.process = child_->process().HowItEnded().value_or(Outcome{Outcome::Kind::kKilled, {}, ""});
  return RecordEnd(context_, lease_, Conclude(end), result == nullptr ? "" : result->json,
                   renewed_at_);
}

}  // namespace lbw::jobs

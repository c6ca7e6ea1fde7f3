#include "jobs/attempt_policy.h"

#include <string>
#include <utility>

#include "base/status.h"

namespace lbw::jobs {
namespace {

bool WasTold(Obeyed obeyed, const Told& told) {
  switch (obeyed) {
    case Obeyed::kPaused:
      return told.pause;
    case Obeyed::kStopped:
      return told.stop;
    case Obeyed::kCancelled:
      return told.cancel;
  }
  return false;
}

Outcome::Kind KindOf(Obeyed obeyed) {
  switch (obeyed) {
    case Obeyed::kPaused:
      return Outcome::Kind::kPaused;
    case Obeyed::kStopped:
      return Outcome::Kind::kStopped;
    case Obeyed::kCancelled:
      return Outcome::Kind::kCancelled;
  }
  base::CheckFailed("a known word", __FILE__, __LINE__);
}

// The strongest order that it did not obey. A pause leaves kKilled: the policy makes it PAUSED.
Outcome Disobeyed(const Told& told) {
  if (told.cancel) return {Outcome::Kind::kCancelled, {}, "killed: it did not obey cancel in time"};
  if (told.stop) return {Outcome::Kind::kStopped, {}, "killed: it did not obey stop in time"};
  return {Outcome::Kind::kKilled, {}, "killed: it did not obey pause in time"};
}

}  // namespace

AttemptAction NextAction(const AttemptSnapshot& snapshot, const AttemptLimits& limits) {
  // Past its lease another worker may have the job: two would run it.
  if (snapshot.lease_lost || snapshot.since_renewed >= limits.lease) {
    return AttemptAction::kKillLost;
  }
  if (snapshot.since_last_word) {
    if (*snapshot.since_last_word >= limits.exit_timeout) return AttemptAction::kKillLingering;
  } else {
    if (snapshot.bad_line) return AttemptAction::kKillBadLine;
    if (snapshot.state == JobState::kCancelling && !snapshot.told.cancel) {
      return AttemptAction::kTellCancel;
    }
    if (snapshot.state == JobState::kPausing && !snapshot.told.pause) {
      return AttemptAction::kTellPause;
    }
    if (snapshot.stopping && !snapshot.told.stop) return AttemptAction::kTellStop;
    const bool told = snapshot.told != Told{};
    if (told && snapshot.since_told >= limits.obey_timeout) return AttemptAction::kKillDisobedient;
    if (!told && snapshot.since_step >= limits.stall_timeout) return AttemptAction::kKillStalled;
  }
  return snapshot.since_renewed >= limits.lease / 3 ? AttemptAction::kRenew : AttemptAction::kGoOn;
}

bool Kills(AttemptAction action) {
  switch (action) {
    case AttemptAction::kGoOn:
    case AttemptAction::kTellPause:
    case AttemptAction::kTellCancel:
    case AttemptAction::kTellStop:
    case AttemptAction::kRenew:
      return false;
    case AttemptAction::kKillLost:
    case AttemptAction::kKillBadLine:
    case AttemptAction::kKillStalled:
    case AttemptAction::kKillDisobedient:
    case AttemptAction::kKillLingering:
      return true;
  }
  return false;
}

Outcome NotBegun(const absl::Status& status) {
  const std::string reason = base::GetErrorDetails(status).reason;
  // By reason as well: a limit that the job itself exceeds is RESOURCE_EXHAUSTED too, and a disk
  // that cannot be read INTERNAL.
  const bool ours = absl::IsUnavailable(status) || reason == base::reason::kStoreFailed.text ||
                    reason == base::reason::kOutOfRoom.text;
  Outcome outcome;
  outcome.kind = ours ? Outcome::Kind::kNotStarted : Outcome::Kind::kError;
  outcome.error = {status.code(), reason, std::string(status.message())};
  return outcome;
}

Outcome Conclude(const AttemptEnd& end) {
  if (std::holds_alternative<ResultLine>(end.last_word)) return {Outcome::Kind::kResult, {}, ""};
  if (const auto* line = std::get_if<ErrorLine>(&end.last_word)) {
    return {Outcome::Kind::kError, line->error, ""};
  }
  if (const auto* obeyed = std::get_if<Obeyed>(&end.last_word)) {
    if (WasTold(*obeyed, end.told)) return {KindOf(*obeyed), {}, ""};
    return {Outcome::Kind::kCrashed, {}, "it ended on an order that nobody gave"};
  }
  if (!end.killed) return end.process;
  switch (*end.killed) {
    case AttemptAction::kKillBadLine:
      return {Outcome::Kind::kCrashed, {}, "killed: " + end.bad_line};
    case AttemptAction::kKillStalled:
      return {Outcome::Kind::kStalled, {}, "killed: its step did not move"};
    case AttemptAction::kKillDisobedient:
      return Disobeyed(end.told);
    default:
      return {Outcome::Kind::kCrashed, {}, "it closed its socket and did not end"};
  }
}

}  // namespace lbw::jobs

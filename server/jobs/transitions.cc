#include "jobs/transitions.h"

#include <array>
#include <string>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::jobs {
namespace {

constexpr uint32_t Bit(JobState state) { return uint32_t{1} << static_cast<int>(state); }

constexpr uint32_t kEnds =
    Bit(JobState::kSucceeded) | Bit(JobState::kFailed) | Bit(JobState::kCancelled);

// What may follow each state, in the order of JobState.
constexpr std::array<uint32_t, kJobStates> kFollowing = {
    /* QUEUED     */ Bit(JobState::kRunning) | Bit(JobState::kPaused) | Bit(JobState::kCancelled),
    /* RUNNING    */ Bit(JobState::kQueued) | Bit(JobState::kPausing) | Bit(JobState::kCancelling) |
        Bit(JobState::kSucceeded) | Bit(JobState::kFailed),
    /* PAUSING    */ Bit(JobState::kPaused) | Bit(JobState::kCancelling) |
        Bit(JobState::kSucceeded) | Bit(JobState::kFailed),
    /* PAUSED     */ Bit(JobState::kQueued) | Bit(JobState::kCancelled),
    /* CANCELLING */ kEnds,
    /* SUCCEEDED  */ 0,
    /* FAILED     */ 0,
    /* CANCELLED  */ 0,
};

struct WishRule {
  std::string_view verb;
  uint32_t possible;  // states in which it may be asked
};

constexpr WishRule RuleOf(Wish wish) {
  switch (wish) {
    case Wish::kCancel:
      return {"cancelled", Bit(JobState::kQueued) | Bit(JobState::kRunning) |
                               Bit(JobState::kPausing) | Bit(JobState::kPaused) |
                               Bit(JobState::kCancelling) | Bit(JobState::kCancelled)};
    case Wish::kPause:
      return {"paused", Bit(JobState::kQueued) | Bit(JobState::kRunning) | Bit(JobState::kPausing) |
                            Bit(JobState::kPaused)};
    case Wish::kResume:
      return {"resumed", Bit(JobState::kQueued) | Bit(JobState::kRunning) | Bit(JobState::kPaused)};
    case Wish::kDelete:
      break;
  }
  return {"deleted", kEnds};
}

JobState Follow(Wish wish, JobState state) {
  switch (wish) {
    case Wish::kCancel:
      if (HasLease(state)) return JobState::kCancelling;
      return JobState::kCancelled;
    case Wish::kPause:
      if (HasLease(state)) return JobState::kPausing;
      return JobState::kPaused;
    case Wish::kResume:
      return state == JobState::kPaused ? JobState::kQueued : state;
    case Wish::kDelete:
      break;
  }
  return state;
}

std::string NamesOf(uint32_t states) {
  std::string names;
  for (int i = 0; i < kJobStates; ++i) {
    const auto state = static_cast<JobState>(i);
    if ((states & Bit(state)) == 0) continue;
    base::StrAppend(&names, names.empty() ? "" : ", ", Name(state));
  }
  return names;
}

}  // namespace

bool IsAllowed(JobState from, JobState to) {
  return (kFollowing.at(static_cast<size_t>(from)) & Bit(to)) != 0;
}

absl::StatusOr<JobState> Apply(Wish wish, JobState state) {
  const WishRule rule = RuleOf(wish);
  if ((rule.possible & Bit(state)) == 0) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kWrongState,
                       base::StrCat("a job that is ", Name(state), " cannot be ", rule.verb,
                                    ": state must be ", NamesOf(rule.possible)));
  }
  return Follow(wish, state);
}

}  // namespace lbw::jobs

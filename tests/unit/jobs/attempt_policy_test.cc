#include "jobs/attempt_policy.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/status.h"

namespace lbw::jobs {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(1);

AttemptLimits Limits() {
  return {absl::Seconds(30), absl::Minutes(5), absl::Seconds(60), absl::Seconds(2)};
}

AttemptAction Next(const std::function<void(AttemptSnapshot&)>& change) {
  AttemptSnapshot snapshot;
  change(snapshot);
  return NextAction(snapshot, Limits());
}

TEST(NextAction, NothingWhileAllIsWell) {
  EXPECT_EQ(Next([](AttemptSnapshot&) {}), AttemptAction::kGoOn);
}

TEST(NextAction, RenewsAtAThirdOfTheLease) {
  EXPECT_EQ(Next([](auto& s) { s.since_renewed = absl::Seconds(10) - kTick; }),
            AttemptAction::kGoOn);
  EXPECT_EQ(Next([](auto& s) { s.since_renewed = absl::Seconds(10); }), AttemptAction::kRenew);
}

TEST(NextAction, KillsAtTheEndOfTheLeaseWhateverElseIs) {
  EXPECT_EQ(Next([](auto& s) { s.since_renewed = absl::Seconds(30) - kTick; }),
            AttemptAction::kRenew);
  EXPECT_EQ(Next([](auto& s) {
              s.since_renewed = absl::Seconds(30);
              s.since_last_word = absl::ZeroDuration();
              s.stopping = true;
            }),
            AttemptAction::kKillLost);
  EXPECT_EQ(Next([](auto& s) { s.lease_lost = true; }), AttemptAction::kKillLost);
}

TEST(NextAction, NeverRenewsAStalledOne) {
  EXPECT_EQ(Next([](auto& s) {
              s.since_renewed = absl::Seconds(10);
              s.since_step = absl::Minutes(5) - kTick;
            }),
            AttemptAction::kRenew);
  EXPECT_EQ(Next([](auto& s) {
              s.since_renewed = absl::Seconds(10);
              s.since_step = absl::Minutes(5);
            }),
            AttemptAction::kKillStalled);
}

TEST(NextAction, TellsAWishOnce) {
  EXPECT_EQ(Next([](auto& s) { s.state = JobState::kPausing; }), AttemptAction::kTellPause);
  EXPECT_EQ(Next([](auto& s) {
              s.state = JobState::kPausing;
              s.told.pause = true;
            }),
            AttemptAction::kGoOn);
  EXPECT_EQ(Next([](auto& s) { s.state = JobState::kCancelling; }), AttemptAction::kTellCancel);
  EXPECT_EQ(Next([](auto& s) { s.stopping = true; }), AttemptAction::kTellStop);
}

TEST(NextAction, AStrongerWishIsToldBehindAWeakerOne) {
  EXPECT_EQ(Next([](auto& s) {
              s.state = JobState::kCancelling;
              s.told.pause = true;
            }),
            AttemptAction::kTellCancel);
  EXPECT_EQ(Next([](auto& s) {
              s.state = JobState::kCancelling;
              s.told.cancel = true;
              s.stopping = true;
            }),
            AttemptAction::kTellStop);
}

TEST(NextAction, KillsTheDisobedientAtTheTimeout) {
  EXPECT_EQ(Next([](auto& s) {
              s.told.stop = s.stopping = true;
              s.since_told = absl::Seconds(60) - kTick;
            }),
            AttemptAction::kGoOn);
  EXPECT_EQ(Next([](auto& s) {
              s.told.stop = s.stopping = true;
              s.since_told = absl::Seconds(60);
            }),
            AttemptAction::kKillDisobedient);
}

// Writing the checkpoint that pause asks for may take longer than a step.
TEST(NextAction, OneThatWasToldIsNotStalled) {
  EXPECT_EQ(Next([](auto& s) {
              s.told.pause = true;
              s.since_step = absl::Minutes(6);
            }),
            AttemptAction::kGoOn);
}

TEST(NextAction, LeavesTimeToEndAfterTheLastWordAndTellsNothingMore) {
  EXPECT_EQ(Next([](auto& s) {
              s.since_last_word = absl::Seconds(2) - kTick;
              s.state = JobState::kCancelling;
              s.stopping = true;
            }),
            AttemptAction::kGoOn);
  EXPECT_EQ(Next([](auto& s) { s.since_last_word = absl::Seconds(2); }),
            AttemptAction::kKillLingering);
}

TEST(NextAction, KillsOneThatSaysNonsense) {
  EXPECT_EQ(Next([](auto& s) { s.bad_line = true; }), AttemptAction::kKillBadLine);
}

TEST(Kills, IsTrueOfThoseThatDo) {
  for (const AttemptAction action :
       {AttemptAction::kGoOn, AttemptAction::kTellPause, AttemptAction::kTellCancel,
        AttemptAction::kTellStop, AttemptAction::kRenew}) {
    EXPECT_FALSE(Kills(action));
  }
  for (const AttemptAction action :
       {AttemptAction::kKillLost, AttemptAction::kKillBadLine, AttemptAction::kKillStalled,
        AttemptAction::kKillDisobedient, AttemptAction::kKillLingering}) {
    EXPECT_TRUE(Kills(action));
  }
}

AttemptEnd Killed(AttemptAction why, Told told = {}) {
  AttemptEnd end;
  end.killed = why;
  end.told = told;
  end.bad_line = "it is no JSON object";
  end.process = {Outcome::Kind::kKilled, {}, "killed by its worker"};
  return end;
}

TEST(Conclude, ALastWordCountsMoreThanTheProcess) {
  AttemptEnd end;
  end.process = {Outcome::Kind::kCrashed, {}, "exit status 1"};
  end.last_word = ResultLine{"{}"};
  end.told.cancel = true;
  end.killed = AttemptAction::kKillLingering;
  EXPECT_EQ(Conclude(end).kind, Outcome::Kind::kResult);
  end.last_word = ErrorLine{{absl::StatusCode::kNotFound, "NOT_FOUND", "m"}};
  EXPECT_EQ(Conclude(end).kind, Outcome::Kind::kError);
  EXPECT_EQ(Conclude(end).error.message, "m");
  end.last_word = Obeyed::kCancelled;
  EXPECT_EQ(Conclude(end).kind, Outcome::Kind::kCancelled);
}

TEST(Conclude, EveryOrderCanBeObeyedWhenItWasGiven) {
  struct Case {
    Obeyed obeyed;
    Told told;
    Outcome::Kind kind;
  };
  const Case cases[] = {{Obeyed::kPaused, {true, false, false}, Outcome::Kind::kPaused},
                        {Obeyed::kCancelled, {false, true, false}, Outcome::Kind::kCancelled},
                        {Obeyed::kStopped, {false, false, true}, Outcome::Kind::kStopped}};
  for (const Case& one : cases) {
    AttemptEnd end;
    end.last_word = one.obeyed;
    EXPECT_EQ(Conclude(end).kind, Outcome::Kind::kCrashed);
    end.told = one.told;
    EXPECT_EQ(Conclude(end).kind, one.kind);
  }
}

TEST(Conclude, WithoutAWordTheProcessTells) {
  AttemptEnd end;
  end.process = {Outcome::Kind::kOutOfMemory, {}, "out of memory"};
  EXPECT_EQ(Conclude(end).kind, Outcome::Kind::kOutOfMemory);
  EXPECT_EQ(Conclude(end).detail, "out of memory");
}

TEST(Conclude, OneThatItsWorkerKilledIsNotCalledAnOutsidersKill) {
  EXPECT_EQ(Conclude(Killed(AttemptAction::kKillStalled)).kind, Outcome::Kind::kStalled);
  EXPECT_EQ(Conclude(Killed(AttemptAction::kKillLingering)).kind, Outcome::Kind::kCrashed);
  const Outcome bad = Conclude(Killed(AttemptAction::kKillBadLine));
  EXPECT_EQ(bad.kind, Outcome::Kind::kCrashed);
  EXPECT_EQ(bad.detail, "killed: it is no JSON object");
}

TEST(Conclude, TheStrongestOrderThatWasNotObeyedDecides) {
  const AttemptAction why = AttemptAction::kKillDisobedient;
  EXPECT_EQ(Conclude(Killed(why, {true, true, true})).kind, Outcome::Kind::kCancelled);
  EXPECT_EQ(Conclude(Killed(why, {true, false, true})).kind, Outcome::Kind::kStopped);
  EXPECT_EQ(Conclude(Killed(why, {true, false, false})).kind, Outcome::Kind::kKilled);
}

// A busy database or a full disk while a job is prepared is not an attempt of the job; what the
// job asks for and cannot have is.
TEST(NotBegun, ABusyDatabaseOrAFullDiskGivesTheLeaseBackAndTheJobsOwnFaultDoesNot) {
  using absl::StatusCode;
  namespace reason = base::reason;
  struct Row {
    const char* what;
    absl::Status status;
    Outcome::Kind kind;
    bool fails;  // the job, at once
  };
  constexpr auto kBack = Outcome::Kind::kNotStarted;
  constexpr auto kError = Outcome::Kind::kError;
  const Row rows[] = {
      {"busy", base::Error(StatusCode::kUnavailable, reason::kStoreFailed, "locked"), kBack, false},
      {"unreadable", base::Error(StatusCode::kInternal, reason::kStoreFailed, "I/O"), kBack, false},
      {"full", base::Error(StatusCode::kResourceExhausted, reason::kOutOfRoom, "full"), kBack,
       false},
      {"away", absl::UnavailableError("no reason given"), kBack, false},
      {"too long", base::Error(StatusCode::kInvalidArgument, reason::kLimitExceeded, "2 MiB"),
       kError, true},
      {"too large", base::Error(StatusCode::kResourceExhausted, reason::kLimitExceeded, "9 > 8"),
       kError, false},
      {"ours", base::Error(StatusCode::kInternal, reason::kInternal, "a bug"), kError, false},
      {"deleted", base::Error(StatusCode::kNotFound, reason::kNotFound, "no dataset d"), kError,
       true},
      {"not ready", base::Error(StatusCode::kFailedPrecondition, reason::kVersionNotReady, "v"),
       kError, true},
      {"damaged", base::Error(StatusCode::kDataLoss, reason::kDataLoss, "d"), kError, true},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const Outcome outcome = NotBegun(row.status);
    EXPECT_EQ(outcome.kind, row.kind);
    EXPECT_EQ(outcome.error.code, row.status.code());
    EXPECT_EQ(outcome.error.message, row.status.message());
    Job job;
    job.state = JobState::kRunning;
    const Decision decision = Decide(job, outcome, RetryLimits{});
    EXPECT_EQ(decision.next, row.fails ? JobState::kFailed : JobState::kQueued);
    EXPECT_EQ(decision.failed_attempts, row.kind == kBack ? 0 : 1);
    EXPECT_EQ(decision.lost_attempts, row.kind == kBack ? 1 : 0);
    EXPECT_EQ(decision.delay > absl::ZeroDuration(), !row.fails) << "asked again with a back-off";
  }
}

}  // namespace
}  // namespace lbw::jobs

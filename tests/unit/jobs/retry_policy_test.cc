#include "jobs/retry_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/reason.h"
#include "jobs/transitions.h"

namespace lbw::jobs {
namespace {

using Kind = Outcome::Kind;
using ::testing::HasSubstr;

constexpr JobState Q = JobState::kQueued;
constexpr JobState P = JobState::kPaused;
constexpr JobState S = JobState::kSucceeded;
constexpr JobState F = JobState::kFailed;
constexpr JobState C = JobState::kCancelled;

Job Running(JobState state = JobState::kRunning) {
  Job job;
  job.id = "01hw0000000000000000000000";
  job.state = state;
  job.attempts = 3;
  return job;
}

Outcome Ended(Kind kind, absl::StatusCode code = absl::StatusCode::kOk) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.error = JobError{code, "SOME_REASON", "some message"};
  return outcome;
}

TEST(MayPass, ExactlyTheCodesThatTimeMayHeal) {
  using absl::StatusCode;
  const std::vector<StatusCode> passing = {StatusCode::kUnavailable, StatusCode::kResourceExhausted,
                                           StatusCode::kAborted,     StatusCode::kDeadlineExceeded,
                                           StatusCode::kInternal,    StatusCode::kUnknown};
  for (int code = 0; code <= 16; ++code) {
    const bool expected =
        std::find(passing.begin(), passing.end(), static_cast<StatusCode>(code)) != passing.end();
    EXPECT_EQ(MayPass(static_cast<StatusCode>(code)), expected) << code;
  }
}

struct Case {
  std::string_view name;
  Outcome outcome;
  JobState running;  // what becomes of a job that is RUNNING, PAUSING, CANCELLING
  JobState pausing;
  JobState cancelling;
  int64_t failed;  // attempts more
  int64_t lost;
  bool delayed;  // when it is QUEUED
};

std::vector<Case> Cases() {
  constexpr auto kBusy = absl::StatusCode::kUnavailable;
  constexpr auto kBad = absl::StatusCode::kInvalidArgument;
  return {
      {"result", Ended(Kind::kResult), S, S, S, 0, 0, false},
      {"error that may pass", Ended(Kind::kError, kBusy), Q, P, C, 1, 0, true},
      {"error that is final", Ended(Kind::kError, kBad), F, F, F, 1, 0, false},
      {"crashed", Ended(Kind::kCrashed), Q, P, C, 1, 0, true},
      {"out of memory", Ended(Kind::kOutOfMemory), Q, P, C, 1, 0, true},
      {"stalled", Ended(Kind::kStalled), Q, P, C, 1, 0, true},
      {"killed", Ended(Kind::kKilled), Q, P, C, 0, 1, true},
      {"lost", Ended(Kind::kLost), Q, P, C, 0, 1, true},
      {"not begun", Ended(Kind::kNotStarted, kBusy), Q, P, C, 0, 1, true},
      {"stopped", Ended(Kind::kStopped), Q, P, C, 0, 0, false},
      {"paused", Ended(Kind::kPaused), Q, P, C, 0, 0, false},
      {"cancelled", Ended(Kind::kCancelled), Q, P, C, 0, 0, false},
  };
}

TEST(Decide, EveryOutcomeInEveryStateThatHasALease) {
  for (const Case& row : Cases()) {
    const std::pair<JobState, JobState> expected[] = {{JobState::kRunning, row.running},
                                                      {JobState::kPausing, row.pausing},
                                                      {JobState::kCancelling, row.cancelling}};
    for (const auto& [state, next] : expected) {
      SCOPED_TRACE(std::string(row.name) + " while " + std::string(Name(state)));
      Job job = Running(state);
      job.failed_attempts = 2;
      job.lost_attempts = 1;
      const Decision decision = Decide(job, row.outcome, RetryLimits{});
      EXPECT_EQ(Name(decision.next), Name(next));
      EXPECT_TRUE(IsAllowed(state, decision.next));
      EXPECT_EQ(decision.failed_attempts, 2 + row.failed);
      EXPECT_EQ(decision.lost_attempts, 1 + row.lost);
      EXPECT_EQ(decision.delay > absl::ZeroDuration(), next == Q && row.delayed);
      EXPECT_EQ(decision.error.code == absl::StatusCode::kOk,
                next == S || next == C || row.failed + row.lost == 0);
    }
  }
}

TEST(Decide, TheLastAttemptThatCountsEndsTheJobUnlessItIsCancelled) {
  RetryLimits limits;
  limits.max_attempts = 3;
  for (const Case& row : Cases()) {
    for (const JobState state : {JobState::kRunning, JobState::kPausing, JobState::kCancelling}) {
      SCOPED_TRACE(std::string(row.name) + " while " + std::string(Name(state)));
      Job job = Running(state);
      job.failed_attempts = 2;
      job.lost_attempts = 100;  // never end a job
      const Decision decision = Decide(job, row.outcome, limits);
      const bool final_error = row.running == F;
      const bool ends = row.failed == 1 && (final_error || state != JobState::kCancelling);
      EXPECT_EQ(decision.next == F, ends) << Name(decision.next);
      job.failed_attempts = 1;
      EXPECT_EQ(Decide(job, row.outcome, limits).next == F, final_error);
    }
  }
}

TEST(Decide, AttemptsThatCouldNotBeBegunAreBoundedUnlessTheJobIsCancelled) {
  RetryLimits limits;
  limits.max_not_begun = 3;
  for (const JobState state : {JobState::kRunning, JobState::kPausing, JobState::kCancelling}) {
    SCOPED_TRACE(Name(state));
    Job job = Running(state);
    job.not_begun = 2;
    const Outcome never = Ended(Kind::kNotStarted, absl::StatusCode::kUnavailable);
    const Decision decision = Decide(job, never, limits);
    EXPECT_EQ(decision.next == F, state != JobState::kCancelling);
    if (decision.next == F) {
      EXPECT_THAT(decision.error.message, HasSubstr("some message"));
    }
    // Whether it was begun is not known of one that was lost; of the others it is.
    EXPECT_EQ(Decide(job, Ended(Kind::kLost), limits).not_begun, 2);
    EXPECT_EQ(Decide(job, Ended(Kind::kKilled), limits).not_begun, 0);
    EXPECT_EQ(Decide(job, Ended(Kind::kStopped), limits).not_begun, 0);
    job.not_begun = 1;
    EXPECT_NE(Decide(job, never, limits).next, F);
  }
}

// The default bound is about an hour of failures, with the back-offs between them.
TEST(Decide, AJobThatCannotBeBegunWaitsForAboutAnHour) {
  const RetryLimits limits;
  Job job = Running();
  absl::Duration waited;
  Decision decision;
  while (decision.next == Q) {
    decision = Decide(job, Ended(Kind::kNotStarted, absl::StatusCode::kUnavailable), limits);
    waited += decision.delay;
    job.lost_attempts = decision.lost_attempts;
    job.not_begun = decision.not_begun;
    ++job.attempts;
    ASSERT_LE(job.attempts, 1000);
  }
  EXPECT_GE(waited, absl::Minutes(40));
  EXPECT_LE(waited, absl::Minutes(90));
}

TEST(Decide, AnExhaustedJobSaysHowOftenAndWhy) {
  Job job = Running();
  job.failed_attempts = 4;
  Outcome crash = Ended(Kind::kCrashed);
  crash.detail = "killed by signal 11 (SIGSEGV)";
  Decision decision = Decide(job, crash, RetryLimits{});
  EXPECT_EQ(decision.error.reason, "ATTEMPTS_EXHAUSTED");
  EXPECT_THAT(decision.error.message, HasSubstr("failed 5 times"));
  EXPECT_THAT(decision.error.message, HasSubstr("killed by signal 11"));
  // What the job told itself is what to act on.
  decision = Decide(job, Ended(Kind::kError, absl::StatusCode::kUnavailable), RetryLimits{});
  EXPECT_EQ(decision.error.reason, "SOME_REASON");
  EXPECT_EQ(decision.error.code, absl::StatusCode::kUnavailable);
}

TEST(Decide, AJobGivenBackKeepsTheErrorOfItsLastFailedAttempt) {
  Job job = Running();
  job.error = JobError{absl::StatusCode::kInternal, "INTERNAL", "crashed before"};
  EXPECT_EQ(Decide(job, Ended(Kind::kStopped), RetryLimits{}).error.message, "crashed before");
  EXPECT_EQ(Decide(job, Ended(Kind::kResult), RetryLimits{}).error.message, "");
}

TEST(Decide, BackOffDoublesUpToItsMostWithinAQuarter) {
  RetryLimits limits;
  limits.max_attempts = 1000;
  limits.backoff_base = absl::Seconds(2);
  limits.backoff_max = absl::Seconds(60);
  const double expected[] = {2, 4, 8, 16, 32, 60, 60, 60};
  for (size_t i = 0; i < std::size(expected); ++i) {
    Job job = Running();
    job.failed_attempts = static_cast<int64_t>(i / 2);
    job.lost_attempts = static_cast<int64_t>(i - i / 2);
    const double delay = absl::ToDoubleSeconds(Decide(job, Ended(Kind::kLost), limits).delay);
    EXPECT_GE(delay, 0.75 * expected[i]) << i;
    EXPECT_LE(delay, 1.25 * expected[i]) << i;
  }
  Job old = Running();
  old.lost_attempts = 1'000'000'000;  // no overflow, no long loop
  EXPECT_LE(Decide(old, Ended(Kind::kLost), limits).delay, absl::Seconds(75));
}

TEST(Decide, JobsAndAttemptsSpreadAndTheSameOneIsTheSame) {
  double low = 1e9;
  double high = 0;
  Job job = Running();
  for (int i = 0; i < 200; ++i) {
    job.attempts = i;
    const absl::Duration delay = Decide(job, Ended(Kind::kLost), RetryLimits{}).delay;
    EXPECT_EQ(delay, Decide(job, Ended(Kind::kLost), RetryLimits{}).delay);
    low = std::min(low, absl::ToDoubleSeconds(delay));
    high = std::max(high, absl::ToDoubleSeconds(delay));
  }
  EXPECT_LT(low, 1.55);
  EXPECT_GT(high, 2.45);
}

}  // namespace
}  // namespace lbw::jobs

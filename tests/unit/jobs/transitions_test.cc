#include "jobs/transitions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace lbw::jobs {
namespace {

using ::testing::HasSubstr;

constexpr JobState Q = JobState::kQueued;
constexpr JobState R = JobState::kRunning;
constexpr JobState Pg = JobState::kPausing;
constexpr JobState P = JobState::kPaused;
constexpr JobState Cg = JobState::kCancelling;
constexpr JobState S = JobState::kSucceeded;
constexpr JobState F = JobState::kFailed;
constexpr JobState C = JobState::kCancelled;

TEST(IsAllowed, EveryPairAsDrawn) {
  // Rows: from; columns: to; in the order of JobState.
  constexpr std::array<std::string_view, kJobStates> kTable = {
      // Q R Pg P Cg S F C
      ". x . x . . . x",  // QUEUED
      "x . x . x x x .",  // RUNNING
      ". . . x x x x .",  // PAUSING
      "x . . . . . . x",  // PAUSED
      ". . . . . x x x",  // CANCELLING
      ". . . . . . . .",  // SUCCEEDED
      ". . . . . . . .",  // FAILED
      ". . . . . . . .",  // CANCELLED
  };
  for (size_t from = 0; from < kTable.size(); ++from) {
    for (size_t to = 0; to < kTable.size(); ++to) {
      EXPECT_EQ(IsAllowed(static_cast<JobState>(from), static_cast<JobState>(to)),
                kTable[from][2 * to] == 'x')
          << Name(static_cast<JobState>(from)) << " -> " << Name(static_cast<JobState>(to));
    }
  }
}

TEST(Apply, EveryWishInEveryState) {
  const std::map<Wish, std::map<JobState, JobState>> possible = {
      {Wish::kCancel, {{Q, C}, {R, Cg}, {Pg, Cg}, {P, C}, {Cg, Cg}, {C, C}}},
      {Wish::kPause, {{Q, P}, {R, Pg}, {Pg, Pg}, {P, P}}},
      {Wish::kResume, {{Q, Q}, {R, R}, {P, Q}}},
      {Wish::kDelete, {{S, S}, {F, F}, {C, C}}},
  };
  for (const auto& [wish, rows] : possible) {
    for (int i = 0; i < kJobStates; ++i) {
      const auto state = static_cast<JobState>(i);
      const absl::StatusOr<JobState> next = Apply(wish, state);
      const auto row = rows.find(state);
      if (row == rows.end()) {
        EXPECT_EQ(next.status().code(), absl::StatusCode::kFailedPrecondition) << Name(state);
        EXPECT_EQ(base::GetErrorDetails(next.status()).reason, "WRONG_STATE");
        EXPECT_THAT(std::string(next.status().message()), HasSubstr(std::string(Name(state))));
        continue;
      }
      ASSERT_TRUE(next.ok()) << next.status();
      EXPECT_EQ(*next, row->second) << Name(state);
      if (*next != state) {
        EXPECT_TRUE(IsAllowed(state, *next)) << Name(state) << " -> " << Name(*next);
      }
    }
  }
}

TEST(Apply, TheErrorNamesTheStatesInWhichItIsPossible) {
  EXPECT_EQ(Apply(Wish::kResume, JobState::kFailed).status().message(),
            "a job that is FAILED cannot be resumed: state must be QUEUED, RUNNING, PAUSED");
}

}  // namespace
}  // namespace lbw::jobs

#include "jobs/job.h"

#include <gtest/gtest.h>

#include <set>

namespace lbw::jobs {
namespace {

TEST(JobState, EveryStateHasANameOfItsOwnThatParsesBack) {
  std::set<std::string_view> names;
  for (int i = 0; i < kJobStates; ++i) {
    const auto state = static_cast<JobState>(i);
    names.insert(Name(state));
    EXPECT_EQ(ParseState(Name(state)), state);
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kJobStates));
  EXPECT_EQ(Name(JobState::kQueued), "QUEUED");
  EXPECT_EQ(Name(JobState::kCancelled), "CANCELLED");
}

TEST(JobState, OtherTextsDoNotParse) {
  for (const std::string_view text : {"", "queued", "QUEUED ", "JOB_STATE_QUEUED"}) {
    EXPECT_EQ(ParseState(text), std::nullopt) << text;
  }
}

TEST(JobState, AStateHasALeaseOrAnEndOrNeither) {
  const std::set<JobState> leased = {JobState::kRunning, JobState::kPausing, JobState::kCancelling};
  const std::set<JobState> ended = {JobState::kSucceeded, JobState::kFailed, JobState::kCancelled};
  for (int i = 0; i < kJobStates; ++i) {
    const auto state = static_cast<JobState>(i);
    EXPECT_EQ(HasLease(state), leased.count(state) == 1) << Name(state);
    EXPECT_EQ(HasEnded(state), ended.count(state) == 1) << Name(state);
  }
}

}  // namespace
}  // namespace lbw::jobs

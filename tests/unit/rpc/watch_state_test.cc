#include "rpc/watch_state.h"

#include <string>
#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

jobs::Job JobAt(jobs::JobState state, int64_t last_cursor) {
  jobs::Job job;
  job.id = "01hf8z4vj3s0f2x7m9c1d5e6g8";
  job.kind = "evaluate";
  job.state = state;
  job.last_cursor = last_cursor;
  return job;
}

std::vector<jobs::Event> Events(int64_t first, int64_t last, size_t text_bytes = 1) {
  std::vector<jobs::Event> events;
  for (int64_t cursor = first; cursor <= last; ++cursor) {
    jobs::Event event;
    event.cursor = cursor;
    event.json = R"({"message": {"text": ")" + std::string(text_bytes, 'x') + R"("}})";
    events.push_back(event);
  }
  return events;
}

constexpr auto kRunning = jobs::JobState::kRunning;
constexpr auto kSucceeded = jobs::JobState::kSucceeded;

TEST(WatchState, TheFirstAnswerHasTheJobAlsoWithoutEvents) {
  WatchState state(3);
  v1::WatchJobResponse out;
  const WatchState::Step step = state.Next(JobAt(kRunning, 3), {}, false, {}, &out);
  EXPECT_TRUE(step.send);
  EXPECT_FALSE(step.last);
  EXPECT_TRUE(out.has_job());
  out.Clear();
  EXPECT_FALSE(state.Next(JobAt(kRunning, 3), {}, false, {}, &out).send);
  EXPECT_FALSE(out.has_job());
}

TEST(WatchState, SendsTheJobAgainWhenItsStateChangesOrItIsDue) {
  WatchState state(0);
  v1::WatchJobResponse out;
  state.Next(JobAt(kRunning, 1), Events(1, 1), false, {}, &out);
  out.Clear();
  EXPECT_TRUE(state.Next(JobAt(kRunning, 2), Events(2, 2), false, {}, &out).send);
  EXPECT_FALSE(out.has_job());
  out.Clear();
  EXPECT_TRUE(state.Next(JobAt(kRunning, 2), {}, true, {}, &out).send);
  EXPECT_TRUE(out.has_job());
  out.Clear();
  state.Next(JobAt(jobs::JobState::kPausing, 3), Events(3, 3), false, {}, &out);
  EXPECT_TRUE(out.has_job());
  EXPECT_EQ(out.job().state(), v1::JOB_STATE_PAUSING);
}

TEST(WatchState, TheEndIsToldWithTheLastEventsOnly) {
  WatchState state(0);
  WatchState::Limits limits;
  limits.page = 2;
  const jobs::Job job = JobAt(kSucceeded, 3);
  v1::WatchJobResponse out;
  WatchState::Step step = state.Next(job, Events(1, 2), false, limits, &out);
  EXPECT_TRUE(step.more);
  EXPECT_FALSE(step.last);
  EXPECT_EQ(state.cursor(), 2);
  out.Clear();
  step = state.Next(job, Events(3, 3), false, limits, &out);
  EXPECT_TRUE(step.last);
  EXPECT_EQ(out.job().state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(WatchState, AMessageIsBoundedAndOneEventAlwaysFits) {
  WatchState state(0);
  WatchState::Limits limits;
  limits.message_bytes = 250;
  v1::WatchJobResponse out;
  WatchState::Step step = state.Next(JobAt(kSucceeded, 4), Events(1, 4, 100), false, limits, &out);
  EXPECT_EQ(out.events_size(), 2);
  EXPECT_TRUE(step.more);
  EXPECT_FALSE(step.last);
  EXPECT_EQ(state.cursor(), 2);
  out.Clear();
  step = state.Next(JobAt(kSucceeded, 4), Events(3, 4, 1'000), false, limits, &out);
  EXPECT_EQ(out.events_size(), 1);
  EXPECT_EQ(state.cursor(), 3);
}

TEST(WatchState, HasNewsIsEventsOrAnotherState) {
  WatchState state(5);
  v1::WatchJobResponse out;
  EXPECT_TRUE(state.HasNews(JobAt(kRunning, 5)));  // nothing was told yet
  state.Next(JobAt(kRunning, 5), {}, false, {}, &out);
  EXPECT_FALSE(state.HasNews(JobAt(kRunning, 5)));
  EXPECT_TRUE(state.HasNews(JobAt(kRunning, 6)));
  EXPECT_TRUE(state.HasNews(JobAt(kSucceeded, 5)));
}

TEST(WatchState, ACursorBeyondTheNewestIsOutOfRange) {
  EXPECT_TRUE(WatchState(5).CheckCursor(JobAt(kRunning, 5)).ok());
  for (const uint64_t cursor : {uint64_t{6}, ~uint64_t{0}}) {
    const absl::Status status = WatchState(cursor).CheckCursor(JobAt(kRunning, 5));
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(base::GetErrorDetails(status).fields, testing::ElementsAre("after_cursor"));
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("last_cursor=5"));
  }
}

}  // namespace
}  // namespace lbw::rpc

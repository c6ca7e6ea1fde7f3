#include "client/cpp/job_view.h"

#include <cmath>

#include "client/cpp/format.h"
#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int64_t kStart = 1'700'000'000;

v1::JobEvent Event(uint64_t cursor, int64_t second) {
  v1::JobEvent event;
  event.set_cursor(cursor);
  event.mutable_time()->set_seconds(kStart + second);
  return event;
}

v1::JobEvent Progress(uint64_t cursor, int64_t second, uint64_t step, double map) {
  v1::JobEvent event = Event(cursor, second);
  event.mutable_progress()->set_step(step);
  event.mutable_progress()->set_total_steps(1839);
  event.mutable_progress()->set_stage("evaluate");
  (*event.mutable_progress()->mutable_values())["map_50"] = map;
  event.mutable_progress()->mutable_eta()->set_seconds(65);
  return event;
}

v1::JobEvent Message(uint64_t cursor, int64_t second, const std::string& severity,
                     const std::string& text) {
  v1::JobEvent event = Event(cursor, second);
  event.mutable_message()->set_severity(severity);
  event.mutable_message()->set_text(text);
  return event;
}

v1::WatchJobResponse Answer(const std::vector<v1::JobEvent>& events) {
  v1::WatchJobResponse response;
  for (const v1::JobEvent& event : events) *response.add_events() = event;
  return response;
}

v1::Job MakeJob(v1::JobState state) {
  v1::Job job;
  job.set_name("jobs/01hzzzzzzzzzzzzzzzzzzzzz01");
  job.set_kind("evaluate");
  job.set_state(state);
  job.mutable_start_time()->set_seconds(kStart);
  job.mutable_spec()->mutable_evaluate()->set_version("models/face/versions/2");
  job.mutable_spec()->mutable_evaluate()->set_dataset("datasets/faces");
  job.mutable_spec()->mutable_evaluate()->set_split("val");
  return job;
}

JobView MakeView() {
  JobView view;
  v1::WatchJobResponse first;
  *first.mutable_job() = MakeJob(v1::JOB_STATE_RUNNING);
  view.Apply(first);
  return view;
}

JobView::Frame MakeFrame(int columns, int rows) {
  return {absl::FromUnixSeconds(kStart + 100), {columns, rows}, absl::UTCTimeZone()};
}

TEST(Sparkline, EightHeightsAveragedIntoTheWidth) {
  EXPECT_EQ(Sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 8), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline({0, 0, 7, 7}, 2), "▁█");
  EXPECT_EQ(Sparkline({5, 5, 5}, 40), "▄▄▄");
  EXPECT_EQ(Sparkline({0, std::nan(""), 1}, 40), "▁ █");
  EXPECT_EQ(Sparkline({}, 40), "");
  EXPECT_EQ(Sparkline({1, 2}, 0), "");
}

TEST(JobView, ShowsStateBarRateValuesAndMessages) {
  JobView view = MakeView();
  view.Apply(Answer({Progress(1, 0, 0, 0.1), Progress(2, 10, 123, 0.5), Progress(3, 20, 246, 0.8),
                     Message(4, 21, "warning", "one picture is damaged")}));
  const auto lines = view.Render(MakeFrame(120, 40));
  EXPECT_THAT(lines[0], AllOf(HasSubstr("● RUNNING  evaluate  01hzz"), HasSubstr("1:40")));
  EXPECT_EQ(lines[1], "  face/2 on faces (val)");
  EXPECT_THAT(lines[2], AllOf(HasSubstr("13.4 %  246 of 1,839 pictures"), HasSubstr("12.3/s"),
                              HasSubstr("1:05 left"), HasSubstr("evaluate")));
  EXPECT_THAT(lines, Contains("  map_50       0.8  ▁▅█"));
  EXPECT_THAT(lines, Contains("  22:13:41  warning: one picture is damaged"));
  EXPECT_EQ(lines.back(), "  Ctrl-C leaves the job running");
  EXPECT_EQ(view.cursor(), 4U);
}

TEST(JobView, FitsEveryTerminal) {
  JobView view = MakeView();
  for (uint64_t i = 1; i < 200; ++i) {
    v1::JobEvent event = Progress(i, static_cast<int64_t>(i), i, 0.5);
    for (int k = 0; k < 30; ++k) {
      (*event.mutable_progress()->mutable_values())["value with a long name " + std::to_string(k)] =
          k;
    }
    view.Apply(Answer({event}));
    view.Apply(Answer({Message(1000 + i, 0, "info", std::string(300, 'm'))}));
  }
  for (const int columns : {20, 40, 80, 200}) {
    for (const int rows : {4, 5, 10, 24, 60}) {
      const auto lines = view.Render(MakeFrame(columns, rows));
      EXPECT_LE(lines.size(), static_cast<size_t>(std::max(3, rows - 1)));
      for (const std::string& line : lines) {
        EXPECT_LE(DisplayWidth(line), static_cast<size_t>(std::max(20, columns - 1)));
      }
    }
  }
}

TEST(JobView, WhatComesTwiceCountsOnceAndAResumedAttemptReplacesWhatWasAhead) {
  JobView view = MakeView();
  view.Apply(Answer({Progress(1, 0, 100, 0.1), Progress(2, 1, 200, 0.2)}));
  view.Apply(Answer({Progress(2, 1, 200, 0.2)}));
  ASSERT_THAT(view.values().at("map_50"), SizeIs(2));
  // Back to the checkpoint at step 150.
  view.Apply(Answer({Progress(3, 2, 150, 0.15)}));
  ASSERT_THAT(view.values().at("map_50"), SizeIs(2));
  EXPECT_EQ(view.values().at("map_50")[1].x, 150.0);
  EXPECT_EQ(view.values().at("map_50")[1].y, 0.15);
  EXPECT_EQ(view.job().step(), 150U);
  EXPECT_EQ(view.Rate(), std::nullopt);
}

TEST(JobView, HistoryBehindTheSnapshotDoesNotTakeItBack) {
  JobView view;
  v1::WatchJobResponse first;
  *first.mutable_job() = MakeJob(v1::JOB_STATE_SUCCEEDED);
  first.mutable_job()->set_last_cursor(9);
  first.mutable_job()->set_step(1839);
  view.Apply(first);
  v1::JobEvent queued = Event(1, 0);
  queued.mutable_state()->set_state(v1::JOB_STATE_QUEUED);
  view.Apply(Answer({queued, Progress(2, 1, 10, 0.3)}));
  EXPECT_EQ(view.job().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(view.job().step(), 1839U);
  EXPECT_THAT(view.values().at("map_50"), SizeIs(1));
}

TEST(JobView, MemoryIsBounded) {
  JobView view = MakeView();
  for (uint64_t i = 1; i <= 20000; ++i) {
    view.Apply(Answer({Progress(i, static_cast<int64_t>(i), i, 1.0 / static_cast<double>(i))}));
  }
  EXPECT_LE(view.values().at("map_50").size(), 4096U);
  EXPECT_EQ(view.values().at("map_50").back().x, 20000.0);
}

TEST(JobView, HostileTextCannotSteerTheTerminal) {
  JobView view = MakeView();
  view.Apply(Answer({Message(1, 0, "info", "\x1b[2J\nbye")}));
  for (const std::string& line : view.Render(MakeFrame(80, 24))) {
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    EXPECT_THAT(line, Not(HasSubstr("\n")));
  }
}

TEST(JobView, CurvesHaveAPanelAValue) {
  JobView view = MakeView();
  v1::JobEvent event = Progress(1, 0, 10, 0.1);
  (*event.mutable_progress()->mutable_values())["loss"] = 3.0;
  view.Apply(Answer({event}));
  const plot::Figure figure = view.Curves();
  ASSERT_THAT(figure.panels, SizeIs(2));
  EXPECT_EQ(std::get<plot::Chart>(figure.panels[0]).title, "loss");
  EXPECT_EQ(std::get<plot::Chart>(figure.panels[0]).x_label, "pictures");
}

TEST(JobLog, EveryChangeAndProgressEveryFiveSeconds) {
  JobLog log(absl::UTCTimeZone());
  v1::JobEvent running = Event(1, 0);
  running.mutable_state()->set_state(v1::JOB_STATE_RUNNING);
  running.mutable_state()->set_attempt(2);
  running.mutable_state()->set_worker("w1");
  running.mutable_state()->set_reason("lease ran out");
  v1::JobEvent checkpoint = Event(6, 9);
  checkpoint.mutable_checkpoint()->set_step(1000);
  checkpoint.mutable_checkpoint()->set_size_bytes(2048);
  EXPECT_THAT(log.Apply(Answer({running, Progress(2, 1, 10, 0.1), Progress(3, 2, 20, 0.2),
                                Progress(4, 5, 50, 0.4), Progress(5, 6, 60, 0.5), checkpoint,
                                Progress(7, 9, 1839, 0.9)})),
              ElementsAre("22:13:20  RUNNING, attempt 2 on w1: lease ran out",
                          "22:13:21  evaluate 10 of 1,839, map_50 0.1, 1:05 left",
                          "22:13:26  evaluate 60 of 1,839, map_50 0.5, 1:05 left",
                          "22:13:29  checkpoint at step 1,000, 2.00 KiB",
                          "22:13:29  evaluate 1,839 of 1,839, map_50 0.9, 1:05 left"));
  EXPECT_THAT(log.Apply(Answer({running})), IsEmpty());
}

TEST(JobOutcome, TheJobsOwnErrorAndCancellation) {
  EXPECT_TRUE(JobOutcome(MakeJob(v1::JOB_STATE_RUNNING)).ok());
  EXPECT_TRUE(JobOutcome(MakeJob(v1::JOB_STATE_SUCCEEDED)).ok());
  v1::Job failed = MakeJob(v1::JOB_STATE_FAILED);
  EXPECT_EQ(JobOutcome(failed).code(), absl::StatusCode::kUnknown);
  failed.mutable_error()->set_code(8);
  failed.mutable_error()->set_message("out of memory");
  EXPECT_EQ(JobOutcome(failed).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(JobOutcome(MakeJob(v1::JOB_STATE_CANCELLED)).code(), absl::StatusCode::kCancelled);
}

TEST(JobWords, EveryStateHasAWordAndAMark) {
  for (int i = 1; i < v1::JobState_ARRAYSIZE; ++i) {
    const auto state = static_cast<v1::JobState>(i);
    EXPECT_EQ("JOB_STATE_" + JobStateWord(state), v1::JobState_Name(state));
    EXPECT_NE(JobStateMark(state), "-");
  }
  EXPECT_EQ(JobStateWord(static_cast<v1::JobState>(99)), "-");
}

}  // namespace
}  // namespace lbw::client

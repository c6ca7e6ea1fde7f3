// Events and logs of the queue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "jobs/queue.h"
#include "unit/jobs/queue_fixture.h"

namespace lbw::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class QueueEventsTest : public QueueTest {
 protected:
  void Tell(const Lease& lease, int count) {
    Queue::Progress progress;
    for (int i = 0; i < count; ++i) {
      progress.events_json.push_back(base::StrCat(R"({"message":{"text":")", told_++, R"("}})"));
    }
    ASSERT_TRUE(queue_->Report(Key(lease), progress).ok());
  }
  std::vector<int64_t> Cursors(std::string_view id, int64_t after = 0, int limit = 1000) {
    std::vector<int64_t> cursors;
    const std::vector<Event> events = queue_->EventsAfter(id, after, limit).value();
    for (const Event& event : events) cursors.push_back(event.cursor);
    return cursors;
  }
  void Write(const Lease& lease, std::string_view text) {
    Queue::Progress progress;
    progress.log_text = std::string(text);
    ASSERT_TRUE(queue_->Report(Key(lease), progress).ok());
  }

  int told_ = 0;
};

TEST_F(QueueEventsTest, StateChangesTellStateAttemptWorkerAndReason) {
  const std::string id = Create().id;
  const Lease lease = Take("w1");
  Outcome crash = Ended(Outcome::Kind::kCrashed);
  crash.detail = "exit status 3";
  ASSERT_TRUE(queue_->Finish(Key(lease), crash, "", {}).ok());
  const std::vector<Event> events = queue_->EventsAfter(id, 0, 10).value();
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[0].json, R"({"state":{"attempt":0,"state":"JOB_STATE_QUEUED"}})");
  EXPECT_EQ(events[1].json, R"({"state":{"attempt":1,"state":"JOB_STATE_RUNNING","worker":"w1"}})");
  EXPECT_EQ(events[1].time, Now());
  EXPECT_EQ(events[2].json,
            R"({"state":{"attempt":1,"reason":"the job's process ended by itself: exit status 3",)"
            R"("state":"JOB_STATE_QUEUED","worker":"w1"}})");
}

TEST_F(QueueEventsTest, CursorsRiseByOneAndAReaderGoesOnFromItsLast) {
  const std::string id = Create().id;
  const Lease lease = Take();
  Tell(lease, 3);
  Tell(lease, 2);
  EXPECT_EQ(Get(id).last_cursor, 7);
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(Cursors(id, 3, 2), ElementsAre(4, 5));
  EXPECT_THAT(Cursors(id, 5, 2), ElementsAre(6, 7));
  EXPECT_THAT(Cursors(id, 7, 2), IsEmpty());
  EXPECT_THAT(queue_->EventsAfter(id, 2, 1).value()[0].json, HasSubstr(R"("text":"0")"));
}

TEST_F(QueueEventsTest, TheOldestGoWhenThereAreTooManyButStatesStay) {
  QueueLimits limits;
  limits.max_events_per_job = 5;
  Reopen(limits);
  const std::string id = Create().id;
  const Lease lease = Take();
  Tell(lease, 3);
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 3, 4, 5));
  Tell(lease, 1);
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 4, 5, 6));
  Tell(lease, 9);
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 13, 14, 15));
  Finish(lease, Outcome::Kind::kStopped);
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 14, 15, 16));
  Finish(Take(), Outcome::Kind::kStopped);
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 16, 17, 18));
  Finish(Take(), Outcome::Kind::kStopped);  // nothing but states: they stay
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 16, 17, 18, 19, 20));
  EXPECT_EQ(Count("SELECT kept_events FROM jobs"), 7);
}

// Scenario: a job that is paused and resumed for ever. Expectation: its first changes of state and
// its newest stay, at the limit and beyond it.
TEST_F(QueueEventsTest, StateChangesOfAJobThatIsPausedForEverAreBounded) {
  QueueLimits limits;
  limits.first_state_events = 2;
  limits.newest_state_events = 3;
  Reopen(limits);
  const std::string id = Create().id;
  const auto toggle = [&] {
    const Wish wish = Get(id).state == JobState::kQueued ? Wish::kPause : Wish::kResume;
    ASSERT_TRUE(queue_->Ask(id, wish).ok());
  };
  for (int i = 0; i < 4; ++i) toggle();
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 3, 4, 5));
  toggle();
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 4, 5, 6));
  toggle();
  const Lease lease = Take();
  Tell(lease, 2);  // others are not taken for them
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 6, 7, 8, 9, 10));
  Finish(lease, Outcome::Kind::kStopped);
  EXPECT_THAT(Cursors(id), ElementsAre(1, 2, 7, 8, 9, 10, 11));
  EXPECT_EQ(Count("SELECT kept_events FROM jobs"), 7);
  EXPECT_EQ(Count("SELECT state_events FROM jobs"), 5);
}

TEST_F(QueueEventsTest, AnEventThatIsTooLargeIsAWarningInItsPlace) {
  QueueLimits limits;
  limits.max_event_bytes = 20;
  Reopen(limits);
  const std::string id = Create().id;
  const Lease lease = Take();
  Queue::Progress progress;
  progress.events_json = {std::string(20, 'x'), std::string(21, 'x'), "{}"};
  ASSERT_TRUE(queue_->Report(Key(lease), progress).ok());
  const std::vector<Event> events = queue_->EventsAfter(id, 2, 10).value();
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[0].json, std::string(20, 'x'));
  EXPECT_THAT(events[1].json, HasSubstr("bytes=21 limit=20"));
  EXPECT_EQ(events[2].json, "{}");
}

TEST_F(QueueEventsTest, ProgressIsTheNewestOfWhatWasTold) {
  const std::string id = Create().id;
  const Lease lease = Take();
  Queue::Progress progress;
  progress.step = 5;
  progress.total_steps = 10;
  progress.progress_json = R"({"step":"5"})";
  Advance(absl::Seconds(1));
  ASSERT_TRUE(queue_->Report(Key(lease), progress).ok());
  ASSERT_TRUE(queue_->Report(Key(lease), Queue::Progress{}).ok());
  const Job job = Get(id);
  EXPECT_EQ(job.step, 5);
  EXPECT_EQ(job.total_steps, 10);
  EXPECT_EQ(job.progress_json, R"({"step":"5"})");
  EXPECT_EQ(job.update_time, Now());
  EXPECT_EQ(job.last_cursor, 2);
}

TEST_F(QueueEventsTest, ALogKeepsItsHeadAndItsTail) {
  QueueLimits limits;
  limits.log_head_bytes = 10;
  limits.log_tail_bytes = 32;  // rows of 2 bytes
  Reopen(limits);
  const std::string id = Create().id;
  const Lease lease = Take();
  EXPECT_EQ(queue_->ReadLog(id).value().text, "");
  std::string written;
  for (int i = 0; written.size() < 300; ++i) {
    const std::string piece =
        std::string(static_cast<size_t>(1 + i * 7 % 5), static_cast<char>('a' + i % 26));
    written += piece;
    Write(lease, piece);
    const Queue::Log log = queue_->ReadLog(id).value();
    ASSERT_EQ(log.written_bytes, written.size());
    const size_t kept = written.size() - log.dropped_bytes;
    if (log.dropped_bytes == 0) {
      ASSERT_EQ(log.text, written);
      continue;
    }
    ASSERT_LE(kept, 42U);
    ASSERT_GT(kept, 40U - 2);
    const std::string expected =
        base::StrCat(written.substr(0, 10), "\n[", log.dropped_bytes, " bytes left out]\n",
                     written.substr(10 + log.dropped_bytes));
    ASSERT_EQ(log.text, expected);
  }
  EXPECT_LE(Count("SELECT SUM(size_bytes) FROM job_logs"), 42);
  EXPECT_LE(Count("SELECT COUNT(*) FROM job_logs"), 5 + 17);
}

TEST_F(QueueEventsTest, OneLargeWriteIsCutAsManySmallOnesAre) {
  QueueLimits limits;
  limits.log_head_bytes = 10;
  limits.log_tail_bytes = 32;
  Reopen(limits);
  const std::string id = Create().id;
  const Lease lease = Take();
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>('a' + i % 26);
  Write(lease, text);
  Queue::Log log = queue_->ReadLog(id).value();
  EXPECT_EQ(log.written_bytes, 1000U);
  EXPECT_EQ(log.dropped_bytes, 1000U - 42);
  EXPECT_EQ(log.text,
            base::StrCat(text.substr(0, 10), "\n[958 bytes left out]\n", text.substr(968)));
  Write(lease, "!");
  log = queue_->ReadLog(id).value();
  EXPECT_EQ(log.text.back(), '!');
  EXPECT_EQ(log.written_bytes, 1001U);
}

TEST_F(QueueEventsTest, ALogGoesOnOverAttemptsAndIsUtf8WhateverWasWritten) {
  const std::string id = Create().id;
  const Lease lease = Take();
  Write(lease, "caf\xc3");
  Write(lease, "\xa9 \xff|");  // a character cut between two writes, and no character
  Finish(lease, Outcome::Kind::kStopped);
  Write(Take(), "again");
  EXPECT_EQ(queue_->ReadLog(id).value().text, "caf\xc3\xa9 \xef\xbf\xbd|again");
  EXPECT_EQ(Count("SELECT COUNT(*) FROM job_logs"), 1);
}

}  // namespace
}  // namespace lbw::jobs

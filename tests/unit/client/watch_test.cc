#include "client/cpp/watch.h"

#include <sstream>
#include <thread>

#include "client/cpp/live_screen.h"
#include "gmock/gmock.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kName[] = "jobs/01hzzzzzzzzzzzzzzzzzzzzz01";

class WatchTest : public TransferFixture {
 protected:
  static FakeJobs::Script MakeScript(int events, v1::JobState end) {
    FakeJobs::Script script;
    script.job.set_name(kName);
    script.job.set_kind("evaluate");
    script.job.set_state(end);
    for (int i = 0; i < events; ++i) {
      v1::JobProgress& progress = *script.events.emplace_back().mutable_progress();
      progress.set_step(static_cast<uint64_t>(i + 1));
      (*progress.mutable_values())["loss"] = 1.0 / (i + 1);
    }
    return script;
  }

  absl::StatusOr<v1::Job> Follow(const FollowOptions& options = {}) {
    cursors.clear();
    return FollowJob(
        *connection, kName, options,
        [this](const v1::WatchJobResponse& response) {
          for (const v1::JobEvent& event : response.events()) cursors.push_back(event.cursor());
          return refuse_at != 0 && !cursors.empty() && cursors.back() == refuse_at
                     ? absl::DataLossError("enough")
                     : absl::OkStatus();
        },
        [this](const absl::Status&) { ++lost; });
  }

  std::vector<uint64_t> cursors;
  uint64_t refuse_at = 0;
  int lost = 0;
};

TEST_F(WatchTest, BrokenStreamsGoOnBehindTheLastCursorAndNothingComesTwice) {
  server.jobs.Put(MakeScript(6, v1::JOB_STATE_SUCCEEDED));
  server.jobs.break_watch_after = {2, 0, 3};
  const auto job = Follow();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(cursors, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(server.jobs.WatchStarts(), ElementsAre(0, 2, 2, 5));
  EXPECT_EQ(lost, 3);
}

TEST_F(WatchTest, AServerThatRestartsIsWaitedFor) {
  server.jobs.Put(MakeScript(3, v1::JOB_STATE_SUCCEEDED));
  server.jobs.never_ends = true;
  std::thread restart([this] {
    while (server.jobs.WatchStarts().empty()) std::this_thread::yield();
    server.Stop();
    server.jobs.never_ends = false;
    server.Start();
  });
  const auto job = Follow();
  restart.join();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(cursors, ElementsAre(1, 2, 3));
}

TEST_F(WatchTest, ErrorsThatDoNotPassEndIt) {
  EXPECT_EQ(Follow().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(lost, 0);
  server.jobs.Put(MakeScript(4, v1::JOB_STATE_SUCCEEDED));
  refuse_at = 2;
  EXPECT_EQ(Follow().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(WatchTest, GivesUpWhereNobodyAnswersForTooLong) {
  ConnectionOptions options = connection->options();
  options.retry.first_contact = absl::Milliseconds(20);
  auto impatient = Connection::Connect(options, canceller);
  server.Stop();
  const auto job = FollowJob(
      **impatient, kName, {}, [](const v1::WatchJobResponse&) { return absl::OkStatus(); },
      [](const absl::Status&) {});
  EXPECT_EQ(job.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(WatchTest, CancelEndsTheWaitAndSaysThatTheJobGoesOn) {
  server.jobs.Put(MakeScript(3, v1::JOB_STATE_SUCCEEDED));
  server.jobs.never_ends = true;
  GlobalOptions globals;
  globals.server = server.address();
  std::ostringstream out;
  std::ostringstream err;
  const Terminal terminal = {out, err};
  Session session(globals, terminal, canceller);
  std::thread interrupt([this] {
    while (server.jobs.WatchStarts().empty()) std::this_thread::yield();
    canceller.Cancel();
  });
  const auto job = WatchJob(session, **session.Connect(), kName);
  interrupt.join();
  EXPECT_EQ(job.status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(job.status().message()),
              HasSubstr("the job goes on: lbw job watch 01hzz"));
}

TEST_F(WatchTest, HistoryEndsAtTheJobsNewestEventAlsoWhereTheJobGoesOn) {
  server.jobs.Put(MakeScript(5, v1::JOB_STATE_RUNNING));
  server.jobs.never_ends = true;
  v1::Job job;
  job.set_name(kName);
  job.set_last_cursor(5);
  const auto view = ReadHistory(*connection, job);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->values().at("loss").size(), 5U);
  job.set_last_cursor(0);
  EXPECT_TRUE(ReadHistory(*connection, job)->values().empty());
}

TEST_F(WatchTest, TheLiveViewLeavesItsLastFrame) {
  FakeJobs::Script script = MakeScript(3, v1::JOB_STATE_FAILED);
  script.job.mutable_error()->set_code(8);
  script.job.mutable_error()->set_message("out of memory");
  server.jobs.Put(script);
  GlobalOptions globals;
  globals.server = server.address();
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal = {out, err};
  terminal.out_size = [] { return TerminalSize{100, 30}; };
  Session session(globals, terminal, canceller);
  ASSERT_TRUE(WatchJob(session, **session.Connect(), kName).ok());
  const std::string last = out.str().substr(out.str().rfind("FAILED"));
  EXPECT_THAT(last, HasSubstr("loss"));
  EXPECT_THAT(last, EndsWith("  out of memory\x1b[K\n"));
}

TEST(RedrawText, GoesUpClearsLinesAndWhatIsLeftOver) {
  EXPECT_EQ(RedrawText({"a", "b"}, 0), "a\x1b[K\nb\x1b[K\n");
  EXPECT_EQ(RedrawText({"a", "b"}, 2), "\r\x1b[2Aa\x1b[K\nb\x1b[K\n");
  EXPECT_THAT(RedrawText({"a"}, 3), EndsWith("a\x1b[K\n\x1b[J"));
  EXPECT_THAT(RedrawText({"a", "b"}, 1), Not(HasSubstr("\x1b[J")));
}

}  // namespace
}  // namespace lbw::client

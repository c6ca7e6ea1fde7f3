#include "jobs/child_main.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>
#include <limits>
#include <optional>

#include "base/clock.h"
#include "base/status.h"
#include "jobs/child_channel.h"
#include "jobs/child_link.h"
#include "unit/jobs/test_child.h"

namespace lbw::jobs {
namespace {

using ::testing::HasSubstr;

// The worker's side, by hand.
class ChildMain : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<ChildChannel>> child = ChildChannel::Start(ChildInMode("run"));
    ASSERT_TRUE(child.ok()) << child.status();
    child_ = *std::move(child);
  }
  void Assign(const std::string& spec) {
    Assignment assignment;
    assignment.job = "job0";
    assignment.kind = "test";
    assignment.spec_json = spec;
    assignment.inputs_json = "digests";
    assignment.checkpoint_step = 3;
    assignment.threads = 2;
    child_->Send(Encode(Down(assignment)));
  }
  void Tell(Command command) { child_->Send(Encode(Down(command))); }
  // The next message of that type; those before it are skipped, heartbeats counted.
  template <typename T>
  std::optional<T> Next() {
    const base::Stopwatch watch;
    while (watch.ElapsedNs() < int64_t{20'000'000'000}) {
      while (!heard_.empty()) {
        const Up message = heard_.front();
        heard_.erase(heard_.begin());
        if (const auto* wanted = std::get_if<T>(&message)) return *wanted;
      }
      if (child_->socket_ended()) return std::nullopt;
      std::vector<pollfd> fds(ChildChannel::kPollFds);
      child_->FillPoll(ChildChannel::Lines::kRead, absl::MakeSpan(fds));
      fds[2].fd = -1;  // its socket tells
      ::poll(fds.data(), fds.size(), 500);
      const absl::StatusOr<bool> read = child_->Pump(ChildChannel::Lines::kRead, heard_);
      EXPECT_TRUE(read.ok()) << read.status();
    }
    return std::nullopt;
  }
  Outcome End() {
    const Outcome outcome = WaitForEnd(child_->process());
    // What it logged last may stand in the pipe still.
    EXPECT_TRUE(child_->Pump(ChildChannel::Lines::kRead, heard_).ok());
    return outcome;
  }
  void Commit() {
    const std::optional<CheckpointLine> line = Next<CheckpointLine>();
    ASSERT_TRUE(line.has_value());
    child_->Send(Encode(Down(Committed{line->info.sha256})));
  }

  std::unique_ptr<ChildChannel> child_;
  std::vector<Up> heard_;
};

TEST_F(ChildMain, SaysHelloBeforeItHasAnAssignment) {
  const std::optional<Hello> hello = Next<Hello>();
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->pid, child_->process().pid());
}

TEST_F(ChildMain, TellsProgressThenItsResultAndEndsWell) {
  Assign("succeed");
  const std::optional<EventLine> first = Next<EventLine>();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->step, 1);
  EXPECT_EQ(first->total_steps, 4);
  EXPECT_EQ(first->json, R"({"progress":{"stage":"counting","step":"1","total_steps":"4",)"
                         R"("values":{"map":0.25}}})");
  // Those between are too frequent; the newest always comes.
  const std::optional<EventLine> newest = Next<EventLine>();
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(newest->step, 4);
  const std::optional<ResultLine> result = Next<ResultLine>();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->json, R"({"threads":2})");
  EXPECT_EQ(End().detail, "exit status 0");
  EXPECT_THAT(child_->log().TakeAll(), HasSubstr("inputs are digests\n"));
}

TEST_F(ChildMain, HeartbeatsTellTheStepWhileNothingElseHappens) {
  Assign("stall");
  Next<EventLine>();
  const std::optional<Heartbeat> beat = Next<Heartbeat>();
  ASSERT_TRUE(beat.has_value());
  EXPECT_THAT(beat->step, ::testing::AnyOf(1, 3));  // 3: from before the first step
  const std::optional<Heartbeat> next = Next<Heartbeat>();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->step, 1);
}

TEST_F(ChildMain, ErrorsKeepCodeAndReason) {
  Assign("final");
  const std::optional<ErrorLine> line = Next<ErrorLine>();
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->error.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(line->error.reason, "NOT_FOUND");
  EXPECT_EQ(line->error.message, "no dataset d");
  EXPECT_EQ(End().detail, "exit status 0");
}

TEST_F(ChildMain, AnExceptionIsAnError) {
  Assign("throw");
  const std::optional<ErrorLine> line = Next<ErrorLine>();
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->error.code, absl::StatusCode::kInternal);
  EXPECT_THAT(line->error.message, HasSubstr("thrown"));
}

TEST_F(ChildMain, TheLargestResultIsTold) {
  Assign("largest");
  const std::optional<ResultLine> line = Next<ResultLine>();
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->json.size(), kMaxResultBytes);
}

TEST_F(ChildMain, AResultThatIsTooLargeIsAnErrorThatSaysSo) {
  Assign("huge");
  const std::optional<ErrorLine> line = Next<ErrorLine>();
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->error.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(line->error.reason, base::reason::kLimitExceeded.text);
  EXPECT_THAT(line->error.message, HasSubstr("bytes=262145 limit=262144"));
}

TEST_F(ChildMain, EveryOrderIsObeyed) {
  Assign("obey");
  Next<EventLine>();
  Tell(Command::kCancel);
  EXPECT_EQ(Next<Obeyed>(), Obeyed::kCancelled);
  EXPECT_EQ(End().detail, "exit status 0");
}

TEST_F(ChildMain, APauseIsObeyedBehindItsCheckpoint) {
  Assign("obey");
  Next<EventLine>();
  Tell(Command::kPause);
  const std::optional<CheckpointLine> line = Next<CheckpointLine>();
  ASSERT_TRUE(line.has_value());
  EXPECT_GT(line->info.create_time, absl::UnixEpoch());
  // Nothing before it is recorded.
  EXPECT_EQ(child_->process().HowItEnded(), std::nullopt);
  child_->Send(Encode(Down(Committed{std::string(64, '0')})));  // another one
  child_->Send(Encode(Down(Committed{line->info.sha256})));
  EXPECT_EQ(Next<Obeyed>(), Obeyed::kPaused);
}

TEST_F(ChildMain, StopIsObeyedBehindItsCheckpoint) {
  Assign("obey");
  Tell(Command::kStop);
  Commit();
  EXPECT_EQ(Next<Obeyed>(), Obeyed::kStopped);
}

TEST_F(ChildMain, CancelIsStrongerThanPause) {
  Tell(Command::kPause);
  Tell(Command::kCancel);
  Assign("obey");
  EXPECT_EQ(Next<Obeyed>(), Obeyed::kCancelled);
}

TEST_F(ChildMain, IgnoresTheTerminalsSignals) {
  Next<Hello>();
  ::kill(child_->process().pid(), SIGINT);
  ::kill(child_->process().pid(), SIGTERM);
  Assign("succeed");
  EXPECT_TRUE(Next<ResultLine>().has_value());
}

TEST_F(ChildMain, EndsAtTheEndOfItsSocket) {
  Assign("ignore");
  Next<EventLine>();
  ::shutdown(child_->process().socket_fd(), SHUT_RDWR);
  EXPECT_EQ(End().detail, "exit status 1");
}

TEST_F(ChildMain, EndsWhereItHearsNonsense) {
  Next<Hello>();
  child_->Send("nonsense");
  EXPECT_EQ(End().detail, "exit status 1");
  std::vector<Up> none;
  (void)child_->Pump(ChildChannel::Lines::kRead, none);
  EXPECT_THAT(child_->log().TakeAll(), HasSubstr("it is no JSON object"));
}

TEST(ProgressEventJson, IsProtojson) {
  JobLink::Progress progress;
  progress.step = int64_t{1} << 60;
  progress.values = {{"inf", std::numeric_limits<double>::infinity()},
                     {"low", -std::numeric_limits<double>::infinity()},
                     {"nan", std::numeric_limits<double>::quiet_NaN()}};
  progress.eta = absl::Milliseconds(61'007);
  EXPECT_EQ(ProgressEventJson(progress),
            R"({"progress":{"eta":"61.007s","step":"1152921504606846976","total_steps":"0",)"
            R"("values":{"inf":"Infinity","low":"-Infinity","nan":"NaN"}}})");
  progress.eta = absl::InfiniteDuration();
  EXPECT_THAT(ProgressEventJson(progress), HasSubstr(R"("eta":"315576000000.000s")"));
  progress.eta = -absl::Seconds(1);
  EXPECT_THAT(ProgressEventJson(progress), HasSubstr(R"("eta":"0.000s")"));
}

TEST(ProgressEventJson, IsBounded) {
  JobLink::Progress progress;
  progress.stage = std::string(1 << 20, 's');
  for (int i = 0; i < 1000; ++i) progress.values[std::to_string(i) + std::string(1000, 'v')] = i;
  EXPECT_LT(ProgressEventJson(progress).size(), size_t{32} << 10);
  EXPECT_LT(MessageEventJson(JobLink::Severity::kInfo, std::string(1 << 20, '"')).size(),
            size_t{64} << 10);
}

TEST(MessageEventJson, CleansWhatIsNoText) {
  EXPECT_EQ(MessageEventJson(JobLink::Severity::kWarning, "a\xFF \"b\"\n"),
            "{\"message\":{\"severity\":\"warning\",\"text\":\"a\xEF\xBF\xBD \\\"b\\\"\\n\"}}");
}

TEST(ObeyedOrder, ComesBackFromItsStatus) {
  for (const JobLink::Order order :
       {JobLink::Order::kPause, JobLink::Order::kStop, JobLink::Order::kCancel}) {
    EXPECT_EQ(ObeyedOrder(ObeyedStatus(order)), order);
    EXPECT_FALSE(ObeyedStatus(order).ok());
    // Also where it passed through a room that says where it was.
    EXPECT_EQ(ObeyedOrder(base::WithContext(ObeyedStatus(order), "picture 7")), order);
  }
  EXPECT_EQ(ObeyedOrder(absl::CancelledError("of its own")), std::nullopt);
  EXPECT_EQ(ObeyedOrder(absl::OkStatus()), std::nullopt);
}

}  // namespace
}  // namespace lbw::jobs

// Loading, making room, unloading and draining.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "serving/detector.h"
#include "unit/serving/detector_fixture.h"

namespace lbw::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> NamesOf(const Detector& detector) {
  std::vector<std::string> names;
  for (const LoadedInfo& info : detector.Loaded()) names.push_back(info.model);
  return names;
}

TEST_F(DetectorTest, ConcurrentFirstCallsWaitForOneLoad) {
  probe_.compile_door.Close();
  std::vector<std::unique_ptr<Pending>> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(StartRed());
  probe_.compile_door.AwaitArrivals(1);
  EXPECT_THAT(detector().Loaded(), IsEmpty());
  probe_.compile_door.Open();
  for (const auto& call : calls) EXPECT_TRUE(call->Get().ok());
  EXPECT_EQ(probe_.compile_door.arrivals(), 1);
  EXPECT_EQ(observer_.seen().loads, 1);
  ASSERT_EQ(detector().Loaded().size(), 1U);
  EXPECT_EQ(detector().Loaded()[0].pictures, 5U);
  EXPECT_EQ(detector().Loaded()[0].bytes, 1000U);
}

TEST_F(DetectorTest, EveryWaiterOfALoadHonoursItsOwnDeadlineAndCancellation) {
  probe_.compile_door.Close();
  const auto patient = StartRed();
  const auto hasty = Start("colours", {Png(4, 4, {9, 9, 9})}, {},
                           base::RealClock().Now() + absl::Milliseconds(20));
  const auto cancelled = StartRed();
  probe_.compile_door.AwaitArrivals(1);
  cancelled->Cancel();
  EXPECT_EQ(cancelled->Get().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(hasty->Get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(patient->answered());
  probe_.compile_door.Open();
  EXPECT_TRUE(patient->Get().ok());
}

TEST_F(DetectorTest, ACallPastItsDeadlineIsAnsweredWithoutWork) {
  const auto late = Start("colours", {"x"}, {}, base::RealClock().Now() - absl::Seconds(1));
  EXPECT_EQ(late->Get().status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(DetectorTest, TheLeastRecentlyUsedMakesRoom) {
  limits_.loaded_bytes = 2000;
  for (const char* name : {"a", "b", "c"}) PutVersion(name, 1, "colours");
  EXPECT_TRUE(StartRed("a")->Get().ok());
  EXPECT_TRUE(StartRed("b")->Get().ok());
  EXPECT_TRUE(StartRed("a")->Get().ok());
  // A call that was answered may be held for a moment more by the thread that answered it.
  observer_.Await([](const FakeObserver::Seen& seen) { return seen.loaded == 2; });
  absl::Status status = absl::UnknownError("");
  for (int i = 0; i < 100 && !status.ok(); ++i) status = StartRed("c")->Get().status();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(NamesOf(detector()), ElementsAre("a", "c"));
  const FakeObserver::Seen seen = observer_.Await([](const FakeObserver::Seen& now) {
    return now.queues.count({"b", 1}) == 0 && now.loaded_bytes == 2000;
  });
  EXPECT_EQ(seen.loaded, 2U);
}

TEST_F(DetectorTest, AVersionInUseStaysAndTheOtherIsToldToRetry) {
  limits_.loaded_bytes = 1500;
  PutVersion("other", 1, "colours");
  probe_.run_door.Close();
  const auto busy = StartRed();
  probe_.run_door.AwaitArrivals(1);
  const auto refused = StartRed("other");
  const absl::Status status = refused->Get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "OUT_OF_ROOM");
  EXPECT_TRUE(base::GetErrorDetails(status).retry_after_ms.has_value());
  probe_.run_door.Open();
  EXPECT_TRUE(busy->Get().ok());
}

TEST_F(DetectorTest, AVersionLargerThanTheBudgetNamesBothNumbers) {
  limits_.loaded_bytes = 999;
  const auto call = StartRed();
  const absl::Status status = call->Get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "OUT_OF_ROOM");
  EXPECT_THAT(std::string(status.message()), HasSubstr("bytes=1000 limit=999"));
  EXPECT_FALSE(base::GetErrorDetails(status).retry_after_ms.has_value());
}

TEST_F(DetectorTest, UnloadForgetsAVersionWhileItsCallsFinish) {
  probe_.run_door.Close();
  const auto running = StartRed();
  probe_.run_door.AwaitArrivals(1);
  const auto waiting = StartRed();
  AwaitWaiting("colours", 1);
  detector().Unload("colours", 1);
  detector().Unload("colours", 7);
  EXPECT_THAT(detector().Loaded(), IsEmpty());
  const auto next = StartRed();
  probe_.compile_door.AwaitArrivals(2);
  probe_.run_door.Open();
  EXPECT_TRUE(running->Get().ok());
  EXPECT_TRUE(waiting->Get().ok());
  EXPECT_TRUE(next->Get().ok());
}

TEST_F(DetectorTest, UnloadDuringALoadStillAnswersThoseWhoWait) {
  probe_.compile_door.Close();
  const auto call = StartRed();
  probe_.compile_door.AwaitArrivals(1);
  detector().Unload("colours", 1);
  probe_.compile_door.Open();
  EXPECT_TRUE(call->Get().ok()) << call->Get().status();
  EXPECT_THAT(detector().Loaded(), IsEmpty());
}

TEST_F(DetectorTest, AVersionDeletedBetweenResolvingAndLoadingIsNotFound) {
  PutVersion("gone", 1, "no such bundle");
  artifacts_.door.Close();
  const auto call = StartRed("gone");
  artifacts_.door.AwaitArrivals(1);
  registry_.Erase("gone", 1);
  artifacts_.door.Open();
  EXPECT_EQ(call->Get().status().code(), absl::StatusCode::kNotFound);
}

// A running job's checkpoints are served under its name: each is loaded once, a newer one takes the
// place of the older, whose calls finish.
TEST_F(DetectorTest, ANewerCheckpointTakesTheOldersPlace) {
  artifacts_.Put("step 1", ClassifierBundle(0));
  artifacts_.Put("step 2", ClassifierBundle(0));
  PutCheckpoint("colours", "j", "step 1");
  ASSERT_TRUE(StartRed()->Get().ok());  // version 1 of the same model
  const auto first = StartRedAtJob("colours", "j");
  ASSERT_TRUE(first->Get().ok()) << first->Get().status();
  EXPECT_EQ(first->Get()->job, "j");
  EXPECT_EQ(first->Get()->version, 0);
  EXPECT_EQ(first->Get()->bundle, "step 1");
  EXPECT_EQ(StartRedAtJob("colours", "j")->Get()->bundle, "step 1");
  EXPECT_EQ(observer_.seen().loads, 2);

  probe_.run_door.Close();
  const auto older = StartRedAtJob("colours", "j");
  probe_.run_door.AwaitArrivals(4);
  PutCheckpoint("colours", "j", "step 2");
  const auto newer = StartRedAtJob("colours", "j");
  probe_.run_door.Open();
  EXPECT_EQ(older->Get()->bundle, "step 1");
  EXPECT_EQ(newer->Get()->bundle, "step 2");
  EXPECT_EQ(observer_.seen().loads, 3);
  const std::vector<LoadedInfo> loaded = detector().Loaded();
  ASSERT_EQ(loaded.size(), 2U);
  EXPECT_EQ(loaded[0].job, "j");
  EXPECT_EQ(loaded[0].version, 0);
  EXPECT_EQ(loaded[1].job, "");
  EXPECT_EQ(loaded[1].version, 1);
}

TEST_F(DetectorTest, ACheckpointIsForgottenOnceItsJobHasNone) {
  PutCheckpoint("colours", "j", "colours");
  ASSERT_TRUE(StartRedAtJob("colours", "j")->Get().ok());
  EXPECT_EQ(detector().Loaded().size(), 1U);
  registry_.Erase("colours", 0);
  EXPECT_EQ(StartRedAtJob("colours", "j")->Get().status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(detector().Loaded(), IsEmpty());
}

TEST_F(DetectorTest, ACheckpointThatWasReplacedBeforeItWasLoadedMayBeAskedForAgain) {
  PutCheckpoint("colours", "j", "no such bundle");
  const auto call = StartRedAtJob("colours", "j");
  const absl::Status status = call->Get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BLOB_GONE");
  PutCheckpoint("colours", "j", "colours");
  EXPECT_TRUE(StartRedAtJob("colours", "j")->Get().ok());
}

TEST_F(DetectorTest, ADrainFinishesWhatItHasAndRefusesWhatComes) {
  probe_.run_door.Close();
  const auto running = StartRed();
  probe_.run_door.AwaitArrivals(1);
  std::thread drain([this] { detector().Drain(absl::InfiniteFuture()); });
  absl::Status refused = absl::OkStatus();
  // Until the drain has begun, calls are taken; they finish with the rest.
  std::vector<std::unique_ptr<Pending>> calls;
  while (refused.ok()) {
    calls.push_back(Start("colours", {}));
    refused = calls.back()->Get().status();
    if (refused.code() == absl::StatusCode::kInvalidArgument) refused = absl::OkStatus();
  }
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(refused), "DRAINING");
  probe_.run_door.Open();
  drain.join();
  EXPECT_TRUE(running->answered());
  EXPECT_TRUE(running->Get().ok());
}

TEST_F(DetectorTest, ADrainFailsWhatIsStillInWorkAtItsDeadline) {
  probe_.run_door.Close();
  const auto running = StartRed();
  probe_.run_door.AwaitArrivals(1);
  const auto waiting = StartRed();
  detector().Drain(absl::InfinitePast());
  EXPECT_EQ(running->Get().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(waiting->Get().status().code(), absl::StatusCode::kUnavailable);
  detector().Drain(absl::InfinitePast());
  probe_.run_door.Open();
}

}  // namespace
}  // namespace lbw::serving

// The bounded queue, cancellation in it, and everything at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "serving/detector.h"
#include "unit/serving/detector_fixture.h"

namespace lbw::serving {
namespace {

using ::testing::HasSubstr;

// Waits until the gauge of the queue shows `calls`.
FakeObserver::Seen AwaitQueue(FakeObserver& observer, size_t calls) {
  return observer.Await([calls](const FakeObserver::Seen& seen) {
    const auto found = seen.queues.find({"colours", 1});
    return found != seen.queues.end() && found->second == calls;
  });
}

TEST_F(DetectorTest, AFullQueueRefusesWithATimeToRetryAndACancelledCallFreesItsPlace) {
  limits_.queue_calls = 2;
  probe_.run_door.Close();
  const auto running = StartRed();
  probe_.run_door.AwaitArrivals(1);
  const auto first = StartRed();
  const auto second = StartRed();
  AwaitWaiting("colours", 2);
  const auto refused = StartRed();
  const absl::Status status = refused->Get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  EXPECT_GT(base::GetErrorDetails(status).retry_after_ms.value_or(0), 0);
  first->Cancel();
  // At once: the place of the cancelled call goes to the next, without waiting for anybody.
  const auto third = StartRed();
  EXPECT_EQ(first->Get().status().code(), absl::StatusCode::kCancelled);
  probe_.run_door.Open();
  EXPECT_TRUE(running->Get().ok());
  EXPECT_TRUE(second->Get().ok());
  EXPECT_TRUE(third->Get().ok()) << third->Get().status();
  EXPECT_EQ(AwaitQueue(observer_, 0).queues.at({"colours", 1}), 0U);
}

TEST_F(DetectorTest, ACallLeavesTheQueueAtItsDeadline) {
  probe_.run_door.Close();
  const auto running = StartRed();
  probe_.run_door.AwaitArrivals(1);
  const auto late = Start("colours", {Png(4, 4, {0, 0, 0})}, {},
                          base::RealClock().Now() + absl::Milliseconds(30));
  EXPECT_EQ(late->Get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(running->answered());
  EXPECT_EQ(AwaitQueue(observer_, 0).queues.at({"colours", 1}), 0U);
  probe_.run_door.Open();
  EXPECT_TRUE(running->Get().ok());
}

TEST_F(DetectorTest, ARunningCallThatIsCancelledIsAnsweredAtOnce) {
  probe_.run_door.Close();
  const auto running = StartRed();
  probe_.run_door.AwaitArrivals(1);
  running->Cancel();
  EXPECT_EQ(running->Get().status().code(), absl::StatusCode::kCancelled);
  probe_.run_door.Open();
  EXPECT_TRUE(StartRed()->Get().ok());
}

TEST_F(DetectorTest, TheQueueIsBoundedByBytesToo) {
  const std::string image = Png(4, 4, {255, 0, 0});
  constexpr uint64_t kInput = 3 * 4 * 4 * sizeof(float);
  limits_.queue_bytes = 2 * (image.size() + kInput);
  EXPECT_TRUE(Start("colours", {image, image})->Get().ok());
  const auto three = Start("colours", {image, image, image});
  EXPECT_EQ(three->Get().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(three->Get().status()), "LIMIT_EXCEEDED");
  probe_.run_door.Close();
  const auto running = StartRed();
  probe_.run_door.AwaitArrivals(2);
  const auto waiting = Start("colours", {image, image});
  AwaitWaiting("colours", 1);
  const auto refused = Start("colours", {image});
  EXPECT_EQ(ReasonOf(refused->Get().status()), "QUEUE_FULL");
  probe_.run_door.Open();
  EXPECT_TRUE(running->Get().ok());
  EXPECT_TRUE(waiting->Get().ok()) << waiting->Get().status();
}

// Three models in room for two, callers that cancel, run out of time, send rubbish and unload.
// Every call is answered exactly once, and nothing is left in the queues. Races show under TSan.
TEST_F(DetectorTest, SurvivesEverythingAtOnce) {
  limits_.loaded_bytes = 2000;
  limits_.queue_calls = 4;
  for (const char* name : {"a", "b", "c"}) PutVersion(name, 1, "colours");
  (void)detector();
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([this, t, &good] {
      std::mt19937 random(t);
      const std::vector<std::string> models = {"a", "b", "c", "nobody"};
      for (int i = 0; i < 60; ++i) {
        const std::string& model = models[random() % models.size()];
        std::vector<std::string> images(1 + random() % 3, Png(4, 4, {1, 2, 3}));
        if (random() % 5 == 0) images.push_back("rubbish");
        const absl::Time deadline =
            random() % 4 == 0 ? base::RealClock().Now() + absl::Microseconds(random() % 3000)
                              : absl::InfiniteFuture();
        const auto call = Start(model, std::move(images), {}, deadline);
        if (random() % 4 == 0) call->Cancel();
        if (random() % 10 == 0) detector().Unload(model, 1);
        if (call->Get().ok()) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(good, 0);
  const FakeObserver::Seen seen = observer_.Await([](const FakeObserver::Seen& now) {
    for (const auto& entry : now.queues) {
      if (entry.second != 0) return false;
    }
    return true;
  });
  for (const auto& entry : seen.queues) EXPECT_EQ(entry.second, 0U) << entry.first.first;
  EXPECT_LE(seen.loaded_bytes, 2000U);
}

}  // namespace
}  // namespace lbw::serving

#include "serving/gauges.h"

#include <gtest/gtest.h>

#include <vector>

#include "unit/serving/fakes.h"

namespace lbw::serving {
namespace {

LoadedInfo Info(const std::string& model, uint64_t bytes, size_t queue) {
  LoadedInfo info;
  info.model = model;
  info.version = 1;
  info.bytes = bytes;
  info.queue_length = queue;
  return info;
}

TEST(Gauges, TellsChangesAndTakesAwayWhatIsGone) {
  FakeObserver observer;
  Gauges gauges(&observer);
  gauges.Report(std::vector<LoadedInfo>{Info("a", 100, 2), Info("b", 0, 1)});
  FakeObserver::Seen seen = observer.seen();
  EXPECT_EQ(seen.loaded, 1U);
  EXPECT_EQ(seen.loaded_bytes, 100U);
  EXPECT_EQ(seen.queues.at({"a", 1}), 2U);
  EXPECT_EQ(seen.queues.at({"b", 1}), 1U);
  gauges.Report(std::vector<LoadedInfo>{Info("b", 50, 0)});
  seen = observer.seen();
  EXPECT_EQ(seen.loaded_bytes, 50U);
  EXPECT_EQ(seen.queues.count({"a", 1}), 0U);
  EXPECT_EQ(seen.queues.at({"b", 1}), 0U);
}

TEST(Gauges, CheckpointsOfAModelsJobsAreCountedTogether) {
  FakeObserver observer;
  Gauges gauges(&observer);
  LoadedInfo first = Info("a", 100, 2);
  first.version = 0;
  first.job = "j";
  LoadedInfo second = first;
  second.job = "k";
  gauges.Report(std::vector<LoadedInfo>{first, second});
  EXPECT_EQ(observer.seen().queues.at({"a", 0}), 4U);
  EXPECT_EQ(observer.seen().loaded, 2U);
}

TEST(Gauges, NeedsNoObserver) {
  Gauges gauges(nullptr);
  gauges.Report(std::vector<LoadedInfo>{Info("a", 100, 2)});
}

}  // namespace
}  // namespace lbw::serving

#include "tasks/observe_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/status.h"
#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

model::Model Quantized() {
  NetMaker net;
  net.Conv("stem", "image", {4, 3, 3, 3});
  net.Node("Relu", "r", {"stem"});
  net.Conv("middle", "r", {4, 4, 3, 3});
  net.Conv("head", "middle", {2, 4, 1, 1});
  model::Model model = net.Finish({"head"});
  LBW_CHECK(model::QuantizeModel(model, ChoicesAt(4).quantize, {}).ok());
  return model;
}

TEST(ObserveRanges, CoverTheExtremesOfEveryPoint) {
  Bench bench;
  const model::Model model = Quantized();
  const auto pictures = RandomPictures(5, 6, 3);
  const auto found = ObserveRanges(model, bench.engine(), pictures, 1, {});
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->count("r"), 1U);
  ASSERT_EQ(found->count("middle"), 1U);
  EXPECT_EQ(found->count("head"), 0U) << "the head stays float";
  for (const std::string value : {"r", "middle"}) {
    const auto values = bench.Run(model, model.constants, pictures, {value});
    double low = 0, high = 0;
    for (const auto& picture : values) {
      for (const float one : picture[0].as<float>()) {
        low = std::min(low, static_cast<double>(one));
        high = std::max(high, static_cast<double>(one));
      }
    }
    const graph::ActivationRange& range = found->at(value);
    const double scale = static_cast<double>(range.scale);
    const double first = range.is_signed ? -128 : 0;
    EXPECT_LE((first - range.zero_point) * scale, low + scale) << value;
    EXPECT_GE((first + 255 - range.zero_point) * scale, high - scale) << value;
    EXPECT_LT(scale * 255, 2.1 * std::max(high, -low) + high - low) << "no wider than needed";
  }
}

TEST(ObserveRanges, SameBitsForAnyThreads) {
  Bench bench;
  const model::Model model = Quantized();
  const auto pictures = RandomPictures(7, 6, 3);
  const auto one = ObserveRanges(model, bench.engine(), pictures, 1, {}).value();
  for (const int threads : {2, 3, 16}) {
    const auto other = ObserveRanges(model, bench.engine(), pictures, threads, {}).value();
    ASSERT_EQ(other.size(), one.size());
    for (const auto& [value, range] : one) EXPECT_EQ(other.at(value).scale, range.scale) << value;
  }
}

// Many pictures take minutes: whoever watches sees them pass.
TEST(ObserveRanges, TellsHowManyPicturesAreDone) {
  Bench bench;
  std::vector<size_t> told;
  ASSERT_TRUE(ObserveRanges(Quantized(), bench.engine(), RandomPictures(5, 6, 3), 2, [&](size_t n) {
                told.push_back(n);
                return absl::OkStatus();
              }).ok());
  EXPECT_THAT(told, ElementsAre(0, 2, 4));
}

TEST(ObserveRanges, AFloatNetworkHasNone) {
  Bench bench;
  NetMaker net;
  net.Conv("head", "image", {2, 3, 1, 1});
  const model::Model model = net.Finish({"head"});
  EXPECT_THAT(ObserveRanges(model, bench.engine(), RandomPictures(1, 6, 3), 1, {}).value(),
              IsEmpty());
}

TEST(ObserveRanges, StopsWhereItIsTold) {
  Bench bench;
  const auto stopped = ObserveRanges(Quantized(), bench.engine(), RandomPictures(2, 6, 3), 1,
                                     [](size_t) { return absl::CancelledError("enough"); });
  EXPECT_TRUE(absl::IsCancelled(stopped.status()));
}

TEST(PeakMemoryBytes, IsThatOfAProcessThatRuns) {
  EXPECT_GT(PeakMemoryBytes(), uint64_t{1} << 20);
  EXPECT_LT(PeakMemoryBytes(), uint64_t{1} << 44);
}

}  // namespace
}  // namespace lbw::tasks

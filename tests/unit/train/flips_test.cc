#include "train/flips.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <vector>

namespace lbw::train {
namespace {

at::Tensor Of(std::vector<float> values, std::vector<int64_t> shape) {
  return at::from_blob(values.data(), shape).clone();
}
float At(const at::Tensor& tensor, int64_t i) { return tensor.data_ptr<float>()[i]; }

// Two rows of powers of two with least magnitudes 1/4 and 8.
class Flips : public ::testing::Test {
 protected:
  void Observe(std::vector<float> values, const at::Tensor& moved = {}) {
    tracker_->Observe(Of(std::move(values), {2, 2}), {least_, least_}, moved);
  }
  at::Tensor least_ = Of({0.25F, 8}, {2, 1});
  std::unique_ptr<FlipTracker> tracker_ = FlipTracker::Make(at::zeros({2, 2}), 0.3);
};

TEST_F(Flips, HoldTheMoreFrequentOfTwoCodes) {
  // Weight 0 swings between 0.5 (two of three) and 0.25, weight 3 between 0 (two of three) and -8;
  // the others stay.
  for (int step = 0; step < 33; ++step) {
    Observe({step % 3 == 2 ? 0.25F : 0.5F, -1, 16, step % 3 == 1 ? -8.0F : 0.0F});
    EXPECT_EQ(tracker_->Held(), 0) << step;
  }
  for (int step = 33; step < 90; ++step) {
    Observe({step % 3 == 2 ? 0.25F : 0.5F, -1, 16, step % 3 == 1 ? -8.0F : 0.0F});
  }
  EXPECT_EQ(tracker_->Held(), 2);
  at::Tensor rows = Of({9, 9, 9, 9}, {2, 2});
  tracker_->Hold(rows);
  EXPECT_EQ(At(rows, 0), 0.5F);
  EXPECT_EQ(At(rows, 1), 9.0F);
  EXPECT_EQ(At(rows, 2), 9.0F);
  EXPECT_EQ(At(rows, 3), 0.0F);
  at::Tensor gradient = Of({1, 1, 1, 1}, {2, 2});
  tracker_->Mask(gradient);
  EXPECT_EQ(At(gradient, 0), 0.0F);
  EXPECT_EQ(At(gradient, 1), 1.0F);
}

TEST_F(Flips, AreNotThoseOfRowsWhoseGridMoved) {
  bool data[] = {true, false};
  const at::Tensor moved =
      at::from_blob(data, {2, 1}, at::TensorOptions().dtype(at::kBool)).clone();
  for (int step = 0; step < 90; ++step) {
    const float factor = step % 2 == 0 ? 1.0F : 2.0F;
    Observe({0.5F * factor, factor, 8 * factor, 16}, moved);
  }
  EXPECT_EQ(tracker_->Held(), 1);  // the third weight's row did not say that it moved
}

TEST_F(Flips, TellGridsOfRealScalesByTheirOwnValue) {
  const at::Tensor v = Of({3, 5}, {2, 1});
  for (int step = 0; step < 130; ++step) {
    const float u = 3.0F + 0.01F * static_cast<float>(step);
    const at::Tensor read = Of({u, 2 * u}, {2, 1});
    tracker_->Observe(Of({step % 4 == 0 ? 0.0F : u, -u, 2 * u, 0}, {2, 2}), {read, v}, {});
  }
  EXPECT_EQ(tracker_->Held(), 1);
  at::Tensor rows = at::zeros({2, 2});
  tracker_->Hold(rows);
  EXPECT_EQ(At(rows, 0), 3.0F) << "the shadow's value, not the network's";
}

TEST(FlipsOfDenormals, AreHeldToo) {
  const float least = 1.4e-45F;
  const at::Tensor one = Of({least}, {1, 1});
  const auto tracker = FlipTracker::Make(at::zeros({1, 1}), 0.3);
  for (int step = 0; step < 90; ++step) {
    tracker->Observe(Of({step % 3 == 0 ? 4 * least : 2 * least}, {1, 1}), {one, one}, {});
  }
  at::Tensor rows = at::zeros({1, 1});
  tracker->Hold(rows);
  EXPECT_EQ(At(rows, 0), 2 * least);
}

TEST_F(Flips, GoOnFromTheirState) {
  const auto value = [](int step) { return step % 3 == 2 ? 0.25F : 0.5F; };
  for (int step = 0; step < 30; ++step) Observe({value(step), 0, 0, 0});
  NamedTensors state;
  ASSERT_TRUE(tracker_->State(state).ok());
  const auto other = FlipTracker::Make(at::zeros({2, 2}), 0.3);
  ASSERT_TRUE(other->Restore(state).ok());
  for (int step = 30; step < 90; ++step) {
    const at::Tensor values = Of({value(step), 0, 0, 0}, {2, 2});
    other->Observe(values, {least_, least_}, {});
    tracker_->Observe(values, {least_, least_}, {});
    EXPECT_EQ(other->Held(), tracker_->Held());
  }
  EXPECT_EQ(other->Held(), 1);
  state.erase("mean");
  EXPECT_EQ(other->Restore(state).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace lbw::train

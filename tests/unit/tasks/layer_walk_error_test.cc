#include <gtest/gtest.h>

#include <limits>

#include "tasks/calibrate_network.h"
#include "tasks/layer_walk.h"
#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

constexpr size_t kPictures = 5;

class LayerWalkErrorTest : public ::testing::Test {
 protected:
  Bench bench_;
  const std::vector<Picture> pictures_ = RandomPictures(kPictures, 6, 4);
};

// What differs between outputs and is the same in every picture tells nothing of them: however far
// the outputs lie apart, the error is the same.
TEST_F(LayerWalkErrorTest, TheOutputErrorIsRelativeToWhatChangesFromPictureToPicture) {
  const auto error_with = [&](const std::vector<float>& bias, size_t pictures) {
    NetMaker net;
    net.Constant("bias", {3}, bias);
    net.Node("Conv", "out", {"image", net.Constant("w", {3, 3, 3, 3}), "bias"},
             {{"pads", std::vector<int64_t>(4, 1)}});
    const model::Model model = net.Finish({"out"});
    const std::vector<Picture> some(pictures_.begin(),
                                    pictures_.begin() + static_cast<std::ptrdiff_t>(pictures));
    const auto walk = bench_.Walk(model, some, bench_.Options());
    const auto made = CalibrateNetwork(
        *walk, model, ChooseLayers(model, walk->layers(), ChoicesAt(3)).value(), {}, 1, {});
    return made.value().output_error;
  };
  const double together = error_with({0, 0, 0}, kPictures);
  EXPECT_GT(together, 1e-3);
  EXPECT_NEAR(error_with({-60, 0, 70}, kPictures), together, 1e-3 * together);
  // A single picture has nothing but the spread of its outputs.
  EXPECT_GT(error_with({0, 0, 0}, 1), 1e-3);
  EXPECT_LT(error_with({-60, 0, 70}, 1), 1e-2 * error_with({0, 0, 0}, 1));
}

TEST_F(LayerWalkErrorTest, OutputsThatAreNotFiniteAreNotCalledEqual) {
  NetMaker net;
  net.Constant("bias", {3}, std::vector<float>{0, 0, 0});
  net.Node("Conv", "out", {"image", net.Constant("w", {3, 3, 1, 1}), "bias"});
  const model::Model model = net.Finish({"out"});
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  EXPECT_EQ(walk->ErrorOf(model.constants, kPictures).value(), 0);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    graph::Constants broken = model.constants;
    broken.insert_or_assign("bias", base::Tensor::FromF32({3}, std::vector<float>{0, bad, 0}));
    EXPECT_EQ(walk->ErrorOf(broken, kPictures).value(), 1) << bad;
  }
}

}  // namespace
}  // namespace lbw::tasks

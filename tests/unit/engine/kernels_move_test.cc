// Operators that move elements, worked by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "unit/engine/one_node.h"

namespace lbw::engine {
namespace {

using testing_support::Floats;
using testing_support::RunOneNode;
using Ints = std::vector<int64_t>;
using ::testing::ElementsAre;

base::Tensor Row(std::vector<int64_t> values) {
  return base::Tensor::FromI64({static_cast<int64_t>(values.size())}, values);
}

TEST(Slice, InputsWithStepsAndNegativeSteps) {
  const base::Tensor x = base::Tensor::FromF32({1, 6}, {0, 1, 2, 3, 4, 5});
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max();
  const auto every_second =
      RunOneNode({"Slice", x, {Row({1}), Row({kFar}), Row({1}), Row({2})}, {}});
  ASSERT_TRUE(every_second.ok()) << every_second.status();
  EXPECT_THAT(Floats((*every_second)[0]), ElementsAre(1, 3, 5));
  const auto backwards =
      RunOneNode({"Slice", x, {Row({-1}), Row({-kFar}), Row({-1}), Row({-2})}, {}});
  ASSERT_TRUE(backwards.ok()) << backwards.status();
  EXPECT_THAT(Floats((*backwards)[0]), ElementsAre(5, 3, 1));
}

TEST(Slice, BackwardsFromBeforeTheFirstTakesTheFirst) {
  const base::Tensor x = base::Tensor::FromF32({1, 5}, {7, 1, 2, 3, 4});
  const auto y = RunOneNode({"Slice", x, {Row({-50}), Row({-60}), Row({1}), Row({-1})}, {}});
  ASSERT_TRUE(y.ok()) << y.status();
  EXPECT_THAT(Floats((*y)[0]), ElementsAre(7));
}

TEST(Slice, AttributesOfOldOpsets) {
  const base::Tensor x = base::Tensor::FromF32({1, 4}, {0, 1, 2, 3});
  const auto result =
      RunOneNode({"Slice", x, {}, {{"axes", Ints{1}}, {"starts", Ints{-3}}, {"ends", Ints{3}}}, 9});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(1, 2));
}

struct PadCase {
  std::string mode;
  std::vector<float> expected;
};

class PadTest : public ::testing::TestWithParam<PadCase> {};

TEST_P(PadTest, OneBeforeAndTwoBehind) {
  const base::Tensor x = base::Tensor::FromF32({1, 3}, {1, 2, 3});
  const auto attribute = RunOneNode(
      {"Pad", x, {}, {{"mode", GetParam().mode}, {"pads", Ints{0, 1, 0, 2}}, {"value", 9.0F}}, 10});
  ASSERT_TRUE(attribute.ok()) << attribute.status();
  EXPECT_EQ(Floats((*attribute)[0]), GetParam().expected);
  const auto input = RunOneNode({"Pad",
                                 x,
                                 {Row({0, 1, 0, 2}), base::Tensor::FromF32({}, {9})},
                                 {{"mode", GetParam().mode}},
                                 13});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(Floats((*input)[0]), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Cases, PadTest,
                         ::testing::Values(PadCase{"constant", {9, 1, 2, 3, 9, 9}},
                                           PadCase{"reflect", {2, 1, 2, 3, 2, 1}},
                                           PadCase{"edge", {1, 1, 2, 3, 3, 3}}),
                         [](const auto& test) { return test.param.mode; });

TEST(Pad, AxesOfOpset18AndNegativePadsCrop) {
  const base::Tensor x = base::Tensor::FromF32({1, 3}, {1, 2, 3});
  const auto result =
      RunOneNode({"Pad", x, {Row({-1, 1}), base::Tensor::FromF32({}, {0}), Row({-1})}, {}, 18});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(2, 3, 0));
}

TEST(Split, AttributeInputAndEqualParts) {
  const base::Tensor x = base::Tensor::FromF32({1, 4}, {1, 2, 3, 4});
  const auto attribute =
      RunOneNode({"Split", x, {}, {{"axis", int64_t{1}}, {"split", Ints{1, 3}}}, 11, 2});
  ASSERT_TRUE(attribute.ok()) << attribute.status();
  EXPECT_THAT(Floats((*attribute)[1]), ElementsAre(2, 3, 4));
  const auto input = RunOneNode({"Split", x, {Row({3, 1})}, {{"axis", int64_t{1}}}, 13, 2});
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_THAT(Floats((*input)[0]), ElementsAre(1, 2, 3));
  const auto equal = RunOneNode({"Split", x, {}, {{"axis", int64_t{1}}}, 13, 2});
  ASSERT_TRUE(equal.ok()) << equal.status();
  EXPECT_THAT(Floats((*equal)[1]), ElementsAre(3, 4));
}

TEST(Gather, ScalarListAndNegativeIndices) {
  const base::Tensor x = base::Tensor::FromF32({1, 3, 2}, {1, 2, 3, 4, 5, 6});
  const auto scalar =
      RunOneNode({"Gather", x, {base::Tensor::FromI64({}, {-1})}, {{"axis", int64_t{1}}}});
  ASSERT_TRUE(scalar.ok()) << scalar.status();
  EXPECT_THAT((*scalar)[0].shape(), ElementsAre(1, 2));
  EXPECT_THAT(Floats((*scalar)[0]), ElementsAre(5, 6));
  const auto list =
      RunOneNode({"Gather", x, {base::Tensor::FromI64({1, 2}, {1, -3})}, {{"axis", int64_t{1}}}});
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT((*list)[0].shape(), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(Floats((*list)[0]), ElementsAre(3, 4, 1, 2));
}

TEST(Gather, AnIndexOutsideIsRefusedWhenCompiling) {
  const auto result = RunOneNode({"Gather",
                                  base::Tensor::FromF32({1, 2}, {1, 2}),
                                  {base::Tensor::FromI64({}, {2})},
                                  {{"axis", int64_t{1}}}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), ::testing::HasSubstr("index 2"));
}

TEST(Reshape, ZeroCopiesAndMinusOneFills) {
  const base::Tensor x = base::Tensor::FromF32({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const auto result = RunOneNode({"Reshape", x, {Row({0, -1})}, {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT((*result)[0].shape(), ElementsAre(2, 6));
  const auto misfit = RunOneNode({"Reshape", x, {Row({0, 5})}, {}});
  EXPECT_THAT(std::string(misfit.status().message()), ::testing::HasSubstr("cannot reshape"));
}

TEST(Transpose, PermutesAndReverses) {
  const base::Tensor x = base::Tensor::FromF32({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const auto result = RunOneNode({"Transpose", x, {}, {{"perm", Ints{0, 2, 1}}}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT((*result)[0].shape(), ElementsAre(1, 3, 2));
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST(SqueezeAndUnsqueeze, BothForms) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 2}, {1, 2});
  for (const int64_t opset : {11, 13}) {
    const bool old = opset < 13;
    testing_support::OneNode squeeze{"Squeeze", x, {}, {}, opset};
    testing_support::OneNode unsqueeze{"Unsqueeze", x, {}, {}, opset};
    if (old) {
      squeeze.attributes["axes"] = Ints{1};
      unsqueeze.attributes["axes"] = Ints{1, -1};
    } else {
      squeeze.constants = {Row({1})};
      unsqueeze.constants = {Row({1, -1})};
    }
    const auto squeezed = RunOneNode(squeeze);
    ASSERT_TRUE(squeezed.ok()) << squeezed.status();
    EXPECT_THAT((*squeezed)[0].shape(), ElementsAre(1, 2));
    const auto unsqueezed = RunOneNode(unsqueeze);
    ASSERT_TRUE(unsqueezed.ok()) << unsqueezed.status();
    EXPECT_THAT((*unsqueezed)[0].shape(), ElementsAre(1, 1, 1, 2, 1));
  }
}

TEST(Flatten, JoinsBehindTheAxis) {
  const base::Tensor x = base::Tensor::FromF32({2, 1, 2}, {1, 2, 3, 4});
  const auto result = RunOneNode({"Flatten", x, {}, {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT((*result)[0].shape(), ElementsAre(2, 2));
}

TEST(Expand, RepeatsOnes) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 2}, {1, 2});
  const auto result = RunOneNode({"Expand", x, {Row({1, 2, 1})}, {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT((*result)[0].shape(), ElementsAre(1, 2, 2));
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(1, 2, 1, 2));
}

TEST(Concat, AlongTheLastDimension) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 2}, {1, 2});
  const auto result =
      RunOneNode({"Concat", x, {base::Tensor::FromF32({1, 1, 1}, {3})}, {{"axis", int64_t{-1}}}});
  // A constant beside the batch: fine for one picture, refused for two.
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::engine

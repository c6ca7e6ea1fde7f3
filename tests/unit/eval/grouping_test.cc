#include "eval/grouping.h"

#include <vector>

#include "gtest/gtest.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

constexpr At kPlace{0, {10, 10, 19, 29}};

TEST(CheckCrowding, AcceptsTheLimitAndRefusesMore) {
  std::vector<TruthBox> truths(kMaxTruthsOfClassInImage, Truth(kPlace));
  truths.push_back(Truth(kPlace, 1));
  truths.push_back(Truth({1, kPlace.box}));
  EXPECT_TRUE(CheckCrowding(Grouping(truths), 2).ok());
  truths.push_back(Truth(kPlace));
  EXPECT_EQ(CheckCrowding(Grouping(truths), 2).code(), absl::StatusCode::kResourceExhausted);
}

TEST(Grouping, FindsPlacesInTheOrderOfTheList) {
  const std::vector<TruthBox> truths = {Truth({1, {}}, 1), Truth({0, {}}, 1), Truth({1, {}}, 0),
                                        Truth({1, {}}, 1)};
  const Grouping groups(truths);
  ASSERT_EQ(groups.Of(1, 1).size(), 2U);
  EXPECT_EQ(groups.Of(1, 1)[0].place, 0);
  EXPECT_EQ(groups.Of(1, 1)[1].place, 3);
  EXPECT_EQ(groups.OfClass(1).size(), 3U);
  EXPECT_EQ(groups.OfClass(1)[0].place, 1);
  EXPECT_TRUE(groups.Of(2, 0).empty());
  EXPECT_TRUE(groups.Of(0, 0).empty());
}

}  // namespace
}  // namespace lbw::eval

#include "eval/agreement.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

constexpr detect::BoxXyxyPx kLeft{0, 0, 100, 100};
constexpr detect::BoxXyxyPx kRight{200, 0, 300, 100};

TEST(EvaluateAgreement, IsOneForAVersionWithItself) {
  const std::vector<FoundBox> boxes = {Found({0, kLeft}, 0.9F), Found({0, kRight}, 0.8F, 1),
                                       Found({1, kLeft}, 0.2F)};
  const auto result = EvaluateAgreement({boxes, boxes, 2, 2}, AgreementOptions());
  ASSERT_TRUE(result.ok());
  EXPECT_DOUBLE_EQ(result->mean->area, 1);
  EXPECT_EQ(result->classes[0].truths, 1);  // 0.2 is no truth
  EXPECT_EQ(result->classes[0].false_positives, 1);
}

TEST(EvaluateAgreement, TakesOnlyReferenceBoxesAboveTheScore) {
  const std::vector<FoundBox> candidate = {Found({0, kLeft}, 0.1F)};
  const std::vector<FoundBox> reference = {Found({0, kLeft}, 0.5F), Found({0, kRight}, 0.75F)};
  AgreementOptions options;
  const auto half = EvaluateAgreement({candidate, reference, 1, 1}, options);
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(half->classes[0].truths, 1);  // 0.5 is not above 0.5
  EXPECT_DOUBLE_EQ(half->mean->area, 0);
  options.min_score = 0.4;
  const auto lower = EvaluateAgreement({candidate, reference, 1, 1}, options);
  ASSERT_TRUE(lower.ok());
  EXPECT_DOUBLE_EQ(lower->mean->area, 0.5);
}

TEST(EvaluateAgreement, NamesNanScoresOfEitherSide) {
  const std::vector<FoundBox> good = {Found({0, kLeft}, 0.9F)};
  const std::vector<FoundBox> bad = {Found({0, kLeft}, std::numeric_limits<float>::quiet_NaN())};
  const auto message = [](const VersionPair& pair) {
    return std::string(EvaluateAgreement(pair, AgreementOptions()).status().message());
  };
  EXPECT_THAT(message({good, bad, 1, 1}), testing::HasSubstr("reference: found[0].score"));
  EXPECT_THAT(message({bad, good, 1, 1}), testing::StartsWith("found[0].score"));
  AgreementOptions options;
  options.min_score = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(EvaluateAgreement({good, good, 1, 1}, options).ok());
}

}  // namespace
}  // namespace lbw::eval

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/status.h"
#include "detect/decoder.h"

namespace lbw::detect {
namespace {

using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

DecoderContext Classifier(Activation activation, int64_t classes) {
  DecoderContext context;
  context.input.height = context.input.width = 32;
  context.classes = classes;
  context.head.kind = "logits";
  context.head.scores.values = {{"logits", {}, {}}};
  context.head.score_activation = activation;
  return context;
}

absl::StatusOr<Decoded> RunHead(const DecoderContext& context, base::Shape shape,
                                std::vector<float> scores, const DecodeOptions& options = {}) {
  auto decoder = NewDecoder(context);
  if (!decoder.ok()) return decoder.status();
  return (*decoder)->Decode({base::Tensor::FromF32(std::move(shape), scores)}, 0, options);
}

TEST(LogitsDecoder, SoftmaxBestFirstTiesToTheLowerClass) {
  const auto decoded = RunHead(Classifier(Activation::kSoftmax, 3), {1, 3}, {1, 3, 1});
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->classes.size(), 3U);
  EXPECT_EQ(decoded->classes[0].class_index, 1);
  EXPECT_NEAR(decoded->classes[0].score, 0.7869861, 1e-6);
  EXPECT_EQ(decoded->classes[1].class_index, 0);
  EXPECT_EQ(decoded->classes[2].class_index, 2);
  EXPECT_TRUE(decoded->detections.empty());
}

TEST(LogitsDecoder, SigmoidAndRawScoresBelowZero) {
  const auto sigmoid = RunHead(Classifier(Activation::kSigmoid, 2), {1, 2, 1, 1}, {0, 2});
  EXPECT_NEAR(sigmoid->classes.at(0).score, 0.8807971, 1e-6);
  EXPECT_EQ(sigmoid->classes.at(1).score, 0.5F);
  const auto raw = RunHead(Classifier(Activation::kNone, 2), {1, 2}, {-3, -7});
  ASSERT_EQ(raw->classes.size(), 2U) << "no threshold unless the call names one";
  EXPECT_EQ(raw->classes[0].score, -3);
}

TEST(LogitsDecoder, OptionsOfTheCall) {
  const DecoderContext context = Classifier(Activation::kNone, 8);
  const std::vector<float> scores = {0.1F, 0.8F, 0.3F, 0.7F, 0.2F, 0.6F, 0.4F, 0.5F};
  DecodeOptions options;
  EXPECT_EQ(RunHead(context, {1, 8}, scores, options)->classes.size(), 5U);
  options.top_k = 1000;
  EXPECT_EQ(RunHead(context, {1, 8}, scores, options)->classes.size(), 8U);
  options.score_threshold = 0.5F;
  EXPECT_EQ(RunHead(context, {1, 8}, scores, options)->classes.size(), 3U);
  options.classes = {0, 5};
  const auto decoded = RunHead(context, {1, 8}, scores, options);
  EXPECT_EQ(decoded->classes, (std::vector<ClassScore>{{5, 0.6F}}));
  options.top_k = 1001;
  EXPECT_EQ(RunHead(context, {1, 8}, scores, options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(LogitsDecoder, NanIsNoScore) {
  EXPECT_EQ(RunHead(Classifier(Activation::kNone, 3), {1, 3}, {kNan, 1, 2})->classes.size(), 2U);
  EXPECT_TRUE(RunHead(Classifier(Activation::kSoftmax, 3), {1, 3}, {kNan, 1, 2})->classes.empty());
}

TEST(LogitsDecoder, BackgroundIsLeftOut) {
  DecoderContext context = Classifier(Activation::kNone, 2);
  context.head.background = Background::kFirst;
  const auto decoded = RunHead(context, {1, 3}, {0.9F, 0.1F, 0.2F});
  EXPECT_EQ(decoded->classes, (std::vector<ClassScore>{{1, 0.2F}, {0, 0.1F}}));
}

TEST(LogitsDecoder, WrongShapesAndRolesAreNamed) {
  const DecoderContext context = Classifier(Activation::kNone, 3);
  EXPECT_THAT(std::string(RunHead(context, {1, 4}, {1, 2, 3, 4}).status().message()),
              HasSubstr("[1, 4]"));
  EXPECT_THAT(std::string(RunHead(context, {1, 6}, {1, 2, 3, 4, 5, 6}).status().message()),
              HasSubstr("expected [N, 3]"));
  DecoderContext two = context;
  two.head.scores.values.push_back({"more", {}, {}});
  EXPECT_THAT(std::string(NewDecoder(two).status().message()), HasSubstr("one value"));
}

}  // namespace
}  // namespace lbw::detect

#include "serving/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/serving/detector_fixture.h"

namespace lbw::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Stage = ServingObserver::Stage;

TEST_F(DetectorTest, AnswersInTheOrderSentWithVersionLabelsAndTimings) {
  const auto call = Start("colours", {Png(4, 4, {255, 0, 0}), Png(8, 6, {0, 0, 255})});
  const auto& response = call->Get();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->model, "colours");
  EXPECT_EQ(response->version, 1);
  EXPECT_THAT(*response->labels, ElementsAre("red", "green", "blue"));
  ASSERT_THAT(response->pictures, SizeIs(2));
  EXPECT_EQ(response->pictures[0].classes.at(0).class_index, 0);
  EXPECT_NEAR(response->pictures[0].classes.at(0).score, 1.0, 1e-3);
  EXPECT_EQ(response->pictures[1].classes.at(0).class_index, 2);
  EXPECT_EQ(response->pictures[1].width, 8);
  EXPECT_EQ(response->pictures[1].height, 6);
  EXPECT_THAT(probe_.batches(), ElementsAre(2));
}

TEST_F(DetectorTest, BoxesAreInPixelsOfThePicture) {
  const auto call = Start("boxes", {Png(40, 80, {255, 0, 0})});
  const auto& response = call->Get();
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->pictures.at(0).detections, SizeIs(1));
  const detect::Detection& found = response->pictures[0].detections[0];
  EXPECT_NEAR(found.box.x_min, 10, 1e-3);
  EXPECT_NEAR(found.box.x_max, 30, 1e-3);
  EXPECT_NEAR(found.box.y_min, 30, 1e-3);
  EXPECT_NEAR(found.box.y_max, 50, 1e-3);
  EXPECT_NEAR(found.score, 1, 1e-3);
}

TEST_F(DetectorTest, ABadPictureCarriesItsOwnErrorAndItsNeighboursAreFine) {
  const std::string cut = Png(64, 64, {0, 255, 0}).substr(0, 40);
  const auto call =
      Start("colours", {"no picture", Png(4, 4, {0, 255, 0}), cut, Png(4, 4, {0, 0, 255})});
  const auto& response = call->Get();
  ASSERT_TRUE(response.ok()) << response.status();
  const auto& pictures = response->pictures;
  ASSERT_THAT(pictures, SizeIs(4));
  EXPECT_EQ(ReasonOf(pictures[0].status), "BAD_IMAGE");
  EXPECT_THAT(base::GetErrorDetails(pictures[0].status).fields, ElementsAre("images[0]"));
  EXPECT_FALSE(pictures[2].status.ok());
  EXPECT_THAT(pictures[2].classes, IsEmpty());
  EXPECT_EQ(pictures[1].classes.at(0).class_index, 1);
  EXPECT_EQ(pictures[3].classes.at(0).class_index, 2);
  EXPECT_THAT(probe_.batches(), ElementsAre(2));
  const FakeObserver::Seen seen = observer_.seen();
  EXPECT_EQ(seen.good, 2);
  EXPECT_EQ(seen.bad, 2);
  EXPECT_EQ(seen.stages.at(Stage::kDecode), 4);
}

TEST_F(DetectorTest, NothingRunsWhenEveryPictureIsBad) {
  const auto call = Start("colours", {"x", ""});
  const auto& response = call->Get();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_FALSE(response->pictures.at(0).status.ok());
  EXPECT_FALSE(response->pictures.at(1).status.ok());
  EXPECT_THAT(probe_.batches(), IsEmpty());
}

TEST_F(DetectorTest, PicturesTravelInBatchesOfSixteenOrOfTheGraphsMost) {
  const std::vector<std::string> images(20, Png(4, 4, {255, 0, 0}));
  ASSERT_TRUE(Start("colours", images)->Get().ok());
  EXPECT_THAT(probe_.batches(), ElementsAre(16, 4));
  artifacts_.Put("single", ClassifierBundle(1));
  PutVersion("single", 1, "single");
  const auto call = Start("single", {Png(4, 4, {255, 0, 0}), "bad", Png(4, 4, {0, 0, 255})});
  const auto& response = call->Get();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(probe_.batches(), ElementsAre(16, 4, 1, 1));
  EXPECT_EQ(response->pictures.at(2).classes.at(0).class_index, 2);
}

TEST_F(DetectorTest, AVersionRunsOnOneThreadOfItsOwn) {
  std::vector<std::unique_ptr<Pending>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(StartRed());
  for (const auto& call : calls) EXPECT_TRUE(call->Get().ok());
  EXPECT_EQ(probe_.run_threads(), 1U);
}

TEST_F(DetectorTest, ARequestThatIsWrongIsRefusedWithItsField) {
  const auto none = Start("colours", {});
  EXPECT_EQ(none->Get().status().code(), absl::StatusCode::kInvalidArgument);
  DetectOptions options;
  options.class_names = {"violet"};
  const auto unknown = Start("colours", {Png(4, 4, {1, 2, 3})}, options);
  EXPECT_THAT(base::GetErrorDetails(unknown->Get().status()).fields,
              ElementsAre("options.classes"));
  EXPECT_EQ(Start("nobody", {"x"})->Get().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DetectorTest, OnlyTheWantedClassesAreAnswered) {
  DetectOptions options;
  options.class_names = {"blue", "green"};
  const auto call = Start("colours", {Png(4, 4, {255, 20, 10})}, options);
  ASSERT_TRUE(call->Get().ok()) << call->Get().status();
  for (const detect::ClassScore& score : call->Get()->pictures.at(0).classes) {
    EXPECT_NE(score.class_index, 0);
  }
}

TEST_F(DetectorTest, AnnotatesAndReturnsOutputsWhereAsked) {
  DetectOptions options;
  options.annotate = detect::ImageFormat::kPng;
  options.include_outputs = true;
  const auto call = Start("boxes", {Png(40, 80, {255, 0, 0})}, options);
  const auto& response = call->Get();
  ASSERT_TRUE(response.ok()) << response.status();
  const PictureResult& picture = response->pictures.at(0);
  const auto drawn = detect::DecodeImage(base::AsBytes(picture.annotated));
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_EQ(drawn->width, 40);
  EXPECT_EQ(drawn->height, 80);
  ASSERT_THAT(picture.outputs, SizeIs(2));
  for (const NamedTensor& output : picture.outputs) {
    EXPECT_EQ(output.tensor.shape().size(), 1U) << output.name;
  }
  const FakeObserver::Seen seen = observer_.seen();
  for (const Stage stage : {Stage::kQueue, Stage::kDecode, Stage::kPreprocess, Stage::kCompute,
                            Stage::kPostprocess, Stage::kDraw}) {
    EXPECT_EQ(seen.stages.count(stage), 1U) << static_cast<int>(stage);
  }
}

TEST_F(DetectorTest, WhatTheExecutorSaysEndsTheCallAndNotTheService) {
  probe_.SetRunStatus(absl::ResourceExhaustedError("out of memory"));
  EXPECT_EQ(StartRed()->Get().status().code(), absl::StatusCode::kResourceExhausted);
  probe_.SetRunStatus(absl::OkStatus());
  EXPECT_TRUE(StartRed()->Get().ok());
}

TEST_F(DetectorTest, ADamagedOrLostBundleIsDataLoss) {
  std::string bytes = ClassifierBundle(0);
  artifacts_.Put("damaged", bytes.substr(0, bytes.size() / 2));
  PutVersion("damaged", 1, "damaged");
  PutVersion("lost", 1, "nowhere");
  for (const char* model : {"damaged", "lost"}) {
    const auto call = StartRed(model);
    EXPECT_EQ(call->Get().status().code(), absl::StatusCode::kDataLoss) << call->Get().status();
    EXPECT_THAT(std::string(call->Get().status().message()),
                HasSubstr(base::VersionName(model, 1)));
  }
  EXPECT_EQ(observer_.seen().failed_loads, 2);
}

TEST_F(DetectorTest, AnEngineThatCannotRunItIsAPreconditionAndTheNextCallTriesAgain) {
  probe_.SetCompileStatus(base::Error(absl::StatusCode::kInvalidArgument,
                                      base::reason::kUnsupportedOperator, "node n: no Foo"));
  const auto call = StartRed();
  EXPECT_EQ(call->Get().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(call->Get().status()), "UNSUPPORTED_OPERATOR");
  EXPECT_THAT(detector().Loaded(), IsEmpty());
  probe_.SetCompileStatus(absl::OkStatus());
  EXPECT_TRUE(StartRed()->Get().ok());
  EXPECT_EQ(probe_.compile_door.arrivals(), 2);
}

}  // namespace
}  // namespace lbw::serving

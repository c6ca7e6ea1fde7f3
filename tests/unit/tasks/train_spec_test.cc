#include "tasks/train_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/status.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;

Json Whole() {
  return Json::parse(R"({
      "version": "models/m/versions/2",
      "options": {"bits": 3},
      "calibration": {"dataset": "datasets/d", "split": "train", "count": 64, "seed": "7",
                      "positions": 400, "sweeps": 3},
      "data": {"dataset": "datasets/d", "split": "train", "eval_dataset": "datasets/e",
               "eval_split": "val", "max_pictures": 100, "augment": {"flip": 0.25}},
      "training": {"epochs": 5, "batch": 8, "seed": "9", "rate": 0.002,
                   "optimizer": "OPTIMIZER_KIND_SGD", "schedule": "RATE_SCHEDULE_STEP",
                   "step_at": [0.5, 0.8], "labels": 0.5, "distill": 1, "evaluate_every": 2},
      "low_bit": {"exponent_every": 10, "stages": [6, 4], "codes_until": 0.75},
      "evaluate": {"score_threshold": 0.1, "max_detections": 50, "max_pictures": 20}})");
}

std::string Refusal(const Json& json) {
  return std::string(ParseFineTuneSpec(json.dump()).status().message());
}

TEST(ParseFineTuneSpec, TakesEveryField) {
  const auto spec = ParseFineTuneSpec(Whole().dump());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->version.model, "m");
  EXPECT_EQ(spec->data.eval_dataset, "e");
  EXPECT_EQ(spec->data.max_pictures, 100);
  EXPECT_EQ(spec->evaluate.max_pictures, 20);
  EXPECT_EQ(spec->evaluate_every, 2);
  EXPECT_EQ(spec->options.epochs, 5);
  EXPECT_EQ(spec->options.seed, 9U);
  EXPECT_EQ(spec->options.optimizer.kind, train::Optimizer::kSgd);
  EXPECT_EQ(spec->options.optimizer.step_at, (std::vector<double>{0.5, 0.8}));
  EXPECT_EQ(spec->options.augment.flip, 0.25);
  EXPECT_EQ(spec->options.batch_norm, train::BatchNorm::kFrozen);
  EXPECT_EQ(spec->options.low_bit.exponent_every, 10);
  EXPECT_EQ(spec->options.low_bit.stages, (std::vector<int>{6, 4}));
  ASSERT_TRUE(spec->fine_tune.has_value());
  EXPECT_EQ(spec->fine_tune->options.tensor.bits, 3);
  EXPECT_EQ(spec->fine_tune->calibration.seed, 7U);
}

TEST(ParseFineTuneSpec, NoneMeansThatNothingIsEvaluatedOn) {
  Json json = Whole();
  json["data"]["eval_split"] = "none";
  const auto spec = ParseFineTuneSpec(json.dump());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->evaluate.skip);
}

TEST(ParseFineTuneSpec, NamesTheFieldThatIsWrong) {
  struct Case {
    const char* part;
    const char* field;
    Json value;
  };
  const Case cases[] = {{"training", "rate", -1},        {"training", "epochs", 0},
                        {"training", "epochs", -3},      {"training", "batch", "many"},
                        {"training", "step_at", "x"},    {"training", "optimizer", "ADAGRAD"},
                        {"low_bit", "codes_until", 1.5}, {"data", "dataset", "d"}};
  for (const Case& one : cases) {
    Json json = Whole();
    json[one.part][one.field] = one.value;
    EXPECT_THAT(Refusal(json), HasSubstr(one.field)) << one.part << "." << one.field;
  }
}

TEST(ParseTrainSpec, BatchNormTrainsInFloat) {
  Json json = Whole();
  json["options"] = json["training"];
  const auto spec = ParseTrainSpec(json.dump());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->options.batch_norm, train::BatchNorm::kTrain);
  EXPECT_FALSE(spec->fine_tune.has_value());
}

}  // namespace
}  // namespace lbw::tasks

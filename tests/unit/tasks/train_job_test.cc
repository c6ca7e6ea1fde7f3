#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>

#include "base/io.h"
#include "base/status.h"
#include "lbw/v1/training.pb.h"
#include "tasks/tasks.h"
#include "tasks/train_state.h"
#include "unit/tasks/calibration_rig.h"

namespace lbw::tasks {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Order = jobs::JobLink::Order;

constexpr char kData[] = R"({"dataset": "datasets/d", "split": "train",
    "eval_dataset": "datasets/d", "eval_split": "val",
    "augment": {"flip": 0.5, "crop": 0.5, "crop_scale": 0.6, "zoom_out": 0.25, "zoom_scale": 1.4,
                "photometric": 0.5}})";
constexpr char kTraining[] = R"({"epochs": 3, "batch": 4, "device": "cpu", "rate": 0.003,
    "bias_rate": 0.0003, "warmup_steps": 2, "ema": 0.9, "evaluate_every": 1, "seed": "5",
    "labels": 0.3, "distill": 1})";
constexpr char kEvaluate[] =
    R"({"score_threshold": 0.05, "iou_threshold": 0.4, "max_detections": 50})";

Json FineTuneJson(int bits) {
  Json spec;
  spec["version"] = "models/discs/versions/1";
  spec["options"] = {{"bits", bits}};
  spec["calibration"] = QuantizeSpecJson(bits)["calibration"];
  spec["data"] = Json::parse(kData);
  spec["training"] = Json::parse(kTraining);
  spec["evaluate"] = Json::parse(kEvaluate);
  return spec;
}

Json TrainJson() {
  Json spec;
  spec["version"] = "models/discs/versions/1";
  spec["data"] = Json::parse(kData);
  spec["options"] = Json::parse(kTraining);
  spec["options"]["labels"] = 1;
  spec["options"]["distill"] = 0;
  spec["evaluate"] = Json::parse(kEvaluate);
  return spec;
}

class TrainJobTest : public ::testing::Test {
 protected:
  TrainJobTest() { rig_.set = MakeSplitDiscSet(12, 6); }

  TaskRig::Assignment Assign(const Json& spec) {
    Json inputs;
    inputs["bundle"] = rig_.rig.AddBundle(rig_.model);
    inputs["pack"] = rig_.rig.AddPack(rig_.set.dataset, rig_.set.pictures);
    inputs["eval_pack"] = inputs["pack"];
    inputs["calibration_pack"] = inputs["pack"];
    return {spec.dump(), inputs.dump()};
  }
  static std::string_view KindOf(const Json& spec) {
    return spec.contains("training") ? kFineTune : kTrain;
  }
  absl::StatusOr<std::string> Run(const Json& spec, const TaskRig::Assignment& assignment,
                                  ScriptedLink& link) {
    return rig_.rig.Run(KindOf(spec), assignment, link);
  }
  Json Result(const Json& spec) {
    ScriptedLink link;
    const auto ran = Run(spec, Assign(spec), link);
    EXPECT_TRUE(ran.ok()) << ran.status();
    return ran.ok() ? Json::parse(*ran) : Json::object();
  }
  absl::Status Fails(const Json& spec) {
    ScriptedLink link;
    return Run(spec, Assign(spec), link).status();
  }
  // Stopped whenever `stop` says so, each attempt going on from the last checkpoint.
  Json Interrupted(const Json& spec, const std::function<bool(const ScriptedLink&)>& stop) {
    TaskRig::Assignment assignment = Assign(spec);
    for (attempts_ = 1; attempts_ < 60; ++attempts_) {
      ScriptedLink link;
      link.script = [&](size_t) { return stop(link) ? Order::kStop : Order::kGoOn; };
      const auto result = Run(spec, assignment, link);
      EXPECT_THAT(link.warnings(), IsEmpty());
      if (result.ok()) return Json::parse(*result);
      EXPECT_EQ(jobs::ObeyedOrder(result.status()), Order::kStop) << result.status();
      if (!link.checkpoints().empty()) assignment.checkpoint = link.checkpoints().back().sha256;
    }
    ADD_FAILURE() << "it never ends";
    return Json::object();
  }

  CalibrationRig rig_;
  int attempts_ = 0;
};

TEST_F(TrainJobTest, FineTuningMakesCodesActivationsEvaluationAndReport) {
  const Json spec = FineTuneJson(3);
  ScriptedLink link;
  const auto ran = Run(spec, Assign(spec), link);
  ASSERT_TRUE(ran.ok()) << ran.status();
  const Json result = Json::parse(*ran);
  const model::Model made = rig_.Bundle(result);
  for (const char* weight : {"colour.weight", "loc_0.weight", "cls_1.weight"}) {
    const auto* codes = std::get_if<quant::QuantizedTensor>(&made.constants.find(weight)->second);
    ASSERT_NE(codes, nullptr) << weight;
    EXPECT_EQ(codes->options.bits, 3);
  }
  EXPECT_THAT(made.activations, Not(IsEmpty()));
  lbw::v1::TrainingResult message;
  ASSERT_TRUE(ParsesInto(result["training"], message));
  EXPECT_EQ(message.training().epochs(), 3U);
  EXPECT_EQ(message.training().steps(), 9U) << "12 pictures in batches of 4";
  ASSERT_EQ(message.training().history_size(), 3);
  for (const auto& epoch : message.training().history()) {
    EXPECT_GT(epoch.losses().at("loss"), 0);
    EXPECT_TRUE(epoch.has_codes_changed());
  }
  EXPECT_EQ(message.training().metric(), "map_50");
  EXPECT_TRUE(message.training().has_float_value());
  EXPECT_TRUE(message.training().has_start_value());
  EXPECT_TRUE(message.training().has_value());
  EXPECT_NEAR(message.evaluation().value(), message.training().value(), 1e-9)
      << "the stored bundle is what was evaluated";
  EXPECT_TRUE(message.training().bit_exact());
  EXPECT_EQ(message.training().layers_size(), 5);
  EXPECT_GT(message.report().totals().tensors_quantized(), 0U);
  EXPECT_EQ(message.calibration().layers_size(), 5);
  std::set<std::string> stages;
  for (const auto& progress : link.progress()) stages.insert(progress.stage);
  for (const char* stage : {"calibrate", "evaluate start", "train", "evaluate average"}) {
    EXPECT_THAT(stages, Contains(stage));
  }
}

TEST_F(TrainJobTest, TrainingInFloatMakesAFloatVersion) {
  const Json result = Result(TrainJson());
  const model::Model made = rig_.Bundle(result);
  for (const auto& [name, constant] : made.constants) {
    EXPECT_TRUE(std::holds_alternative<base::Tensor>(constant)) << name;
  }
  lbw::v1::TrainingResult message;
  ASSERT_TRUE(ParsesInto(result["training"], message));
  EXPECT_FALSE(message.has_report());
  EXPECT_TRUE(message.training().has_value());
  EXPECT_FALSE(result.contains("options"));
}

TEST_F(TrainJobTest, StoppedAtEveryStepItEndsInTheSameBits) {
  for (Json spec : {FineTuneJson(2), TrainJson()}) {
    spec[spec.contains("training") ? "training" : "options"]["checkpoint_steps"] = 1;
    const Json whole = Result(spec);
    const Json parts = Interrupted(spec, [](const ScriptedLink& link) {
      int steps = 0;
      for (const auto& progress : link.progress()) steps += progress.stage == "train" ? 1 : 0;
      return steps >= 2;
    });
    EXPECT_GT(attempts_, 3);
    EXPECT_EQ(whole["bundle"], parts["bundle"]) << spec.dump();
    const auto losses = [](const Json& result) {
      std::string all;
      for (const Json& epoch : result["training"]["training"]["history"]) {
        all += epoch["losses"].dump();
      }
      return all;
    };
    EXPECT_EQ(losses(whole), losses(parts));
  }
}

TEST_F(TrainJobTest, StoppedWithinAnEvaluationNoEpochIsLost) {
  const Json spec = FineTuneJson(4);
  const Json whole = Result(spec);
  const Json parts = Interrupted(spec, [this](const ScriptedLink& link) {
    return attempts_ <= 3 && !link.progress().empty() && link.progress().back().stage == "evaluate";
  });
  EXPECT_GT(attempts_, 1);
  EXPECT_EQ(whole["bundle"], parts["bundle"]);
  EXPECT_EQ(parts["training"]["training"]["history"].size(), 3U);
}

TEST_F(TrainJobTest, ACheckpointIsABundleThatCanBeServed) {
  Json spec = FineTuneJson(4);
  spec["training"]["checkpoint_steps"] = 2;
  ScriptedLink link;
  ASSERT_TRUE(Run(spec, Assign(spec), link).ok());
  ASSERT_THAT(link.checkpoints(), Not(IsEmpty()));
  bool best = false;
  for (const jobs::CheckpointInfo& checkpoint : link.checkpoints()) {
    const auto model = model::ReadBundle(base::StringReader(rig_.rig.ReadBlob(checkpoint.sha256)));
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->constants.size(), rig_.model.constants.size());
    best = best || checkpoint.best;
  }
  EXPECT_TRUE(best);
}

TEST_F(TrainJobTest, WithoutLabelsTheFloatVersionIsTheMeasure) {
  for (dataset::Picture& picture : rig_.set.dataset.pictures) picture.annotations.clear();
  Json spec = FineTuneJson(4);
  spec["training"]["labels"] = 0;
  const Json result = Result(spec);
  lbw::v1::TrainingResult message;
  ASSERT_TRUE(ParsesInto(result["training"], message));
  EXPECT_EQ(message.training().metric(), "agreement");
  EXPECT_TRUE(message.training().has_value());
  EXPECT_FALSE(message.has_evaluation());
}

TEST_F(TrainJobTest, NothingIsEvaluatedOnWhereNoSplitIsTold) {
  Json spec = FineTuneJson(4);
  spec["data"]["eval_split"] = "none";
  const Json result = Result(spec);
  EXPECT_EQ(result["training"]["training"]["chosen"], "average");
  EXPECT_FALSE(result["training"]["training"].contains("value"));
}

TEST_F(TrainJobTest, ALossThatIsNotFiniteEndsItWithStepAndLayer) {
  auto& bias = std::get<base::Tensor>(rig_.model.constants.find("loc_1.bias")->second);
  bias.mutable_as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const absl::Status status = Fails(TrainJson());
  EXPECT_EQ(base::GetErrorDetails(status).reason, "TRAINING_DIVERGED") << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("step 1 is not finite; first in constant loc_1.bias"));
}

TEST_F(TrainJobTest, DatasetsThatDoNotFitAreRefused) {
  Json spec = TrainJson();
  spec["data"]["split"] = "test";
  EXPECT_THAT(std::string(Fails(spec).message()), HasSubstr("test"));
  rig_.set.dataset.classes = {"red", "green", "violet"};
  EXPECT_THAT(std::string(Fails(TrainJson()).message()), HasSubstr("violet"));
}

// Pictures that are evaluated on are not calibrated on either, though both are of one split.
TEST_F(TrainJobTest, CalibratesOnThePicturesThatItTrainsOn) {
  Json spec = FineTuneJson(4);
  spec["data"]["split"] = "";
  spec["calibration"]["split"] = "";
  spec["calibration"]["count"] = 100;
  const Json result = Result(spec);
  EXPECT_EQ(result["training"]["training"]["pictures"], "12");
  EXPECT_EQ(result["training"]["calibration"]["pictures"], 12);
}

TEST_F(TrainJobTest, CudaIsRefusedWhereThereIsNone) {
  Json spec = FineTuneJson(4);
  spec["training"]["device"] = "cuda:0";
  const absl::Status status = Fails(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::GetErrorDetails(status).reason,
              ::testing::AnyOf("NO_CUDA_BUILD", "NO_CUDA_DEVICE"));
}

TEST_F(TrainJobTest, ACheckpointOfAnotherSpecIsNotUsed) {
  const Json spec = FineTuneJson(4);
  ScriptedLink first;
  ASSERT_TRUE(Run(spec, Assign(spec), first).ok());
  Json other = spec;
  other["training"]["seed"] = "6";
  TaskRig::Assignment assignment = Assign(other);
  assignment.checkpoint = first.checkpoints().back().sha256;
  ScriptedLink second;
  ASSERT_TRUE(Run(other, assignment, second).ok());
  EXPECT_THAT(second.warnings(), Contains(HasSubstr("cannot be used")));
}

}  // namespace
}  // namespace lbw::tasks

#include "tasks/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "model/import_model.h"
#include "support/disc_detector.h"
#include "tasks/tasks.h"
#include "unit/tasks/tasks_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Order = jobs::JobLink::Order;

constexpr int kPictures = 20;  // batches of 8, 8 and 4

class EvaluateTest : public ::testing::Test {
 protected:
  EvaluateTest() : bundle_(rig_.AddBundle(DiscModel())), set_(MakeDiscSet(kPictures)) {}

  TaskRig::Assignment Assign(const std::string& options = "{}") {
    TaskRig::Assignment assignment;
    assignment.spec = base::StrCat(
        R"({"version": "models/discs/versions/1", "dataset": "datasets/d", "split": "val", )",
        R"("against": ")", against_.empty() ? "" : "models/discs/versions/2", R"(", "options": )",
        options, "}");
    Json inputs;
    inputs["bundle"] = bundle_;
    inputs["pack"] = rig_.AddPack(set_.dataset, set_.pictures);
    if (!against_.empty()) inputs["against_bundle"] = against_;
    assignment.inputs = inputs.dump();
    return assignment;
  }
  absl::StatusOr<std::string> Run(const TaskRig::Assignment& assignment) {
    return rig_.Run(kEvaluate, assignment, link_);
  }
  std::string Undisturbed(const TaskRig::Assignment& assignment) {
    ScriptedLink link;
    const auto result = rig_.Run(kEvaluate, assignment, link);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or("{}");
  }
  uint64_t Truths() const {
    uint64_t truths = 0;
    for (const auto& picture : set_.dataset.pictures) truths += picture.annotations.size();
    return truths;
  }

  TaskRig rig_;
  std::string bundle_;
  std::string against_;
  DiscSet set_;
  ScriptedLink link_;
};

TEST_F(EvaluateTest, FindsTheDiscsAndTellsEveryFigure) {
  const auto result = Run(Assign());
  ASSERT_TRUE(result.ok()) << result.status();
  const Json evaluation = MessageOf(*result, "evaluation");
  EXPECT_EQ(evaluation["version"], "models/discs/versions/1");
  EXPECT_EQ(evaluation["dataset"], "datasets/d");
  EXPECT_EQ(evaluation["split"], "val");
  EXPECT_EQ(evaluation["pictures"], "20");
  EXPECT_EQ(evaluation["pictures_failed"], "0");
  EXPECT_EQ(evaluation["metric"], "map_50");
  const Json& voc = evaluation["voc"];
  EXPECT_GT(voc["map_50"].get<double>(), 0.9);
  EXPECT_EQ(evaluation["value"], voc["map_50"]);
  EXPECT_EQ(voc["pixel_rule"], "continuous");
  EXPECT_LE(voc["map_50_interval"]["low"], voc["map_50"]);
  EXPECT_GE(voc["map_50_interval"]["high"], voc["map_50"]);
  ASSERT_THAT(voc["classes"], SizeIs(3));
  uint64_t truths = 0;
  for (const Json& one : voc["classes"]) {
    truths += std::stoull(one["truths"].get<std::string>());
    EXPECT_THAT(one["curve"], Not(IsEmpty()));
    EXPECT_LE(one["curve"].size(), 50U);
    EXPECT_THAT(one["sizes"], SizeIs(3));
  }
  EXPECT_EQ(truths, Truths());
  EXPECT_GT(evaluation["coco"]["ap"].get<double>(), 0.3);
  EXPECT_NEAR(evaluation["coco"]["ap_50"].get<double>(), voc["map_50"].get<double>(), 0.02);
  EXPECT_GT(evaluation["timings"]["compute_ms"].get<double>(), 0);
  EXPECT_EQ(evaluation["timings"]["threads"], 1);

  ASSERT_FALSE(link_.progress().empty());
  const jobs::JobLink::Progress& last = link_.progress().back();
  EXPECT_EQ(last.step, kPictures);
  EXPECT_EQ(last.total_steps, kPictures);
  EXPECT_EQ(last.values.count("pictures_per_s"), 1U);
  EXPECT_EQ(last.values.count("map"), 1U);
}

// Stopped behind every batch: each attempt does one batch and leaves a checkpoint; the last has
// figures alone to compute.
TEST_F(EvaluateTest, ResumedFromEveryCheckpointGivesTheSameResult) {
  against_ = bundle_;
  TaskRig::Assignment assignment = Assign();
  const std::string undisturbed = Undisturbed(assignment);
  std::vector<int64_t> steps;
  std::string result;
  for (int attempt = 0; attempt < 10 && result.empty(); ++attempt) {
    ScriptedLink link;
    link.script = [&](size_t) { return link.progress().empty() ? Order::kGoOn : Order::kStop; };
    const auto ran = rig_.Run(kEvaluate, assignment, link);
    if (ran.ok()) {
      result = *ran;
      break;
    }
    ASSERT_EQ(jobs::ObeyedOrder(ran.status()), Order::kStop) << ran.status();
    ASSERT_THAT(link.checkpoints(), SizeIs(1));
    EXPECT_THAT(link.warnings(), IsEmpty());
    steps.push_back(link.checkpoints()[0].step);
    assignment.checkpoint = link.checkpoints()[0].sha256;
  }
  EXPECT_THAT(steps, ElementsAre(8, 16, kPictures));
  EXPECT_EQ(WithoutTimings(result), WithoutTimings(undisturbed));
}

TEST_F(EvaluateTest, CheckpointsAsOftenAsToldAndGoesOn) {
  const TaskRig::Assignment assignment = Assign(R"({"checkpoint_pictures": 8})");
  const auto result = Run(assignment);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_THAT(link_.checkpoints(), SizeIs(2));
  // From any of them.
  for (const jobs::CheckpointInfo& checkpoint : link_.checkpoints()) {
    TaskRig::Assignment resumed = assignment;
    resumed.checkpoint = checkpoint.sha256;
    EXPECT_EQ(WithoutTimings(Undisturbed(resumed)), WithoutTimings(*result));
  }
}

TEST_F(EvaluateTest, ObeysACheckpointOrderAndGoesOn) {
  link_.script = [](size_t call) { return call == 1 ? Order::kCheckpoint : Order::kGoOn; };
  ASSERT_TRUE(Run(Assign()).ok());
  ASSERT_THAT(link_.checkpoints(), SizeIs(1));
  EXPECT_EQ(link_.checkpoints()[0].step, 8);
}

TEST_F(EvaluateTest, CancelledLeavesNoCheckpointAndPausedOne) {
  link_.script = [](size_t call) { return call == 1 ? Order::kCancel : Order::kGoOn; };
  const auto cancelled = Run(Assign());
  EXPECT_EQ(jobs::ObeyedOrder(cancelled.status()), Order::kCancel);
  EXPECT_THAT(link_.checkpoints(), IsEmpty());
  ScriptedLink pausing;
  pausing.script = [](size_t call) { return call == 1 ? Order::kPause : Order::kGoOn; };
  const auto paused = rig_.Run(kEvaluate, Assign(), pausing);
  EXPECT_EQ(jobs::ObeyedOrder(paused.status()), Order::kPause);
  EXPECT_THAT(pausing.checkpoints(), SizeIs(1));
}

// Told when every picture is done: figures over many pictures take seconds.
TEST_F(EvaluateTest, CancelActsWhileTheFinalFiguresAreComputed) {
  size_t last_call = 0;
  link_.script = [&](size_t call) {
    last_call = call;
    const bool figures = !link_.progress().empty() && link_.progress().back().step == kPictures;
    return figures ? Order::kCancel : Order::kGoOn;
  };
  size_t calls_before = 0;
  ScriptedLink undisturbed;
  undisturbed.script = [&](size_t call) {
    if (undisturbed.progress().size() < 3) calls_before = call + 1;
    return Order::kGoOn;
  };
  ASSERT_TRUE(rig_.Run(kEvaluate, Assign(), undisturbed).ok());
  const auto cancelled = Run(Assign());
  EXPECT_EQ(jobs::ObeyedOrder(cancelled.status()), Order::kCancel) << cancelled.status();
  EXPECT_THAT(link_.checkpoints(), IsEmpty());
  EXPECT_LE(last_call + 1, calls_before + 2) << "heard, and obeyed";
}

// With every picture in its checkpoint: the next attempt computes figures and nothing else.
TEST_F(EvaluateTest, PausedWhileTheFinalFiguresAreComputedGoesOnWithThem) {
  against_ = bundle_;
  TaskRig::Assignment assignment = Assign();
  const std::string undisturbed = Undisturbed(assignment);
  bool told = false;
  link_.script = [&](size_t) {
    const bool figures = !link_.progress().empty() && link_.progress().back().step == kPictures;
    return figures && !std::exchange(told, true) ? Order::kPause : Order::kGoOn;
  };
  const auto paused = Run(assignment);
  ASSERT_EQ(jobs::ObeyedOrder(paused.status()), Order::kPause) << paused.status();
  ASSERT_THAT(link_.checkpoints(), SizeIs(1));
  EXPECT_EQ(link_.checkpoints()[0].step, kPictures);
  assignment.checkpoint = link_.checkpoints()[0].sha256;
  ScriptedLink link;
  const auto result = rig_.Run(kEvaluate, assignment, link);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(link.progress(), IsEmpty()) << "a picture was done again";
  EXPECT_EQ(WithoutTimings(*result), WithoutTimings(undisturbed));
}

TEST_F(EvaluateTest, ACheckpointOfAnotherSpecOrDamagedIsWarnedOfAndNotUsed) {
  link_.script = [](size_t call) { return call == 1 ? Order::kStop : Order::kGoOn; };
  ASSERT_FALSE(Run(Assign(R"({"score_threshold": 0.3})")).ok());
  const std::string undisturbed = Undisturbed(Assign());
  for (const std::string& checkpoint :
       {link_.checkpoints().at(0).sha256, rig_.AddBlob("no safetensors")}) {
    TaskRig::Assignment assignment = Assign();
    assignment.checkpoint = checkpoint;
    ScriptedLink link;
    const auto result = rig_.Run(kEvaluate, assignment, link);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_THAT(link.warnings(), SizeIs(1));
    EXPECT_EQ(WithoutTimings(*result), WithoutTimings(undisturbed));
  }
}

TEST_F(EvaluateTest, GoesOnWithOtherThreadsAndSaysThatItIsNotBitExact) {
  link_.script = [](size_t call) { return call == 1 ? Order::kStop : Order::kGoOn; };
  TaskRig::Assignment assignment = Assign();
  ASSERT_FALSE(Run(assignment).ok());
  assignment.checkpoint = link_.checkpoints().at(0).sha256;
  assignment.threads = 2;
  ScriptedLink link;
  ASSERT_TRUE(rig_.Run(kEvaluate, assignment, link).ok());
  ASSERT_THAT(link.warnings(), SizeIs(1));
  EXPECT_THAT(link.warnings()[0], HasSubstr("not bit-exact"));
  EXPECT_EQ(link.progress().front().step, 16) << "and does not begin again";
}

TEST_F(EvaluateTest, APictureThatCannotBeDecodedIsCountedAndNamed) {
  set_.pictures[3].resize(100);
  const auto result = Run(Assign());
  ASSERT_TRUE(result.ok()) << result.status();
  const Json evaluation = MessageOf(*result, "evaluation");
  EXPECT_EQ(evaluation["pictures_failed"], "1");
  EXPECT_EQ(evaluation["pictures"], "19");
  ASSERT_THAT(link_.warnings(), SizeIs(1));
  EXPECT_THAT(link_.warnings()[0], HasSubstr("picture_000003"));
}

TEST_F(EvaluateTest, NothingButBrokenPicturesIsAnError) {
  for (std::string& picture : set_.pictures) picture = "no picture";
  const absl::Status status = Run(Assign()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("20"));
}

TEST_F(EvaluateTest, TakesTheFirstPicturesOnlyWhereAsked) {
  const auto result = Run(Assign(R"({"max_pictures": 5})"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(MessageOf(*result, "evaluation")["pictures"], "5");
}

TEST_F(EvaluateTest, AgreesWithItselfWholly) {
  against_ = bundle_;
  const auto result = Run(Assign());
  ASSERT_TRUE(result.ok()) << result.status();
  const Json agreement = MessageOf(*result, "evaluation")["agreement"];
  EXPECT_EQ(agreement["against"], "models/discs/versions/2");
  EXPECT_DOUBLE_EQ(agreement["map_50"].get<double>(), 1.0);
}

// Another version that never says red: it agrees on the other two classes alone.
TEST_F(EvaluateTest, AgreesInPartWithAVersionThatIsBlindForRed) {
  testing::NamedArrays weights = testing::DiscDetectorWeights();
  for (const char* bias : {"cls_0.bias", "cls_1.bias"}) weights.at(bias).values[0] = -100;
  auto blind = model::ImportOnnxModel(testing::DiscDetectorOnnx(weights),
                                      model::ParseSpec(testing::DiscDetectorSpec()).value());
  ASSERT_TRUE(blind.ok()) << blind.status();
  against_ = rig_.AddBundle(blind->model);
  const auto result = Run(Assign());
  ASSERT_TRUE(result.ok()) << result.status();
  const Json evaluation = MessageOf(*result, "evaluation");
  EXPECT_GT(evaluation["voc"]["map_50"].get<double>(), 0.9) << "of the version itself";
  const Json& classes = evaluation["agreement"]["classes"];
  ASSERT_THAT(classes, SizeIs(3));
  EXPECT_EQ(classes[0]["truths"], "0");
  EXPECT_FALSE(classes[0].contains("ap"));
  for (const size_t seen : {1, 2}) EXPECT_GT(classes[seen]["ap"].get<double>(), 0.9);
}

// The dataset knows blue only: what the model finds of red and green is nobody's mistake.
TEST_F(EvaluateTest, BoxesOfClassesThatTheDatasetLacksAreLeftOut) {
  set_.dataset.classes = {"Blue"};
  for (auto& picture : set_.dataset.pictures) {
    std::vector<dataset::Annotation> kept;
    for (dataset::Annotation annotation : picture.annotations) {
      if (annotation.class_index != 2) continue;
      annotation.class_index = 0;
      kept.push_back(annotation);
    }
    picture.annotations = kept;
  }
  const auto result = Run(Assign());
  ASSERT_TRUE(result.ok()) << result.status();
  const Json voc = MessageOf(*result, "evaluation")["voc"];
  ASSERT_THAT(voc["classes"], SizeIs(1));
  EXPECT_EQ(voc["classes"][0]["label"], "Blue");
  EXPECT_GT(voc["map_50"].get<double>(), 0.9);
  EXPECT_THAT(link_.infos(), Not(IsEmpty()));
}

TEST_F(EvaluateTest, AClassThatTheModelLacksIsRefusedWithBothLists) {
  set_.dataset.classes = {"red", "green", "violet"};
  const absl::Status status = Run(Assign()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("violet"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("blue"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("class_map"));
}

TEST_F(EvaluateTest, ADetectorDoesNotClassify) {
  set_.dataset.task = dataset::Task::kClassification;
  for (auto& picture : set_.dataset.pictures) {
    picture.annotations.clear();
    picture.label = 1;
  }
  const absl::Status status = Run(Assign()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(base::GetErrorDetails(status).reason, "NOT_THE_RIGHT_HEAD");
}

TEST_F(EvaluateTest, ABundleThatIsGoneOrDamagedIsDataLoss) {
  bundle_ = std::string(64, 'a');
  EXPECT_EQ(Run(Assign()).status().code(), absl::StatusCode::kDataLoss);
  bundle_ = rig_.AddBlob("not a bundle");
  EXPECT_EQ(Run(Assign()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(EvaluateTest, ThePackOfAnotherContentIsNotContinuedOn) {
  link_.script = [](size_t call) { return call == 1 ? Order::kStop : Order::kGoOn; };
  ASSERT_FALSE(Run(Assign()).ok());
  // The dataset was deleted and made anew under its name meanwhile, in another order.
  std::swap(set_.pictures.front(), set_.pictures.back());
  std::swap(set_.dataset.pictures.front(), set_.dataset.pictures.back());
  TaskRig::Assignment assignment = Assign();
  const std::string undisturbed = Undisturbed(assignment);
  assignment.checkpoint = link_.checkpoints().at(0).sha256;
  ScriptedLink link;
  const auto result = rig_.Run(kEvaluate, assignment, link);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(WithoutTimings(*result), WithoutTimings(undisturbed));
  EXPECT_THAT(link.warnings(), SizeIs(1));
}

}  // namespace
}  // namespace lbw::tasks

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "detect/image/image.h"
#include "lbw/v1/calibration.pb.h"
#include "lbw/v1/common.pb.h"
#include "tasks/cpu.h"
#include "tasks/quantize.h"
#include "tasks/quantize_state.h"
#include "unit/tasks/calibration_rig.h"

namespace lbw::tasks {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Order = jobs::JobLink::Order;

using QuantizeJobTest = QuantizeFixture;

TEST_F(QuantizeJobTest, MakesABundleWithCodesAndActivationsAndTellsOfIt) {
  ScriptedLink link;
  const auto ran = rig_.Run(rig_.Assign(QuantizeSpecJson(4)), link);
  ASSERT_TRUE(ran.ok()) << ran.status();
  const Json result = Json::parse(*ran);
  const model::Model made = rig_.Bundle(result);
  for (const char* weight : {"colour.weight", "loc_0.weight", "cls_1.weight"}) {
    const auto* codes = std::get_if<quant::QuantizedTensor>(&made.constants.find(weight)->second);
    ASSERT_NE(codes, nullptr) << weight;
    EXPECT_EQ(codes->options.bits, 4);
  }
  EXPECT_THAT(made.activations, Not(IsEmpty()));
  const Json& calibration = Calibration(result);
  EXPECT_EQ(calibration["activations"].size(), made.activations.size());
  EXPECT_EQ(made.activations.at("image").method, "picture");

  lbw::v1::QuantizationResult message;
  EXPECT_TRUE(ParsesInto(result["quantization"], message));
  EXPECT_EQ(message.calibration().pictures(), 4U);
  EXPECT_EQ(message.calibration().seed(), 3U);
  EXPECT_EQ(message.calibration().metric(), "map_50");
  ASSERT_EQ(message.calibration().layers_size(), 5);
  for (const auto& layer : message.calibration().layers()) {
    EXPECT_EQ(layer.bits(), 4U);
    EXPECT_EQ(layer.samples(), 400U) << "positions of 4 pictures";
    EXPECT_EQ(layer.bias_in(), lbw::v1::BIAS_PLACE_BIAS);
    EXPECT_EQ(layer.plain(), "");
    EXPECT_EQ(layer.scale(), lbw::v1::SCALE_KIND_POW2);
  }
  EXPECT_GT(message.report().totals().tensors_quantized(), 0U);
  for (const Json& match : result["rule_matches"]) {
    lbw::v1::RuleMatch one;
    EXPECT_TRUE(ParsesInto(match, one));
  }
  lbw::v1::QuantizationOptions options;
  EXPECT_TRUE(ParsesInto(result["options"], options));
  EXPECT_EQ(options.bits(), 4U);

  EXPECT_THAT(Measured(result),
              ElementsAre("float", "nearest", "calibrated", "calibrated, int8 activations"));
  EXPECT_GT(Measurement(result, "float")["value"].get<double>(), 0.8);
  EXPECT_FALSE(Measurement(result, "float").contains("drop"));
  const Json& calibrated = Measurement(result, "calibrated");
  EXPECT_NEAR(
      calibrated["drop"].get<double>(),
      Measurement(result, "float")["value"].get<double>() - calibrated["value"].get<double>(),
      1e-12);
  EXPECT_GT(calibrated["agreement"].get<double>(), 0.8);
  EXPECT_GT(calibrated["output_error"].get<double>(), 0);
  EXPECT_EQ(calibrated["pictures"], "6");
  std::set<std::string> stages;
  for (const auto& progress : link.progress()) stages.insert(progress.stage);
  EXPECT_THAT(stages, ElementsAre("activation ranges", "calibrate", "measure", "read pictures",
                                  "write the bundle"));
}

// Steps that stand still for five minutes end the child as stalled: every stage moves them.
TEST_F(QuantizeJobTest, EveryStageMovesTheStepAndTheLastIsTheTotal) {
  rig_.set = MakeSplitDiscSet(40, 30);
  Json spec = QuantizeSpecJson(3);
  spec["calibration"]["count"] = 40;
  Json widths = spec;
  widths["options"] = Json::object();
  widths["widths"] = {{"budget_bytes", "1000000"}};
  Json drop = widths;
  drop["widths"] = {{"max_drop", 0.1}, {"bits", {2, 3, 4}}};
  Json mu = spec;
  mu["options"]["scheme"] = "SCHEME_THRESHOLD";
  mu["mu"]["ratios"] = {0.5, 0.75};
  for (const Json& one : {spec, widths, drop, mu}) {
    ScriptedLink link;
    const auto ran = rig_.Run(rig_.Assign(one), link);
    ASSERT_TRUE(ran.ok()) << ran.status();
    std::map<std::string, std::set<int64_t>> steps;
    int64_t last = 0;
    int64_t total = 0;
    for (const auto& progress : link.progress()) {
      EXPECT_GE(progress.step, last) << progress.stage;
      EXPECT_GE(progress.total_steps, total) << progress.stage;
      last = progress.step;
      total = progress.total_steps;
      steps[progress.stage].insert(progress.step);
    }
    EXPECT_EQ(last, total) << one.dump();
    for (const auto& [stage, seen] : steps) {
      if (stage == "write the bundle") continue;
      EXPECT_GT(seen.size(), 1U) << stage << " stands still";
    }
  }
}

TEST_F(QuantizeJobTest, SameBundleForAnyThreads) {
  TaskRig::Assignment assignment = rig_.Assign(QuantizeSpecJson(3));
  const Json one = rig_.Result(assignment);
  assignment.threads = 2;
  EXPECT_EQ(rig_.Result(assignment)["bundle"], one["bundle"]);
  assignment.threads = 3;
  EXPECT_EQ(rig_.Result(assignment)["bundle"], one["bundle"]);
}

TEST_F(QuantizeJobTest, StoppedBehindEveryLayerEndsInTheSameBundle) {
  for (const int bits : {2, 3}) {
    const TaskRig::Assignment assignment = rig_.Assign(QuantizeSpecJson(bits));
    const Json undisturbed = rig_.Result(assignment);
    const Json result = Interrupted(assignment, &SolvedOne);
    EXPECT_EQ(attempts_, 6) << "a layer an attempt";
    EXPECT_EQ(Timeless(result), Timeless(undisturbed));
  }
}

TEST_F(QuantizeJobTest, PausedWhileMeasuringSolvesNothingAgain) {
  TaskRig::Assignment assignment = rig_.Assign(QuantizeSpecJson(3));
  ScriptedLink link;
  link.script = [&](size_t) {
    const bool measures = !link.progress().empty() && link.progress().back().stage == "measure";
    return measures ? Order::kPause : Order::kGoOn;
  };
  const auto paused = rig_.Run(assignment, link);
  ASSERT_EQ(jobs::ObeyedOrder(paused.status()), Order::kPause) << paused.status();
  ASSERT_THAT(link.checkpoints(), SizeIs(1));
  EXPECT_EQ(link.checkpoints()[0].step, 4 + 5 + 4) << "pictures, layers, pictures again";
  const Json undisturbed = rig_.Result(assignment);
  assignment.checkpoint = link.checkpoints()[0].sha256;
  ScriptedLink again;
  const auto result = rig_.Run(assignment, again);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Timeless(Json::parse(*result)), Timeless(undisturbed));
  for (const auto& progress : again.progress()) EXPECT_NE(progress.stage, "calibrate");
}

// A measurement that is longer than an attempt may last ends all the same.
TEST_F(QuantizeJobTest, StoppedBehindEveryBatchOfMeasuringItGoesOnFromThere) {
  rig_.set = MakeSplitDiscSet(4, 30);
  const TaskRig::Assignment assignment = rig_.Assign(QuantizeSpecJson(3));
  const Json undisturbed = rig_.Result(assignment);
  const auto measured_some = [](const ScriptedLink& link) {
    const auto measures = [](const auto& one) { return one.stage == "measure"; };
    return std::count_if(link.progress().begin(), link.progress().end(), measures) >= 2;
  };
  EXPECT_EQ(Timeless(Interrupted(assignment, measured_some)), Timeless(undisturbed));
  EXPECT_GT(attempts_, 3);
}

TEST_F(QuantizeJobTest, SaysThatItGoesOnElsewhere) {
  TaskRig::Assignment assignment = rig_.Assign(QuantizeSpecJson(4));
  ScriptedLink link;
  link.script = [&](size_t) { return SolvedOne(link) ? Order::kStop : Order::kGoOn; };
  ASSERT_FALSE(rig_.Run(assignment, link).ok());
  ASSERT_THAT(link.checkpoints(), SizeIs(1));
  const std::string origin =
      base::Sha256Hex(base::AsBytes(base::StrCat(assignment.spec, "\n", assignment.inputs)));
  auto state = ReadQuantizeState(
      base::StringReader(rig_.rig.ReadBlob(link.checkpoints()[0].sha256)), origin);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->isa, CpuIsa());
  EXPECT_EQ(state->threads, 1);
  state->isa = "abacus";
  base::StringSink sink;
  ASSERT_TRUE(WriteQuantizeState(*state, origin, sink).ok());
  assignment.checkpoint = rig_.rig.AddBlob(sink.Take());
  ScriptedLink again;
  ASSERT_TRUE(rig_.Run(assignment, again).ok());
  EXPECT_THAT(again.warnings(), ElementsAre(HasSubstr("goes on elsewhere, not bit-exact")));
}

TEST_F(QuantizeJobTest, CancelEndsItWithinALayerAndLeavesNoCheckpoint) {
  for (const size_t at : {size_t{0}, size_t{3}, size_t{12}, size_t{20}}) {
    ScriptedLink link;
    size_t last = 0;
    link.script = [&](size_t call) {
      last = call;
      return call >= at ? Order::kCancel : Order::kGoOn;
    };
    const auto result = rig_.Run(rig_.Assign(QuantizeSpecJson(4)), link);
    EXPECT_EQ(jobs::ObeyedOrder(result.status()), Order::kCancel) << at;
    EXPECT_THAT(link.checkpoints(), IsEmpty());
    EXPECT_EQ(last, at) << "heard once, and obeyed";
  }
}

TEST_F(QuantizeJobTest, DoesNotUseACheckpointOfAnotherSpec) {
  ScriptedLink link;
  link.script = [&](size_t) { return SolvedOne(link) ? Order::kStop : Order::kGoOn; };
  ASSERT_FALSE(rig_.Run(rig_.Assign(QuantizeSpecJson(4)), link).ok());
  ASSERT_THAT(link.checkpoints(), SizeIs(1));
  TaskRig::Assignment other = rig_.Assign(QuantizeSpecJson(3));
  const Json undisturbed = rig_.Result(other);
  for (const std::string& checkpoint :
       {link.checkpoints()[0].sha256, rig_.rig.AddBlob("not a checkpoint")}) {
    other.checkpoint = checkpoint;
    ScriptedLink again;
    const auto result = rig_.Run(other, again);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(Json::parse(*result)["bundle"], undisturbed["bundle"]);
    EXPECT_THAT(again.warnings(), ElementsAre(HasSubstr("from the start again")));
  }
}

TEST_F(QuantizeJobTest, RefusesASplitWithoutPictures) {
  rig_.set.dataset.splits.emplace_back("empty");
  Json spec = QuantizeSpecJson(4);
  spec["calibration"]["split"] = "empty";
  const absl::Status status = Fails(spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("it has no pictures"));
  spec["calibration"]["split"] = "train";
  spec["measure"]["split"] = "empty";
  EXPECT_THAT(std::string(Fails(spec).message()), HasSubstr("nothing to measure on"));
}

TEST_F(QuantizeJobTest, RefusesPicturesThatAllFailToDecode) {
  for (size_t i = 0; i < 4; ++i) rig_.set.pictures[i] = "no picture";
  const absl::Status status = Fails(QuantizeSpecJson(4));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("none of its 4 pictures can be read"));
}

TEST_F(QuantizeJobTest, TakesFewerPicturesAndSaysSo) {
  rig_.set.pictures[1] = "no picture";
  Json spec = QuantizeSpecJson(4);
  spec["calibration"]["count"] = 64;
  ScriptedLink link;
  const auto ran = rig_.Run(rig_.Assign(spec), link);
  ASSERT_TRUE(ran.ok()) << ran.status();
  const Json result = Json::parse(*ran);
  EXPECT_EQ(Calibration(result)["pictures"], 3);
  EXPECT_EQ(Calibration(result)["pictures_failed"], 1);
  EXPECT_THAT(Calibration(result)["notes"],
              ElementsAre("3 pictures to calibrate on, 64 were asked for"));
  EXPECT_THAT(link.warnings(), ElementsAre(HasSubstr("picture_000001.png")));
}

TEST_F(QuantizeJobTest, OnePictureIsEnough) {
  Json spec = QuantizeSpecJson(3);
  spec["calibration"]["count"] = 1;
  spec["measure"] = {{"skip", true}};
  const Json result = rig_.Result(rig_.Assign(spec));
  EXPECT_EQ(Calibration(result)["pictures"], 1);
  EXPECT_THAT(Calibration(result)["measurements"], IsEmpty());
  EXPECT_FALSE(Calibration(result).contains("metric"));
  EXPECT_THAT(rig_.Bundle(result).activations, Not(IsEmpty()));
}

// Black pictures: behind the ReLU of biases below zero everything is nothing.
TEST_F(QuantizeJobTest, ConstantInputsGiveADefinedResult) {
  const auto black = detect::EncodeImage({64, 64, std::vector<uint8_t>(64 * 64 * 3, 0)},
                                         detect::ImageFormat::kPng);
  for (size_t i = 0; i < 4; ++i) rig_.set.pictures[i] = *black;
  for (const int bits : {2, 4}) {
    const Json result = rig_.Result(rig_.Assign(QuantizeSpecJson(bits)));
    for (const Json& layer : Calibration(result)["layers"]) {
      EXPECT_EQ(layer["plain"], "its inputs are constant") << layer.dump();
      EXPECT_FALSE(layer.contains("output_sqnr_db"));
    }
    lbw::v1::QuantizationResult message;
    EXPECT_TRUE(ParsesInto(result["quantization"], message));
  }
}

TEST_F(QuantizeJobTest, TinyWeightsGiveADefinedResult) {
  auto& weights = std::get<base::Tensor>(rig_.model.constants.find("loc_0.weight")->second);
  for (float& value : weights.mutable_as<float>()) value *= 1e-30F;
  for (const int bits : {2, 4}) {
    const Json result = rig_.Result(rig_.Assign(QuantizeSpecJson(bits)));
    for (const Json& layer : Calibration(result)["layers"]) {
      EXPECT_EQ(layer["dead_rows"], layer["name"] == "loc_0.weight" ? "4" : "0");
    }
    EXPECT_GT(Measurement(result, "calibrated")["pictures"].get<std::string>(), "0");
  }
}

TEST_F(QuantizeJobTest, RefusesRulesThatKeepEverythingFloat) {
  Json spec = QuantizeSpecJson(4);
  spec["options"]["rules"] = Json::parse(R"([{"match": "*", "keep_float": true}])");
  EXPECT_EQ(Fails(spec).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(QuantizeJobTest, TellsThatABlobIsGone) {
  TaskRig::Assignment assignment = rig_.Assign(QuantizeSpecJson(4));
  for (const char* what : {"bundle", "pack", "measure_pack"}) {
    Json inputs = Json::parse(assignment.inputs);
    inputs[what] = std::string(64, 'a');
    ScriptedLink link;
    EXPECT_FALSE(rig_.Run({assignment.spec, inputs.dump()}, link).ok()) << what;
  }
  ScriptedLink link;
  EXPECT_FALSE(rig_.Run({assignment.spec, "[]"}, link).ok());
  EXPECT_FALSE(rig_.Run({"{}", assignment.inputs}, link).ok());
}

// Measured on what was not calibrated on.
TEST_F(QuantizeJobTest, LeavesOutThePicturesThatItCalibratedOn) {
  Json spec = QuantizeSpecJson(4);
  spec["calibration"]["count"] = 3;
  spec["measure"]["split"] = "train";
  const Json result = rig_.Result(rig_.Assign(spec));
  EXPECT_EQ(Measurement(result, "float")["pictures"], "1");
  EXPECT_EQ(Calibration(result)["measured_split"], "train, not calibrated on");
}

}  // namespace
}  // namespace lbw::tasks

#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/status.h"
#include "model/import_model.h"
#include "support/test_data.h"
#include "unit/model/tiny_model.h"

namespace lbw::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> LogitsOf(const Model& model) {
  std::vector<std::string> names;
  for (const auto& slice : model.spec.head.scores.logits) names.push_back(slice.value);
  return names;
}

std::string MessageOf(const absl::StatusOr<Model>& model, const std::string& reason) {
  if (model.ok()) return "accepted";
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(model.status()).reason, reason) << model.status();
  return std::string(model.status().message());
}

TEST(MakeModel, TracesScoresToTheLogitsOfEveryBranch) {
  const auto model = MakeTiny();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(LogitsOf(*model), ElementsAre("cls_a_rows", "cls_b_rows"));
  EXPECT_EQ(model->spec.head.scores.activation, detect::Activation::kNone)
      << "the declared output is probabilities already";
  EXPECT_EQ(model->spec.head.score_activation, detect::Activation::kSigmoid);
}

TEST(MakeModel, TracesAnActivationAtTheEnd) {
  const auto sigmoid = MakeTiny({ActivationAt::kEnd, "Sigmoid"});
  ASSERT_TRUE(sigmoid.ok()) << sigmoid.status();
  EXPECT_THAT(LogitsOf(*sigmoid), ElementsAre("all_logits"));
  const auto softmax =
      MakeTiny({ActivationAt::kEnd, "Softmax"}, TinySpecText("{activation: softmax}"));
  ASSERT_TRUE(softmax.ok()) << softmax.status();
  EXPECT_THAT(LogitsOf(*softmax), ElementsAre("all_logits"));
}

TEST(MakeModel, LeavesTheActivationToDecodingWhereTheGraphHasNone) {
  const auto model = MakeTiny({ActivationAt::kNowhere, ""});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE(model->spec.head.scores.logits.empty());
  EXPECT_EQ(model->spec.head.scores.activation, std::nullopt);
}

// The same scores, as probabilities from a graph with a sigmoid and as logits from one without.
TEST(MakeModel, DecodingAppliesTheActivationExactlyOnce) {
  const auto with = MakeTiny();
  const auto without = MakeTiny({ActivationAt::kNowhere, ""});
  std::vector<float> logits(64, -9);
  std::vector<float> probabilities(64, 0);
  logits[10] = 0;
  probabilities[10] = 0.5F;
  const base::Tensor boxes = base::Tensor::FromF32({1, 32, 4}, std::vector<float>(128));
  const auto a = (*MakeDecoder(*with))
                     ->Decode({boxes, base::Tensor::FromF32({1, 32, 2}, probabilities)}, 0, {});
  const auto b =
      (*MakeDecoder(*without))->Decode({boxes, base::Tensor::FromF32({1, 32, 2}, logits)}, 0, {});
  ASSERT_EQ(a->detections.size(), 1U);
  EXPECT_EQ(a->detections, b->detections);
  EXPECT_EQ(a->detections[0].score, 0.5F);
}

TEST(MakeModel, RefusesAGraphWhoseActivationContradictsTheSpec) {
  EXPECT_THAT(
      MessageOf(MakeTiny({ActivationAt::kEnd, "Softmax"}), "BAD_SPEC"),
      HasSubstr("the graph turns all_logits into scores by softmax, the spec says sigmoid"));
  EXPECT_THAT(MessageOf(MakeTiny({}, TinySpecText("{activation: none}")), "BAD_SPEC"),
              HasSubstr("write activation: sigmoid"));
  EXPECT_THAT(MessageOf(MakeTiny({ActivationAt::kOneBranch, "Sigmoid"}), "BAD_GRAPH"),
              HasSubstr("different activations"));
  std::string twice = TinySpecText();
  twice.replace(twice.find("scores: scores"), 14, "scores: {values: scores, activation: sigmoid}");
  EXPECT_THAT(MessageOf(MakeTiny({}, twice), "BAD_SPEC"), HasSubstr("already"));
  std::string wrong = TinySpecText();
  wrong.replace(wrong.find("scores: scores"), 14, "scores: {values: scores, logits: [cls_a]}");
  EXPECT_THAT(MessageOf(MakeTiny({}, wrong), "BAD_SPEC"), HasSubstr("logits"));
}

TEST(MakeModel, ChannelSlicesFollowTheTraceOnlyWhereNothingMoves) {
  std::string text = TinySpecText();
  const std::string role = "scores: {value: scores, channels: [0, 2]}";
  text.replace(text.find("scores: scores"), 14, role);
  const auto model = MakeTiny({ActivationAt::kEnd, "Sigmoid"}, text);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->spec.head.scores.logits,
            (std::vector<detect::ValueSlice>{{"all_logits", 0, 2}}));
  EXPECT_THAT(MessageOf(MakeTiny({}, text), "BAD_SPEC"), HasSubstr("cannot be traced"));
}

TEST(MakeModel, RefusesASpecThatDoesNotFitTheGraph) {
  const auto with = [](const std::string& piece, const std::string& by) {
    std::string text = TinySpecText();
    return MakeTiny({}, text.replace(text.find(piece), piece.size(), by));
  };
  EXPECT_THAT(
      MessageOf(with("boxes: boxes", "boxes: boxen"), "BAD_SPEC"),
      HasSubstr("head.outputs.boxes: the graph has no value boxen; its outputs: boxes, scores"));
  EXPECT_THAT(MessageOf(with("boxes: boxes", "boxes: stem.weight"), "BAD_SPEC"),
              HasSubstr("no value stem.weight"));
  EXPECT_THAT(MessageOf(with("size: [8, 8]", "size: [8, 16]"), "BAD_SPEC"),
              HasSubstr("F32 [-1, 3, 8, 16]"));
  EXPECT_THAT(MessageOf(with("size: [8, 8]", "size: [8, 8], color: gray"), "BAD_SPEC"),
              HasSubstr("[-1, 1, 8, 8]"));
  EXPECT_THAT(MessageOf(with("[red, blue]", "[red, green, blue]"), "BAD_GRAPH"),
              HasSubstr("value scores has shape [2, 32, 2]"));
  EXPECT_THAT(MessageOf(with("cells: [4, 4]", "cells: [4, 5]"), "BAD_GRAPH"),
              HasSubstr("gives 36 anchors, head.outputs.boxes has 32"));
}

TEST(MakeModel, RefusesGraphsThatAreNoPictureNetwork) {
  const auto spec = *ParseSpec(TinySpecText());
  TinyGraph two({});
  two.graph().inputs.push_back({"more", base::DType::kF32, {1, 3}});
  EXPECT_THAT(MessageOf(MakeModel(two.graph(), two.constants(), spec), "BAD_GRAPH"),
              HasSubstr("one input"));
  TinyGraph none({});
  none.graph().nodes.erase(none.graph().nodes.begin());
  EXPECT_FALSE(MakeModel(none.graph(), none.constants(), spec).ok());
  TinyGraph reserved({});
  reserved.constants()["x.lbw_scale"] = Values({2}, 0);
  EXPECT_THAT(
      MessageOf(MakeModel(reserved.graph(), reserved.constants(), spec), "ALREADY_QUANTIZED"),
      HasSubstr("x.lbw_scale"));
}

// The batch is mixed into the anchors: a second picture would change the first one's boxes.
TEST(MakeModel, RefusesAValueWithoutTheBatchInFront) {
  TinyGraph tiny({});
  tiny.constants()["boxes_shape"] = base::Tensor::FromI64({3}, {1, -1, 4});
  EXPECT_THAT(
      MessageOf(MakeModel(tiny.graph(), tiny.constants(), *ParseSpec(TinySpecText())), "BAD_GRAPH"),
      HasSubstr("value boxes is F32 [1, 64, 4] for a batch of 2"));
}

TEST(MakeModel, TakesPriorsFromAConstant) {
  TinyGraph tiny({});
  tiny.constants()["anchors"] = Values({1, 32, 4}, 1);
  std::string text = TinySpecText();
  const size_t begin = text.find("    priors:");
  text.replace(begin, text.find("  score:") - begin, "    priors: {tensor: anchors}\n");
  const auto spec = ParseSpec(text);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto model = MakeModel(tiny.graph(), tiny.constants(), *spec);
  EXPECT_TRUE(model.ok()) << model.status();
  tiny.constants().erase("anchors");
  EXPECT_THAT(MessageOf(MakeModel(tiny.graph(), tiny.constants(), *spec), "BAD_SPEC"),
              HasSubstr("no constant tensor anchors"));
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

TEST(MakeModel, FitsTheExampleSpecsToRealNetworks) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const std::string examples = std::string(LBW_SOURCE_DIR) + "/server/model/examples/";
  const auto detector =
      ImportOnnxModel(ReadFile(*data + "/weights_aizoo_ssd/face_mask_detection.onnx"),
                      *ParseSpec(ReadFile(examples + "face_mask_ssd.yaml")));
  ASSERT_TRUE(detector.ok()) << detector.status();
  EXPECT_EQ(LogitsOf(detector->model).size(), 5U) << "one a level";
  const auto plan = PlanQuantization(
      detector->model, {{}, {{.match = "@first", .keep_float = true}, {.match = "@outputs"}}});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->caught[0].size(), 1U);
  EXPECT_EQ(plan->caught[1].size(), 10U) << "five levels of boxes and classes";
  EXPECT_EQ(plan->caught[2].size(), 17U);
  const auto classifier =
      ImportOnnxModel(ReadFile(*data + "/weights_cifar_resnet/resnet20-12fca82f.onnx"),
                      *ParseSpec(ReadFile(examples + "cifar_resnet.yaml")));
  ASSERT_TRUE(classifier.ok()) << classifier.status();
}

}  // namespace
}  // namespace lbw::model

#include "model/build_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "base/io.h"
#include "base/status.h"
#include "graph/rounding_points.h"

namespace lbw::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTwoClasses[] = "classes: [disc, ring]\n";

Model Built(const std::string& spec = kTwoClasses) {
  auto built = BuildModel({.arch = "ssd_tiny"}, spec);
  EXPECT_TRUE(built.ok()) << built.status();
  return *std::move(built);
}

std::string Bundle(const Model& model) {
  base::StringSink sink;
  EXPECT_TRUE(WriteBundle(model, sink).ok());
  return sink.Take();
}

TEST(BuildModel, FillsInPictureAndHead) {
  const Model model = Built();
  EXPECT_EQ(model.spec.input.height, 128);
  EXPECT_EQ(model.spec.input.width, 128);
  EXPECT_EQ(model.spec.input.mean, (std::array<float, 3>{128, 128, 128}));
  EXPECT_EQ(model.spec.input.scale, (std::array<float, 3>{1 / 128.F, 1 / 128.F, 1 / 128.F}));
  EXPECT_THAT(model.spec.classes, ElementsAre("disc", "ring"));
  EXPECT_EQ(model.spec.head.kind, "ssd");
  EXPECT_EQ(model.spec.head.score_activation, detect::Activation::kSoftmax);
  EXPECT_EQ(model.spec.head.background, detect::Background::kFirst);
  EXPECT_EQ(model.spec.head.box.variances, (std::array<float, 2>{0.1F, 0.2F}));
  EXPECT_EQ(model.spec.head.nms, (detect::NmsSpec{0.45F, true, 0.5F, 200}));
  EXPECT_FALSE(model.spec.head.scores.activation) << "decoding applies the softmax";
  EXPECT_EQ(detect::MakePriors(model.spec.head.box.priors, model.spec.input).size(), 1344U);
  EXPECT_EQ(model.graph.max_batch, 0);
}

TEST(BuildModel, TakesWhatTheSpecSays) {
  const Model model = Built(
      "input: {size: [96, 160], color: gray, mean: 0, scale: 0.5, resize: {letterbox: {pad: 0}}}\n"
      "classes: [a, b, c]\n"
      "head: {nms: {iou: 0.3, score: 0.01}}\n");
  EXPECT_EQ(model.spec.input.width, 160);
  EXPECT_EQ(model.spec.input.resize, detect::Resize::kLetterbox);
  EXPECT_EQ(model.spec.input.mean[0], 0);
  EXPECT_EQ(model.spec.input.scale[0], 0.5F);
  EXPECT_EQ(model.graph.inputs[0].shape, (base::Shape{graph::kBatch, 1, 96, 160}));
  EXPECT_EQ(model.spec.head.nms, (detect::NmsSpec{0.3F, true, 0.01F, 200}))
      << "what nms does not say stays the architecture's";
  EXPECT_EQ(model.graph.outputs[1].shape.back(), 4);
}

TEST(BuildModel, TheExampleSaysWhatIsTrueWithoutIt) {
  std::ifstream file(std::string(LBW_SOURCE_DIR) + "/server/model/examples/ssd_tiny.yaml");
  const std::string example((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
  EXPECT_EQ(Built(example).spec, Built("classes: [disc, square, triangle]").spec);
}

TEST(BuildModel, ReadsJsonAndInputInPart) {
  const Model model = Built(R"({"classes": ["a"], "input": {"size": [64, 64]}})");
  EXPECT_EQ(model.spec.input.height, 64);
  EXPECT_EQ(model.spec.input.mean[2], 128);
}

TEST(BuildModel, TheSpecOfWhatWasBuiltIsAWholeSpec) {
  const Model model = Built();
  const auto spec = ParseSpec(SpecToJson(model.spec));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(*spec, model.spec);
}

TEST(BuildModel, SurvivesItsBundle) {
  const Model model = Built();
  const std::string bytes = Bundle(model);
  const auto read = ReadBundle(base::StringReader(bytes));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->spec, model.spec);
  EXPECT_EQ(graph::ToJson(read->graph), graph::ToJson(model.graph));
  EXPECT_EQ(Bundle(*read), bytes);
  EXPECT_EQ(Bundle(Built()), bytes) << "the same seed is the same bundle";
  EXPECT_NE(Bundle(*BuildModel({.arch = "ssd_tiny", .seed = 1}, kTwoClasses)), bytes);
}

TEST(BuildModel, QuantizesInWholeAndByRule) {
  Model model = Built();
  QuantizeOptions options;
  options.tensor.bits = 4;
  options.rules = {{.match = "@first", .bits = 6},
                   {.match = "@outputs", .bits = 8, .scheme = quant::Scheme::kUniform}};
  const auto outcome = QuantizeModel(model, options, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_EQ(outcome->caught.size(), 3U);
  EXPECT_THAT(outcome->caught[0], ElementsAre("stem.0.conv.weight"));
  EXPECT_EQ(outcome->caught[1].size(), 6U);
  EXPECT_EQ(outcome->caught[2].size(), 7U);
  const auto read = ReadBundle(base::StringReader(Bundle(model)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(Bundle(*read), Bundle(model));
}

// Rounded is what a low-bit layer reads: the picture and every ReLU, nothing of the head.
TEST(BuildModel, AnEightBitExecutorRoundsThePictureAndEveryReLU) {
  Model model = Built();
  ASSERT_TRUE(QuantizeModel(model, {}, {}).ok());
  std::set<std::string> expected = {"image"};
  for (const graph::Node& node : model.graph.nodes) {
    if (node.op_type == "Relu") expected.insert(node.outputs[0]);
  }
  std::set<std::string> found;
  for (const graph::RoundingPoint& point :
       graph::FindRoundingPoints(model.graph, model.constants, RoleValues(model.spec))) {
    found.insert(point.value);
    EXPECT_EQ(point.is_input, point.value == "image");
  }
  EXPECT_EQ(found, expected);
  const auto picture = graph::PictureRange(model.spec.input.mean, model.spec.input.scale);
  EXPECT_FALSE(picture.is_signed);
  EXPECT_EQ(picture.zero_point, 128);
  EXPECT_EQ(picture.scale, 1 / 128.F) << "a picture's bytes are its codes";
}

std::string Refused(const BuildOptions& options, const std::string& spec,
                    const std::string& reason) {
  const auto built = BuildModel(options, spec);
  if (built.ok()) return "accepted";
  EXPECT_EQ(built.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(built.status()).reason, reason) << built.status();
  return std::string(built.status().message());
}

TEST(BuildModel, NamesWhatIsWrongWithTheSpec) {
  const BuildOptions tiny{.arch = "ssd_tiny"};
  const std::string classes = kTwoClasses;
  EXPECT_EQ(Refused(tiny, "input: {size: [64, 64]}", "BAD_SPEC"), "classes is missing");
  EXPECT_THAT(Refused(tiny, classes + "anchors: 3", "BAD_SPEC"), HasSubstr("anchors (line 2)"));
  EXPECT_THAT(Refused(tiny, classes + "head: {kind: ssd}", "BAD_SPEC"),
              HasSubstr("the architecture brings its own head: head.kind (line 2): unknown key"));
  EXPECT_THAT(Refused(tiny, classes + "head: ssd", "BAD_SPEC"), HasSubstr("head (line 2)"));
  EXPECT_THAT(Refused(tiny, classes + "head: {nms: {iou: 2}}", "BAD_SPEC"),
              HasSubstr("head.nms.iou (line 2): expected a number in [0, 1]"));
  EXPECT_THAT(Refused(tiny, classes + "input: {size: [64]}", "BAD_SPEC"), HasSubstr("input.size"));
  EXPECT_THAT(Refused(tiny, "", "BAD_SPEC"), HasSubstr("the spec"));
  EXPECT_EQ(Refused(tiny, std::string((1 << 20) + 1, ' '), "BAD_SPEC"),
            "the spec is larger than the limit: bytes=1048577 limit=1048576");
  EXPECT_THAT(Refused(tiny, classes + "input: {size: [16, 64]}", "BAD_ARGUMENT"),
              HasSubstr("height must be in 32..1024: height=16"));
}

TEST(BuildModel, NamesWhatIsWrongWithTheOptions) {
  EXPECT_EQ(Refused({.arch = "rfcn"}, kTwoClasses, "BAD_ARGUMENT"),
            "there is no built-in architecture \"rfcn\"; those there are: ssd_tiny");
  EXPECT_THAT(Refused({.arch = "ssd_tiny", .width_multiplier = 5}, kTwoClasses, "BAD_ARGUMENT"),
              HasSubstr("width_multiplier must be in 0.25..4: width_multiplier=5"));
}

TEST(BuildModel, DescribesItselfInOneLine) {
  EXPECT_THAT(ArchNames(), ElementsAre("ssd_tiny"));
  EXPECT_EQ(Describe({.arch = "ssd_tiny", .width_multiplier = 0.5, .seed = 7}),
            "built-in architecture ssd_tiny, width multiplier 0.5, seed 7");
}

}  // namespace
}  // namespace lbw::model

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/status.h"
#include "model/model.h"
#include "unit/model/tiny_model.h"

namespace lbw::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Example(const std::string& name) {
  std::ifstream file(std::string(LBW_SOURCE_DIR) + "/server/model/examples/" + name);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::string MessageOf(std::string_view text) {
  const auto spec = ParseSpec(text);
  if (spec.ok()) return "accepted";
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(spec.status()).reason, "BAD_SPEC");
  return std::string(spec.status().message());
}

// The tiny spec with one piece of it replaced.
std::string With(const std::string& piece, const std::string& by) {
  std::string text = TinySpecText();
  const size_t at = text.find(piece);
  EXPECT_NE(at, std::string::npos) << piece;
  return text.replace(at, piece.size(), by);
}

TEST(ParseSpec, ReadsTheDetectorExample) {
  const auto spec = ParseSpec(Example("face_mask_ssd.yaml"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->input.height, 260);
  EXPECT_EQ(spec->input.scale, (std::array<float, 3>{1 / 255.0F, 1 / 255.0F, 1 / 255.0F}));
  EXPECT_THAT(spec->classes, ElementsAre("mask", "no_mask"));
  EXPECT_EQ(spec->head.kind, "ssd");
  EXPECT_EQ(spec->head.boxes.values,
            (std::vector<detect::ValueSlice>{{"loc_branch_concat", {}, {}}}));
  EXPECT_EQ(spec->head.score_activation, detect::Activation::kSigmoid);
  EXPECT_EQ(spec->head.nms, (detect::NmsSpec{0.4F, false, 0.5F, 200}));
  ASSERT_EQ(spec->head.box.priors.size(), 5U);
  EXPECT_EQ(detect::MakePriors(spec->head.box.priors, spec->input).size(), 5972U);
}

TEST(ParseSpec, ReadsTheClassifierExample) {
  const auto spec = ParseSpec(Example("cifar_resnet.yaml"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->input.mean[1], 116.28F);
  EXPECT_NEAR(spec->input.scale[2], 1 / (255 * 0.225), 1e-9);
  EXPECT_EQ(spec->classes.size(), 10U);
  EXPECT_EQ(spec->head.score_activation, detect::Activation::kSoftmax);
}

TEST(ParseSpec, FillsDefaults) {
  const auto spec = ParseSpec(
      "{input: {size: [4, 6]}, classes: [a], head: {kind: ssd, outputs: {boxes: b, scores: s}, "
      "boxes: {encoding: corners}}}");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->input.resize, detect::Resize::kStretch);
  EXPECT_EQ(spec->input.interpolation, detect::Interpolation::kLinear);
  EXPECT_EQ(spec->head.nms, detect::NmsSpec{});
  EXPECT_EQ(spec->head.box.variances, (std::array<float, 2>{1, 1})) << "of corners";
  EXPECT_EQ(ParseSpec(With("priors:", "variances: [0.1, 0.2]\n    priors:"))->head.box.variances,
            ParseSpec(TinySpecText())->head.box.variances);
}

TEST(ParseSpec, ReadsEveryFormOfAKey) {
  const auto head = [](const std::string& outputs) {
    return ParseSpec(With("{boxes: boxes, scores: scores}", outputs))->head;
  };
  using Slices = std::vector<detect::ValueSlice>;
  EXPECT_EQ(head("{boxes: [a, {value: b, channels: [4, 8]}], scores: s}").boxes.values,
            (Slices{{"a", {}, {}}, {"b", 4, 8}}));
  EXPECT_EQ(head("{boxes: {value: b, channels: [0, 4]}, scores: s}").boxes.values,
            (Slices{{"b", 0, 4}}));
  const auto role = head("{boxes: b, scores: {values: [s], activation: softmax}}").scores;
  EXPECT_EQ(role.activation, detect::Activation::kSoftmax);
  const auto input = [](const std::string& more) {
    return ParseSpec(With("scale: 0.00392156862745098", more))->input;
  };
  EXPECT_EQ(input("resize: letterbox").pad_value, 114);
  EXPECT_EQ(input("resize: {letterbox: {pad: 7}}").pad_value, 7);
  EXPECT_EQ(input("resize: {shortest_side: {min: 6, max: 9}}").shortest_side_max, 9);
  EXPECT_EQ(input("color: gray, mean: [3]").mean, (std::array<float, 3>{3, 3, 3}));
  EXPECT_EQ(input("color: bgr, mean: [1, 2, 3]").mean, (std::array<float, 3>{1, 2, 3}));
  const auto tensor = ParseSpec(
      "{input: {size: [4, 6]}, classes: [a], head: {kind: ssd, outputs: {boxes: b, scores: s}, "
      "boxes: {priors: {tensor: anchors}}}}");
  EXPECT_EQ(tensor->head.box.prior_tensor, "anchors");
}

// Each text is wrong in one place, which the message names.
TEST(ParseSpec, NamesWhatIsWrongWithLine) {
  EXPECT_THAT(MessageOf(With("kind: ssd", "kind: ssd\n  colour: red")),
              HasSubstr("head.colour (line 6): unknown key; known here: kind, outputs"));
  EXPECT_THAT(MessageOf(With("kind: ssd", "kind: sdd")),
              HasSubstr("head.kind (line 5): expected logits | ssd, found sdd"));
  EXPECT_THAT(MessageOf(With("iou: 0.5", "iou: 1.5")),
              HasSubstr("head.nms.iou (line 12): expected a number in [0, 1], found 1.5"));
  EXPECT_THAT(MessageOf(With("[0.5, 0.375]", "[0.5, .nan]")),
              HasSubstr("head.boxes.priors[1].wh[0][1] (line 10)"));
}

struct Hostile {
  const char* name;
  const char* piece;
  const char* by;
  const char* message;
};

class HostileSpec : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileSpec, IsRefused) {
  EXPECT_THAT(MessageOf(With(GetParam().piece, GetParam().by)), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    , HostileSpec,
    ::testing::Values(
        Hostile{"size_zero", "[8, 8]", "[0, 8]", "input.size[0]"},
        Hostile{"size_negative", "[8, 8]", "[8, -8]", "input.size[1]"},
        Hostile{"size_huge", "[8, 8]", "[8, 16385]", "in 1..16384, found 16385"},
        Hostile{"size_product", "[8, 8]", "[16384, 16384]", "40000000 pixels"},
        Hostile{"size_fraction", "[8, 8]", "[8.5, 8]", "found 8.5"},
        Hostile{"size_three", "[8, 8]", "[8, 8, 3]", "a list of 2, found a list of 3"},
        Hostile{"size_text", "[8, 8]", "large", "found large"},
        Hostile{"scale_zero", "0.00392156862745098", "0", "input.scale"},
        Hostile{"scale_infinite", "0.00392156862745098", ".inf", "found .inf"},
        Hostile{"scale_overflow", "0.00392156862745098", "1e400", "found 1e400"},
        Hostile{"scale_two", "0.00392156862745098", "[1, 2]", "a list of 3"},
        Hostile{"scale_map", "0.00392156862745098", "{r: 1}", "found a map"},
        Hostile{"resize_unknown", "scale: 0.00392156862745098", "resize: fit",
                "stretch | letterbox"},
        Hostile{"resize_incomplete", "scale: 0.00392156862745098", "resize: shortest_side",
                "{min, max}"},
        Hostile{"resize_max_below_min", "scale: 0.00392156862745098",
                "resize: {shortest_side: {min: 9, max: 8}}", "shortest_side.max"},
        Hostile{"pad", "scale: 0.00392156862745098", "resize: {letterbox: {pad: 256}}", "[0, 255]"},
        Hostile{"classes_empty", "[red, blue]", "[]", "classes"},
        Hostile{"classes_nothing", "[red, blue]", "", "found nothing"},
        Hostile{"classes_twice", "[red, blue]", "[red, red]", "classes[1]"},
        Hostile{"classes_control", "[red, blue]", "[red, \"b\\0lue\"]", "classes[1]"},
        Hostile{"classes_nested", "[red, blue]", "[red, [blue]]", "found a list of 1"},
        Hostile{"role_missing", "{boxes: boxes, scores: scores}", "{boxes: boxes}",
                "head.outputs.scores is missing"},
        Hostile{"role_unknown", "{boxes: boxes, scores: scores}",
                "{boxes: boxes, scores: scores, masks: m}", "head.outputs.masks"},
        Hostile{"role_empty", "scores: scores", "scores: \"\"", "found an empty text"},
        Hostile{"channels_reversed", "scores: scores", "scores: {value: s, channels: [4, 4]}",
                "channels[1]"},
        Hostile{"cells", "[4, 4]", "[4, 0]", "head.boxes.priors[0].cells[1]"},
        Hostile{"too_many_anchors", "[4, 4]", "[16384, 16384]", "1000000 anchors"},
        Hostile{"wh_negative", "[0.25, 0.25]", "[-1, 1]", "wh[0][0]"},
        Hostile{"wh_missing", "wh: [[0.25, 0.25]]", "clip: true", "priors[0].wh is missing"},
        Hostile{"variance_zero", "priors:", "variances: [0, 1]\n    priors:", "variances[0]"},
        Hostile{"activation", "sigmoid", "relu", "none | sigmoid | softmax, found relu"},
        Hostile{"keep", "score: 0.25", "keep: 1001", "in 1..1000"},
        Hostile{"bool", "score: 0.25", "per_class: perhaps", "true or false"},
        Hostile{"key_twice", "iou: 0.5", "iou: 0.5, iou: 0.6", "stands twice"},
        Hostile{"key_is_a_list", "iou: 0.5", "[1, 2]: 0.5", "head.nms"},
        Hostile{"boxes_of_a_classifier", "kind: ssd", "kind: logits", "head.boxes"},
        Hostile{"tag_only", "[red, blue]", "!!binary", "classes"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParseSpec, SurvivesWhatIsNoSpec) {
  for (const std::string text : {"",
                                 "   ",
                                 "null",
                                 "42",
                                 "[]",
                                 "{}",
                                 "a: b: c",
                                 "{",
                                 "\t",
                                 "- - - -",
                                 "%YAML 9.9\n---\n",
                                 "--- {}\n--- {}",
                                 "&a [*a]",
                                 "{}]",
                                 "[]]",
                                 "{}}",
                                 "{} x",
                                 "{? [1]: 2}",
                                 "input: *nowhere",
                                 "\xff\xfe",
                                 "\"\\ud800\""}) {
    EXPECT_NE(MessageOf(text), "accepted") << text;
  }
  for (const std::string behind : {"...\nx: 1\n", "---\n", "--- [1]"}) {
    EXPECT_THAT(MessageOf(TinySpecText() + behind), HasSubstr("one YAML document")) << behind;
  }
  EXPECT_THAT(MessageOf("head: \xC3\x28"), HasSubstr("UTF-8"));
}

TEST(ParseSpec, IsBoundedInSizeDepthAndAliases) {
  const std::string limit(size_t{1} << 20, '#');
  EXPECT_THAT(MessageOf(limit), ::testing::Not(HasSubstr("larger")));
  EXPECT_THAT(MessageOf(limit + "#"), HasSubstr("bytes=1048577 limit=1048576"));
  for (const std::string open : {"[", "{a: ", "- ", "{\"\\ta\": [", "? "}) {
    std::string deep;
    while (deep.size() < 300'000) deep += open;
    EXPECT_NE(MessageOf(deep), "accepted");
    EXPECT_NE(MessageOf("input: " + deep), "accepted");
  }
  std::string wide = "classes: [";
  while (wide.size() + 4 < size_t{1} << 20) wide += "[],";
  EXPECT_NE(MessageOf(wide + "]"), "accepted");
  std::string aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    aliases += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 0; k < 8; ++k) aliases += ", " + last;
    aliases += "]\n";
  }
  EXPECT_THAT(MessageOf(aliases), HasSubstr("unknown key"));
  EXPECT_NE(MessageOf(aliases + "classes: *a39\n"), "accepted");
}

// Every way to cut or bend a good spec ends in a value or a status.
TEST(ParseSpec, SurvivesEveryTruncationAndFlippedByte) {
  const std::string text = TinySpecText();
  for (size_t i = 0; i < text.size(); ++i) {
    (void)MessageOf(text.substr(0, i));
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 7)));
    (void)MessageOf(flipped);
  }
}

TEST(SpecToJson, ReadsBackToTheSameValueAndText) {
  std::vector<std::string> texts = {Example("face_mask_ssd.yaml"), Example("cifar_resnet.yaml"),
                                    TinySpecText()};
  texts.push_back(With("{boxes: boxes, scores: scores}",
                       "{boxes: [a, {value: b, channels: [4, 8]}], scores: {values: [s], "
                       "activation: none, logits: [x, {value: y, channels: [0, 2]}]}}"));
  texts.push_back(With("scale: 0.00392156862745098",
                       "resize: {letterbox: {pad: 0.1}}, color: gray, mean: 0.3"));
  texts.push_back(With("scale: 0.00392156862745098",
                       "resize: {shortest_side: {min: 3, max: 9, pad: 0}}, interpolation: cubic"));
  texts.push_back(With("wh: [[0.25, 0.25]]", "wh: [[0.1, 0.7]], step_px: 2.3, clip: true"));
  texts.push_back(With("[red, blue]", "['1', \"\\u00e9 \\\\ \\\"\", true, \"{\", 'null']"));
  for (const std::string& text : texts) {
    const auto spec = ParseSpec(text);
    ASSERT_TRUE(spec.ok()) << spec.status() << text;
    const std::string json = SpecToJson(*spec);
    const auto again = ParseSpec(json);
    ASSERT_TRUE(again.ok()) << again.status() << json;
    EXPECT_EQ(*again, *spec) << json;
    EXPECT_EQ(SpecToJson(*again), json);
  }
}

TEST(SpecToJson, IsCanonicalAndWritesShortNumbers) {
  const std::string json = SpecToJson(*ParseSpec(TinySpecText()));
  EXPECT_THAT(json, HasSubstr(R"("variances":[0.1,0.2])"));
  EXPECT_THAT(json,
              HasSubstr(R"({"classes":["red","blue"],"head":{"boxes":{"encoding":"center_size")"));
  EXPECT_THAT(json, HasSubstr(R"("resize":"stretch")"));
  ModelSpec broken = *ParseSpec(TinySpecText());
  broken.classes[0] = "\xff";
  EXPECT_THAT(SpecToJson(broken), HasSubstr("\xEF\xBF\xBD")) << "and does not throw";
}

TEST(ParseSpec, ReadsJsonWithTabsAndSurrogates) {
  std::string json = SpecToJson(*ParseSpec(TinySpecText()));
  json.replace(json.find("\"red\""), 5, "\t\"\\ud83d\\ude00\"\t");
  const auto spec = ParseSpec(json);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->classes[0], "\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace lbw::model

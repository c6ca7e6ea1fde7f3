#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/status.h"
#include "detect/decoder.h"
#include "support/test_data.h"
#include "unit/detect/golden.h"

namespace lbw::detect {
namespace {

using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Role RoleOf(std::vector<std::string> values) {
  Role role;
  for (auto& value : values) role.values.push_back({std::move(value), {}, {}});
  return role;
}

// Two anchors in a 100 x 200 (height x width) input, three classes, probabilities as they are.
DecoderContext TwoAnchors() {
  DecoderContext context;
  context.input.height = 100;
  context.input.width = 200;
  context.classes = 3;
  context.head.kind = "ssd";
  context.head.boxes = RoleOf({"loc"});
  context.head.scores = RoleOf({"conf"});
  PriorLevel level;
  level.rows = 1;
  level.cols = 2;
  level.wh = {{0.2F, 0.4F}};
  context.head.box.priors = {level};
  return context;
}

std::unique_ptr<Decoder> Make(const DecoderContext& context) {
  auto decoder = NewDecoder(context);
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  return decoder.ok() ? std::move(decoder).value() : nullptr;
}

// It was read and left out in silence.
TEST(SsdDecoder, RefusesAnActivationOfTheBoxes) {
  DecoderContext context = TwoAnchors();
  context.head.boxes.activation = Activation::kSigmoid;
  const auto decoder = NewDecoder(context);
  ASSERT_FALSE(decoder.ok());
  EXPECT_EQ(base::GetErrorDetails(decoder.status()).reason, "BAD_SPEC");
  EXPECT_THAT(std::string(decoder.status().message()), HasSubstr("head.outputs.boxes.activation"));
}

absl::StatusOr<Decoded> RunHead(const DecoderContext& context, std::vector<float> boxes,
                                std::vector<float> scores, const DecodeOptions& options = {}) {
  const auto decoder = Make(context);
  const auto anchors = static_cast<int64_t>(boxes.size() / 4);
  return decoder->Decode(
      {base::Tensor::FromF32({1, anchors, 4}, boxes),
       base::Tensor::FromF32({1, anchors, static_cast<int64_t>(scores.size()) / anchors}, scores)},
      0, options);
}

void ExpectBox(const BoxXyxyPx& box, const BoxXyxyPx& expected, float tolerance = 1e-3F) {
  EXPECT_NEAR(box.x_min, expected.x_min, tolerance);
  EXPECT_NEAR(box.y_min, expected.y_min, tolerance);
  EXPECT_NEAR(box.x_max, expected.x_max, tolerance);
  EXPECT_NEAR(box.y_max, expected.y_max, tolerance);
}

const std::vector<float> kOnlyFirst = {0.1F, 0.9F, 0, 0, 0, 0};

TEST(SsdDecoder, CenterSizeWithPriors) {
  const float log2 = std::log(2.0F);
  const auto decoded = RunHead(TwoAnchors(), {1, -1, 5 * log2, 0, 0, 0, 0, 0}, kOnlyFirst);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->detections.size(), 1U);
  // Prior: centre (50, 50), 40 x 40. Moved by 0.1 of its size, twice as wide.
  ExpectBox(decoded->detections[0].box, {14, 26, 94, 66});
  EXPECT_EQ(decoded->detections[0].class_index, 1);
  EXPECT_EQ(decoded->detections[0].score, 0.9F);
}

TEST(SsdDecoder, CornersAndLtrbWithPriorsInBothUnits) {
  DecoderContext context = TwoAnchors();
  context.head.box.variances = {1, 1};
  const std::vector<float> relative = {0.05F, 0.1F, 0.025F, 0.2F, 0, 0, 0, 0};
  const std::vector<float> pixel = {10, 10, 5, 20, 0, 0, 0, 0};
  for (const BoxUnits units : {BoxUnits::kRelative, BoxUnits::kPixel}) {
    context.head.box.units = units;
    const auto& numbers = units == BoxUnits::kPixel ? pixel : relative;
    context.head.box.encoding = BoxEncoding::kCorners;
    auto decoded = RunHead(context, numbers, kOnlyFirst);
    ASSERT_EQ(decoded->detections.size(), 1U);
    ExpectBox(decoded->detections[0].box, {40, 40, 75, 90});
    context.head.box.encoding = BoxEncoding::kLtrb;
    decoded = RunHead(context, numbers, kOnlyFirst);
    ASSERT_EQ(decoded->detections.size(), 1U);
    ExpectBox(decoded->detections[0].box, {40, 40, 55, 70});
  }
}

TEST(SsdDecoder, BoxesWithoutPriorsAreTakenAsTheyAre) {
  DecoderContext context = TwoAnchors();
  context.head.box.priors.clear();
  context.head.box.encoding = BoxEncoding::kCorners;
  auto decoded = RunHead(context, {0.1F, 0.2F, 0.3F, 0.4F, 0, 0, 0, 0}, kOnlyFirst);
  ExpectBox(decoded->detections.at(0).box, {20, 20, 60, 40});
  context.head.box.units = BoxUnits::kPixel;
  decoded = RunHead(context, {20, 20, 60, 40, 0, 0, 0, 0}, kOnlyFirst);
  ExpectBox(decoded->detections.at(0).box, {20, 20, 60, 40});
  context.head.box.encoding = BoxEncoding::kCenterSize;
  decoded = RunHead(context, {40, 30, 40, 20, 0, 0, 0, 0}, kOnlyFirst);
  ExpectBox(decoded->detections.at(0).box, {20, 20, 60, 40});
}

TEST(SsdDecoder, PriorsFromATensor) {
  DecoderContext context = TwoAnchors();
  context.head.box.priors.clear();
  context.head.box.prior_tensor = "anchors";
  EXPECT_THAT(NewDecoder(context).status().message(), HasSubstr("anchors"));
  context.priors =
      base::Tensor::FromF32({2, 4}, {0.25F, 0.5F, 0.2F, 0.4F, 0.75F, 0.5F, 0.2F, 0.4F});
  const auto decoded = RunHead(context, std::vector<float>(8), {0, 0, 0, 0, 0, 0.9F});
  ExpectBox(decoded->detections.at(0).box, {130, 30, 170, 70});
  context.priors = base::Tensor::FromF32({4, 2}, std::vector<float>(8));
  EXPECT_THAT(NewDecoder(context).status().message(), HasSubstr("[4, 2]"));
}

TEST(SsdDecoder, BestClassOnlyOrEveryClass) {
  DecoderContext context = TwoAnchors();
  const std::vector<float> scores = {0.6F, 0.7F, 0.1F, 0.1F, 0.1F, 0.8F};
  auto decoded = RunHead(context, std::vector<float>(8), scores);
  ASSERT_EQ(decoded->detections.size(), 2U);
  EXPECT_EQ(decoded->detections[0].class_index, 2);
  EXPECT_EQ(decoded->detections[1].class_index, 1);
  DecodeOptions options;
  options.per_class = true;
  decoded = RunHead(context, std::vector<float>(8), scores, options);
  ASSERT_EQ(decoded->detections.size(), 3U);
  EXPECT_EQ(decoded->detections[2].class_index, 0);
  EXPECT_EQ(decoded->detections[2].score, 0.6F);
}

TEST(SsdDecoder, ClassFilterActsBeforeSuppression) {
  DecoderContext context = TwoAnchors();
  context.head.box.priors[0].cols = 1;
  context.head.box.priors[0].wh = {{0.2F, 0.4F}, {0.2F, 0.4F}};
  const std::vector<float> scores = {0.9F, 0.6F, 0, 0.1F, 0.8F, 0};
  DecodeOptions options;
  EXPECT_EQ(RunHead(context, std::vector<float>(8), scores, options)->detections.size(), 1U);
  options.classes = {1};
  auto decoded = RunHead(context, std::vector<float>(8), scores, options);
  ASSERT_EQ(decoded->detections.size(), 1U);
  EXPECT_EQ(decoded->detections[0].score, 0.8F) << "the first box's class is its best, 0";
  options.classes = {3};
  const absl::Status status = RunHead(context, std::vector<float>(8), scores, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::GetErrorDetails(status).fields, ::testing::ElementsAre("options.classes"));
}

struct ActivationCase {
  const char* name;
  Activation activation;
  Background background;
  std::vector<float> row;       // of the first anchor
  std::vector<float> expected;  // of classes 0, 1, ...
};

class SsdActivation : public ::testing::TestWithParam<ActivationCase> {};

TEST_P(SsdActivation, TurnsLogitsIntoProbabilities) {
  const ActivationCase& c = GetParam();
  DecoderContext context = TwoAnchors();
  context.classes = static_cast<int64_t>(c.expected.size());
  context.head.score_activation = c.activation;
  context.head.background = c.background;
  DecodeOptions options;
  options.per_class = true;
  options.score_threshold = 0.0F;
  std::vector<float> scores = c.row;
  scores.resize(2 * c.row.size(), kNan);
  const auto decoded = RunHead(context, std::vector<float>(8), scores, options);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->detections.size(), c.expected.size());
  for (const Detection& d : decoded->detections) {
    EXPECT_NEAR(d.score, c.expected[static_cast<size_t>(d.class_index)], 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(
    , SsdActivation,
    ::testing::Values(
        ActivationCase{"none", Activation::kNone, Background::kNone, {0.25F, 0.5F}, {0.25F, 0.5F}},
        ActivationCase{
            "sigmoid", Activation::kSigmoid, Background::kNone, {0, -2}, {0.5F, 0.1192029F}},
        ActivationCase{"sigmoid_background_last",
                       Activation::kSigmoid,
                       Background::kLast,
                       {0, -2, 9},
                       {0.5F, 0.1192029F}},
        ActivationCase{
            "softmax", Activation::kSoftmax, Background::kNone, {1, 2}, {0.2689414F, 0.7310586F}},
        ActivationCase{"softmax_background_first",
                       Activation::kSoftmax,
                       Background::kFirst,
                       {0, 1, 2},
                       {0.2447285F, 0.6652410F}},
        ActivationCase{"softmax_background_last",
                       Activation::kSoftmax,
                       Background::kLast,
                       {1, 2, 0},
                       {0.2447285F, 0.6652410F}},
        ActivationCase{"softmax_of_large_logits",
                       Activation::kSoftmax,
                       Background::kNone,
                       {1000, 1000},
                       {0.5F, 0.5F}}),
    [](const auto& test) { return std::string(test.param.name); });

// What is told from background without an exponential is what the exponential would have told.
TEST(SsdDecoder, ThresholdsAreExactAtTheirEdge) {
  for (const Activation activation : {Activation::kSigmoid, Activation::kSoftmax}) {
    DecoderContext context = TwoAnchors();
    context.classes = 2;
    context.head.score_activation = activation;
    for (const float x : {-3.0F, -0.5F, 0.25F, 2.0F, 7.0F}) {
      DecodeOptions options;
      options.score_threshold = 0.0F;
      const std::vector<float> scores = {x, -20, -30, -30};
      const float score =
          RunHead(context, std::vector<float>(8), scores, options)->detections.at(0).score;
      options.score_threshold = score;
      auto decoded = RunHead(context, std::vector<float>(8), scores, options);
      for (const Detection& d : decoded->detections) EXPECT_GT(d.score, score);
      options.score_threshold = std::nextafter(score, 0.0F);
      decoded = RunHead(context, std::vector<float>(8), scores, options);
      ASSERT_FALSE(decoded->detections.empty()) << x;
      EXPECT_EQ(decoded->detections.back().score, score);
    }
  }
}

TEST(SsdDecoder, TheRolesActivationComesBeforeTheHeads) {
  DecoderContext context = TwoAnchors();
  context.head.score_activation = Activation::kSigmoid;
  context.head.scores.activation = Activation::kNone;
  const auto decoded = RunHead(context, std::vector<float>(8), kOnlyFirst);
  ASSERT_EQ(decoded->detections.size(), 1U);
  EXPECT_EQ(decoded->detections[0].score, 0.9F);
}

TEST(SsdDecoder, DropsNanScoresAndBoxesThatAreNotFinite) {
  const auto nan_score =
      RunHead(TwoAnchors(), std::vector<float>(8), {kNan, kNan, kNan, 0.9F, kNan, 0});
  ASSERT_EQ(nan_score->detections.size(), 1U);
  EXPECT_EQ(nan_score->detections[0].class_index, 0);
  const std::vector<float> both = {0.9F, 0, 0, 0.8F, 0, 0};
  EXPECT_EQ(RunHead(TwoAnchors(), {0, 0, kNan, 0, 0, 0, 0, 0}, both)->detections.size(), 1U);
  EXPECT_EQ(RunHead(TwoAnchors(), {kInf, 0, 0, 0, 0, 0, 0, 0}, both)->detections.size(), 1U);
  EXPECT_EQ(RunHead(TwoAnchors(), {0, 0, 1e6F, 0, 0, 0, 0, 0}, both)->detections.size(), 1U)
      << "e^100000 overflows";
}

// One network with its outputs in every layout: the same detections.
TEST(SsdDecoder, ReadsEveryLayoutAlike) {
  DecoderContext context = TwoAnchors();
  PriorLevel second;
  second.rows = 2;
  second.cols = 1;
  second.wh = {{0.3F, 0.3F}, {0.1F, 0.2F}};
  context.head.box.priors.push_back(second);
  context.head.nms = {0.9F, true, 0.05F, 200};
  constexpr int64_t kAnchors = 6;  // 1 x 2 cells of one, 2 x 1 cells of two
  std::vector<float> boxes(kAnchors * 4);
  std::vector<float> scores(kAnchors * 3);
  for (size_t i = 0; i < boxes.size(); ++i) boxes[i] = static_cast<float>(i * 7 % 11) / 11;
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<float>(i * 5 % 17) / 17;
  const auto expected = RunHead(context, boxes, scores);
  ASSERT_TRUE(expected.ok()) << expected.status();
  ASSERT_GT(expected->detections.size(), 8U);

  // Flat.
  const auto decoder = Make(context);
  const auto flat = decoder->Decode({base::Tensor::FromF32({1, kAnchors * 4}, boxes),
                                     base::Tensor::FromF32({1, kAnchors * 3}, scores)},
                                    0, {});
  ASSERT_TRUE(flat.ok()) << flat.status();
  EXPECT_EQ(flat->detections, expected->detections);

  // As convolutions leave them, one value a level; boxes and scores of level 1 in one value, with a
  // channel in front that belongs to neither.
  context.head.boxes.values = {{"loc0", {}, {}}, {"both1", 1, 9}};
  context.head.scores.values = {{"conf0", {}, {}}, {"both1", 9, 15}};
  const auto conv = Make(context);
  EXPECT_THAT(conv->inputs(), ::testing::ElementsAre("loc0", "both1", "conf0"));
  const auto to_conv = [](const std::vector<float>& rows, size_t first, size_t cells,
                          size_t per_cell) {
    std::vector<float> result(cells * per_cell);
    for (size_t cell = 0; cell < cells; ++cell) {
      for (size_t c = 0; c < per_cell; ++c) {
        result[c * cells + cell] = rows[first + cell * per_cell + c];
      }
    }
    return result;
  };
  std::vector<float> both(2, kNan);
  for (const auto& part : {to_conv(boxes, 8, 2, 8), to_conv(scores, 6, 2, 6)}) {
    both.insert(both.end(), part.begin(), part.end());
  }
  const auto decoded = conv->Decode({base::Tensor::FromF32({1, 4, 1, 2}, to_conv(boxes, 0, 2, 4)),
                                     base::Tensor::FromF32({1, 15, 2, 1}, both),
                                     base::Tensor::FromF32({1, 3, 1, 2}, to_conv(scores, 0, 2, 3))},
                                    0, {});
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->detections, expected->detections);

  // Boxes and scores side by side in one value.
  context.head.boxes.values = {{"out", 0, 4}};
  context.head.scores.values = {{"out", 4, 7}};
  std::vector<float> side(kAnchors * 7);
  for (size_t a = 0; a < kAnchors; ++a) {
    for (size_t c = 0; c < 7; ++c)
      side[a * 7 + c] = c < 4 ? boxes[a * 4 + c] : scores[a * 3 + c - 4];
  }
  const auto sliced = Make(context)->Decode({base::Tensor::FromF32({1, kAnchors, 7}, side)}, 0, {});
  ASSERT_TRUE(sliced.ok()) << sliced.status();
  EXPECT_EQ(sliced->detections, expected->detections);
}

TEST(SsdDecoder, EveryPictureOfABatchIsItsOwn) {
  const auto decoder = Make(TwoAnchors());
  std::vector<float> scores(12);
  scores[6 + 4] = 0.9F;  // second picture, second anchor, class 1
  const std::vector<base::Tensor> outputs = {
      base::Tensor::FromF32({2, 2, 4}, std::vector<float>(16)),
      base::Tensor::FromF32({2, 2, 3}, scores)};
  EXPECT_TRUE(decoder->Decode(outputs, 0, {})->detections.empty());
  const auto second = decoder->Decode(outputs, 1, {});
  ASSERT_EQ(second->detections.size(), 1U);
  ExpectBox(second->detections[0].box, {130, 30, 170, 70});
  EXPECT_EQ(decoder->Decode(outputs, 2, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(decoder->Decode(outputs, -1, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SsdDecoder, ShapesThatContradictTheSpecAreNamed) {
  const auto decoder = Make(TwoAnchors());
  EXPECT_TRUE(decoder->CheckShapes({{-1, 2, 4}, {-1, 2, 3}}).ok());
  const auto message = [&](std::vector<base::Shape> shapes) {
    const absl::Status status = decoder->CheckShapes(shapes);
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_GRAPH");
    return std::string(status.message());
  };
  EXPECT_THAT(message({{-1, 2, 5}, {-1, 2, 3}}), HasSubstr("value loc has shape [-1, 2, 5]"));
  EXPECT_THAT(message({{-1, 2, 4}, {-1, 2, 4}}), HasSubstr("[N, anchors, 3]"));
  EXPECT_THAT(message({{-1, 3, 4}, {-1, 2, 3}}), HasSubstr("boxes has 3 anchors, scores has 2"));
  EXPECT_THAT(message({{-1, 3, 4}, {-1, 3, 3}}), HasSubstr("priors gives 2 anchors"));
  EXPECT_THAT(message({{-1}, {-1, 2, 3}}), HasSubstr("[-1]"));
  EXPECT_THAT(message({{-1, 0, 4}, {-1, 0, 3}}), HasSubstr("[-1, 0, 4]"));
  EXPECT_THAT(message({{-1, 2, 4}}), HasSubstr("conf was not delivered"));
  // The same when the outputs come.
  EXPECT_THAT(
      std::string(
          RunHead(TwoAnchors(), std::vector<float>(12), std::vector<float>(9)).status().message()),
      HasSubstr("priors gives 2 anchors"));
  const auto wrong_type =
      decoder->Decode({base::Tensor::FromI64({1, 2, 4}, std::vector<int64_t>(8)),
                       base::Tensor::FromF32({1, 2, 3}, std::vector<float>(6))},
                      0, {});
  EXPECT_THAT(std::string(wrong_type.status().message()), HasSubstr("I64"));
}

TEST(SsdDecoder, SpecsThatMakeNoSenseAreRefused) {
  const auto message = [](auto change) {
    DecoderContext context = TwoAnchors();
    change(context);
    const absl::Status status = NewDecoder(context).status();
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_SPEC");
    return std::string(status.message());
  };
  EXPECT_THAT(message([](auto& c) { c.head.kind = "ssdd"; }), HasSubstr("known: logits, ssd"));
  EXPECT_THAT(message([](auto& c) { c.head.boxes.values.clear(); }),
              HasSubstr("head.outputs.boxes is missing"));
  EXPECT_THAT(message([](auto& c) { c.head.scores.values[0].channel_begin = 3; }),
              HasSubstr("channels"));
  EXPECT_THAT(message([](auto& c) { c.head.box.variances[1] = kNan; }), HasSubstr("variances"));
  EXPECT_THAT(message([](auto& c) { c.head.box.units = BoxUnits::kPixel; }), HasSubstr("units"));
  EXPECT_THAT(message([](auto& c) { c.classes = 0; }), HasSubstr("classes"));
  EXPECT_THAT(message([](auto& c) {
                c.head.box.priors.clear();
                c.head.box.encoding = BoxEncoding::kLtrb;
              }),
              HasSubstr("head.boxes.priors is missing"));
}

// A call's options: the limit, and the limit and one more.
TEST(SsdDecoder, OptionsAreCheckedAtTheirLimits) {
  const auto field = [](auto change) {
    DecodeOptions options;
    change(options);
    const absl::Status status =
        RunHead(TwoAnchors(), std::vector<float>(8), std::vector<float>(6), options).status();
    const auto fields = base::GetErrorDetails(status).fields;
    return fields.empty() ? std::string(status.ok() ? "ok" : "no field") : fields[0];
  };
  EXPECT_EQ(field([](auto& o) { o.score_threshold = 1.0F; }), "ok");
  EXPECT_EQ(field([](auto& o) { o.score_threshold = 1.5F; }), "options.score_threshold");
  EXPECT_EQ(field([](auto& o) { o.score_threshold = kNan; }), "options.score_threshold");
  EXPECT_EQ(field([](auto& o) { o.iou_threshold = -0.1F; }), "options.iou_threshold");
  EXPECT_EQ(field([](auto& o) { o.max_detections = 1000; }), "ok");
  EXPECT_EQ(field([](auto& o) { o.max_detections = 1001; }), "options.max_detections");
  EXPECT_EQ(field([](auto& o) { o.max_detections = 0; }), "options.max_detections");
  EXPECT_EQ(field([](auto& o) { o.top_k = 0; }), "options.top_k");
}

DecoderContext AizooContext() {
  DecoderContext context;
  context.input.height = 260;
  context.input.width = 260;
  context.classes = 2;
  context.head.kind = "ssd";
  context.head.boxes = RoleOf({"loc"});
  context.head.scores = RoleOf({"cls"});
  context.head.nms = {0.4F, false, 0.5F, 200};
  const double sizes[5][2] = {{.04, .056}, {.08, .11}, {.16, .22}, {.32, .45}, {.64, .72}};
  const int64_t cells[5] = {33, 17, 9, 5, 3};
  for (size_t i = 0; i < 5; ++i) {
    PriorLevel level;
    level.rows = level.cols = cells[i];
    const auto add = [&](double size, double ratio) {
      level.wh.push_back({static_cast<float>(size * std::sqrt(ratio)),
                          static_cast<float>(size / std::sqrt(ratio))});
    };
    add(sizes[i][0], 1);
    add(sizes[i][1], 1);
    add(sizes[i][0], 0.62);
    add(sizes[i][0], 0.42);
    context.head.box.priors.push_back(level);
  }
  return context;
}

// A real network's outputs for a real picture, and the detections that came of them.
TEST(SsdDecoder, EqualsTheGoldenDetectionsOfARealNetwork) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const std::string folder = *data + "/weights_aizoo_ssd/golden_forward/";
  const base::Tensor boxes = ReadNpyF32(folder + "final_loc_branch_concat.npy", {1, 5972, 4});
  const base::Tensor scores = ReadNpyF32(folder + "final_cls_branch_concat.npy", {1, 5972, 2});
  ASSERT_EQ(boxes.elements(), 5972 * 4);
  const auto expected = ReadJson(folder + "detections_thr0.5_nms0.4.json");
  const DecoderContext context = AizooContext();
  const auto decoded = Make(context)->Decode({boxes, scores}, 0, {});
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->detections.size(), expected.size());
  const Placement placement = PlacePicture(context.input, 464, 330);
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto box = Floats(expected[i]["box_xyxy"]);
    EXPECT_NEAR(decoded->detections[i].score, expected[i]["score"].get<float>(), 1e-4);
    EXPECT_EQ(decoded->detections[i].class_index, 0);
    ExpectBox(ToPicture(decoded->detections[i].box, placement), {box[0], box[1], box[2], box[3]},
              0.1F);
  }
}

// Caffe's DetectionOutput as OpenCV computes it: num_classes counts the background (first), conf
// holds probabilities, priors [1, 2, 4 * n] corners then variances .1 .1 .2 .2 (ours: two numbers),
// nms_threshold -> iou per class, confidence_threshold -> score, keep_top_k -> keep. Labels count
// the background, ours do not.
TEST(SsdDecoder, EqualsOpenCvDetectionOutput) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  const auto cases = ReadJson(*data + "/golden_metrics/ssd_detection_output_opencv.json");
  ASSERT_EQ(cases.size(), 1U);
  const auto& test = cases[0];
  const auto loc = Floats(test["loc"]["data"]);
  const auto conf = Floats(test["conf"]["data"]);
  const auto priors = Floats(test["priors"]["data"]);
  const auto anchors = static_cast<int64_t>(loc.size() / 4);
  ASSERT_EQ(priors[loc.size()], 0.1F);
  ASSERT_EQ(priors[loc.size() + 3], 0.2F);
  DecoderContext context;
  context.input.height = context.input.width = 1;  // so that pixels are fractions
  context.classes = 2;
  context.head.kind = "ssd";
  context.head.boxes = RoleOf({"loc"});
  context.head.scores = RoleOf({"conf"});
  context.head.background = Background::kFirst;
  context.head.nms = {test["nms_threshold"].get<float>(), true,
                      test["confidence_threshold"].get<float>(), test["keep_top_k"].get<int64_t>()};
  std::vector<float> centred;
  for (size_t i = 0; i < loc.size(); i += 4) {
    const float* p = &priors[i];
    centred.insert(centred.end(), {(p[0] + p[2]) / 2, (p[1] + p[3]) / 2, p[2] - p[0], p[3] - p[1]});
  }
  context.priors = base::Tensor::FromF32({anchors, 4}, centred);
  context.head.box.prior_tensor = "priors";
  const auto decoded = Make(context)->Decode(
      {base::Tensor::FromF32({1, anchors * 4}, loc), base::Tensor::FromF32({1, anchors * 3}, conf)},
      0, {});
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto expected = Floats(test["expected_imgid_label_score_x1y1x2y2"]["data"]);
  ASSERT_EQ(decoded->detections.size() * 7, expected.size());
  for (size_t i = 0; i < expected.size(); i += 7) {
    const bool found = std::any_of(
        decoded->detections.begin(), decoded->detections.end(), [&](const Detection& d) {
          const float* e = &expected[i];
          return static_cast<float>(d.class_index + 1) == e[1] &&
                 std::abs(d.score - e[2]) < 1e-6F && std::abs(d.box.x_min - e[3]) < 1e-5F &&
                 std::abs(d.box.y_min - e[4]) < 1e-5F && std::abs(d.box.x_max - e[5]) < 1e-5F &&
                 std::abs(d.box.y_max - e[6]) < 1e-5F;
        });
    EXPECT_TRUE(found) << "row " << i / 7;
  }
}

}  // namespace
}  // namespace lbw::detect

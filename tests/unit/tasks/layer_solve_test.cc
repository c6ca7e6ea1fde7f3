#include "tasks/layer_solve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

#include "base/status.h"
#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSize = 6;
const std::vector<int64_t> kPads(4, 1);

class LayerSolveTest : public ::testing::Test {
 protected:
  // Walks to the layer, solves it and puts it into `placed_constants_`.
  void Replace(const model::Model& model, const std::string& weight,
               const std::function<void(LayerChoice&)>& edit = {}) {
    const auto walk = bench_.Walk(model, pictures_, bench_.Options());
    while (walk->layers()[walk->at()].weight.constant != weight) {
      ASSERT_TRUE(walk->Advance({}, {}).ok());
    }
    const WalkLayer& layer = walk->layers()[walk->at()];
    LayerChoice choice;
    choice.tensor.bits = 3;
    choice.tensor.axis = layer.weight.axis;
    choice.tensor.groups = layer.weight.groups;
    if (edit) edit(choice);
    const auto& stored = std::get<base::Tensor>(model.constants.find(weight)->second);
    std::optional<LayerSums> sums;
    if (!layer.uses.empty()) sums = walk->Sums({}).value();
    if (sums) power_ = sums->output_power;
    auto solved = SolveLayer(layer, stored, sums ? &*sums : nullptr, choice, 2);
    ASSERT_TRUE(solved.ok()) << solved.status();
    solved_ = *std::move(solved);
    constants_ = model.constants;
    placed_ = PlaceLayer(model.graph, layer, solved_, constants_);
  }

  // The largest mean over pictures and positions of a channel's difference from the float network.
  double MeanError(const model::Model& model, const graph::Constants& constants,
                   const std::string& value, size_t dimension = 1) {
    const auto floating = bench_.Run(model, model.constants, pictures_, {value});
    const auto changed = bench_.Run(model, constants, pictures_, {value});
    const base::Shape& shape = floating[0][0].shape();
    const auto inner = static_cast<size_t>(
        std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(dimension) + 1, shape.end(),
                        int64_t{1}, std::multiplies<>()));
    std::vector<double> sums(static_cast<size_t>(shape[dimension]));
    double count = 0;
    for (size_t p = 0; p < floating.size(); ++p) {
      const auto a = floating[p][0].as<float>();
      const auto b = changed[p][0].as<float>();
      for (size_t i = 0; i < a.size(); ++i) {
        sums[i / inner % sums.size()] += static_cast<double>(b[i]) - static_cast<double>(a[i]);
      }
      count += static_cast<double>(a.size() / sums.size());
    }
    double largest = 0;
    for (const double sum : sums) largest = std::max(largest, std::fabs(sum / count));
    return largest;
  }

  // The means of `value` are the float network's behind the change of bias, and not without it.
  void ExpectMended(const model::Model& model, const std::string& value, size_t dimension = 1) {
    graph::Constants codes_alone = model.constants;
    codes_alone.insert_or_assign(solved_.weight, solved_.tensor);
    const double before = MeanError(model, codes_alone, value, dimension);
    EXPECT_GT(before, 1e-3);
    EXPECT_LT(MeanError(model, constants_, value, dimension), 1e-3 * before + 2e-6);
  }
  bool Unchanged(const model::Model& model, const std::string& name) const {
    const auto a = std::get<base::Tensor>(model.constants.find(name)->second).bytes();
    const auto b = std::get<base::Tensor>(constants_.find(name)->second).bytes();
    return std::memcmp(a.data(), b.data(), a.size()) == 0;
  }
  const std::vector<float>& StoredBias() const {
    return std::get<quant::QuantizedTensor>(constants_.find(solved_.weight)->second).bias;
  }

  Bench bench_;
  std::vector<Picture> pictures_ = RandomPictures(6, kSize, 11);
  std::vector<double> power_;  // of the layer's rows
  SolvedLayer solved_;
  graph::Constants constants_;
  Placed placed_;
};

TEST_F(LayerSolveTest, ChangesTheLayersOwnBias) {
  NetMaker net;
  net.Conv("c", "image", {4, 3, 3, 3});
  const model::Model model = net.Finish({"c"});
  Replace(model, "c.w");
  EXPECT_EQ(placed_.bias_in, "bias");
  EXPECT_THAT(placed_.changed, ElementsAre("c.w", "c.b"));
  EXPECT_THAT(StoredBias(), IsEmpty());
  ExpectMended(model, "c");
  EXPECT_THAT(solved_.figures.plain, IsEmpty());
  EXPECT_EQ(solved_.figures.samples, 6 * kSize * kSize);
  EXPECT_GT(solved_.figures.output_power, 0);
  EXPECT_LT(solved_.figures.error, solved_.figures.nearest_error);
}

TEST_F(LayerSolveTest, ChangesTheMeanOfTheNormalizationBehindALayerWithoutBias) {
  NetMaker net;
  net.Node("Conv", "c", {"image", net.Constant("w", {4, 3, 3, 3})}, {{"pads", kPads}});
  net.Norm("n", "c", 4);
  const model::Model model = net.Finish({"n"});
  Replace(model, "w");
  EXPECT_EQ(placed_.bias_in, "batch_norm");
  EXPECT_THAT(placed_.changed, ElementsAre("w", "n.mean"));
  ExpectMended(model, "n");
}

TEST_F(LayerSolveTest, StoresTheChangeWhereNothingElseTakesIt) {
  NetMaker net;
  net.Node("Conv", "c", {"image", net.Constant("w", {4, 3, 3, 3})}, {{"pads", kPads}});
  net.Node("Relu", "r", {"c"});
  const model::Model model = net.Finish({"r"});
  Replace(model, "w");
  EXPECT_EQ(placed_.bias_in, "stored");
  EXPECT_THAT(placed_.changed, ElementsAre("w"));
  EXPECT_EQ(StoredBias(), solved_.bias_change);
  ExpectMended(model, "c");
}

TEST_F(LayerSolveTest, DoesNotTouchABiasThatAnotherLayerReads) {
  NetMaker net;
  net.Conv("c", "image", {4, 3, 3, 3});
  net.Node("Conv", "other", {"image", net.Constant("v", {4, 3, 1, 1}), "c.b"});
  net.Node("Add", "sum", {"c", "other"});
  const model::Model model = net.Finish({"sum"});
  Replace(model, "c.w");
  EXPECT_EQ(placed_.bias_in, "stored");
  EXPECT_TRUE(Unchanged(model, "c.b"));
  ExpectMended(model, "c");
  EXPECT_LT(MeanError(model, constants_, "other"), 1e-7);
}

// What the normalization is not alone in reading, or what two normalizations share.
TEST_F(LayerSolveTest, DoesNotTouchANormalizationThatIsNotTheLayersAlone) {
  for (const char* who : {"reader", "output", "mean"}) {
    SCOPED_TRACE(who);
    NetMaker net;
    net.Node("Conv", "c", {"image", net.Constant("w", {3, 3, 3, 3})}, {{"pads", kPads}});
    net.Norm("n", "c", 3);
    std::vector<std::string> outputs = {"n"};
    if (who == std::string("reader")) outputs = {net.Node("Add", "sum", {"c", "n"})};
    if (who == std::string("output")) outputs = {"n", "c"};
    if (who == std::string("mean")) {
      outputs.push_back(
          net.Node("BatchNormalization", "m", {"image", "n.gamma", "n.beta", "n.mean", "n.var"}));
    }
    const model::Model model = net.Finish(outputs);
    Replace(model, "w");
    EXPECT_EQ(placed_.bias_in, "stored");
    EXPECT_TRUE(Unchanged(model, "n.mean"));
    ExpectMended(model, "c");
  }
}

// The rows of a product with more than one row a picture lie last; a normalization's channels do
// not, be there as many of them.
TEST_F(LayerSolveTest, DoesNotTakeOtherChannelsForTheRows) {
  NetMaker net;
  net.Integers("rows", {0, 3, 36});
  net.Node("Reshape", "x", {"image", "rows"});
  net.Node("MatMul", "y", {"x", net.Constant("w", {36, 3})});
  net.Norm("n", "y", 3);
  const model::Model model = net.Finish({"n"});
  Replace(model, "w");
  EXPECT_EQ(placed_.bias_in, "stored");
  EXPECT_TRUE(Unchanged(model, "n.mean"));
  ExpectMended(model, "y", 2);
}

TEST_F(LayerSolveTest, AnswersGemmsAlphaAndBeta) {
  struct Row {
    const char* name;
    float alpha, beta;
    bool bias;
    const char* bias_in;
  };
  for (const Row& row : {Row{"both", 0.5F, 4, true, "bias"}, Row{"alpha", -2, 1, false, "stored"},
                         Row{"no beta", 2, 0, true, ""}}) {
    SCOPED_TRACE(row.name);
    NetMaker net;
    net.Node("Flatten", "flat", {"image"});
    std::vector<std::string> inputs = {"flat", net.Constant("w", {108, 4}, 0.2F)};
    if (row.bias) inputs.push_back(net.Constant("b", {4}));
    net.Node("Gemm", "y", inputs, {{"alpha", row.alpha}, {"beta", row.beta}});
    const model::Model model = net.Finish({"y"});
    Replace(model, "w");
    EXPECT_EQ(placed_.bias_in, row.bias_in);
    if (row.bias_in[0] == '\0') {
      EXPECT_THAT(placed_.changed, ElementsAre("w"));
    } else {
      ExpectMended(model, "y");
    }
  }
}

TEST_F(LayerSolveTest, ChangesTheBiasesOfEveryReaderOfTheWeight) {
  NetMaker net;
  net.Constant("w", {3, 3, 3, 3});
  net.Node("Conv", "c", {"image", "w", net.Constant("cb", {3})}, {{"pads", kPads}});
  net.Node("Relu", "r", {"c"});
  net.Node("Conv", "d", {"r", "w", net.Constant("db", {3})}, {{"pads", kPads}});
  const model::Model model = net.Finish({"d"});
  Replace(model, "w");
  EXPECT_EQ(placed_.bias_in, "bias");
  EXPECT_THAT(placed_.changed, ElementsAre("w", "cb", "db"));
}

TEST_F(LayerSolveTest, MendsGroupsAndTransposedConvolutions) {
  NetMaker net;
  net.Node("ConvTranspose", "up",
           {"image", net.Constant("w", {3, 2, 2, 2}), net.Constant("b", {6})},
           {{"group", int64_t{3}}, {"strides", std::vector<int64_t>{2, 2}}});
  const model::Model model = net.Finish({"up"});
  Replace(model, "w");
  EXPECT_EQ(placed_.bias_in, "bias");
  EXPECT_THAT(solved_.bias_change, SizeIs(6));
  ExpectMended(model, "up");
}

// What calibration cannot serve is projected, with its bias mended all the same.
TEST_F(LayerSolveTest, ProjectsOtherSchemesPlainlyAndMendsTheirBias) {
  NetMaker net;
  net.Conv("c", "image", {3, 3, 3, 3});
  const model::Model model = net.Finish({"c"});
  struct Row {
    const char* why;
    std::function<void(LayerChoice&)> edit;
  };
  const Row rows[] = {
      {"threshold scheme", [](LayerChoice& c) { c.tensor.scheme = quant::Scheme::kThreshold; }},
      {"one exponent for all rows",
       [](LayerChoice& c) { c.tensor.granularity = quant::Granularity::kTensor; }},
      {"8-bit uniform",
       [](LayerChoice& c) {
         c.tensor.scheme = quant::Scheme::kUniform;
         c.tensor.bits = quant::kUniformBits;
       }},
      // As many rows along the other axis as along the layer's own.
      {"its rows are not the layer's outputs", [](LayerChoice& c) { c.tensor.axis = 1; }}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.why);
    LayerChoice choice;
    choice.tensor.bits = 3;
    Replace(model, "c.w", [&](LayerChoice& c) {
      row.edit(c);
      choice = c;
    });
    EXPECT_EQ(solved_.figures.plain, row.why);
    EXPECT_EQ(solved_.figures.error, solved_.figures.nearest_error);
    EXPECT_EQ(placed_.bias_in, "bias");
    const auto& stored = std::get<base::Tensor>(model.constants.find("c.w")->second);
    EXPECT_EQ(solved_.tensor, quant::QuantizeTensor(stored.view(), choice.tensor)->tensor);
    EXPECT_LT(MeanError(model, constants_, "c"), 1e-5);
  }
}

// Their rows are not those that a stored bias would have.
TEST_F(LayerSolveTest, StoresNoBiasBesideRowsOfAnotherAxis) {
  NetMaker net;
  net.Node("Conv", "c", {"image", net.Constant("w", {4, 3, 3, 3})}, {{"pads", kPads}});
  const model::Model model = net.Finish({"c"});
  Replace(model, "w", [](LayerChoice& c) { c.tensor.axis = 1; });
  EXPECT_EQ(placed_.bias_in, "");
  EXPECT_THAT(StoredBias(), IsEmpty());
}

TEST_F(LayerSolveTest, DeadRowsAndTinyWeightsAreDefined) {
  NetMaker net;
  net.Conv("c", "image", {4, 3, 3, 3});
  model::Model model = net.Finish({"c"});
  auto& weights = std::get<base::Tensor>(model.constants.find("c.w")->second);
  const absl::Span<float> values = weights.mutable_as<float>();
  for (size_t i = 0; i < 27; ++i) values[i] = 0;
  for (size_t i = 27; i < 54; ++i) values[i] = i % 2 == 0 ? 1e-30F : -1e-30F;
  Replace(model, "c.w");
  EXPECT_EQ(solved_.figures.dead_rows, 2);
  const std::vector<float> made = quant::Dequantize(solved_.tensor);
  for (size_t i = 0; i < 27; ++i) EXPECT_EQ(made[i], 0);
  for (size_t i = 27; i < 54; ++i) EXPECT_LE(std::fabs(made[i]), 1e-29F);
  EXPECT_TRUE(std::isfinite(solved_.figures.error));
  ExpectMended(model, "c");
}

// What a normalization takes to nothing is dead, whatever its weights are; what it makes large is
// not.
TEST_F(LayerSolveTest, JudgesDeadRowsBehindTheNormalization) {
  NetMaker net;
  net.Node("Conv", "c", {"image", net.Constant("w", {4, 3, 3, 3})}, {{"pads", kPads}});
  net.Norm("n", "c", 4);
  net.Constant("n.gamma", {4}, std::vector<float>{1, 0, 1e-13F, 1e6F});
  net.Constant("n.var", {4}, std::vector<float>{1, 1, 1, 0});
  model::Model model = net.Finish({"n"});
  auto& weights = std::get<base::Tensor>(model.constants.find("w")->second);
  const absl::Span<float> values = weights.mutable_as<float>();
  for (size_t i = 3 * 27; i < values.size(); ++i) values[i] *= 1e-14F;
  const auto is_nearest = [&](size_t row) {
    quant::TensorOptions options;
    options.bits = 3;
    const std::vector<float> nearest =
        quant::Dequantize(quant::QuantizeTensor(weights.view(), options)->tensor);
    const std::vector<float> made = quant::Dequantize(solved_.tensor);
    return std::equal(made.begin() + static_cast<std::ptrdiff_t>(27 * row),
                      made.begin() + static_cast<std::ptrdiff_t>(27 * (row + 1)),
                      nearest.begin() + static_cast<std::ptrdiff_t>(27 * row));
  };
  Replace(model, "w");
  EXPECT_EQ(solved_.figures.dead_rows, 2);
  EXPECT_DOUBLE_EQ(solved_.figures.output_power, power_[0] + power_[3]);
  EXPECT_FALSE(is_nearest(0));
  EXPECT_TRUE(is_nearest(1));
  EXPECT_TRUE(is_nearest(2));
  EXPECT_FALSE(is_nearest(3));
  EXPECT_LT(solved_.figures.error, solved_.figures.nearest_error);
  Replace(model, "w", [](LayerChoice& c) { c.tensor.scheme = quant::Scheme::kThreshold; });
  EXPECT_EQ(solved_.figures.dead_rows, 2);
  EXPECT_DOUBLE_EQ(solved_.figures.output_power, power_[0] + power_[3]);
  // Somebody else sees the rows too.
  model.graph.outputs.push_back({"c", base::DType::kF32, {}});
  Replace(model, "w");
  EXPECT_EQ(solved_.figures.dead_rows, 0);
}

// H is nothing: nearest codes, and a bias that carries the whole constant.
TEST_F(LayerSolveTest, ConstantAndZeroInputsAreProjected) {
  NetMaker net;
  net.Node("Conv", "c", {"image", net.Constant("w", {4, 3, 1, 1}), net.Constant("b", {4})});
  const model::Model model = net.Finish({"c"});
  for (const float value : {0.7F, 0.0F}) {
    SCOPED_TRACE(value);
    pictures_.assign(3, Picture(3 * kSize * kSize, value));
    Replace(model, "w");
    EXPECT_EQ(solved_.figures.plain, "its inputs are constant");
    EXPECT_EQ(placed_.bias_in, value == 0 ? "" : "bias");
    EXPECT_LT(MeanError(model, constants_, "c"), 1e-6);
    EXPECT_TRUE(std::isfinite(solved_.figures.nearest_error));
  }
}

TEST_F(LayerSolveTest, WithoutSumsThereIsNoBias) {
  NetMaker net;
  net.Conv("c", "image", {3, 3, 3, 3});
  const model::Model model = net.Finish({"c"});
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  WalkLayer layer = walk->layers()[0];
  layer.uses.clear();
  layer.unsupported = "node c is odd";
  const auto& stored = std::get<base::Tensor>(model.constants.find("c.w")->second);
  const SolvedLayer solved = SolveLayer(layer, stored, nullptr, {}, 1).value();
  EXPECT_EQ(solved.figures.plain, "node c is odd");
  EXPECT_THAT(solved.bias_change, IsEmpty());
  graph::Constants constants = model.constants;
  EXPECT_EQ(PlaceLayer(model.graph, layer, solved, constants).bias_in, "");
}

TEST_F(LayerSolveTest, NamesTheTensorThatIsNotFinite) {
  NetMaker net;
  net.Conv("c", "image", {3, 3, 3, 3});
  const model::Model model = net.Finish({"c"});
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  const LayerSums sums = walk->Sums({}).value();
  base::Tensor broken = std::get<base::Tensor>(model.constants.find("c.w")->second);
  broken.mutable_as<float>()[5] = std::nanf("");
  const absl::Status status = SolveLayer(walk->layers()[0], broken, &sums, {}, 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("c.w"));
}

// Of four dimensions the rows of a product with its weight on the left are the third; of three they
// are the normalization's channels.
TEST_F(LayerSolveTest, TakesTheSecondDimensionAloneForANormalizationsChannels) {
  NetMaker four;
  four.Integers("sizes", {0, 6, 3, 6});
  four.Node("Reshape", "x", {"image", "sizes"});
  four.Node("MatMul", "y", {four.Constant("w", {6, 3}), "x"});
  four.Norm("n", "y", 6);
  const model::Model rows_third = four.Finish({"n"});
  Replace(rows_third, "w");
  EXPECT_NE(placed_.bias_in, "batch_norm");
  EXPECT_TRUE(Unchanged(rows_third, "n.mean"));
  NetMaker three;
  three.Integers("sizes", {0, 3, 36});
  three.Node("Reshape", "x", {"image", "sizes"});
  three.Node("MatMul", "y", {three.Constant("w", {4, 3}), "x"});
  three.Norm("n", "y", 4);
  const model::Model rows_second = three.Finish({"n"});
  Replace(rows_second, "w");
  EXPECT_EQ(placed_.bias_in, "batch_norm");
  ExpectMended(rows_second, "n");
}

TEST_F(LayerSolveTest, InputsThatAreNotFiniteAreNamedAndTheirBiasIsLeft) {
  NetMaker net;
  net.Conv("c", "image", {4, 3, 3, 3});
  const model::Model model = net.Finish({"c"});
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    pictures_ = RandomPictures(3, kSize, 5);
    pictures_[1][20] = bad;
    Replace(model, "c.w");
    EXPECT_THAT(solved_.figures.plain, HasSubstr("its inputs are not finite"));
    EXPECT_THAT(solved_.figures.plain, HasSubstr("change of its bias is not finite"));
    EXPECT_EQ(placed_.bias_in, "");
    EXPECT_TRUE(Unchanged(model, "c.b"));
    EXPECT_TRUE(std::isfinite(solved_.figures.error));
    EXPECT_TRUE(std::isfinite(solved_.figures.output_power));
  }
}

// Constants that float32 squares round.
TEST_F(LayerSolveTest, ConstantsThatAreNoFractionsOfTwoAreConstants) {
  NetMaker net;
  net.Node("Conv", "c", {"image", net.Constant("w", {4, 3, 1, 1}), net.Constant("b", {4})});
  const model::Model model = net.Finish({"c"});
  for (const float value : {0.3F, 0.1F}) {
    pictures_.assign(20, Picture(3 * kSize * kSize, value));
    Replace(model, "w");
    EXPECT_EQ(solved_.figures.plain, "its inputs are constant");
    EXPECT_LT(MeanError(model, constants_, "c"), 1e-6);
  }
}

TEST_F(LayerSolveTest, StopsWithinTheSolver) {
  for (const bool groups : {true, false}) {
    for (const bool plain : {true, false}) {
      NetMaker net;
      net.Conv("c", "image", {6, groups ? 1 : 3, 3, 3}, groups ? 3 : 1);
      const model::Model model = net.Finish({"c"});
      const auto walk = bench_.Walk(model, pictures_, bench_.Options());
      const LayerSums sums = walk->Sums({}).value();
      const auto& stored = std::get<base::Tensor>(model.constants.find("c.w")->second);
      LayerChoice choice;
      if (plain) choice.tensor.scheme = quant::Scheme::kThreshold;
      for (const int allowed : {0, 1}) {
        int asked = 0;
        const KeepGoing stop = [&] {
          return asked++ < allowed ? absl::OkStatus() : absl::CancelledError("enough");
        };
        const auto solved = SolveLayer(walk->layers()[0], stored, &sums, choice, {1, stop});
        const bool one_piece = plain && !groups;  // six rows are measured at once
        EXPECT_EQ(absl::IsCancelled(solved.status()), allowed == 0 || !one_piece)
            << groups << plain << allowed << solved.status();
      }
    }
  }
}

}  // namespace
}  // namespace lbw::tasks

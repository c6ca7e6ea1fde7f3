#include "tasks/layer_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/status.h"
#include "tasks/layer_solve.h"
#include "unit/tasks/calibration_fixture.h"
#include "unit/tasks/calibration_networks.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSize = kNetworkSize;
constexpr size_t kPictures = 5;

// Moments by brute force.
struct Moments {
  std::vector<double> h, g, mean_changed, mean_float;
  int64_t samples = 0;
};

class Oracle {
 public:
  Oracle(Bench& bench, const model::Model& model, const std::vector<Picture>& pictures)
      : bench_(bench), model_(model), pictures_(pictures) {}

  // Of the group over all uses, with the constants of the changed edition.
  Moments Of(const WalkLayer& layer, const graph::Constants& changed, size_t group) {
    std::vector<std::string> values;
    for (const engine::WeightUse& use : layer.uses) {
      values.push_back(use.input);
      values.push_back(use.output);
    }
    const auto floating = bench_.Run(model_, model_.constants, pictures_, values);
    const auto other = bench_.Run(model_, changed, pictures_, values);
    const base::Shape weight = graph::ShapeOf(model_.constants.find(layer.weight.constant)->second);
    std::vector<std::vector<double>> xf, xq;
    for (size_t p = 0; p < pictures_.size(); ++p) {
      for (size_t u = 0; u < layer.uses.size(); ++u) {
        const graph::Node& node = model_.graph.nodes[layer.uses[u].node];
        const base::Shape& out = floating[p][2 * u + 1].shape();
        const Rows of_float = InputRows(node, weight, floating[p][2 * u], out);
        const Rows of_changed = InputRows(node, weight, other[p][2 * u], out);
        xf.insert(xf.end(), of_float[group].begin(), of_float[group].end());
        xq.insert(xq.end(), of_changed[group].begin(), of_changed[group].end());
      }
    }
    return Sum(xf, xq);
  }

 private:
  static Moments Sum(const std::vector<std::vector<double>>& xf,
                     const std::vector<std::vector<double>>& xq) {
    const size_t columns = xf[0].size();
    Moments out;
    out.samples = static_cast<int64_t>(xf.size());
    const auto m = static_cast<double>(xf.size());
    out.mean_float.resize(columns);
    out.mean_changed.resize(columns);
    for (size_t t = 0; t < xf.size(); ++t) {
      for (size_t j = 0; j < columns; ++j) {
        out.mean_float[j] += xf[t][j] / m;
        out.mean_changed[j] += xq[t][j] / m;
      }
    }
    for (size_t i = 0; i < columns; ++i) {
      for (size_t j = 0; j < columns; ++j) {
        double h = 0, g = 0;
        for (size_t t = 0; t < xf.size(); ++t) {
          const double q = xq[t][j] - out.mean_changed[j];
          h += (xq[t][i] - out.mean_changed[i]) * q;
          g += (xf[t][i] - out.mean_float[i]) * q;
        }
        out.h.push_back(h / m);
        out.g.push_back(g / m);
      }
    }
    return out;
  }

  Bench& bench_;
  const model::Model& model_;
  const std::vector<Picture>& pictures_;
};

double Largest(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

void ExpectClose(const std::vector<double>& got, const std::vector<double>& want, double scale,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 2e-5 * scale) << what << "[" << i << "]";
  }
}

struct Case {
  const char* name;
  model::Model (*make)();
  size_t layers;
};

class LayerWalkTest : public ::testing::TestWithParam<Case> {
 protected:
  Bench bench_;
  const model::Model model_ = GetParam().make();
  const std::vector<Picture> pictures_ = RandomPictures(kPictures, kSize, 3);

  SolvedLayer Solve(const LayerWalk& walk, const LayerSums& sums) {
    const WalkLayer& layer = walk.layers()[walk.at()];
    LayerChoice choice;
    choice.tensor.bits = 3;
    choice.tensor.axis = layer.weight.axis;
    choice.tensor.groups = layer.weight.groups;
    const auto& weights =
        std::get<base::Tensor>(model_.constants.find(layer.weight.constant)->second);
    return SolveLayer(layer, weights, &sums, choice, 1).value();
  }
};

INSTANTIATE_TEST_SUITE_P(Networks, LayerWalkTest,
                         ::testing::Values(Case{"Residual", &Residual, 4},
                                           Case{"Concat", &Concat, 3}, Case{"Grouped", &Grouped, 4},
                                           Case{"Products", &Products, 3},
                                           Case{"Shared", &Shared, 4},
                                           Case{"Normalized", &Normalized, 3}),
                         [](const auto& one) { return std::string(one.param.name); });

// Every layer's sums with all layers before it replaced and all behind it float.
TEST_P(LayerWalkTest, SumsEqualBruteForceOverTheLayersInputs) {
  Oracle oracle(bench_, model_, pictures_);
  const auto walk = bench_.Walk(model_, pictures_, bench_.Options());
  ASSERT_THAT(walk->layers(), SizeIs(GetParam().layers));
  while (walk->at() < walk->layers().size()) {
    const WalkLayer& layer = walk->layers()[walk->at()];
    SCOPED_TRACE(layer.weight.constant);
    ASSERT_THAT(layer.unsupported, IsEmpty());
    const graph::Constants before = walk->constants();
    const LayerSums sums = walk->Sums({}).value();
    ASSERT_EQ(sums.groups.size(), static_cast<size_t>(layer.uses[0].groups));
    for (size_t g = 0; g < sums.groups.size(); ++g) {
      const Moments want = oracle.Of(layer, before, g);
      EXPECT_EQ(sums.samples, want.samples);
      ExpectClose(sums.groups[g].h, want.h, Largest(want.h), "H");
      ExpectClose(sums.groups[g].g, want.g, Largest(want.h), "G");
      ExpectClose(sums.groups[g].mean_quantized, want.mean_changed, 1 + Largest(want.h), "mq");
      ExpectClose(sums.groups[g].mean_float, want.mean_float, 1 + Largest(want.h), "mf");
    }
    const Placed placed = PlaceLayer(model_.graph, layer, Solve(*walk, sums), walk->constants());
    ASSERT_TRUE(walk->Advance(placed.changed, {}).ok());
  }
  const auto heads = HeadValues(model_);
  EXPECT_NEAR(walk->OutputError().value(),
              RelativeError(bench_.Run(model_, model_.constants, pictures_, heads),
                            bench_.Run(model_, walk->constants(), pictures_, heads)),
              1e-4);
  EXPECT_GT(walk->OutputError().value(), 1e-4) << "3 bits are not free";
}

// The power of the float outputs about their mean is that of the weights' products.
TEST_P(LayerWalkTest, OutputPowerIsThatOfTheFloatLayer) {
  const auto walk = bench_.Walk(model_, pictures_, bench_.Options());
  while (walk->at() < walk->layers().size()) {
    const WalkLayer& layer = walk->layers()[walk->at()];
    const LayerSums sums = walk->Sums({}).value();
    const auto& weights =
        std::get<base::Tensor>(model_.constants.find(layer.weight.constant)->second);
    const quant::RowLayout rows =
        quant::MakeRowLayout(weights.shape(), layer.weight.axis, layer.weight.groups);
    for (int64_t r = 0; r < rows.rows; ++r) {
      const quant::Gram& gram = sums.groups[static_cast<size_t>(r / layer.uses[0].rows)];
      double power = 0;
      for (int64_t i = 0; i < gram.columns; ++i) {
        for (int64_t j = 0; j < gram.columns; ++j) {
          const auto w = [&](int64_t column) {
            return static_cast<double>(
                weights.as<float>()[static_cast<size_t>(rows.Offset(r, column))]);
          };
          power += w(i) * gram.h[static_cast<size_t>(i * gram.columns + j)] * w(j);
        }
      }
      ASSERT_NEAR(sums.output_power[static_cast<size_t>(r)], power, 1e-3 * power + 1e-6)
          << layer.weight.constant << " row " << r;
    }
    ASSERT_TRUE(walk->Advance({}, {}).ok());
  }
}

struct Walked {
  std::vector<LayerSums> sums;
  graph::Constants constants;
  double error = 0;
};

// Threads and where values are kept change nothing, with a choice of positions too.
TEST_P(LayerWalkTest, SameBitsForAnyThreadsAndWithSpilledValues) {
  const auto walk_with = [&](int threads, uint64_t cache) {
    WalkOptions options = bench_.Options(threads);
    options.max_cache_bytes = cache;
    options.positions = 7;
    options.seed = 5;
    const auto walk = bench_.Walk(model_, pictures_, options);
    Walked out;
    while (walk->at() < walk->layers().size()) {
      out.sums.push_back(walk->Sums({}).value());
      const Placed placed = PlaceLayer(model_.graph, walk->layers()[walk->at()],
                                       Solve(*walk, out.sums.back()), walk->constants());
      LBW_CHECK(walk->Advance(placed.changed, {}).ok());
    }
    out.constants = walk->constants();
    out.error = walk->OutputError().value();
    return out;
  };
  const Walked one = walk_with(1, uint64_t{1} << 30);
  for (const auto& [threads, cache] :
       {std::pair{2, uint64_t{1} << 30}, std::pair{4, uint64_t{1} << 30}, std::pair{1, uint64_t{0}},
        std::pair{3, uint64_t{2000}}}) {
    SCOPED_TRACE(threads);
    const Walked other = walk_with(threads, cache);
    for (size_t i = 0; i < one.sums.size(); ++i) {
      EXPECT_EQ(one.sums[i].output_power, other.sums[i].output_power);
      for (size_t g = 0; g < one.sums[i].groups.size(); ++g) {
        EXPECT_EQ(one.sums[i].groups[g].h, other.sums[i].groups[g].h);
        EXPECT_EQ(one.sums[i].groups[g].g, other.sums[i].groups[g].g);
        EXPECT_EQ(one.sums[i].groups[g].mean_quantized, other.sums[i].groups[g].mean_quantized);
      }
    }
    EXPECT_TRUE(SameConstants(one.constants, other.constants));
    EXPECT_EQ(one.error, other.error);
  }
}

// One layer changed, the others float: as the executor sees it, wherever the walk stands.
TEST_P(LayerWalkTest, ErrorOfOneLayerEqualsTheWholeNetworks) {
  const auto walk = bench_.Walk(model_, pictures_, bench_.Options());
  EXPECT_EQ(walk->ErrorOf(model_.constants, kPictures).value(), 0);
  const auto heads = HeadValues(model_);
  const auto floating = bench_.Run(model_, model_.constants, pictures_, heads);
  while (walk->at() < walk->layers().size()) {
    const LayerSums sums = walk->Sums({}).value();
    graph::Constants constants = walk->constants();
    PlaceLayer(model_.graph, walk->layers()[walk->at()], Solve(*walk, sums), constants);
    const double want = RelativeError(floating, bench_.Run(model_, constants, pictures_, heads));
    EXPECT_NEAR(walk->ErrorOf(constants, kPictures).value(), want, 1e-4 + 1e-3 * want)
        << walk->layers()[walk->at()].weight.constant;
    ASSERT_TRUE(walk->Advance({}, {}).ok());
  }
}

class OddWalkTest : public ::testing::Test {
 protected:
  Bench bench_;
  const std::vector<Picture> pictures_ = RandomPictures(kPictures, kSize, 4);
};

// Both editions are one until something changes: G is H, means are one, and no value is kept twice.
TEST_F(OddWalkTest, NothingIsDoubledBeforeTheFirstChange) {
  const model::Model model = Residual();
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  while (walk->at() < walk->layers().size()) {
    const LayerSums sums = walk->Sums({}).value();
    EXPECT_EQ(sums.groups[0].mean_quantized, sums.groups[0].mean_float);
    EXPECT_EQ(sums.groups[0].h, sums.groups[0].g);
    ASSERT_TRUE(walk->Advance({}, {}).ok());
  }
  EXPECT_EQ(walk->OutputError().value(), 0);
  EXPECT_TRUE(SameConstants(walk->constants(), model.constants));
}

TEST_F(OddWalkTest, RefusesNoPicturesAndPicturesOfAnotherSize) {
  const model::Model model = Residual();
  const auto open = [&](const std::vector<Picture>& pictures) {
    return LayerWalk::Open(model, bench_.engine(), pictures, HeadValues(model), bench_.Options())
        .status();
  };
  EXPECT_EQ(open({}).code(), absl::StatusCode::kInvalidArgument);
  const absl::Status other = open({Picture(3)});
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other.message()), HasSubstr("3 values"));
}

TEST_F(OddWalkTest, StopsWhereItIsToldTo) {
  const model::Model model = Shared();
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  const KeepGoing stop = [] { return absl::CancelledError("enough"); };
  EXPECT_TRUE(absl::IsCancelled(walk->Sums(stop).status()));
}

TEST_F(OddWalkTest, KeepsNoFileInTheScratchFolder) {
  const model::Model model = Residual();
  WalkOptions options = bench_.Options();
  options.max_cache_bytes = 0;
  options.scratch_folder = "/nowhere";
  // Pictures are the caller's; the first layer's outputs need room.
  EXPECT_FALSE(bench_.Walk(model, pictures_, options)->Advance({}, {}).ok());
}

// A node in front of the layer multiplies with the layer's weight: what it makes changes too.
TEST_F(OddWalkTest, AWeightThatIsReadAsDataIsProjectedWithoutSums) {
  NetMaker net;
  net.Constant("tied", {3, 3, 1, 1});
  net.Node("ReduceMean", "scale", {"tied"},
           {{"axes", std::vector<int64_t>{0, 1, 2, 3}}, {"keepdims", int64_t{1}}});
  net.Node("Mul", "scaled", {"image", "scale"});
  net.Conv("stem", "scaled", {3, 3, 3, 3});
  net.Node("Conv", "out", {"stem", "tied"});
  const model::Model model = net.Finish({"out"});
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  ASSERT_THAT(walk->layers(), SizeIs(2));
  EXPECT_EQ(walk->layers()[0].weight.constant, "tied");
  EXPECT_THAT(walk->layers()[0].unsupported, HasSubstr("reads it as data"));
  EXPECT_THAT(walk->layers()[0].uses, IsEmpty());
  CalibrateSteps steps;
  const auto made = CalibrateNetwork(
      *walk, model, ChooseLayers(model, walk->layers(), ChoicesAt(3)).value(), {}, 1, steps);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_NEAR(made->output_error,
              RelativeError(bench_.Run(model, model.constants, pictures_, {"out"}),
                            bench_.Run(model, made->constants, pictures_, {"out"})),
              1e-4);
}

// The shape of a weight is known whatever the weight holds.
TEST_F(OddWalkTest, AWeightWhoseShapeIsReadStaysCalibrated) {
  NetMaker net;
  net.Constant("w", {3, 3, 1, 1});
  net.Node("Shape", "sizes", {"w"});
  net.Integers("picture", {0, 3, 6, 6});
  net.Node("Reshape", "same", {"image", "picture"});
  net.Node("Conv", "out", {"same", "w"});
  const model::Model model = net.Finish({"out"});
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  ASSERT_THAT(walk->layers(), SizeIs(1));
  EXPECT_THAT(walk->layers()[0].unsupported, IsEmpty());
  const LayerSums sums = walk->Sums({}).value();
  EXPECT_EQ(sums.samples, static_cast<int64_t>(kPictures) * kSize * kSize);
  ASSERT_TRUE(walk->Advance({"w"}, {}).ok());
}

TEST_F(OddWalkTest, ANetworkWithoutLayersHasNothingToWalk) {
  NetMaker net;
  net.Node("Relu", "out", {"image"});
  const model::Model model = net.Finish({"out"});
  const auto walk = bench_.Walk(model, pictures_, bench_.Options());
  EXPECT_THAT(walk->layers(), IsEmpty());
  EXPECT_EQ(walk->OutputError().value(), 0);
}

// A weight [4, 2, 1, 1] that one node reads whole and another in two groups: sums of either would
// be wrong for the other, or lie where there are none.
TEST_F(OddWalkTest, AWeightThatIsReadInDifferentGroupsIsProjected) {
  for (const bool grouped_first : {true, false}) {
    SCOPED_TRACE(grouped_first);
    NetMaker net;
    net.Conv("two", "image", {2, 3, 1, 1});
    net.Conv("four", "image", {4, 3, 1, 1});
    net.Constant("w", {4, 2, 1, 1});
    for (const bool grouped : {grouped_first, !grouped_first}) {
      if (grouped) {
        net.Node("Conv", "parts", {"four", "w"}, {{"group", int64_t{2}}});
      } else {
        net.Node("Conv", "whole", {"two", "w"}, {{"group", int64_t{1}}});
      }
    }
    net.Node("Add", "sum", {"whole", "parts"});
    const model::Model model = net.Finish({"sum"});
    const auto walk = bench_.Walk(model, pictures_, bench_.Options());
    ASSERT_THAT(walk->layers(), SizeIs(3));
    EXPECT_EQ(walk->layers()[2].weight.constant, "w");
    EXPECT_EQ(walk->layers()[2].unsupported, "its nodes read it in different groups");
    EXPECT_THAT(walk->layers()[2].uses, IsEmpty());
    const auto made = CalibrateNetwork(
        *walk, model, ChooseLayers(model, walk->layers(), ChoicesAt(3)).value(), {}, 2, {});
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(made->solved[2].figures.plain, "its nodes read it in different groups");
    EXPECT_NEAR(made->output_error,
                RelativeError(bench_.Run(model, model.constants, pictures_, {"sum"}),
                              bench_.Run(model, made->constants, pictures_, {"sum"})),
                1e-4);
  }
}

TEST_F(OddWalkTest, ALayerBeyondItsMemoryIsProjectedAndItsBiasMended) {
  NetMaker net;
  net.Conv("small", "image", {4, 3, 1, 1});
  net.Conv("large", "small", {4, 4, 3, 3});
  const model::Model model = net.Finish({"large"});
  WalkOptions options = bench_.Options();
  options.max_layer_bytes = quant::CalibrationBytes(36);
  EXPECT_THAT(bench_.Walk(model, pictures_, options)->layers()[1].limited, IsEmpty());
  --options.max_layer_bytes;
  const auto walk = bench_.Walk(model, pictures_, options);
  EXPECT_THAT(walk->layers()[0].limited, IsEmpty());
  EXPECT_THAT(walk->layers()[1].limited, HasSubstr("columns=36"));
  EXPECT_THAT(walk->layers()[1].limited, HasSubstr("limit=33695 bytes"));
  EXPECT_THAT(walk->layers()[1].uses, SizeIs(1));
  const auto made = CalibrateNetwork(
      *walk, model, ChooseLayers(model, walk->layers(), ChoicesAt(2)).value(), {}, 2, {});
  ASSERT_TRUE(made.ok()) << made.status();
  const LayerFigures& figures = made->solved[1].figures;
  EXPECT_EQ(figures.plain, walk->layers()[1].limited);
  EXPECT_EQ(made->bias_in[1], "bias");
  EXPECT_EQ(figures.samples, static_cast<int64_t>(kPictures) * kSize * kSize);
  EXPECT_GT(figures.error, 0);
  EXPECT_GT(figures.output_power, figures.error);
  const auto& weights = std::get<base::Tensor>(model.constants.find("large.w")->second);
  quant::TensorOptions plain;
  plain.bits = 2;
  EXPECT_EQ(made->solved[1].tensor, quant::QuantizeTensor(weights.view(), plain)->tensor);
  // The mean of every channel is the float network's.
  const auto floating = bench_.Run(model, model.constants, pictures_, {"large"});
  const auto changed = bench_.Run(model, made->constants, pictures_, {"large"});
  std::vector<double> means(4, 0.0);
  for (size_t p = 0; p < floating.size(); ++p) {
    const auto a = floating[p][0].as<float>();
    const auto b = changed[p][0].as<float>();
    for (size_t i = 0; i < a.size(); ++i) {
      means[i / (kSize * kSize)] += static_cast<double>(b[i]) - static_cast<double>(a[i]);
    }
  }
  for (const double mean : means) EXPECT_NEAR(mean / static_cast<double>(figures.samples), 0, 1e-5);
}

TEST(FitsLayer, CountsEveryGroupAndOverflowsNowhere) {
  EXPECT_TRUE(FitsLayer(1, 12'852, kMaxLayerBytes));
  EXPECT_FALSE(FitsLayer(1, 12'853, kMaxLayerBytes));
  EXPECT_TRUE(FitsLayer(2, 100, 2 * 26 * 100 * 100));
  EXPECT_FALSE(FitsLayer(2, 100, 2 * 26 * 100 * 100 - 1));
  EXPECT_FALSE(FitsLayer(1, std::numeric_limits<int64_t>::max(), kMaxLayerBytes));
}

}  // namespace
}  // namespace lbw::tasks

// Convolution, pooling and resizing against scalar loops written from the definitions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "unit/engine/one_node.h"

namespace lbw::engine {
namespace {

using testing_support::Floats;
using testing_support::OneNode;
using testing_support::RunOneNode;
using testing_support::Varied;
using Ints = std::vector<int64_t>;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

struct WindowCase {
  std::string name;
  base::Shape input;
  base::Shape weight;  // Conv: [O, I/g, kh, kw]; ConvTranspose: [I, O/g, kh, kw]; pooling: {kh, kw}
  int64_t groups = 1;
  Ints strides = {1, 1};
  Ints dilations = {1, 1};
  Ints pads = {0, 0, 0, 0};
  Ints output;  // expected height and width
  bool ceil_mode = false;
  bool include_pad = false;
};

float At(const base::Tensor& t, int64_t n, int64_t c, int64_t y, int64_t x) {
  const base::Shape& s = t.shape();
  return t.as<float>()[static_cast<size_t>(((n * s[1] + c) * s[2] + y) * s[3] + x)];
}

bool Inside(const base::Tensor& t, int64_t y, int64_t x) {
  return y >= 0 && x >= 0 && y < t.shape()[2] && x < t.shape()[3];
}

// One output element of a convolution, in double.
double ConvAt(const WindowCase& c, const base::Tensor& x, const base::Tensor& w, const Ints& at) {
  const int64_t per_group = c.weight[1];
  const int64_t group = at[1] / (c.weight[0] / c.groups);
  double sum = 0;
  for (int64_t i = 0; i < per_group; ++i) {
    for (int64_t ky = 0; ky < c.weight[2]; ++ky) {
      for (int64_t kx = 0; kx < c.weight[3]; ++kx) {
        const int64_t y = at[2] * c.strides[0] - c.pads[0] + ky * c.dilations[0];
        const int64_t xx = at[3] * c.strides[1] - c.pads[1] + kx * c.dilations[1];
        if (!Inside(x, y, xx)) continue;
        sum += static_cast<double>(At(x, at[0], group * per_group + i, y, xx)) *
               static_cast<double>(At(w, at[1], i, ky, kx));
      }
    }
  }
  return sum;
}

template <typename Function>
std::vector<float> ForEachOutput(const base::Shape& shape, Function value) {
  std::vector<float> out;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t c = 0; c < shape[1]; ++c) {
      for (int64_t y = 0; y < shape[2]; ++y) {
        for (int64_t x = 0; x < shape[3]; ++x) {
          out.push_back(static_cast<float>(value(Ints{n, c, y, x})));
        }
      }
    }
  }
  return out;
}

void PrintTo(const WindowCase& c, std::ostream* out) { *out << c.name; }

std::string NameOf(const ::testing::TestParamInfo<WindowCase>& test) { return test.param.name; }

class ConvTest : public ::testing::TestWithParam<WindowCase> {};

TEST_P(ConvTest, EqualsScalarLoops) {
  const WindowCase& c = GetParam();
  const base::Tensor x = Varied(c.input, 1);
  const base::Tensor w = Varied(c.weight, 2);
  const base::Tensor bias = Varied({c.weight[0]}, 3);
  const auto result = RunOneNode({"Conv",
                                  x,
                                  {w, bias},
                                  {{"group", c.groups},
                                   {"strides", c.strides},
                                   {"dilations", c.dilations},
                                   {"pads", c.pads}}});
  ASSERT_TRUE(result.ok()) << result.status();
  const base::Tensor& y = (*result)[0];
  ASSERT_THAT(y.shape(), ElementsAre(c.input[0], c.weight[0], c.output[0], c.output[1]));
  const std::vector<float> expected = ForEachOutput(y.shape(), [&](const Ints& at) {
    return ConvAt(c, x, w, at) + static_cast<double>(bias.as<float>()[static_cast<size_t>(at[1])]);
  });
  EXPECT_THAT(Floats(y), Pointwise(FloatNear(1e-4F), expected));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ConvTest,
    ::testing::Values(
        WindowCase{"plain", {2, 3, 5, 6}, {4, 3, 3, 3}, 1, {1, 1}, {1, 1}, {1, 1, 1, 1}, {5, 6}},
        WindowCase{"strided", {2, 3, 7, 8}, {4, 3, 3, 3}, 1, {2, 3}, {1, 1}, {1, 1, 1, 1}, {4, 3}},
        WindowCase{"dilated", {1, 2, 9, 9}, {3, 2, 3, 3}, 1, {1, 1}, {2, 3}, {2, 3, 2, 3}, {9, 9}},
        WindowCase{"grouped", {2, 4, 5, 5}, {6, 2, 3, 3}, 2, {1, 1}, {1, 1}, {0, 0, 0, 0}, {3, 3}},
        WindowCase{
            "depthwise", {2, 5, 6, 6}, {5, 1, 3, 3}, 5, {2, 2}, {1, 1}, {1, 1, 1, 1}, {3, 3}},
        WindowCase{"depthwise_doubled",
                   {1, 3, 4, 4},
                   {6, 1, 2, 2},
                   3,
                   {1, 1},
                   {1, 1},
                   {0, 0, 0, 0},
                   {3, 3}},
        WindowCase{
            "uneven_pads", {1, 2, 5, 5}, {3, 2, 3, 2}, 1, {2, 2}, {1, 1}, {0, 1, 1, 2}, {2, 4}},
        WindowCase{
            "pointwise", {3, 4, 3, 2}, {2, 4, 1, 1}, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {3, 2}}),
    NameOf);

TEST(Conv, AutoPadSameUpperPutsTheOddElementAtTheEnd) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 1, 4}, {1, 2, 3, 4});
  const base::Tensor w = base::Tensor::FromF32({1, 1, 1, 2}, {1, 10});
  const auto upper = RunOneNode({"Conv", x, {w}, {{"auto_pad", std::string("SAME_UPPER")}}});
  ASSERT_TRUE(upper.ok()) << upper.status();
  EXPECT_THAT(Floats((*upper)[0]), ElementsAre(21, 32, 43, 4));
  const auto lower = RunOneNode({"Conv", x, {w}, {{"auto_pad", std::string("SAME_LOWER")}}});
  ASSERT_TRUE(lower.ok()) << lower.status();
  EXPECT_THAT(Floats((*lower)[0]), ElementsAre(10, 21, 32, 43));
}

TEST(Conv, OneSpatialDimension) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 4}, {1, 2, 3, 4});
  const base::Tensor w = base::Tensor::FromF32({1, 1, 3}, {1, 0, -1});
  const auto result = RunOneNode({"Conv", x, {w}, {}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(-2, -2));
}

class ConvTransposeTest : public ::testing::TestWithParam<WindowCase> {};

// Every input element adds its weighted kernel to the output.
std::vector<float> Scatter(const WindowCase& c, const base::Tensor& x, const base::Tensor& w,
                           const base::Shape& shape) {
  std::vector<double> out(static_cast<size_t>(shape[0] * shape[1] * shape[2] * shape[3]), 0.0);
  const int64_t in_per_group = c.input[1] / c.groups;
  const std::vector<float> visits = ForEachOutput(x.shape(), [&](const Ints& at) {
    const int64_t group = at[1] / in_per_group;
    for (int64_t o = 0; o < c.weight[1]; ++o) {
      for (int64_t ky = 0; ky < c.weight[2]; ++ky) {
        for (int64_t kx = 0; kx < c.weight[3]; ++kx) {
          const int64_t y = at[2] * c.strides[0] + ky * c.dilations[0] - c.pads[0];
          const int64_t xx = at[3] * c.strides[1] + kx * c.dilations[1] - c.pads[1];
          if (y < 0 || xx < 0 || y >= shape[2] || xx >= shape[3]) continue;
          const int64_t channel = group * c.weight[1] + o;
          out[static_cast<size_t>(((at[0] * shape[1] + channel) * shape[2] + y) * shape[3] + xx)] +=
              static_cast<double>(At(x, at[0], at[1], at[2], at[3])) *
              static_cast<double>(At(w, at[1], o, ky, kx));
        }
      }
    }
    return 0.0;
  });
  return std::vector<float>(out.begin(), out.end());
}

TEST_P(ConvTransposeTest, EqualsScalarLoops) {
  const WindowCase& c = GetParam();
  const base::Tensor x = Varied(c.input, 4);
  const base::Tensor w = Varied(c.weight, 5);
  const auto result = RunOneNode({"ConvTranspose",
                                  x,
                                  {w},
                                  {{"group", c.groups},
                                   {"strides", c.strides},
                                   {"dilations", c.dilations},
                                   {"pads", c.pads}}});
  ASSERT_TRUE(result.ok()) << result.status();
  const base::Tensor& y = (*result)[0];
  ASSERT_THAT(y.shape(), ElementsAre(c.input[0], c.weight[1] * c.groups, c.output[0], c.output[1]));
  EXPECT_THAT(Floats(y), Pointwise(FloatNear(1e-4F), Scatter(c, x, w, y.shape())));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ConvTransposeTest,
    ::testing::Values(
        WindowCase{"doubling", {2, 3, 3, 4}, {3, 2, 2, 2}, 1, {2, 2}, {1, 1}, {0, 0, 0, 0}, {6, 8}},
        WindowCase{"padded", {1, 2, 4, 4}, {2, 3, 4, 4}, 1, {2, 2}, {1, 1}, {1, 1, 1, 1}, {8, 8}},
        WindowCase{"grouped", {1, 4, 3, 3}, {4, 2, 3, 3}, 2, {1, 1}, {1, 1}, {1, 1, 1, 1}, {3, 3}},
        WindowCase{
            "uneven_pads", {1, 2, 3, 3}, {2, 2, 3, 3}, 1, {2, 2}, {1, 1}, {0, 1, 2, 0}, {5, 6}}),
    NameOf);

class MaxPoolTest : public ::testing::TestWithParam<WindowCase> {};
class AveragePoolTest : public ::testing::TestWithParam<WindowCase> {};

TEST_P(MaxPoolTest, EqualsScalarLoops) {
  const WindowCase& c = GetParam();
  const base::Tensor x = Varied(c.input, 6);
  const auto result = RunOneNode({"MaxPool",
                                  x,
                                  {},
                                  {{"kernel_shape", c.weight},
                                   {"strides", c.strides},
                                   {"pads", c.pads},
                                   {"dilations", c.dilations},
                                   {"ceil_mode", int64_t{c.ceil_mode ? 1 : 0}}}});
  ASSERT_TRUE(result.ok()) << result.status();
  const base::Tensor& y = (*result)[0];
  ASSERT_THAT(y.shape(), ElementsAre(c.input[0], c.input[1], c.output[0], c.output[1]));
  const std::vector<float> expected = ForEachOutput(y.shape(), [&](const Ints& at) {
    float best = -std::numeric_limits<float>::infinity();
    for (int64_t ky = 0; ky < c.weight[0]; ++ky) {
      for (int64_t kx = 0; kx < c.weight[1]; ++kx) {
        const int64_t yy = at[2] * c.strides[0] - c.pads[0] + ky * c.dilations[0];
        const int64_t xx = at[3] * c.strides[1] - c.pads[1] + kx * c.dilations[1];
        if (Inside(x, yy, xx)) best = std::max(best, At(x, at[0], at[1], yy, xx));
      }
    }
    return best;
  });
  EXPECT_EQ(Floats(y), expected);
}

TEST_P(AveragePoolTest, EqualsScalarLoops) {
  const WindowCase& c = GetParam();
  const base::Tensor x = Varied(c.input, 7);
  const auto result = RunOneNode({"AveragePool",
                                  x,
                                  {},
                                  {{"kernel_shape", c.weight},
                                   {"strides", c.strides},
                                   {"pads", c.pads},
                                   {"count_include_pad", int64_t{c.include_pad ? 1 : 0}},
                                   {"ceil_mode", int64_t{c.ceil_mode ? 1 : 0}}}});
  ASSERT_TRUE(result.ok()) << result.status();
  const base::Tensor& y = (*result)[0];
  const std::vector<float> expected = ForEachOutput(y.shape(), [&](const Ints& at) {
    double sum = 0;
    int count = 0;
    for (int64_t ky = 0; ky < c.weight[0]; ++ky) {
      for (int64_t kx = 0; kx < c.weight[1]; ++kx) {
        const int64_t yy = at[2] * c.strides[0] - c.pads[0] + ky;
        const int64_t xx = at[3] * c.strides[1] - c.pads[1] + kx;
        const bool in_pad =
            yy < c.input[2] + c.pads[2] && xx < c.input[3] + c.pads[3] && c.include_pad;
        if (Inside(x, yy, xx)) sum += static_cast<double>(At(x, at[0], at[1], yy, xx));
        if (Inside(x, yy, xx) || in_pad) ++count;
      }
    }
    return sum / count;
  });
  EXPECT_THAT(Floats(y), Pointwise(FloatNear(1e-5F), expected));
}

std::vector<WindowCase> UndilatedPools() {
  const Ints two = {2, 2};
  const Ints ones = {1, 1};
  return {
      WindowCase{"halving", {2, 3, 6, 8}, {2, 2}, 1, two, ones, {0, 0, 0, 0}, {3, 4}},
      WindowCase{"ceil", {1, 2, 5, 7}, {2, 2}, 1, two, ones, {0, 0, 0, 0}, {3, 4}, true},
      WindowCase{"padded", {1, 2, 5, 5}, {3, 3}, 1, two, ones, {1, 1, 1, 1}, {3, 3}},
      WindowCase{
          "padded_counted", {1, 2, 5, 5}, {3, 3}, 1, two, ones, {1, 1, 1, 1}, {3, 3}, false, true},
      WindowCase{"uneven_pads", {1, 2, 4, 5}, {3, 2}, 1, {2, 1}, ones, {0, 1, 2, 0}, {2, 5}},
      WindowCase{"uneven_ceil", {1, 1, 4, 7}, {3, 3}, 1, two, ones, {0, 0, 1, 1}, {2, 4}, true},
      WindowCase{"uneven_counted_ceil",
                 {1, 1, 4, 7},
                 {3, 3},
                 1,
                 two,
                 ones,
                 {0, 0, 1, 1},
                 {2, 4},
                 true,
                 true},
  };
}

INSTANTIATE_TEST_SUITE_P(Cases, MaxPoolTest, ::testing::ValuesIn(UndilatedPools()), NameOf);
INSTANTIATE_TEST_SUITE_P(
    Dilated, MaxPoolTest,
    ::testing::Values(WindowCase{
        "dilated", {1, 2, 7, 7}, {2, 3}, 1, {1, 2}, {2, 2}, {0, 1, 0, 1}, {5, 3}}),
    NameOf);
INSTANTIATE_TEST_SUITE_P(Cases, AveragePoolTest, ::testing::ValuesIn(UndilatedPools()), NameOf);

TEST(Pool, OneSpatialDimension) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 5}, {1, 4, 2, 8, 6});
  const std::map<std::string, graph::Attribute> attributes = {{"kernel_shape", Ints{2}},
                                                              {"strides", Ints{2}}};
  const auto most = RunOneNode({"MaxPool", x, {}, attributes});
  ASSERT_TRUE(most.ok()) << most.status();
  EXPECT_THAT(Floats((*most)[0]), ElementsAre(4, 8));
  const auto mean = RunOneNode({"AveragePool", x, {}, attributes});
  ASSERT_TRUE(mean.ok()) << mean.status();
  EXPECT_THAT(Floats((*mean)[0]), ElementsAre(2.5, 5));
}

TEST(Pool, GlobalPoolsKeepOnes) {
  const base::Tensor x = base::Tensor::FromF32({1, 2, 1, 3}, {1, 2, 6, -1, -2, -3});
  const auto mean = RunOneNode({"GlobalAveragePool", x, {}, {}});
  ASSERT_TRUE(mean.ok()) << mean.status();
  EXPECT_THAT((*mean)[0].shape(), ElementsAre(1, 2, 1, 1));
  EXPECT_THAT(Floats((*mean)[0]), ElementsAre(3, -2));
  const auto most = RunOneNode({"GlobalMaxPool", x, {}, {}});
  ASSERT_TRUE(most.ok()) << most.status();
  EXPECT_THAT(Floats((*most)[0]), ElementsAre(6, -1));
}

// Scales go in as ONNX has them: roi left out as an empty tensor.
absl::StatusOr<std::vector<base::Tensor>> Resize(const base::Tensor& x, std::vector<float> scales,
                                                 const std::string& mode,
                                                 const std::string& coordinates,
                                                 const std::string& nearest) {
  const auto count = static_cast<int64_t>(scales.size());
  return RunOneNode({"Resize",
                     x,
                     {base::Tensor(base::DType::kF32, {0}), base::Tensor::FromF32({count}, scales)},
                     {{"mode", mode},
                      {"coordinate_transformation_mode", coordinates},
                      {"nearest_mode", nearest}}});
}

TEST(Resize, NearestAsymmetricFloorRepeats) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 2, 2}, {1, 2, 3, 4});
  const auto result = Resize(x, {1, 1, 2, 2}, "nearest", "asymmetric", "floor");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Floats((*result)[0]), ElementsAre(1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4));
}

TEST(Resize, LinearInEachCoordinateMode) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 1, 2}, {0, 8});
  const auto half = Resize(x, {1, 1, 1, 2}, "linear", "half_pixel", "floor");
  ASSERT_TRUE(half.ok()) << half.status();
  EXPECT_THAT(Floats((*half)[0]), ElementsAre(0, 2, 6, 8));
  const auto asymmetric = Resize(x, {1, 1, 1, 2}, "linear", "asymmetric", "floor");
  ASSERT_TRUE(asymmetric.ok()) << asymmetric.status();
  EXPECT_THAT(Floats((*asymmetric)[0]), ElementsAre(0, 4, 8, 8));
  const auto corners = Resize(x, {1, 1, 1, 2.5F}, "linear", "align_corners", "floor");
  ASSERT_TRUE(corners.ok()) << corners.status();
  EXPECT_THAT(Floats((*corners)[0]), ElementsAre(0, 2, 4, 6, 8));
}

TEST(Resize, SizesAndUpsample) {
  const base::Tensor x = base::Tensor::FromF32({1, 1, 1, 4}, {1, 2, 3, 4});
  const base::Tensor none(base::DType::kF32, {0});
  const auto down = RunOneNode({"Resize",
                                x,
                                {none, none, base::Tensor::FromI64({2}, {1, 2})},
                                {{"axes", Ints{2, 3}},
                                 {"mode", std::string("nearest")},
                                 {"coordinate_transformation_mode", std::string("asymmetric")},
                                 {"nearest_mode", std::string("floor")}}});
  ASSERT_TRUE(down.ok()) << down.status();
  EXPECT_THAT(Floats((*down)[0]), ElementsAre(1, 3));
  const auto up =
      RunOneNode({"Upsample", x, {base::Tensor::FromF32({4}, {1, 1, 2, 1})}, {}, /*opset=*/9});
  ASSERT_TRUE(up.ok()) << up.status();
  EXPECT_THAT(Floats((*up)[0]), ElementsAre(1, 2, 3, 4, 1, 2, 3, 4));
}

TEST(Resize, CubicIsRefusedByName) {
  const auto result = Resize(Varied({1, 1, 2, 2}, 1), {1, 1, 2, 2}, "cubic", "half_pixel", "floor");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), ::testing::HasSubstr("mode=cubic"));
}

}  // namespace
}  // namespace lbw::engine

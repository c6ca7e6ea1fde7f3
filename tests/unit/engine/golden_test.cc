// Real detectors and classifiers against outputs that other runtimes computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/io.h"
#include "base/strings.h"
#include "engine/torch/torch_executor.h"
#include "graph/onnx/import.h"
#include "graph/rounding_points.h"
#include "quant/quantize.h"
#include "support/npy.h"
#include "support/test_data.h"

namespace lbw::engine {
namespace {

std::string ReadFile(const std::string& path) {
  const auto reader = base::OpenFileReader(path);
  if (!reader.ok()) return "";
  return base::ReadAll(**reader, uint64_t{1} << 32).value();
}

double LargestDifference(const base::Tensor& a, const base::Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  if (a.shape() != b.shape()) return INFINITY;
  double largest = 0;
  for (size_t i = 0; i < a.as<float>().size(); ++i) {
    const double difference =
        std::fabs(static_cast<double>(a.as<float>()[i]) - static_cast<double>(b.as<float>()[i]));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::optional<std::string> data = testing::TestDataDir();
    if (!data.has_value()) GTEST_SKIP() << "LBW_TEST_DATA is not set";
    data_ = *data;
  }

  base::Tensor Npy(const std::string& path) const {
    auto tensor = testing::ReadNpy(base::StrCat(data_, "/", path));
    EXPECT_TRUE(tensor.ok()) << path << ": " << tensor.status();
    return tensor.ok() ? *std::move(tensor) : base::Tensor();
  }

  graph::Imported Import(const std::string& path) const {
    auto imported = graph::ImportOnnx(ReadFile(base::StrCat(data_, "/", path)));
    EXPECT_TRUE(imported.ok()) << path << ": " << imported.status();
    return imported.ok() ? *std::move(imported) : graph::Imported();
  }

  static std::unique_ptr<Executor> Compile(const graph::Imported& model,
                                           std::vector<std::string> fetch = {},
                                           graph::Activations emulate = {}) {
    CompileOptions options;
    options.fetch = std::move(fetch);
    options.emulate = std::move(emulate);
    options.threads = 2;
    auto executor = NewTorchExecutorFactory()->Compile(model.graph, model.constants, options);
    EXPECT_TRUE(executor.ok()) << executor.status();
    return executor.ok() ? *std::move(executor) : nullptr;
  }

  static std::vector<base::Tensor> Run(Executor& executor, const base::Tensor& input) {
    auto outputs = executor.Run(input.view(), base::CancelToken());
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return outputs.ok() ? *std::move(outputs) : std::vector<base::Tensor>();
  }

  // The picture `count` times, and every picture's result equal to that of one.
  static void ExpectBatchIndependent(Executor& executor, const base::Tensor& picture,
                                     int64_t count) {
    base::Shape shape = picture.shape();
    shape[0] = count;
    base::Tensor batch(picture.dtype(), shape);
    for (int64_t i = 0; i < count; ++i) {
      const auto from = picture.as<float>();
      std::copy(from.begin(), from.end(),
                batch.mutable_as<float>().begin() + i * picture.elements());
    }
    // A different first picture must not leak into the others.
    for (float& value : batch.mutable_as<float>().subspan(0, 1000)) value = 1.0F - value;
    const std::vector<base::Tensor> one = Run(executor, picture);
    const std::vector<base::Tensor> many = Run(executor, batch);
    ASSERT_EQ(one.size(), many.size());
    for (size_t k = 0; k < one.size(); ++k) {
      const auto expected = one[k].as<float>();
      const auto got = many[k].as<float>();
      ASSERT_EQ(got.size(), expected.size() * static_cast<size_t>(count));
      for (size_t i = expected.size(); i < got.size(); ++i) {
        const float want = expected[i % expected.size()];
        ASSERT_NEAR(got[i], want, 1e-5F * std::max(1.0F, std::fabs(want))) << "output " << k;
      }
    }
  }

  std::string data_;
};

TEST_F(Golden, AizooSsdEqualsOpenCv) {
  const graph::Imported model = Import("weights_aizoo_ssd/face_mask_detection.onnx");
  EXPECT_EQ(model.graph.max_batch, 0);
  EXPECT_THAT(model.graph.inputs[0].shape, ::testing::ElementsAre(graph::kBatch, 3, 260, 260));
  std::vector<std::string> fetch = {"loc_branch_concat", "cls_branch_concat"};
  std::vector<std::string> files = {"final_loc_branch_concat", "final_cls_branch_concat"};
  for (int level = 0; level < 5; ++level) {
    for (const char* kind : {"loc", "cls"}) {
      fetch.push_back(base::StrCat(kind, "_", level, "_conv"));
      files.push_back(fetch.back());
    }
  }
  const auto executor = Compile(model, fetch);
  ASSERT_NE(executor, nullptr);
  const auto outputs =
      Run(*executor, Npy("weights_aizoo_ssd/golden_forward/input_1x3x260x260.npy"));
  ASSERT_EQ(outputs.size(), fetch.size());
  for (size_t i = 0; i < fetch.size(); ++i) {
    const base::Tensor golden =
        Npy(base::StrCat("weights_aizoo_ssd/golden_forward/", files[i], ".npy"));
    EXPECT_LT(LargestDifference(outputs[i], golden), 1e-4) << fetch[i];
  }
  EXPECT_THAT(executor->outputs()[0].shape, ::testing::ElementsAre(graph::kBatch, 5972, 4));
  EXPECT_GE(executor->resident_bytes(), 1'011'384U * 4);
}

TEST_F(Golden, AizooSsdIsIndependentOfTheBatch) {
  const graph::Imported model = Import("weights_aizoo_ssd/face_mask_detection.onnx");
  const auto executor = Compile(model);
  ASSERT_NE(executor, nullptr);
  ExpectBatchIndependent(*executor, Npy("weights_aizoo_ssd/golden_forward/input_1x3x260x260.npy"),
                         4);
}

// 8-bit weights and activations everywhere: ranges from the same picture. What an int8 executor of
// this network would give.
TEST_F(Golden, AizooSsdKeepsItsOutputsWithEmulatedActivations) {
  graph::Imported model = Import("weights_aizoo_ssd/face_mask_detection.onnx");
  const std::vector<std::string> heads = {"loc_branch_concat", "cls_branch_concat"};
  for (const graph::Weight& weight : graph::FindWeights(model.graph, model.constants, heads)) {
    graph::Constant& constant = model.constants.find(weight.constant)->second;
    quant::TensorOptions options;
    options.scheme = quant::Scheme::kUniform;
    options.bits = quant::kUniformBits;
    options.axis = weight.axis;
    auto codes = quant::QuantizeTensor(std::get<base::Tensor>(constant).view(), options);
    ASSERT_TRUE(codes.ok()) << codes.status();
    constant = std::move(codes->tensor);
  }
  const auto points = graph::FindRoundingPoints(model.graph, model.constants, heads);
  ASSERT_FALSE(points.empty());
  EXPECT_TRUE(points[0].is_input);
  const base::Tensor input = Npy("weights_aizoo_ssd/golden_forward/input_1x3x260x260.npy");
  std::vector<std::string> fetch = heads;
  for (const graph::RoundingPoint& point : points) fetch.push_back(point.value);
  const auto plain_executor = Compile(model, fetch);
  ASSERT_NE(plain_executor, nullptr);
  const auto plain = Run(*plain_executor, input);
  std::map<std::string, graph::Extremes, std::less<>> extremes;
  for (size_t i = heads.size(); i < fetch.size(); ++i) {
    const auto values = plain[i].as<float>();
    const auto ends = std::minmax_element(values.begin(), values.end());
    extremes.emplace(fetch[i], graph::Extremes{*ends.first, *ends.second});
  }
  const std::vector<float> mean = {0};
  const std::vector<float> scale = {1.0F / 255};
  const auto ranges = graph::ChooseActivations(points, extremes, graph::PictureRange(mean, scale));
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  const auto executor = Compile(model, fetch, *ranges);
  ASSERT_NE(executor, nullptr);
  const auto rounded = Run(*executor, input);
  ASSERT_EQ(rounded.size(), fetch.size());
  for (size_t i = 0; i < fetch.size(); ++i) {
    double power = 0;
    double noise = 0;
    for (size_t e = 0; e < plain[i].as<float>().size(); ++e) {
      const auto want = static_cast<double>(plain[i].as<float>()[e]);
      const auto got = static_cast<double>(rounded[i].as<float>()[e]);
      power += want * want;
      noise += (got - want) * (got - want);
      if (i < heads.size()) continue;
      const auto step = static_cast<double>(ranges->at(fetch[i]).scale);
      ASSERT_NEAR(got / step, std::nearbyint(got / step), 1e-3) << fetch[i];
    }
    EXPECT_GT(10 * std::log10(power / noise), i < heads.size() ? 25 : 15) << fetch[i];
  }
}

// [100, 3, 32, 32], normalised as the networks were trained.
base::Tensor CifarPictures(const std::string& data) {
  const std::string bytes = ReadFile(base::StrCat(data, "/cifar10_test_share2000/test_share.bin"));
  constexpr float kMean[] = {0.485F, 0.456F, 0.406F};
  constexpr float kStd[] = {0.229F, 0.224F, 0.225F};
  constexpr size_t kRecord = 1 + 3 * 1024;
  base::Tensor pictures(base::DType::kF32, {100, 3, 32, 32});
  const auto out = pictures.mutable_as<float>();
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t channel = i / 1024 % 3;
    const auto pixel = static_cast<uint8_t>(bytes[i / 3072 * kRecord + 1 + i % 3072]);
    out[i] = (static_cast<float>(pixel) / 255.0F - kMean[channel]) / kStd[channel];
  }
  return pictures;
}

class CifarGolden : public Golden, public ::testing::WithParamInterface<const char*> {};

TEST_P(CifarGolden, LogitsEqualStoredOnes) {
  const std::string stem = base::StrCat("weights_cifar_resnet/", GetParam());
  const graph::Imported model = Import(base::StrCat(stem, ".onnx"));
  EXPECT_EQ(model.graph.max_batch, 0);
  const auto executor = Compile(model);
  ASSERT_NE(executor, nullptr);
  const auto outputs = Run(*executor, CifarPictures(data_));
  ASSERT_EQ(outputs.size(), 1U);
  const base::Tensor golden = Npy(base::StrCat(stem, "_logits_first100_of_share.npy"));
  EXPECT_LT(LargestDifference(outputs[0], golden), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(ResNets, CifarGolden,
                         ::testing::Values("resnet20-12fca82f", "resnet56-4bfd9763"),
                         [](const auto& test) { return std::string(test.param).substr(0, 8); });

struct LinzaerCase {
  const char* file;
  const char* golden;
};

class LinzaerGolden : public Golden, public ::testing::WithParamInterface<LinzaerCase> {};

TEST_P(LinzaerGolden, EqualsOpenCv) {
  const graph::Imported model =
      Import(base::StrCat("weights_linzaer_face_ssd/", GetParam().file, ".onnx"));
  EXPECT_EQ(model.graph.max_batch, 0) << ::testing::PrintToString(model.notes);
  const auto executor = Compile(model, {"scores", "boxes"});
  ASSERT_NE(executor, nullptr);
  const base::Tensor input = Npy("weights_linzaer_face_ssd/golden_forward/input_1x3x240x320.npy");
  const auto outputs = Run(*executor, input);
  ASSERT_EQ(outputs.size(), 2U);
  const std::string stem =
      base::StrCat("weights_linzaer_face_ssd/golden_forward/", GetParam().golden);
  EXPECT_LT(LargestDifference(outputs[0], Npy(base::StrCat(stem, "_scores.npy"))), 1e-4);
  EXPECT_LT(LargestDifference(outputs[1], Npy(base::StrCat(stem, "_boxes.npy"))), 1e-4);
  ExpectBatchIndependent(*executor, input, 4);
}

INSTANTIATE_TEST_SUITE_P(Linzaer, LinzaerGolden,
                         ::testing::Values(LinzaerCase{"version-RFB-320", "RFB"},
                                           LinzaerCase{"version-slim-320", "slim"}),
                         [](const auto& test) { return std::string(test.param.golden); });

TEST_F(Golden, FastestDetEqualsOpenCvAndItsShuffleTakesAnyBatch) {
  const graph::Imported model = Import("weights_fastestdet/FastestDet.onnx");
  EXPECT_EQ(model.graph.max_batch, 0) << ::testing::PrintToString(model.notes);
  const auto executor = Compile(model);
  ASSERT_NE(executor, nullptr);
  const base::Tensor input = Npy("weights_fastestdet/golden_input.npy");
  const auto outputs = Run(*executor, input);
  ASSERT_EQ(outputs.size(), 1U);
  EXPECT_LT(LargestDifference(outputs[0], Npy("weights_fastestdet/golden_output.npy")), 1e-4);
  ExpectBatchIndependent(*executor, input, 4);
}

}  // namespace
}  // namespace lbw::engine

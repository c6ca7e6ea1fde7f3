#include "tensorfile/packed_writer.h"

#include <gtest/gtest.h>

#include "tensorfile/packed.h"

namespace lbw::tensorfile {
namespace {

base::Tensor Weights(base::Shape shape) {
  base::Tensor tensor(base::DType::kF32, std::move(shape));
  int64_t i = 0;
  for (float& value : tensor.mutable_as<float>())
    value = static_cast<float>(i++ * 29 % 31 - 15) / 8;
  return tensor;
}

quant::TensorOptions Uniform() {
  quant::TensorOptions options;
  options.bits = 8;
  options.scheme = quant::Scheme::kUniform;
  options.granularity = quant::Granularity::kTensor;
  return options;
}

// "w-" and "w.a" sort between "w" and "w.lbw_exponent".
TEST(PackedWriter, WritesTheBytesOfWritePacked) {
  const base::Tensor weights = Weights({3, 5});
  std::map<std::string, AnyTensor> all = {{"w-", weights}, {"w.z", weights}};
  all["w"] = quant::QuantizeTensor(weights.view(), {})->tensor;
  all["w.a"] = quant::QuantizeTensor(weights.view(), Uniform())->tensor;
  std::map<std::string, const AnyTensor*> pointers;
  std::vector<PackedWriter::Declared> declared;
  for (const auto& [name, tensor] : all) {
    pointers.emplace(name, &tensor);
    const auto* codes = std::get_if<quant::QuantizedTensor>(&tensor);
    declared.push_back({name, base::DType::kF32, weights.shape(),
                        codes != nullptr ? std::optional(codes->options) : std::nullopt});
  }
  base::StringSink expected;
  ASSERT_TRUE(WritePacked(expected, pointers, {{"format", "pt"}}).ok());

  base::StringSink sink;
  auto writer = PackedWriter::Start(sink, declared, {{"format", "pt"}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_EQ(writer->Append("w-", weights.bytes()).code(), absl::StatusCode::kFailedPrecondition)
      << "not its turn";
  for (const auto& [name, tensor] : all) {
    const auto* codes = std::get_if<quant::QuantizedTensor>(&tensor);
    EXPECT_EQ(writer->Finish().code(), absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(
        (codes != nullptr ? writer->Append(name, *codes) : writer->Append(name, weights.bytes()))
            .ok());
  }
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(sink.bytes(), expected.bytes());
}

TEST(PackedWriter, RefusesWhatWasNotDeclared) {
  const base::Tensor weights = Weights({3, 5});
  base::StringSink sink;
  const auto start = [&](std::vector<PackedWriter::Declared> declared,
                         const std::map<std::string, std::string>& metadata = {}) {
    return PackedWriter::Start(sink, std::move(declared), metadata);
  };
  EXPECT_FALSE(start({{"w.lbw_scale", base::DType::kF32, {1}, {}}}).ok());
  EXPECT_FALSE(start({}, {{"lbw.format", "1"}}).ok());
  EXPECT_FALSE(start({}, {{"lbw.tensor.w", "{}"}}).ok());
  quant::TensorOptions axis;
  axis.axis = 2;
  EXPECT_FALSE(start({{"w", base::DType::kF32, {3, 5}, axis}}).ok());
  auto writer = start({{"w", base::DType::kF32, {3, 5}, quant::TensorOptions{}}});
  ASSERT_TRUE(writer.ok());
  EXPECT_FALSE(writer->Append("w", weights.bytes()).ok()) << "declared as codes";
  EXPECT_FALSE(writer->Append("w", quant::QuantizeTensor(weights.view(), Uniform())->tensor).ok());
}

}  // namespace
}  // namespace lbw::tensorfile

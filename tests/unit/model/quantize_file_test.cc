#include "model/quantize_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <limits>

#include "base/status.h"
#include "support/test_data.h"
#include "tensorfile/packed.h"
#include "unit/model/tiny_model.h"

namespace lbw::model {
namespace {

using tensorfile::AnyTensor;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ReasonOf(const absl::Status& status) { return base::GetErrorDetails(status).reason; }

std::string Write(const std::map<std::string, AnyTensor>& tensors,
                  const std::map<std::string, std::string>& metadata = {}) {
  std::map<std::string, const AnyTensor*> pointers;
  for (const auto& [name, tensor] : tensors) pointers.emplace(name, &tensor);
  base::StringSink sink;
  EXPECT_TRUE(tensorfile::WritePacked(sink, pointers, metadata).ok());
  return sink.Take();
}

base::Tensor Half(base::Shape shape, float first) {
  const base::Tensor f32 = Values(shape, first);
  base::Tensor result(base::DType::kF16, std::move(shape));
  for (int64_t i = 0; i < f32.elements(); ++i) {
    result.mutable_as<uint16_t>()[static_cast<size_t>(i)] =
        base::F32ToF16(f32.as<float>()[static_cast<size_t>(i)]);
  }
  return result;
}

// Names whose entries sort between a tensor and its exponents.
std::map<std::string, AnyTensor> Checkpoint() {
  return {{"a", Values({4, 6}, 0.5F)},
          {"a-b", Values({3, 2, 2}, 0)},
          {"a.bias", Values({4}, 0)},
          {"a.z", Half({2, 5}, 1)},
          {"steps", base::Tensor::FromI64({}, {7})},
          {"table", base::Tensor::FromI64({2, 2}, {1, 2, 3, 4})}};
}

struct Made {
  absl::StatusOr<QuantizeFileOutcome> outcome;
  std::string bytes;
};
Made Quantize(const std::string& file, const QuantizeOptions& options = {},
              WriteMode mode = WriteMode::kWrite) {
  const base::StringReader reader(file);
  base::StringSink sink;
  auto outcome = QuantizeSafetensors(reader, options, mode, sink, {});
  return {std::move(outcome), sink.Take()};
}

TEST(QuantizeSafetensors, StreamsTheBytesThatWritePackedWouldWrite) {
  const auto tensors = Checkpoint();
  for (const bool uniform : {false, true}) {
    QuantizeOptions options;
    options.tensor.bits = uniform ? 8 : 4;
    options.tensor.scheme = uniform ? quant::Scheme::kUniform : quant::Scheme::kExact;
    const Made made = Quantize(Write(tensors, {{"format", "pt"}}), options);
    ASSERT_TRUE(made.outcome.ok()) << made.outcome.status();
    auto expected = tensors;
    for (const char* name : {"a", "a-b", "a.z"}) {
      const auto& tensor = std::get<base::Tensor>(tensors.at(name));
      expected[name] = quant::QuantizeTensor(tensor.view(), options.tensor)->tensor;
    }
    EXPECT_EQ(made.bytes, Write(expected, {{"format", "pt"}}));
  }
}

TEST(QuantizeSafetensors, ReportsWhatItDidAndWhatItLeftAlone) {
  QuantizeOptions options;
  options.rules = {{.match = "@first", .keep_float = true}, {.match = "a-*", .bits = 2}};
  const Made made = Quantize(Write(Checkpoint()), options);
  ASSERT_TRUE(made.outcome.ok()) << made.outcome.status();
  std::vector<std::string> names;
  for (const auto& report : made.outcome->outcome.reports) names.push_back(report.name);
  EXPECT_THAT(names, ElementsAre("a", "a-b", "a.z", "a.bias", "steps", "table"));
  const auto& reports = made.outcome->outcome.reports;
  EXPECT_FALSE(reports[0].quantized);
  EXPECT_EQ(reports[1].options.bits, 2);
  EXPECT_EQ(reports[2].source_dtype, base::DType::kF16);
  EXPECT_EQ(reports[3].bytes_after, 16U);
  EXPECT_THAT(made.outcome->outcome.caught,
              ElementsAre(ElementsAre("a"), ElementsAre("a-b"), ElementsAre("a.z")));
}

TEST(QuantizeSafetensors, DryRunWritesNothingAndPredictsTheBytes) {
  const Made dry = Quantize(Write(Checkpoint()), {}, WriteMode::kDryRun);
  const Made wet = Quantize(Write(Checkpoint()));
  ASSERT_TRUE(dry.outcome.ok()) << dry.outcome.status();
  EXPECT_EQ(dry.bytes, "");
  EXPECT_EQ(dry.outcome->outcome.caught, wet.outcome->outcome.caught);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(dry.outcome->outcome.reports[i].bytes_after,
              wet.outcome->outcome.reports[i].bytes_after);
    EXPECT_FALSE(dry.outcome->outcome.reports[i].sqnr_db.has_value());
  }
}

TEST(QuantizeSafetensors, RefusesWhatCannotBe) {
  EXPECT_EQ(ReasonOf(Quantize("").outcome.status()), "UNSUPPORTED_FORMAT");
  EXPECT_EQ(ReasonOf(Quantize("PK\x03\x04 a zip file of some kind").outcome.status()),
            "UNSUPPORTED_FORMAT");
  const std::string file = Write(Checkpoint());
  EXPECT_EQ(ReasonOf(Quantize(file.substr(0, file.size() - 1)).outcome.status()), "BAD_FILE");
  EXPECT_EQ(ReasonOf(Quantize(Quantize(file).bytes).outcome.status()), "ALREADY_QUANTIZED");
  EXPECT_EQ(ReasonOf(Quantize(Write({{"bias", Values({8}, 0)}})).outcome.status()),
            "NOTHING_TO_QUANTIZE");
  QuantizeOptions keep;
  keep.rules = {{.match = "*", .keep_float = true}};
  const Made kept = Quantize(file, keep);
  EXPECT_EQ(ReasonOf(kept.outcome.status()), "NOTHING_TO_QUANTIZE");
  EXPECT_EQ(kept.bytes, "");
  EXPECT_TRUE(Quantize(file, keep, WriteMode::kDryRun).outcome.ok());

  base::StringSink sink;
  auto writer =
      tensorfile::SafetensorsWriter::Start(sink, {{"w.lbw_scale", base::DType::kF32, {1, 1}}}, {});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->Append("w.lbw_scale", Values({1, 1}, 0).bytes()).ok());
  const Made reserved = Quantize(sink.Take());
  EXPECT_EQ(ReasonOf(reserved.outcome.status()), "ALREADY_QUANTIZED");
  EXPECT_THAT(std::string(reserved.outcome.status().message()), HasSubstr("w.lbw_scale"));

  auto tensors = Checkpoint();
  std::get<base::Tensor>(tensors["a-b"]).mutable_as<float>()[3] =
      std::numeric_limits<float>::infinity();
  const Made infinite = Quantize(Write(tensors));
  EXPECT_EQ(ReasonOf(infinite.outcome.status()), "NON_FINITE");
  EXPECT_THAT(std::string(infinite.outcome.status().message()), HasSubstr("a-b"));
}

TEST(QuantizeSafetensors, EndsWhenProgressOrTheSinkSaysSo) {
  const base::StringReader reader(Write(Checkpoint()));
  base::StringSink sink;
  size_t calls = 0;
  const auto stop = [&](size_t done, size_t total, std::string_view) {
    EXPECT_EQ(done, calls++);
    EXPECT_EQ(total, 6U);
    return done == 3 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(QuantizeSafetensors(reader, {}, WriteMode::kWrite, sink, stop).status().code(),
            absl::StatusCode::kCancelled);
  class FullSink final : public base::ByteSink {
   public:
    absl::Status Append(absl::Span<const std::byte>) override {
      return absl::ResourceExhaustedError("full");
    }
  } full;
  EXPECT_EQ(QuantizeSafetensors(reader, {}, WriteMode::kWrite, full, {}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(QuantizeConstants, TakesOnlyTheWeightInputs) {
  TinyGraph tiny({});
  tiny.constants()["priors"] = Values({32, 4}, 1);
  base::StringSink sink;
  QuantizeOptions options;
  options.rules = {{.match = "@outputs", .keep_float = true}};
  const auto outcome =
      QuantizeConstants(tiny.graph(), tiny.constants(), options, WriteMode::kWrite, sink, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->outcome.caught[0].size(), 3U) << "without a spec: what feeds the outputs";
  const base::StringReader reader(sink.Take());
  const auto packed = tensorfile::PackedFile::Open(reader);
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_TRUE(packed->Find("stem.weight")->quantized);
  EXPECT_FALSE(packed->Find("priors")->quantized);
  EXPECT_FALSE(packed->Find("loc.weight")->quantized);
  EXPECT_EQ(packed->tensors().size(), tiny.constants().size());
}

TEST(DequantizeFile, WritesTheValuesInEitherType) {
  const std::string packed = Quantize(Write(Checkpoint(), {{"format", "pt"}})).bytes;
  const base::StringReader reader(packed);
  const auto source = tensorfile::PackedFile::Open(reader);
  for (const DequantizeTo to : {DequantizeTo::kF32, DequantizeTo::kSourceDType}) {
    base::StringSink sink;
    ASSERT_TRUE(DequantizeFile(reader, to, sink, {}).ok());
    const base::StringReader plain_reader(sink.Take());
    const auto plain = tensorfile::SafetensorsFile::Open(plain_reader);
    ASSERT_TRUE(plain.ok()) << plain.status();
    EXPECT_EQ(plain->metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
    EXPECT_EQ(plain->tensors().size(), 6U);
    for (const auto& logical : source->tensors()) {
      const base::Tensor tensor = *plain->Read(*plain->Find(logical.name));
      const AnyTensor original = *source->Read(logical);
      const auto* codes = std::get_if<quant::QuantizedTensor>(&original);
      if (codes == nullptr) {
        EXPECT_EQ(tensor.bytes(), std::get<base::Tensor>(original).bytes());
        continue;
      }
      EXPECT_EQ(tensor.dtype(), to == DequantizeTo::kF32 ? base::DType::kF32 : logical.dtype);
      EXPECT_EQ(*base::ToF32(tensor.view()), quant::Dequantize(*codes)) << logical.name;
    }
  }
}

TEST(DequantizeFile, KeepsABiasBesideTheCodes) {
  auto codes = quant::QuantizeTensor(Values({2, 6}, 0).view(), {})->tensor;
  codes.bias = {0.5F, -1};
  const base::StringReader reader(Write({{"w", codes}}));
  base::StringSink sink;
  ASSERT_TRUE(DequantizeFile(reader, DequantizeTo::kF32, sink, {}).ok());
  const base::StringReader plain_reader(sink.Take());
  const auto plain = tensorfile::SafetensorsFile::Open(plain_reader);
  ASSERT_TRUE(plain.ok()) << plain.status();
  ASSERT_NE(plain->Find("w.lbw_bias"), nullptr);
  EXPECT_EQ(plain->Read(*plain->Find("w.lbw_bias"))->as<float>()[1], -1);
}

TEST(DequantizeFile, RefusesAFileWithNothingPacked) {
  const base::StringReader reader(Write(Checkpoint()));
  base::StringSink sink;
  EXPECT_EQ(DequantizeFile(reader, DequantizeTo::kF32, sink, {}).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(DequantizeFile, EveryTruncationIsAnError) {
  const std::string packed = Quantize(Write(Checkpoint())).bytes;
  for (size_t length = 0; length < packed.size(); ++length) {
    const base::StringReader reader(packed.substr(0, length));
    base::StringSink sink;
    ASSERT_FALSE(DequantizeFile(reader, DequantizeTo::kF32, sink, {}).ok()) << length;
  }
}

TEST(QuantizeSafetensors, QuantizesRealCheckpoints) {
  const auto data = testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is not set";
  for (const char* path : {"/weights_aizoo_ssd/face_mask_detection.safetensors",
                           "/weights_cifar_resnet/resnet20-12fca82f.safetensors"}) {
    const auto reader = base::OpenFileReader(*data + path);
    ASSERT_TRUE(reader.ok()) << reader.status();
    base::StringSink sink;
    const auto made = QuantizeSafetensors(**reader, {}, WriteMode::kWrite, sink, {});
    ASSERT_TRUE(made.ok()) << made.status();
    const quant::ReportTotals totals = quant::SumReports(made->outcome.reports);
    EXPECT_GT(totals.tensors_quantized, 10);
    EXPECT_LT(totals.bytes_after * 4, totals.bytes_before);
    ASSERT_TRUE(totals.sqnr_db.has_value());
    EXPECT_GT(*totals.sqnr_db, 12);
    const base::StringReader packed(sink.Take());
    base::StringSink plain;
    EXPECT_TRUE(DequantizeFile(packed, DequantizeTo::kSourceDType, plain, {}).ok());
  }
}

}  // namespace
}  // namespace lbw::model

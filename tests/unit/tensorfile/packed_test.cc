#include "tensorfile/packed.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "base/digest.h"
#include "base/status.h"
#include "file_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/test_data.h"

namespace lbw::tensorfile {
namespace {

using ::testing::HasSubstr;
using Tensors = std::map<std::string, AnyTensor>;
using Metadata = std::map<std::string, std::string>;

std::string ReasonOf(const absl::Status& status) { return base::GetErrorDetails(status).reason; }

// Weights that every platform makes alike: no library's random numbers, no libm.
base::Tensor Weights(base::Shape shape, uint32_t seed) {
  base::Tensor tensor(base::DType::kF32, std::move(shape));
  for (float& value : tensor.mutable_as<float>()) {
    seed = seed * 1664525 + 1013904223;
    value = (static_cast<float>(seed >> 8) / 8388608.0F - 1.0F) *
            static_cast<float>(1 + (seed >> 4) % 3);
  }
  return tensor;
}

quant::QuantizedTensor Quantized(const base::Tensor& tensor, const quant::TensorOptions& options) {
  auto result = quant::QuantizeTensor(tensor.view(), options);
  EXPECT_TRUE(result.ok()) << result.status();
  return result->tensor;
}

// One of each: both books, both granularities, groups, real scales and biases, 8 bits, empty,
// float.
Tensors Sample() {
  Tensors tensors;
  tensors["conv.weight"] = Quantized(Weights({4, 2, 3, 3}, 1), {.bits = 4});
  tensors["conv.bias"] = Weights({4}, 2);
  tensors["ternary"] =
      Quantized(Weights({3, 5}, 3), {.bits = 2, .granularity = quant::Granularity::kTensor});
  tensors["up.weight"] =
      Quantized(Weights({4, 3, 2, 2}, 4),
                {.bits = 6, .code_book = quant::CodeBook::kPaper, .axis = 1, .groups = 2});
  quant::QuantizedTensor corrected = Quantized(Weights({3, 7}, 5), {.bits = 3, .axis = 1});
  corrected.scales = std::vector<float>(7, 1.5F);
  corrected.bias = {1, 2, 3, 4, 5, 6, 7};
  tensors["corrected"] = corrected;
  tensors["uniform"] =
      Quantized(Weights({2, 6}, 6), {.bits = 8, .scheme = quant::Scheme::kUniform});
  tensors["empty"] = Quantized(base::Tensor(base::DType::kF32, {0, 3}), {.bits = 5});
  tensors["count"] = base::Tensor::FromI64({}, {42});
  return tensors;
}

absl::Status Write(const Tensors& tensors, const Metadata& metadata, std::string& bytes) {
  base::StringSink sink;
  std::map<std::string, const AnyTensor*> borrowed;
  for (const auto& [name, tensor] : tensors) borrowed[name] = &tensor;
  const absl::Status status = WritePacked(sink, borrowed, metadata);
  bytes = sink.Take();
  return status;
}
std::string MustWrite(const Tensors& tensors, const Metadata& metadata = {}) {
  std::string bytes;
  const absl::Status status = Write(tensors, metadata, bytes);
  EXPECT_TRUE(status.ok()) << status;
  return bytes;
}

struct Content {
  Tensors tensors;
  Metadata metadata;
};
absl::StatusOr<Content> ReadAllTensors(const std::string& bytes) {
  const base::StringReader reader(bytes);
  LBW_ASSIGN_OR_RETURN(const PackedFile file, PackedFile::Open(reader));
  Content content;
  content.metadata = file.metadata();
  for (const LogicalTensor& tensor : file.tensors()) {
    LBW_ASSIGN_OR_RETURN(content.tensors[tensor.name], file.Read(tensor));
  }
  return content;
}

bool Same(const AnyTensor& a, const AnyTensor& b) {
  if (a.index() != b.index()) return false;
  if (const auto* quantized = std::get_if<quant::QuantizedTensor>(&a)) {
    return *quantized == std::get<quant::QuantizedTensor>(b);
  }
  const auto& x = std::get<base::Tensor>(a);
  const auto& y = std::get<base::Tensor>(b);
  return x.dtype() == y.dtype() && x.shape() == y.shape() && x.bytes() == y.bytes();
}

TEST(PackedFile, GivesBackWhatWasWritten) {
  const Tensors tensors = Sample();
  const std::string bytes = MustWrite(tensors, {{"note", "kept"}});
  const auto content = ReadAllTensors(bytes);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->metadata, (Metadata{{"note", "kept"}}));
  ASSERT_EQ(content->tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors)
    EXPECT_TRUE(Same(content->tensors.at(name), tensor)) << name;
  EXPECT_EQ(MustWrite(content->tensors, content->metadata), bytes);
}

TEST(PackedFile, DescribesLogicalTensors) {
  const base::StringReader reader(MustWrite(Sample()));
  const auto file = PackedFile::Open(reader);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->is_packed());
  EXPECT_EQ(file->tensors().size(), 8U);
  const LogicalTensor* conv = file->Find("conv.weight");
  ASSERT_NE(conv, nullptr);
  EXPECT_TRUE(conv->quantized);
  EXPECT_EQ(conv->shape, (base::Shape{4, 2, 3, 3}));
  EXPECT_EQ(conv->stored_bytes, 4U * 9 + 4 * 2);
  EXPECT_EQ(conv->options.bits, 4);
  EXPECT_EQ(file->Find("conv.weight.lbw_exponent"), nullptr);
  EXPECT_FALSE(file->Find("conv.bias")->quantized);
}

// What another reader of safetensors sees.
TEST(PackedFile, IsAnOrdinarySafetensorsFile) {
  const base::StringReader reader(MustWrite(Sample()));
  const auto file = SafetensorsFile::Open(reader);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("lbw.format"), "1");
  EXPECT_EQ(file->metadata().at("lbw.tensor.ternary"),
            "{\"axis\":0,\"bits\":2,\"code_book\":\"paper\",\"granularity\":\"tensor\",\"scheme\":"
            "\"lbw\",\"shape\":[3,5],\"source_dtype\":\"F32\"}");
  EXPECT_EQ(file->Find("ternary")->shape, (base::Shape{3, 2}));
  EXPECT_EQ(file->Find("ternary")->dtype, base::DType::kU8);
  EXPECT_EQ(file->Find("ternary.lbw_exponent")->shape, (base::Shape{1}));
  EXPECT_EQ(file->Find("uniform")->dtype, base::DType::kI8);
  EXPECT_EQ(file->Find("uniform.lbw_scale")->shape, (base::Shape{2}));
  EXPECT_EQ(file->Find("corrected.lbw_bias")->shape, (base::Shape{7}));
}

TEST(PackedFile, OpensPlainFiles) {
  const Tensors tensors = {{"w", Weights({2, 2}, 1)}};
  const std::string bytes = MustWrite(tensors, {{"a", "b"}});
  const base::StringReader reader(bytes);
  const auto file = PackedFile::Open(reader);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->is_packed());
  EXPECT_EQ(bytes.find("lbw.format"), std::string::npos);
  EXPECT_TRUE(Same(*file->Read(*file->Find("w")), tensors.at("w")));
}

TEST(PackedFile, ReadsRealWeightsAndPacksThemCanonically) {
  const auto data = lbw::testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is unset";
  const auto reader =
      base::OpenFileReader(*data + "/weights_cifar_resnet/resnet20-12fca82f.safetensors");
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto file = PackedFile::Open(**reader);
  ASSERT_TRUE(file.ok()) << file.status();
  Tensors packed;
  for (const LogicalTensor& tensor : file->tensors()) {
    const auto read = file->Read(tensor);
    ASSERT_TRUE(read.ok()) << read.status();
    const auto& plain = std::get<base::Tensor>(*read);
    const bool quantize = base::IsFloating(plain.dtype()) && plain.shape().size() >= 2;
    packed[tensor.name] = quantize ? AnyTensor(Quantized(plain, {.bits = 4})) : AnyTensor(plain);
  }
  const std::string bytes = MustWrite(packed);
  EXPECT_LT(bytes.size(), (*reader)->size() / 4);
  EXPECT_EQ(MustWrite(ReadAllTensors(bytes)->tensors), bytes);
}

// The file of format version 1, made by this code. Set LBW_UPDATE_GOLDEN to write it anew after a
// deliberate change.
TEST(WritePacked, EqualsTheGoldenFileOfVersion1) {
  const std::string path = std::string(LBW_SOURCE_DIR) + "/tests/golden/packed_v1.safetensors";
  const std::string bytes = MustWrite(Sample(), {{"made_by", "lbw"}});
  if (std::getenv("LBW_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(base::Sha256Hex(base::AsBytes(bytes)),
            base::Sha256Hex(base::AsBytes(testing::ReadFile(path))));
}

TEST(PackedFile, ReadsTheGoldenFileOfVersion1) {
  const auto content = ReadAllTensors(
      testing::ReadFile(std::string(LBW_SOURCE_DIR) + "/tests/golden/packed_v1.safetensors"));
  ASSERT_TRUE(content.ok()) << content.status();
  for (const auto& [name, tensor] : Sample())
    EXPECT_TRUE(Same(content->tensors.at(name), tensor)) << name;
}

// What is read from damaged bytes is either refused or sound: it can be written and read again.
void ExpectRefusedOrSound(const std::string& bytes) {
  const auto content = ReadAllTensors(bytes);
  if (!content.ok()) {
    EXPECT_EQ(content.status().code(), absl::StatusCode::kInvalidArgument) << content.status();
    EXPECT_FALSE(ReasonOf(content.status()).empty());
    return;
  }
  const auto again = ReadAllTensors(MustWrite(content->tensors, content->metadata));
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_EQ(again->tensors.size(), content->tensors.size());
  for (const auto& [name, tensor] : content->tensors)
    EXPECT_TRUE(Same(again->tensors.at(name), tensor)) << name;
}

TEST(PackedFile, SurvivesEveryFlippedByte) {
  const std::string good = MustWrite(Sample(), {{"made_by", "lbw"}});
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int mask : {0x01, 0x10, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      SCOPED_TRACE("byte " + std::to_string(i) + " xor " + std::to_string(mask));
      ExpectRefusedOrSound(bad);
    }
  }
}

TEST(PackedFile, RefusesEveryTruncation) {
  const std::string good = MustWrite(Sample());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(ReadAllTensors(good.substr(0, length)).ok()) << length;
  }
  EXPECT_FALSE(ReadAllTensors(good + '\0').ok());
}

struct Breakage {
  const char* name;
  std::function<void(std::map<std::string, base::Tensor>&, Metadata&)> apply;
  const char* message;
};

// A packed file taken apart into entries and metadata, changed, and put together as plain
// safetensors.
absl::Status OpenChanged(const Breakage& breakage) {
  const std::string bytes = MustWrite(Sample());
  const base::StringReader reader(bytes);
  const auto file = SafetensorsFile::Open(reader);
  Metadata metadata = file->metadata();
  std::map<std::string, base::Tensor> entries;
  for (const TensorEntry& entry : file->tensors()) entries[entry.name] = *file->Read(entry);
  breakage.apply(entries, metadata);
  base::StringSink sink;
  std::vector<SafetensorsWriter::Declared> declared;
  for (const auto& [name, tensor] : entries)
    declared.push_back({name, tensor.dtype(), tensor.shape()});
  auto writer = SafetensorsWriter::Start(sink, declared, metadata);
  for (const auto& [name, tensor] : entries) EXPECT_TRUE(writer->Append(name, tensor.bytes()).ok());
  return ReadAllTensors(sink.bytes()).status();
}

TEST(PackedFile, NamesWhatContradictsWhat) {
  using Entries = std::map<std::string, base::Tensor>;
  const Breakage cases[] = {
      {"format", [](Entries&, Metadata& m) { m["lbw.format"] = "2"; },
       "lbw.format must be 1: \"2\""},
      {"no format", [](Entries&, Metadata& m) { m.erase("lbw.format"); }, "without lbw.format"},
      {"codes gone", [](Entries& e, Metadata&) { e.erase("ternary"); }, "its codes are not"},
      {"exponents gone", [](Entries& e, Metadata&) { e.erase("ternary.lbw_exponent"); },
       "exponents are missing"},
      {"metadata gone", [](Entries&, Metadata& m) { m.erase("lbw.tensor.ternary"); },
       "\"ternary\", which is not quantized"},
      {"codes type",
       [](Entries& e, Metadata&) {
         e["ternary"] = base::Tensor(base::DType::kI8, {3, 2});
       },
       "must be U8 [3, 2]: is I8"},
      {"codes shape",
       [](Entries& e, Metadata&) {
         e["ternary"] = base::Tensor(base::DType::kU8, {3, 3});
       },
       "must be U8 [3, 2]"},
      {"exponent shape",
       [](Entries& e, Metadata&) {
         e["ternary.lbw_exponent"] = base::Tensor(base::DType::kI16, {3});
       },
       "must be I16 [1]"},
      {"scale shape",
       [](Entries& e, Metadata&) {
         e["corrected.lbw_scale"] = base::Tensor(base::DType::kF32, {6});
       },
       "must be F32 [7]"},
      {"scale type",
       [](Entries& e, Metadata&) {
         e["corrected.lbw_scale"] = base::Tensor(base::DType::kF64, {1});
       },
       "must be F32 [1]"},
      {"bias shape",
       [](Entries& e, Metadata&) {
         e["corrected.lbw_bias"] = base::Tensor(base::DType::kF32, {1});
       },
       "must be F32 [7]"},
      {"uniform scale gone", [](Entries& e, Metadata&) { e.erase("uniform.lbw_scale"); },
       "needs a scale"},
      {"uniform exponents",
       [](Entries& e, Metadata&) {
         e["uniform.lbw_exponent"] = base::Tensor(base::DType::kI16, {2});
       },
       "has no exponents"},
      {"stray suffix",
       [](Entries& e, Metadata&) {
         e["conv.bias.lbw_scale"] = base::Tensor(base::DType::kF32, {1});
       },
       "which is not quantized"},
      {"metadata JSON", [](Entries&, Metadata& m) { m["lbw.tensor.ternary"] = "{}"; },
       "\"scheme\" is missing"},
      {"exponent value",
       [](Entries& e, Metadata&) { e["ternary.lbw_exponent"].mutable_as<int16_t>()[0] = 128; },
       "exponent[0]"},
      {"code value", [](Entries& e, Metadata&) { e["ternary"].mutable_as<uint8_t>()[0] = 0x02; },
       "not in the paper book"},
      {"padding", [](Entries& e, Metadata&) { e["ternary"].mutable_as<uint8_t>()[1] |= 0x40; },
       "padding"},
      {"scale NaN",
       [](Entries& e, Metadata&) { e["uniform.lbw_scale"].mutable_as<float>()[1] = std::nanf(""); },
       "not finite"},
      {"uniform -128", [](Entries& e, Metadata&) { e["uniform"].mutable_as<int8_t>()[3] = -128; },
       "-127..127"},
  };
  for (const Breakage& c : cases) {
    SCOPED_TRACE(c.name);
    const absl::Status status = OpenChanged(c);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(status), "BAD_FILE");
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(WritePacked, RefusesReservedNamesAndBrokenTensors) {
  std::string bytes;
  const AnyTensor plain = Weights({2}, 1);
  for (const char* name : {"a.lbw_exponent", "a.lbw_scale", ".lbw_bias"}) {
    EXPECT_TRUE(HasReservedSuffix(name));
    EXPECT_EQ(Write({{name, plain}}, {}, bytes).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(bytes.empty());
  }
  EXPECT_FALSE(HasReservedSuffix("a.lbw_scale.b"));
  EXPECT_EQ(Write({{"a", plain}}, {{"lbw.format", "1"}}, bytes).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Write({{"a", plain}}, {{"lbw.tensor.a", "{}"}}, bytes).code(),
            absl::StatusCode::kInvalidArgument);
  quant::QuantizedTensor broken = Quantized(Weights({2, 3}, 1), {.bits = 4});
  broken.exponents[0] = 1000;
  const absl::Status status = Write({{"w", broken}}, {}, bytes);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor \"w\": exponent[0]"));
  EXPECT_TRUE(bytes.empty());
}

}  // namespace
}  // namespace lbw::tensorfile

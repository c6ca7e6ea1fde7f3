#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/status.h"
#include "model/model.h"
#include "tensorfile/packed.h"
#include "unit/model/tiny_model.h"

namespace lbw::model {
namespace {

using ::testing::HasSubstr;

std::string Bundle(const Model& model) {
  base::StringSink sink;
  EXPECT_TRUE(WriteBundle(model, sink).ok());
  return sink.Take();
}

std::string Digest(const std::string& bytes) {
  return base::Sha256Hex(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
}

absl::StatusOr<Model> Read(std::string bytes) {
  return ReadBundle(base::StringReader(std::move(bytes)));
}

QuantizeOptions MixedRules() {
  QuantizeOptions options;
  options.rules = {{.match = "loc.weight", .bits = 8, .scheme = quant::Scheme::kUniform},
                   {.match = "cls_a*", .keep_float = true},
                   {.match = "cls_b*", .granularity = quant::Granularity::kTensor}};
  return options;
}

TEST(Bundle, RoundTripGivesEqualBytes) {
  Model model = *MakeTiny();
  for (const bool quantized : {false, true}) {
    if (quantized) {
      ASSERT_TRUE(QuantizeModel(model, MixedRules(), {}).ok());
    }
    const std::string bytes = Bundle(model);
    const auto read = Read(bytes);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(Bundle(*read), bytes);
    EXPECT_EQ(read->spec, model.spec);
    EXPECT_EQ(graph::ToJson(read->graph), graph::ToJson(model.graph));
  }
}

graph::Activations TinyRanges() {
  return {{"image", {false, 1.0F / 255, 0, "picture"}}, {"features", {false, 0.125F, 3, "max"}}};
}

TEST(Bundle, RangesOfActivationsRoundTrip) {
  Model model = *MakeTiny();
  const std::string without = Bundle(model);
  model.activations = TinyRanges();
  const std::string bytes = Bundle(model);
  EXPECT_THAT(bytes, HasSubstr("lbw.activations"));
  const auto read = Read(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->activations, model.activations);
  EXPECT_EQ(Bundle(*read), bytes);
  // None recorded: not a word of them.
  model.activations.clear();
  EXPECT_EQ(Bundle(model), without);
  EXPECT_EQ(without.find("lbw.activations"), std::string::npos);
  EXPECT_TRUE(Read(without)->activations.empty());
}

// A checkpoint is the model and what the run needs to go on; detecting with it is no business of
// the optimizer's. Without the mark the same names are tensors as any others.
TEST(Bundle, ACheckpointIsReadWithoutItsTrainingState) {
  const Model model = *MakeTiny();
  std::map<std::string, const tensorfile::AnyTensor*> tensors;
  for (const auto& [name, constant] : model.constants) tensors.emplace(name, &constant);
  const tensorfile::AnyTensor moment = base::Tensor(base::DType::kF32, {3});
  const tensorfile::AnyTensor random = base::Tensor(base::DType::kU8, {16});
  tensors.emplace("lbw.train/opt.m.weight.loc.weight", &moment);
  tensors.emplace("lbw.train/rng", &random);
  std::map<std::string, std::string> metadata = {{"lbw.graph", graph::ToJson(model.graph)},
                                                 {"lbw.spec", SpecToJson(model.spec)},
                                                 {"lbw.checkpoint", "1"}};
  base::StringSink sink;
  ASSERT_TRUE(tensorfile::WritePacked(sink, tensors, metadata).ok());
  const auto read = Read(sink.Take());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->constants.count("lbw.train/rng"), 0U);
  EXPECT_EQ(Bundle(*read), Bundle(model));

  metadata.erase("lbw.checkpoint");
  base::StringSink unmarked;
  ASSERT_TRUE(tensorfile::WritePacked(unmarked, tensors, metadata).ok());
  const auto as_it_is = Read(unmarked.Take());
  ASSERT_TRUE(as_it_is.ok()) << as_it_is.status();
  EXPECT_EQ(as_it_is->constants.count("lbw.train/rng"), 1U);
}

// Stored bundles are found by their digest: those of before and after must be the same bytes.
TEST(Bundle, BytesAreStable) {
  Model model = *MakeTiny();
  ASSERT_TRUE(QuantizeModel(model, MixedRules(), {}).ok());
  EXPECT_EQ(Digest(Bundle(model)),
            "2beca5c837656491251e3a11f7ce3bb27bb3f531c3cd7b15a2bc73d122aeebbe");
  model.activations = TinyRanges();
  EXPECT_EQ(Digest(Bundle(model)),
            "abde8c650c5ddf4e08b7489f6577c3bfe69feca8eac986cc853a03654efecb45");
}

TEST(Bundle, RefusesRangesThatDoNotFitTheGraph) {
  const Model model = *MakeTiny();
  for (const auto& [json, key] : std::map<std::string, std::string>{
           {R"({"nowhere": {"signed": false, "scale": 1, "zero_point": 0, "method": "max"}})",
            "nowhere"},
           // A constant is no value that is computed.
           {R"({"loc.weight": {"signed": false, "scale": 1, "zero_point": 0, "method": "max"}})",
            "loc.weight"},
           {R"({"features": {"signed": false, "scale": -1, "zero_point": 0, "method": "max"}})",
            "features"},
           {R"({"features": {"scale": 1, "zero_point": 0, "method": "max"}})", "features"},
           {"{", "not a JSON object"}}) {
    base::StringSink sink;
    std::map<std::string, const tensorfile::AnyTensor*> tensors;
    for (const auto& [name, constant] : model.constants) tensors.emplace(name, &constant);
    ASSERT_TRUE(tensorfile::WritePacked(sink, tensors,
                                        {{"lbw.graph", graph::ToJson(model.graph)},
                                         {"lbw.spec", SpecToJson(model.spec)},
                                         {"lbw.activations", json}})
                    .ok());
    const auto read = Read(sink.Take());
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(base::GetErrorDetails(read.status()).reason, "BAD_FILE");
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(key));
  }
  Model wrong = model;
  wrong.activations = {{"nowhere", {}}};
  base::StringSink sink;
  EXPECT_EQ(base::GetErrorDetails(WriteBundle(wrong, sink)).reason, "BAD_ARGUMENT");
}

TEST(Bundle, EveryTruncationIsAnError) {
  const std::string bytes = Bundle(*MakeTiny());
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto read = Read(bytes.substr(0, length));
    ASSERT_FALSE(read.ok()) << length;
    ASSERT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << read.status();
  }
}

// A flipped byte of a weight is another weight; anywhere else it must not crash.
TEST(Bundle, FlippedBytesOfTheHeaderNeverCrash) {
  Model model = *MakeTiny();
  ASSERT_TRUE(QuantizeModel(model, MixedRules(), {}).ok());
  const std::string bytes = Bundle(model);
  const size_t header = 8 + static_cast<uint8_t>(bytes[0]) + 256 * static_cast<uint8_t>(bytes[1]);
  ASSERT_LT(header, bytes.size());
  for (size_t i = 0; i < header; ++i) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ (1 << (i % 8)));
    const auto read = Read(broken);
    if (!read.ok()) {
      ASSERT_NE(read.status().code(), absl::StatusCode::kInternal) << read.status();
    }
  }
}

TEST(Bundle, SaysWhatIsMissing) {
  const Model model = *MakeTiny();
  base::StringSink sink;
  std::map<std::string, const tensorfile::AnyTensor*> tensors;
  for (const auto& [name, constant] : model.constants) tensors.emplace(name, &constant);
  const std::string graph_json = graph::ToJson(model.graph);
  ASSERT_TRUE(tensorfile::WritePacked(sink, tensors, {{"lbw.graph", graph_json}}).ok());
  EXPECT_THAT(std::string(Read(sink.Take()).status().message()), HasSubstr("lbw.spec is missing"));
  tensors.erase("loc.weight");
  base::StringSink fewer;
  ASSERT_TRUE(tensorfile::WritePacked(
                  fewer, tensors, {{"lbw.graph", graph_json}, {"lbw.spec", SpecToJson(model.spec)}})
                  .ok());
  const auto read = Read(fewer.Take());
  EXPECT_EQ(base::GetErrorDetails(read.status()).reason, "BAD_GRAPH");
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("loc.weight"));
}

TEST(WriteFloatTensors, DequantizesToF32AndKeepsTheRest) {
  Model model = *MakeTiny();
  ASSERT_TRUE(QuantizeModel(model, MixedRules(), {}).ok());
  base::StringSink sink;
  ASSERT_TRUE(WriteFloatTensors(model, sink).ok());
  const base::StringReader reader(sink.Take());
  const auto file = tensorfile::SafetensorsFile::Open(reader);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors().size(), model.constants.size());
  for (const auto& entry : file->tensors()) {
    const auto& constant = model.constants.find(entry.name)->second;
    const base::Tensor tensor = *file->Read(entry);
    if (const auto* codes = std::get_if<quant::QuantizedTensor>(&constant)) {
      const std::vector<float> values = quant::Dequantize(*codes);
      EXPECT_EQ(tensor.shape(), codes->shape);
      EXPECT_TRUE(std::equal(values.begin(), values.end(), tensor.as<float>().begin()));
    } else {
      EXPECT_EQ(tensor.bytes(), std::get<base::Tensor>(constant).bytes());
    }
  }
}

}  // namespace
}  // namespace lbw::model

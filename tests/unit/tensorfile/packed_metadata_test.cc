#include "tensorfile/packed_metadata.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::tensorfile {
namespace {

using ::testing::HasSubstr;

PackedMetadata Grid() {
  PackedMetadata metadata;
  metadata.shape = {6, 5, 3, 3};
  metadata.options = {
      .bits = 4, .granularity = quant::Granularity::kChannel, .axis = 1, .groups = 2};
  metadata.source_dtype = base::DType::kF16;
  return metadata;
}

TEST(PackedMetadata, IsCanonicalJson) {
  EXPECT_EQ(
      PackedMetadataToJson(Grid()),
      "{\"axis\":1,\"bits\":4,\"code_book\":\"full\",\"granularity\":\"channel\",\"groups\":2,"
      "\"scheme\":\"lbw\",\"shape\":[6,5,3,3],\"source_dtype\":\"F16\"}");
  PackedMetadata uniform;
  uniform.options = {
      .bits = 8, .granularity = quant::Granularity::kTensor, .scheme = quant::Scheme::kUniform};
  EXPECT_EQ(PackedMetadataToJson(uniform),
            "{\"axis\":0,\"bits\":8,\"granularity\":\"tensor\",\"scheme\":\"uniform\",\"shape\":[],"
            "\"source_dtype\":\"F32\"}");
}

TEST(PackedMetadata, GoesBothWays) {
  EXPECT_EQ(*PackedMetadataFromJson(PackedMetadataToJson(Grid()), {}), Grid());
  PackedMetadata uniform;
  uniform.shape = {3, 4};
  uniform.options = {.bits = 8, .scheme = quant::Scheme::kUniform, .axis = 1};
  EXPECT_EQ(*PackedMetadataFromJson(PackedMetadataToJson(uniform), {}), uniform);
}

TEST(PackedMetadata, ReadsTwoBitsAsThePaperBook) {
  PackedMetadata metadata = Grid();
  metadata.options.bits = 2;
  const auto read = PackedMetadataFromJson(PackedMetadataToJson(metadata), {});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->options.code_book, quant::CodeBook::kPaper);
}

struct Change {
  const char* from;
  const char* to;
  const char* message;
};

TEST(PackedMetadata, RefusesWhatDoesNotFit) {
  const Change changes[] = {
      {"\"axis\":1,", "", "\"axis\" is missing"},
      {"\"axis\":1", "\"axis\":\"1\"", "wrong type"},
      {"\"axis\":1", "\"axis\":4", "axis=4"},
      {"\"axis\":1", "\"axis\":0", "groups=2 axis=0"},
      {"\"axis\":1", "\"axis\":4294967297", "too large"},
      {"\"bits\":4", "\"bits\":7", "bits=7"},
      {"\"bits\":4", "\"bits\":8", "bits=8"},
      {"full", "half", "code_book"},
      {"channel", "row", "granularity"},
      {"\"groups\":2", "\"groups\":4", "groups=4"},
      {"\"groups\":2", "\"groups\":0", "groups=0"},
      {"lbw", "exact", "scheme"},
      {"lbw", "uniform", "unknown key \"code_book\""},
      {"[6,5,3,3]", "6", "wrong type"},
      {"[6,5,3,3]", "[6,5,3,4294967296]", "at most"},
      {"F16", "I16", "must be floating"},
      {"F16", "F8_E4M3", "source_dtype"},
      {"{\"axis\"", "{\"zzz\":1,\"axis\"", "unknown key \"zzz\""},
      {"}", "", "does not parse"},
  };
  const std::string good = PackedMetadataToJson(Grid());
  for (const Change& change : changes) {
    SCOPED_TRACE(change.to);
    std::string json = good;
    const size_t at = json.find(change.from);
    ASSERT_NE(at, std::string::npos);
    json.replace(at, std::string(change.from).size(), change.to);
    const absl::Status status = PackedMetadataFromJson(json, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(change.message));
  }
}

TEST(PackedMetadata, UniformHasNoCodeBook) {
  const absl::Status status =
      PackedMetadataFromJson(
          "{\"axis\":0,\"bits\":8,\"code_book\":\"full\",\"granularity\":\"tensor\",\"scheme\":"
          "\"uniform\",\"shape\":[2],\"source_dtype\":\"F32\"}",
          {})
          .status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("unknown key \"code_book\""));
}

}  // namespace
}  // namespace lbw::tensorfile

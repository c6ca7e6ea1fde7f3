// Files that are cut short, changed, nested or too large: a status each time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/io.h"
#include "base/status.h"
#include "graph/onnx/import.h"
#include "unit/graph/onnx_model.h"

namespace lbw::graph {
namespace {

using testing_support::SmallModel;

TEST(ImportOnnx, LimitsAreKept) {
  const std::string bytes = SmallModel().Bytes();
  ImportLimits limits;
  limits.max_file_bytes = bytes.size();
  limits.max_nodes = 4;
  limits.max_tensor_elements = 6;
  EXPECT_TRUE(ImportOnnx(bytes, limits).ok());
  for (int which = 0; which < 3; ++which) {
    ImportLimits tight = limits;
    if (which == 0) --tight.max_file_bytes;
    if (which == 1) --tight.max_nodes;
    if (which == 2) --tight.max_tensor_elements;
    EXPECT_EQ(base::GetErrorDetails(ImportOnnx(bytes, tight).status()).reason, "LIMIT_EXCEEDED");
  }
}

TEST(ImportOnnx, EveryTruncationIsAStatus) {
  const std::string bytes = SmallModel().Bytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto result = ImportOnnx(bytes.substr(0, length));
    EXPECT_FALSE(result.ok()) << length;
  }
}

// Whatever comes through is a graph that validates.
TEST(ImportOnnx, EveryByteChangedIsAStatusOrAGraph) {
  const std::string bytes = SmallModel().Bytes();
  size_t accepted = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {0x01, 0x02, 0x08, 0x40, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      const auto result = ImportOnnx(changed);
      if (!result.ok()) {
        EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
        continue;
      }
      ++accepted;
      EXPECT_TRUE(Validate(result->graph, result->constants).ok());
      EXPECT_TRUE(FromJson(ToJson(result->graph)).ok());
    }
  }
  EXPECT_GT(accepted, 0U);
}

// Messages nested far beyond what any model has: protobuf's own limit stops them.
TEST(ImportOnnx, DeepNestingIsAStatus) {
  onnx::GraphProto inner;
  inner.set_name("g");
  std::string nested = inner.SerializeAsString();
  for (int depth = 0; depth < 300; ++depth) {
    onnx::AttributeProto attribute;
    attribute.set_name("a");
    attribute.set_type(onnx::AttributeProto::GRAPH);
    // Field 6 (g) by hand: a message of a message of ...
    std::string bytes = attribute.SerializeAsString();
    const auto length_prefixed = [](char tag, const std::string& body) {
      std::string out(1, tag);
      size_t length = body.size();
      while (length >= 0x80) {
        out += static_cast<char>(length % 0x80 + 0x80);
        length /= 0x80;
      }
      out += static_cast<char>(length);
      return out + body;
    };
    bytes += length_prefixed(0x32, nested);
    nested = length_prefixed(0x0A, length_prefixed(0x2A, bytes));  // node { attribute }
  }
  std::string model("\x08\x08", 2);
  model += std::string("\x3A\xFF\xFF\xFF\x07", 5) + nested;
  EXPECT_EQ(base::GetErrorDetails(ImportOnnx(model).status()).reason, "BAD_FILE");
}

TEST(LooksLikeOnnx, TellsFormatsApart) {
  const auto looks = [](const std::string& text) { return LooksLikeOnnx(base::AsBytes(text)); };
  EXPECT_TRUE(looks(SmallModel().Bytes()));
  EXPECT_FALSE(looks(""));
  EXPECT_FALSE(looks(std::string("\x08", 1)));
  EXPECT_FALSE(looks("PK\x03\x04 a zip file"));
  EXPECT_FALSE(looks(std::string("\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":", 13)));
  EXPECT_FALSE(looks(std::string("\x80\x02\x8A\x0A", 4)));
}

}  // namespace
}  // namespace lbw::graph

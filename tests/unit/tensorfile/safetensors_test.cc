#include "tensorfile/safetensors.h"

#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "file_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/test_data.h"

namespace lbw::tensorfile {
namespace {

using testing::FileBytes;
using ::testing::HasSubstr;

absl::Status OpenStatus(const std::string& bytes, const ReadLimits& limits = {}) {
  const base::StringReader reader(bytes);
  return SafetensorsFile::Open(reader, limits).status();
}
std::string ReasonOf(const absl::Status& status) { return base::GetErrorDetails(status).reason; }

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

// Byte vectors of the reference implementation's own tests; expected.json says which it accepts.
TEST(SafetensorsFile, AgreesWithTheReferenceVectors) {
  const auto data = lbw::testing::TestDataDir();
  if (!data) GTEST_SKIP() << "LBW_TEST_DATA is unset";
  const std::string folder = *data + "/golden_safetensors/";
  const auto expected = nlohmann::json::parse(testing::ReadFile(folder + "expected.json"));
  ASSERT_GE(expected.size(), 16U);
  for (const auto& [name, value] : expected.items()) {
    SCOPED_TRACE(name);
    const std::string bytes = testing::ReadFile(folder + name + ".safetensors");
    ASSERT_EQ(bytes.size(), value["bytes"].get<size_t>());
    const absl::Status status = OpenStatus(bytes);
    EXPECT_EQ(status.ok(), value["expect"] == "ok") << status;
    EXPECT_TRUE(status.ok() || ReasonOf(status) == "BAD_FILE") << status;
  }
}

TEST(SafetensorsFile, ReadsWhatItFinds) {
  const std::string header =
      "{" + Entry("b", "U8", "[2,2]", "[4,8]") + "," + Entry("a", "I32", "[]", "[0,4]") + "," +
      Entry("empty", "F64", "[0,3]", "[4,4]") + ",\"__metadata__\":{\"x\":\"y\"}}";
  const base::StringReader reader(FileBytes(header, std::string("\x01\x02\0\0wxyz", 8)));
  const auto file = SafetensorsFile::Open(reader);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), 3U);
  EXPECT_EQ(file->tensors()[0].name, "a");
  EXPECT_EQ(file->metadata().at("x"), "y");
  EXPECT_EQ(file->Find("c"), nullptr);
  EXPECT_EQ(file->Read(*file->Find("a"))->as<int32_t>()[0], 0x201);
  EXPECT_EQ(file->Read(*file->Find("b"))->as<uint8_t>()[3], 'z');
  EXPECT_EQ(file->Read(*file->Find("empty"))->shape(), (base::Shape{0, 3}));
}

struct BadFile {
  const char* name;
  std::string bytes;
  const char* reason;
  const char* message;
};

TEST(SafetensorsFile, RefusesWhatDoesNotAddUp) {
  const std::string whole = "{" + Entry("a", "I32", "[2,2]", "[0,16]") + "}";
  const std::string data(16, 'd');
  const std::string long_header = std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8) + "{}";
  const std::string signed_header = std::string("\0\0\0\0\0\0\0\x80", 8) + "{}";
  const BadFile cases[] = {
      {"empty", "", "BAD_FILE", "at least 8"},
      {"7 bytes", "1234567", "BAD_FILE", "7 bytes"},
      {"2^64 - 1", long_header, "BAD_FILE", "18446744073709551615"},
      {"2^63", signed_header, "BAD_FILE", "9223372036854775808"},
      {"header beyond file", std::string("\x05\0\0\0\0\0\0\0{}", 10), "BAD_FILE",
       "longer than the file"},
      {"no header", std::string(8, '\0'), "BAD_FILE", "does not start"},
      {"cut", FileBytes(whole, data.substr(1)), "BAD_FILE", "the file has 15"},
      {"trailing", FileBytes(whole, data + "x"), "BAD_FILE", "the file has 17"},
      {"hole in front", FileBytes("{" + Entry("a", "U8", "[2]", "[1,3]") + "}", "abc"), "BAD_FILE",
       "hole"},
      {"hole",
       FileBytes(
           "{" + Entry("a", "U8", "[1]", "[0,1]") + "," + Entry("b", "U8", "[1]", "[2,3]") + "}",
           "abc"),
       "BAD_FILE", "tensor \"b\" leaves a hole"},
      {"overlap",
       FileBytes(
           "{" + Entry("a", "U8", "[2]", "[0,2]") + "," + Entry("b", "U8", "[2]", "[1,3]") + "}",
           "abc"),
       "BAD_FILE", "tensor \"b\" overlaps"},
      {"same bytes twice",
       FileBytes(
           "{" + Entry("a", "U8", "[2]", "[0,2]") + "," + Entry("b", "U8", "[2]", "[0,2]") + "}",
           "ab"),
       "BAD_FILE", "overlaps"},
      {"same name twice",
       FileBytes(
           "{" + Entry("a", "U8", "[1]", "[0,1]") + "," + Entry("a", "U8", "[1]", "[1,2]") + "}",
           "ab"),
       "BAD_FILE", "\"a\" stands twice"},
      {"shape against offsets", FileBytes("{" + Entry("a", "I32", "[2]", "[0,4]") + "}", "abcd"),
       "BAD_FILE", "needs 8 bytes, data_offsets have 4"},
      {"product overflows",
       FileBytes("{" + Entry("a", "I32", "[4294967296,4294967296,2]", "[0,4]") + "}", "abcd"),
       "BAD_FILE", "overflows"},
      {"bytes overflow",
       FileBytes("{" + Entry("a", "F64", "[2305843009213693952]", "[0,0]") + "}", ""), "BAD_FILE",
       "overflows"},
      {"end beyond 2^63",
       FileBytes("{" + Entry("a", "U8", "[1]", "[0,18446744073709551615]") + "}", "a"), "BAD_FILE",
       "2^63"},
      {"F8", FileBytes("{" + Entry("a", "F8_E5M2", "[1]", "[0,1]") + "}", "a"),
       "UNSUPPORTED_FORMAT", "F8_E5M2"},
  };
  for (const BadFile& c : cases) {
    SCOPED_TRACE(c.name);
    const absl::Status status = OpenStatus(c.bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(status), c.reason);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(SafetensorsFile, HoldsItsLimits) {
  const std::string header = "{" + Entry("a", "U8", "[3,2]", "[0,6]") + "}";
  const std::string bytes = FileBytes(header, "abcdef");
  EXPECT_TRUE(OpenStatus(bytes, {.max_header_bytes = header.size(),
                                 .max_tensor_elements = 6,
                                 .max_tensors = 1,
                                 .max_rank = 2})
                  .ok());
  EXPECT_EQ(ReasonOf(OpenStatus(bytes, {.max_header_bytes = header.size() - 1})), "BAD_FILE");
  EXPECT_EQ(ReasonOf(OpenStatus(bytes, {.max_tensor_elements = 5})), "LIMIT_EXCEEDED");
  EXPECT_EQ(ReasonOf(OpenStatus(bytes, {.max_tensors = 0})), "LIMIT_EXCEEDED");
}

TEST(LooksLikeSafetensors, TellsItFromOtherFiles) {
  EXPECT_TRUE(LooksLikeSafetensors(base::AsBytes(FileBytes("{}", ""))));
  EXPECT_TRUE(LooksLikeSafetensors(base::AsBytes(FileBytes(" \n{}", ""))));
  EXPECT_FALSE(LooksLikeSafetensors(base::AsBytes("")));
  EXPECT_FALSE(LooksLikeSafetensors(base::AsBytes("12345678")));
  EXPECT_FALSE(LooksLikeSafetensors(base::AsBytes("PK\x03\x04 archive of weights {}")));
  EXPECT_FALSE(LooksLikeSafetensors(base::AsBytes(FileBytes("[]", ""))));
}

TEST(SafetensorsWriter, WritesCanonicalBytes) {
  base::StringSink sink;
  auto writer = SafetensorsWriter::Start(sink,
                                         {{"b", base::DType::kU8, {2}},
                                          {"a", base::DType::kF32, {1, 1}},
                                          {"Z", base::DType::kI64, {0}}},
                                         {{"k2", "v"}, {"k1", "\"q\""}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_EQ(writer->order().size(), 3U);
  EXPECT_EQ(writer->order()[0].name, "Z");
  ASSERT_TRUE(writer->Append("Z", {}).ok());
  ASSERT_TRUE(writer->Append("a", base::AsBytes("1234")).ok());
  EXPECT_EQ(writer->Finish().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(writer->Append("b", base::AsBytes("56")).ok());
  ASSERT_TRUE(writer->Finish().ok());
  std::string header =
      "{\"__metadata__\":{\"k1\":\"\\\"q\\\"\",\"k2\":\"v\"},\"Z\":{\"dtype\":\"I64\",\"shape\":[0]"
      ",\"data_offsets\":[0,0]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\","
      "\"shape\":[2],\"data_offsets\":[4,6]}}";
  while (header.size() % 8 != 0) header += ' ';
  EXPECT_EQ(sink.bytes(), FileBytes(header, "123456"));
  EXPECT_TRUE(OpenStatus(sink.bytes()).ok());
}

TEST(SafetensorsWriter, WritesAnEmptyFile) {
  base::StringSink sink;
  auto writer = SafetensorsWriter::Start(sink, {}, {});
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(sink.bytes(), FileBytes("{}      ", ""));
}

TEST(SafetensorsWriter, RefusesBadNamesAndShapes) {
  const auto start = [](std::vector<SafetensorsWriter::Declared> tensors,
                        std::map<std::string, std::string> metadata) {
    base::StringSink sink;
    const absl::Status status =
        SafetensorsWriter::Start(sink, std::move(tensors), metadata).status();
    EXPECT_TRUE(sink.bytes().empty());
    return status.code();
  };
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  const base::DType f32 = base::DType::kF32;
  EXPECT_EQ(start({{"a", f32, {1}}, {"a", f32, {2}}}, {}), kInvalid);
  EXPECT_EQ(start({{"__metadata__", f32, {1}}}, {}), kInvalid);
  EXPECT_EQ(start({{"\xff", f32, {1}}}, {}), kInvalid);
  EXPECT_EQ(start({{"a", f32, {1}}}, {{"k", "\xff"}}), kInvalid);
  EXPECT_EQ(start({{"a", f32, {-1}}}, {}), kInvalid);
  EXPECT_EQ(start({{"a", f32, {int64_t{1} << 40, int64_t{1} << 40}}}, {}), kInvalid);
  EXPECT_EQ(start({{"a", f32, {int64_t{1} << 60}}, {"b", f32, {int64_t{1} << 60}}}, {}), kInvalid);
}

TEST(SafetensorsWriter, RefusesAnotherOrderOrSize) {
  base::StringSink sink;
  auto writer = SafetensorsWriter::Start(
      sink, {{"a", base::DType::kU8, {2}}, {"b", base::DType::kU8, {1}}}, {});
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ(writer->Append("b", base::AsBytes("1")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer->Append("a", base::AsBytes("1")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(writer->Append("a", base::AsBytes("12")).ok());
  EXPECT_TRUE(writer->Append("b", base::AsBytes("3")).ok());
  EXPECT_EQ(writer->Append("c", {}).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace lbw::tensorfile

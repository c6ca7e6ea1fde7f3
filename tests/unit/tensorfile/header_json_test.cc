#include "tensorfile/header_json.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::tensorfile {
namespace {

using ::testing::HasSubstr;

std::string ReasonOf(const absl::Status& status) { return base::GetErrorDetails(status).reason; }

TEST(ParseHeader, ReadsTensorsAndMetadata) {
  const auto header = ParseHeader(
      " \n{\"b\":{\"shape\":[2,3],\"dtype\":\"F32\",\"data_offsets\":[0,24]},"
      "\"__metadata__\":{\"k\":\"v\\u00e4\"},\"a\":{\"dtype\":\"BOOL\",\"shape\":[],\"data_"
      "offsets\":[24,25]}} \t",
      {});
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->tensors.size(), 2U);
  EXPECT_EQ(header->tensors[0].name, "b");
  EXPECT_EQ(header->tensors[0].shape, (base::Shape{2, 3}));
  EXPECT_EQ(header->tensors[1].dtype, base::DType::kBool);
  EXPECT_EQ(header->tensors[1].begin, 24);
  EXPECT_EQ(header->metadata.at("k"), "v\xc3\xa4");
}

struct BadHeader {
  const char* json;
  const char* message;
};

TEST(ParseHeader, RefusesEverythingElse) {
  const BadHeader cases[] = {
      {"", "does not start"},
      {"   ", "does not start"},
      {"[]", "does not start"},
      {"{", "does not parse"},
      {"{}}", "does not parse"},
      {"{} x", "does not parse"},
      {"\xef\xbb\xbf{}", "does not start"},
      {"{\"a\xff\":1}", "does not parse"},
      {"{\"a\":null}", "unexpected null as tensor \"a\""},
      {"{\"a\":1}", "unexpected a number"},
      {"{\"a\":[]}", "unexpected a list"},
      {"{\"a\":{}}", "tensor \"a\" needs dtype, shape and data_offsets: dtype is missing"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", "data_offsets is missing"},
      {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "second key \"dtype\" in tensor \"a\""},
      {"{\"a\":{\"strides\":[]}}", "key \"strides\""},
      {"{\"a\":{\"dtype\":3}}", "unexpected a number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0]}}", "not whole"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1]}}", "negative"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[true]}}", "truth value"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]]}}", "unexpected a list"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808]}}", "above 2^63 - 1"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999999]}}", "above 2^64"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0]}}", "two rising numbers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,0]}}", "two rising numbers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4,4]}}", "third offset"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0.0,4]}}", "not whole"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[-4,0]}}", "negative"},
      {"{\"__metadata__\":{\"a\":1}}", "unexpected a number in __metadata__"},
      {"{\"__metadata__\":{\"a\":{}}}", "unexpected an object in __metadata__"},
      {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", "second key \"a\""},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", "second __metadata__"},
      {"{\"__metadata__\":[]}", "unexpected a list"},
  };
  for (const BadHeader& c : cases) {
    const absl::Status status = ParseHeader(c.json, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.json;
    EXPECT_EQ(ReasonOf(status), "BAD_FILE") << c.json;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.json;
  }
  EXPECT_FALSE(ParseHeader(std::string("{}\0\0", 4), {}).ok());
  EXPECT_FALSE(ParseHeader(std::string("{}\0garbage", 10), {}).ok());
}

TEST(ParseHeader, NamesATypeThatItDoesNotRead) {
  for (const std::string dtype : {"F8_E4M3", "F8_E5M2", "C64", "f32", ""}) {
    const absl::Status status = ParseHeader("{\"w\":{\"dtype\":\"" + dtype + "\"}}", {}).status();
    EXPECT_EQ(ReasonOf(status), "UNSUPPORTED_FORMAT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("tensor \"w\": dtype \"" + dtype + "\""));
  }
}

// Depth costs nothing: the first bracket that does not fit ends the parse.
TEST(ParseHeader, SurvivesNestingBombs) {
  const std::string deep(2'000'000, '[');
  EXPECT_FALSE(ParseHeader(deep, {}).ok());
  EXPECT_FALSE(ParseHeader("{\"a\":" + deep, {}).ok());
  EXPECT_FALSE(ParseHeader("{\"a\":{\"shape\":" + deep, {}).ok());
  std::string objects;
  for (int i = 0; i < 500'000; ++i) objects += "{\"a\":";
  EXPECT_FALSE(ParseHeader(objects, {}).ok());
  EXPECT_FALSE(ParseFlatObject(objects, {}).ok());
}

TEST(ParseHeader, HoldsItsLimits) {
  const std::string two =
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1],\"data_offsets\":[0,1]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[1,2]}}";
  EXPECT_TRUE(ParseHeader(two, {.max_tensors = 2, .max_rank = 2}).ok());
  EXPECT_EQ(ReasonOf(ParseHeader(two, {.max_tensors = 1}).status()), "LIMIT_EXCEEDED");
  EXPECT_EQ(ReasonOf(ParseHeader(two, {.max_rank = 1}).status()), "LIMIT_EXCEEDED");
}

TEST(ParseFlatObject, ReadsStringsNumbersAndLists) {
  const auto object = ParseFlatObject("{\"a\":\"x\",\"b\":7,\"c\":[1,2],\"d\":[]}", {});
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(std::get<std::string>(object->at("a")), "x");
  EXPECT_EQ(std::get<int64_t>(object->at("b")), 7);
  EXPECT_EQ(std::get<std::vector<int64_t>>(object->at("c")), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(std::get<std::vector<int64_t>>(object->at("d")).empty());
}

TEST(ParseFlatObject, RefusesEverythingElse) {
  for (const char* json :
       {"{\"a\":{}}", "{\"a\":[[]]}", "{\"a\":[\"x\"]}", "{\"a\":1,\"a\":1}", "{\"a\":-1}",
        "{\"a\":1.5}", "{\"a\":null}", "{\"a\":true}", "{\"a\":[1,{}]}", "[1]", "7", "\"x\"", "",
        "{\"a\":9223372036854775808}"}) {
    EXPECT_FALSE(ParseFlatObject(json, {}).ok()) << json;
  }
}

TEST(Quoted, EscapesAndCuts) {
  EXPECT_EQ(Quoted("a\nb"), "\"a\\nb\"");
  EXPECT_LT(Quoted(std::string(5000, 'x')).size(), 130U);
}

TEST(Quoted, DoesNotCutWithinACharacter) {
  std::string name = "x";
  while (name.size() < 200) name += "\xe2\x82\xac";
  const std::string quoted = Quoted(name);
  EXPECT_TRUE(JsonString(quoted).ok()) << "must be UTF-8";
  EXPECT_THAT(quoted, HasSubstr("\xe2\x82\xac...\""));
}

TEST(JsonString, RefusesWhatIsNotUtf8) {
  EXPECT_EQ(*JsonString("a\"b\n"), "\"a\\\"b\\n\"");
  EXPECT_EQ(JsonString("\xff").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::tensorfile

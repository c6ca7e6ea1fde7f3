#include "tasks/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "base/status.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The status of a field that is wrong: it names the field.
void ExpectNames(const absl::Status& status, const std::string& field) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(field));
  EXPECT_THAT(std::string(status.message()), HasSubstr(field));
}

TEST(ParseObject, TakesObjectsOnlyAndSaysWhatWasMeant) {
  EXPECT_TRUE(ParseObject("{}", "the spec").ok());
  EXPECT_EQ((*ParseObject(R"({"b": 1, "a": 2})", "the spec")).dump(), R"({"b":1,"a":2})");
  for (const char* text : {"", "null", "[]", "\"x\"", "{", "{} {}", "{\"a\": \"\xff\"}"}) {
    const absl::Status status = ParseObject(text, "the spec").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the spec")) << text;
  }
}

TEST(Dump, ReplacesBytesThatAreNoText) {
  Json json;
  json["name"] = "a\xff";
  EXPECT_EQ(Dump(json), "{\"name\":\"a\xef\xbf\xbd\"}");
}

TEST(TextOf, DefaultsAndKinds) {
  const Json json = Json::parse(R"({"text": "x", "none": null, "number": 1, "list": []})");
  EXPECT_EQ(TextOf(json, "text").value(), "x");
  EXPECT_EQ(TextOf(json, "none").value(), "");
  EXPECT_EQ(TextOf(json, "missing").value(), "");
  ExpectNames(TextOf(json, "number").status(), "number");
  ExpectNames(TextOf(json, "list").status(), "list");
}

TEST(NumberOf, DefaultsAndKinds) {
  const Json json = Json::parse(
      R"({"number": 0.25, "text": "0.25", "whole": 3, "nan": "NaN", "word": "x", "yes": true})");
  EXPECT_EQ(NumberOf(json, "number").value(), std::optional<double>(0.25));
  EXPECT_EQ(NumberOf(json, "text").value(), std::optional<double>(0.25));
  EXPECT_EQ(NumberOf(json, "whole").value(), std::optional<double>(3));
  EXPECT_EQ(NumberOf(json, "missing").value(), std::nullopt);
  for (const char* key : {"nan", "word", "yes"}) ExpectNames(NumberOf(json, key).status(), key);
}

// Protojson writes 64-bit integers as text: a double would lose the last digits.
TEST(IntegerOf, KeepsEveryDigit) {
  const Json json = Json::parse(
      R"({"text": "9223372036854775807", "number": -9223372036854775808, "small": 7, "none": null})");
  EXPECT_EQ(IntegerOf(json, "text").value(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(IntegerOf(json, "number").value(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(IntegerOf(json, "small").value(), 7);
  EXPECT_EQ(IntegerOf(json, "none").value(), 0);
  EXPECT_EQ(IntegerOf(json, "missing").value(), 0);
}

TEST(IntegerOf, RefusesWhatIsNoWholeNumberOfItsRange) {
  const Json json = Json::parse(
      R"({"half": 0.5, "text": "1.5", "over": "9223372036854775808", "wide": 18446744073709551615,
          "yes": true, "empty": {}})");
  for (const char* key : {"half", "text", "over", "wide", "yes", "empty"}) {
    ExpectNames(IntegerOf(json, key).status(), key);
  }
}

TEST(UnsignedOf, KeepsAllBitsAndRefusesWhatIsBelowZero) {
  const Json json = Json::parse(
      R"({"text": "18446744073709551615", "number": 18446744073709551615, "small": 7,
          "below": -1, "half": 0.5, "word": "x"})");
  EXPECT_EQ(UnsignedOf(json, "text").value(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(UnsignedOf(json, "number").value(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(UnsignedOf(json, "small").value(), 7U);
  EXPECT_EQ(UnsignedOf(json, "missing").value(), 0U);
  for (const char* key : {"below", "half", "word"}) {
    ExpectNames(UnsignedOf(json, key).status(), key);
  }
}

TEST(ObjectOf, IsEmptyWhereItIsLeftOut) {
  const Json json = Json::parse(R"({"there": {"a": 1}, "list": []})");
  EXPECT_EQ(ObjectOf(json, "there").value()["a"], 1);
  EXPECT_TRUE(ObjectOf(json, "missing")->empty());
  EXPECT_TRUE(ObjectOf(json, "missing")->is_object());
  ExpectNames(ObjectOf(json, "list").status(), "list");
}

TEST(SwitchOf, DefaultsAndKinds) {
  const Json json = Json::parse(R"({"yes": true, "no": false, "one": 1, "text": "true"})");
  EXPECT_EQ(SwitchOf(json, "yes").value(), std::optional<bool>(true));
  EXPECT_EQ(SwitchOf(json, "no").value(), std::optional<bool>(false));
  EXPECT_EQ(SwitchOf(json, "missing").value(), std::nullopt);
  for (const char* key : {"one", "text"}) ExpectNames(SwitchOf(json, key).status(), key);
}

TEST(Put, LeavesOutWhatIsNotDefined) {
  Json json = Json::object();
  Put(json, "there", 0.5);
  Put(json, "missing", std::nullopt);
  EXPECT_EQ(json.dump(), R"({"there":0.5})");
}

}  // namespace
}  // namespace lbw::tasks

#include "client/cpp/message_file.h"

#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "lbw/v1/training.pb.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReadMessage, TakesYamlWithWordsListsAndNesting) {
  v1::FineTuneSpec spec;
  const absl::Status status = ReadMessage(R"(
version: models/face/versions/1
options:
  bits: 3
  scheme: exact
  rules:
    - {match: "@first", bits: 6}
    - {match: "*bias", keep_float: true}
data: {dataset: datasets/faces, augment: {off: true}}
training:
  seed: 18446744073709551615
  rate: 1e-3
  schedule: step
  step_at: [0.5, 0.75]
  optimizer: OPTIMIZER_KIND_SGD
  ema: ~
low_bit: {stages: 6}
)",
                                          "ft.yaml", spec);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(spec.options().bits(), 3U);
  EXPECT_EQ(spec.options().scheme(), v1::SCHEME_EXACT);
  ASSERT_EQ(spec.options().rules_size(), 2);
  EXPECT_EQ(spec.options().rules(0).bits(), 6U);
  EXPECT_TRUE(spec.options().rules(1).keep_float());
  EXPECT_TRUE(spec.data().augment().off());
  EXPECT_EQ(spec.training().seed(), UINT64_MAX);
  EXPECT_DOUBLE_EQ(spec.training().rate(), 1e-3);
  EXPECT_EQ(spec.training().schedule(), v1::RATE_SCHEDULE_STEP);
  EXPECT_THAT(spec.training().step_at(), ElementsAre(0.5, 0.75));
  EXPECT_EQ(spec.training().optimizer(), v1::OPTIMIZER_KIND_SGD);
  EXPECT_FALSE(spec.training().has_ema());
  EXPECT_THAT(spec.low_bit().stages(), ElementsAre(6U));
}

TEST(ReadMessage, TakesJsonAndNothing) {
  v1::TrainSpec spec;
  spec.set_version("as it was");
  ASSERT_TRUE(ReadMessage("", "none", spec).ok());
  ASSERT_TRUE(ReadMessage(R"({"options": {"epochs": 7, "focal": true}})", "t.json", spec).ok());
  EXPECT_EQ(spec.options().epochs(), 7U);
  EXPECT_TRUE(spec.options().focal());
  EXPECT_EQ(spec.version(), "as it was");
}

TEST(ReadMessage, NamesFileLineKeyAndWhatIsAllowed) {
  struct Row {
    std::string text;
    std::string place;
    std::string words;
  };
  const Row rows[] = {
      {"options:\n  epoch: 3", "t.yaml:2: epoch", "the keys are: epochs, batch"},
      {"options:\n  epochs: 3\n  epochs: 4", "t.yaml:3: epochs", "given twice"},
      {"options: {epochs: -1}", "t.yaml:1: epochs", "must be a whole number from 0: '-1'"},
      {"options: {epochs: 1.5}", "t.yaml:1: epochs", "whole number"},
      {"options: {epochs: 4294967296}", "t.yaml:1: epochs", "whole number"},
      {"options: {rate: fast}", "t.yaml:1: rate", "must be a number: 'fast'"},
      {"options: {focal: maybe}", "t.yaml:1: focal", "true or false"},
      {"options: {schedule: linear}", "t.yaml:1: schedule", "one of constant, step, cosine"},
      {"options: {optimizer: 2}", "t.yaml:1: optimizer", "one of adam, sgd"},
      {"options: {rate: [1, 2]}", "t.yaml:1: rate", "a single value"},
      {"options: 3", "t.yaml:1", "must be a map"},
      {"[1, 2]", "t.yaml:1", "must be a map"},
      {"{", "t.yaml:", "is not YAML"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.text);
    v1::TrainSpec spec;
    const absl::Status status = ReadMessage(row.text, "t.yaml", spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_SPEC");
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(row.place), HasSubstr(row.words)));
  }
}

TEST(ReadMessage, IsBounded) {
  v1::TrainSpec spec;
  const absl::Status status = ReadMessage(std::string((1 << 20) + 1, ' '), "t.yaml", spec);
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit=1048576"));
  EXPECT_TRUE(ReadMessage(std::string(1 << 20, ' '), "t.yaml", spec).ok());
}

}  // namespace
}  // namespace lbw::client

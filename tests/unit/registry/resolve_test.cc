#include "registry/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/status.h"

namespace lbw::registry {
namespace {

using ::testing::HasSubstr;
using State = VersionState;

VersionFacts Float(State state = State::kReady) { return {state, false, std::nullopt}; }
VersionFacts Quantized(std::optional<int64_t> parent, State state = State::kReady) {
  return {state, true, parent};
}

base::ModelRef ByName() { return {"m", std::nullopt, std::nullopt}; }
base::ModelRef ByVersion(int64_t version) { return {"m", version, std::nullopt}; }
base::ModelRef ByAlias(const std::string& alias) { return {"m", std::nullopt, alias}; }

// 1 float, 2 quantized from 1, 3 quantized from 2, 4 float but failed, 5 float, 6 quantized from 5.
ModelFacts Facts() {
  ModelFacts facts;
  facts.model = "m";
  facts.versions = {{1, Float()}, {2, Quantized(1)}, {3, Quantized(2)}, {4, Float(State::kFailed)},
                    {5, Float()}, {6, Quantized(5)}};
  facts.aliases = {{"stable", 1}, {"low", 3}, {"broken", 4}};
  return facts;
}

std::string Outcome(const absl::StatusOr<int64_t>& result) {
  if (result.ok()) return std::to_string(*result);
  return base::GetErrorDetails(result.status()).reason;
}

struct Row {
  std::string what;
  base::ModelRef ref;
  std::string resolved;
  std::string resolved_float;
};

TEST(Resolve, FollowsTheTable) {
  const std::vector<Row> table = {
      {"the name alone is stable", ByName(), "1", "1"},
      {"a version is itself", ByVersion(5), "5", "5"},
      {"a quantized version is itself, but nothing to quantize from", ByVersion(3), "3",
       "ALREADY_QUANTIZED"},
      {"an alias leads to its version, and to that one's float ancestor", ByAlias("low"), "3", "1"},
      {"an alias of a failed version is not ready", ByAlias("broken"), "VERSION_NOT_READY",
       "VERSION_NOT_READY"},
      {"an unknown alias", ByAlias("none"), "NOT_FOUND", "NOT_FOUND"},
      {"a job's checkpoint that is none", ByAlias("job-1"), "NOT_FOUND", "NOT_FOUND"},
      {"an unknown version", ByVersion(7), "NOT_FOUND", "NOT_FOUND"},
      {"a failed version", ByVersion(4), "VERSION_NOT_READY", "VERSION_NOT_READY"},
  };
  for (const Row& row : table) {
    EXPECT_EQ(Outcome(ResolveNumber(Facts(), row.ref)), row.resolved) << row.what;
    EXPECT_EQ(Outcome(ResolveFloatNumber(Facts(), row.ref)), row.resolved_float) << row.what;
  }
}

TEST(Resolve, WithoutStableANameIsTheNewestReadyFloatVersion) {
  ModelFacts facts = Facts();
  facts.aliases.erase("stable");
  EXPECT_EQ(Outcome(ResolveNumber(facts, ByName())), "5");
  facts.versions[7] = Float(State::kCreating);
  facts.versions[8] = Float(State::kDeleting);
  EXPECT_EQ(Outcome(ResolveNumber(facts, ByName())), "5");
  facts.versions.erase(5);
  EXPECT_EQ(Outcome(ResolveNumber(facts, ByName())), "1");
  facts.versions.erase(1);
  EXPECT_EQ(Outcome(ResolveNumber(facts, ByName())), "VERSION_NOT_READY");
  facts.versions.clear();
  EXPECT_EQ(Outcome(ResolveNumber(facts, ByName())), "VERSION_NOT_READY");
}

TEST(Resolve, AStableQuantizedVersionMeansItsFloatAncestorWhereQuantizingStarts) {
  ModelFacts facts = Facts();
  facts.aliases["stable"] = 3;
  EXPECT_EQ(Outcome(ResolveNumber(facts, ByName())), "3");
  EXPECT_EQ(Outcome(ResolveFloatNumber(facts, ByName())), "1");
}

TEST(Resolve, NamesTheAncestorOfAQuantizedVersion) {
  const absl::Status status = ResolveFloatNumber(Facts(), ByVersion(6)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("models/m/versions/5"));
}

TEST(Resolve, AMissingOrUnreadyAncestorIsTold) {
  ModelFacts facts = Facts();
  facts.versions.erase(1);
  facts.aliases["stable"] = 3;
  EXPECT_EQ(Outcome(ResolveFloatNumber(facts, ByName())), "VERSION_NOT_READY");
  EXPECT_EQ(Outcome(ResolveFloatNumber(facts, ByVersion(3))), "VERSION_NOT_READY");
  facts.versions[1] = Float(State::kFailed);
  EXPECT_EQ(Outcome(ResolveFloatNumber(facts, ByName())), "VERSION_NOT_READY");
  facts.versions[3].parent = std::nullopt;
  EXPECT_EQ(Outcome(ResolveFloatNumber(facts, ByName())), "VERSION_NOT_READY");
}

TEST(Resolve, ParentsThatGoInCirclesEnd) {
  ModelFacts facts = Facts();
  facts.versions[2].parent = 3;
  EXPECT_EQ(Outcome(ResolveFloatNumber(facts, ByAlias("low"))), "VERSION_NOT_READY");
  facts.versions[3].parent = 3;
  EXPECT_EQ(Outcome(ResolveFloatNumber(facts, ByAlias("low"))), "VERSION_NOT_READY");
}

TEST(Resolve, EveryStateButReadyIsRefusedByName) {
  for (const State state : {State::kCreating, State::kFailed, State::kDeleting}) {
    ModelFacts facts = Facts();
    facts.versions[1].state = state;
    const absl::Status status = ResolveNumber(facts, ByName()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(Name(state))));
  }
}

}  // namespace
}  // namespace lbw::registry

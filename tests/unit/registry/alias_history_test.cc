#include "registry/alias_history.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lbw::registry {
namespace {

struct HistoryCase {
  const char* name;
  // Oldest first: "+3" a move to version 3, "-" its deletion, "<2" a rollback to version 2.
  std::vector<std::string> history;
  std::optional<int64_t> target;
  std::optional<int64_t> first_previous = std::nullopt;  // a history whose beginning is missing
};

std::vector<AliasStep> Steps(const HistoryCase& given) {
  std::vector<AliasStep> steps;
  std::optional<int64_t> previous = given.first_previous;
  for (const std::string& text : given.history) {
    AliasStep step;
    step.kind = text[0] == '<' ? AliasStep::Kind::kRollback : AliasStep::Kind::kMove;
    step.previous = previous;
    if (text != "-") step.version = std::stoll(text.substr(1));
    previous = step.version;
    steps.push_back(step);
  }
  return steps;
}

class RollbackTargetTest : public ::testing::TestWithParam<HistoryCase> {};

TEST_P(RollbackTargetTest, FollowsTheTable) {
  EXPECT_EQ(RollbackTarget(Steps(GetParam())), GetParam().target);
}

constexpr std::nullopt_t kNone = std::nullopt;

INSTANTIATE_TEST_SUITE_P(
    Table, RollbackTargetTest,
    ::testing::Values(HistoryCase{"NoHistory", {}, kNone}, HistoryCase{"OnlyMade", {"+1"}, kNone},
                      HistoryCase{"OneMove", {"+1", "+2"}, 1},
                      HistoryCase{"TwoMoves", {"+1", "+2", "+3"}, 2},
                      HistoryCase{"BackAndForthByHand", {"+1", "+2", "+1"}, 2},
                      // One further back, not back to 3.
                      HistoryCase{"SecondRollback", {"+1", "+2", "+3", "<2"}, 1},
                      HistoryCase{"ThirdRollback", {"+1", "+2", "+3", "<2", "<1"}, kNone},
                      HistoryCase{"EveryMoveUndone", {"+1", "+2", "<1"}, kNone},
                      // The move after the rollback is the newest that stands.
                      HistoryCase{"MoveAfterRollback", {"+1", "+2", "<1", "+3"}, 1},
                      HistoryCase{
                          "MoveAfterRollbackUndone", {"+1", "+2", "+3", "<2", "+4", "<2"}, 1},
                      HistoryCase{"SameVersionTwice", {"+1", "+2", "+1", "+2", "<1", "<2"}, 1},
                      HistoryCase{"DeletionIsUndone", {"+1", "+2", "-"}, 2},
                      HistoryCase{"AfterAnUndoneDeletion", {"+1", "+2", "-", "<2"}, 1},
                      HistoryCase{"MadeAgainAfterDeletion", {"+1", "-", "+2"}, kNone},
                      HistoryCase{"MovedAfterMadeAgain", {"+1", "-", "+2", "+3"}, 2},
                      HistoryCase{"BeginningMissingBeforeMoves", {"+5", "+6"}, 5, 4},
                      HistoryCase{"BeginningMissingOneMove", {"+5"}, 4, 4},
                      HistoryCase{"BeginningMissingBeforeRollback", {"<3", "+5"}, 3, 4},
                      HistoryCase{"BeginningMissingOnlyRollbacks", {"<3", "<2"}, kNone, 4}),
    [](const auto& given) { return std::string(given.param.name); });

}  // namespace
}  // namespace lbw::registry

// Aliases through the registry: rules, history, rollback.
#include "registry/aliases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "registry/datasets.h"
#include "registry/evaluations.h"
#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Force = Registry::Force;

class AliasesTest : public RegistryFixture {
 protected:
  AliasesTest() {
    evaluations_ = NewEvaluations(*database_);
    datasets_ = NewDatasets(*database_, {});
    MakeModel("m");
    AddVersion("m", 1);
    AddVersion("m", 1);
    pack_ = AddArtifact("pack");
    MakeDataset(pack_);
  }
  void MakeDataset(const std::string& pack) {
    ASSERT_TRUE(database_
                    ->Transaction([&](store::Session& session) -> absl::Status {
                      LBW_RETURN_IF_ERROR(datasets_->Insert(session, "faces", "archive", "j"));
                      return datasets_->Publish(session, "faces", "j", {pack, 1, "", ""});
                    })
                    .ok());
  }
  void Evaluate(int64_t version, double map_50, const std::string& other_pack = "") {
    now_us_ += 1;
    const std::string& pack = other_pack.empty() ? pack_ : other_pack;
    Evaluation evaluation;
    evaluation.id = "e" + std::to_string(++made_);
    evaluation.model = "m";
    evaluation.version = version;
    evaluation.dataset = "faces";
    evaluation.pack_artifact = pack;
    evaluation.split = "val";
    evaluation.metric = "map_50";
    evaluation.metrics = {{"map_50", map_50}};
    ASSERT_TRUE(database_
                    ->Transaction([&](store::Session& session) {
                      return evaluations_->Insert(session, evaluation);
                    })
                    .ok());
  }
  static AliasChange AtLeast(double value) {
    AliasChange change;
    change.submitter = "ann";
    change.comment = "release 7";
    change.require.resize(1);
    change.require[0].dataset = "faces";
    change.require[0].min_value = value;
    return change;
  }
  absl::Status Rollback(const std::string& alias = "stable") {
    return registry_->RollbackAlias("m", alias, {}).status();
  }
  int64_t At(const std::string& alias = "stable") {
    const auto found = registry_->Resolve({"m", std::nullopt, alias});
    return found.ok() ? found->number : 0;
  }
  std::vector<AliasMove> Moves(const std::string& alias = "stable") {
    return registry_->ListAliasMoves("m", alias, 0, "")->moves;
  }
  // "set 1>2" for each move, oldest first.
  std::vector<std::string> Story(const std::string& alias = "stable") {
    std::vector<std::string> story;
    const auto number = [](const std::optional<int64_t>& version) {
      return version ? std::to_string(*version) : std::string("-");
    };
    for (const AliasMove& move : Moves(alias))
      story.insert(story.begin(),
                   move.action + " " + number(move.previous) + ">" + number(move.version));
    return story;
  }

  std::string pack_;
  std::unique_ptr<Evaluations> evaluations_;
  std::unique_ptr<Datasets> datasets_;
  int made_ = 0;
};

TEST_F(AliasesTest, EveryMoveIsWrittenDown) {
  EXPECT_THAT(Story(), ElementsAre("create ->1"));
  now_us_ += 10;
  AliasChange change;
  change.submitter = "ann";
  change.comment = "release 7";
  const Alias moved = registry_->SetAlias("m", "stable", 2, change).value();
  EXPECT_EQ(moved.version, 2);
  EXPECT_EQ(moved.update_time, absl::FromUnixMicros(now_us_));
  ASSERT_TRUE(registry_->DeleteAlias("m", "stable", change).ok());
  EXPECT_THAT(Story(), ElementsAre("create ->1", "set 1>2", "delete 2>-"));
  const AliasMove newest = Moves().front();
  EXPECT_EQ(newest.model, "m");
  EXPECT_EQ(newest.alias, "stable");
  EXPECT_EQ(newest.submitter, "ann");
  EXPECT_EQ(newest.comment, "release 7");
  EXPECT_EQ(newest.move_time, absl::FromUnixMicros(now_us_));
  EXPECT_THAT(newest.passed, IsEmpty());
}

TEST_F(AliasesTest, SettingWhatStandsMovesNothing) {
  const absl::Time before = registry_->GetModel("m")->aliases[0].update_time;
  now_us_ += 10;
  const Alias same = registry_->SetAlias("m", "stable", 1).value();
  EXPECT_EQ(same.version, 1);
  EXPECT_EQ(same.update_time, before);
  EXPECT_THAT(Story(), SizeIs(1));
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "stable", 1, AtLeast(0.5)).status()),
            "EVALUATION_MISSING");
}

TEST_F(AliasesTest, RulesGuardTheMove) {
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "stable", 2, AtLeast(0.85)).status()),
            "EVALUATION_MISSING");
  Evaluate(2, 0.8);
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "stable", 2, AtLeast(0.85)).status()),
            "EVALUATION_FAILED");
  EXPECT_EQ(At(), 1);
  EXPECT_THAT(Story(), SizeIs(1));
  Evaluate(2, 0.8957);
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 2, AtLeast(0.85)).ok());
  EXPECT_EQ(At(), 2);
  EXPECT_THAT(Moves().front().passed,
              ElementsAre("map_50 on datasets/faces (val): 0.8957 >= 0.85"));
}

TEST_F(AliasesTest, ADropIsJudgedAgainstTheOtherVersion) {
  AliasChange change = AtLeast(0);
  change.require[0].min_value.reset();
  change.require[0].max_drop = 0.01;
  change.require[0].against_version = 1;
  Evaluate(2, 0.88);
  Evaluate(1, 0.9, "another pack");
  const absl::Status content = registry_->SetAlias("m", "stable", 2, change).status();
  EXPECT_EQ(ReasonOf(content), "EVALUATION_MISSING");
  EXPECT_THAT(std::string(content.message()), HasSubstr("other content"));
  Evaluate(1, 0.9);
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "stable", 2, change).status()), "EVALUATION_FAILED");
  Evaluate(2, 0.895);
  EXPECT_TRUE(registry_->SetAlias("m", "stable", 2, change).ok());
}

TEST_F(AliasesTest, EveryRuleMustHold) {
  Evaluate(2, 0.9);
  AliasChange change = AtLeast(0.85);
  change.require.push_back(change.require[0]);
  change.require[1].min_value = 0.95;
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "stable", 2, change).status()), "EVALUATION_FAILED");
  change.require[1].min_value = 0.9;
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 2, change).ok());
  EXPECT_THAT(Moves().front().passed, SizeIs(2));
}

TEST_F(AliasesTest, AnEvaluationOnADatasetAsItWasBeforeDoesNotCount) {
  Evaluate(2, 0.9);
  ASSERT_TRUE(datasets_->Delete("faces").ok());
  MakeDataset(AddArtifact("another pack"));
  const absl::Status stale = registry_->SetAlias("m", "stable", 2, AtLeast(0.5)).status();
  EXPECT_EQ(ReasonOf(stale), "EVALUATION_MISSING");
  EXPECT_THAT(std::string(stale.message()), HasSubstr("other content"));
}

// Scenario: good evaluations, then the dataset is deleted and made anew. Expectation: nothing
// counts while there is no content to judge on, and the state is told.
TEST_F(AliasesTest, NothingCountsWhileTheDatasetIsMadeAnew) {
  Evaluate(2, 0.9);
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 2, AtLeast(0.5)).ok());
  ASSERT_TRUE(datasets_->Delete("faces").ok());
  EXPECT_EQ(registry_->SetAlias("m", "x", 2, AtLeast(0.5)).status().code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(database_
                  ->Transaction([&](store::Session& session) {
                    return datasets_->Insert(session, "faces", "archive", "again");
                  })
                  .ok());
  const absl::Status checking = registry_->SetAlias("m", "x", 2, AtLeast(0.5)).status();
  EXPECT_EQ(checking.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(checking), "DATASET_NOT_READY");
  EXPECT_THAT(std::string(checking.message()), HasSubstr("state=CHECKING"));
  ASSERT_TRUE(database_
                  ->Transaction([&](store::Session& session) {
                    return datasets_->Fail(session, "faces", "again", "an empty archive");
                  })
                  .ok());
  const absl::Status failed = registry_->SetAlias("m", "x", 2, AtLeast(0.5)).status();
  EXPECT_EQ(ReasonOf(failed), "DATASET_NOT_READY");
  EXPECT_THAT(std::string(failed.message()), HasSubstr("an empty archive"));
}

TEST_F(AliasesTest, AnEvaluationOfAModelOfTheSameNameBeforeDoesNotCount) {
  Evaluate(1, 0.9);
  EXPECT_TRUE(registry_->SetAlias("m", "x", 1, AtLeast(0.5)).ok());
  ASSERT_TRUE(registry_->DeleteModel("m", Force::kYes).ok());
  now_us_ += 1;
  MakeModel("m");
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "x", 1, AtLeast(0.5)).status()),
            "EVALUATION_MISSING");
}

TEST_F(AliasesTest, AChangeIsChecked) {
  AliasChange change;
  change.comment = std::string(256, 'x');
  for (int i = 0; i < 4; ++i) change.comment.replace(0, 1, "\xc3\xa4");
  EXPECT_TRUE(registry_->SetAlias("m", "x", 1, change).ok());  // 256 characters, 260 bytes
  change.comment += "x";
  const absl::Status comment = registry_->SetAlias("m", "x", 1, change).status();
  EXPECT_EQ(comment.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::GetErrorDetails(comment).fields, ElementsAre("comment"));
  EXPECT_THAT(std::string(comment.message()), HasSubstr("limit=256"));
  EXPECT_EQ(ReasonOf(registry_->DeleteAlias("m", "x", change)), "LIMIT_EXCEEDED");
  change.comment.clear();
  change.submitter = std::string(65, 'x');
  EXPECT_EQ(ReasonOf(registry_->RollbackAlias("m", "x", change).status()), "LIMIT_EXCEEDED");
  change = AtLeast(0.5);
  change.require.resize(17, change.require[0]);
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "x", 1, change).status()), "LIMIT_EXCEEDED");
  change.require.resize(2);
  change.require[1].metric = "map";
  const absl::Status rule = registry_->SetAlias("m", "x", 1, change).status();
  EXPECT_THAT(base::GetErrorDetails(rule).fields, ElementsAre("require[1].metric"));
}

TEST_F(AliasesTest, RollbackGoesFurtherBackEachTime) {
  for (const int64_t version : {2, 3})
    ASSERT_TRUE(registry_->SetAlias("m", "stable", version).ok());
  ASSERT_TRUE(Rollback().ok());
  EXPECT_EQ(At(), 2);
  ASSERT_TRUE(Rollback().ok());
  EXPECT_EQ(At(), 1);
  const absl::Status end = Rollback();
  EXPECT_EQ(end.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(end), "NO_PREVIOUS");
  EXPECT_THAT(Story(),
              ElementsAre("create ->1", "set 1>2", "set 2>3", "rollback 3>2", "rollback 2>1"));
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 3).ok());
  ASSERT_TRUE(Rollback().ok());
  EXPECT_EQ(At(), 1);
}

TEST_F(AliasesTest, RollbackUndoesADeletion) {
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 2).ok());
  ASSERT_TRUE(registry_->DeleteAlias("m", "stable").ok());
  ASSERT_TRUE(Rollback().ok());
  EXPECT_EQ(At(), 2);
  EXPECT_THAT(Story(), ElementsAre("create ->1", "set 1>2", "delete 2>-", "rollback ->2"));
}

TEST_F(AliasesTest, RollbackNeedsAnAliasAndAVersionThatIsThere) {
  EXPECT_EQ(Rollback("none").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->RollbackAlias("none", "stable", {}).status().code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 2).ok());
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 3).ok());
  ASSERT_TRUE(registry_->DeleteVersion("m", 2, Force::kNo).ok());
  const absl::Status gone = Rollback();
  EXPECT_EQ(gone.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(gone), "VERSION_NOT_READY");
  EXPECT_THAT(std::string(gone.message()), HasSubstr("models/m/versions/2"));
  EXPECT_EQ(At(), 3);
}

TEST_F(AliasesTest, RollbackRespectsTheLimitOfAliases) {
  for (const char* alias : {"a", "b"}) ASSERT_TRUE(registry_->SetAlias("m", alias, 1).ok());
  ASSERT_TRUE(registry_->DeleteAlias("m", "a").ok());
  ASSERT_TRUE(registry_->SetAlias("m", "c", 1).ok());
  EXPECT_EQ(Rollback("a").code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(registry_->DeleteAlias("m", "c").ok());
  EXPECT_TRUE(Rollback("a").ok());
}

TEST_F(AliasesTest, AVersionThatIsDeletedTakesItsAliasesAndSaysSo) {
  ASSERT_TRUE(registry_->SetAlias("m", "stable", 2).ok());
  ASSERT_TRUE(registry_->DeleteVersion("m", 2, Force::kYes).ok());
  EXPECT_THAT(registry_->GetModel("m")->aliases, IsEmpty());
  EXPECT_THAT(Story(), ElementsAre("create ->1", "set 1>2", "delete 2>-"));
  EXPECT_THAT(Moves().front().comment, HasSubstr("models/m/versions/2 was deleted"));
}

TEST_F(AliasesTest, TheHistoryGoesWithItsModel) {
  ASSERT_TRUE(registry_->DeleteModel("m", Force::kYes).ok());
  EXPECT_EQ(registry_->ListAliasMoves("m", "stable", 0, "").status().code(),
            absl::StatusCode::kNotFound);
  MakeModel("m");
  EXPECT_THAT(Story(), ElementsAre("create ->1"));
}

TEST_F(AliasesTest, PagesOfTheHistoryAreNewestFirst) {
  for (const int64_t version : {2, 3, 1, 2})
    ASSERT_TRUE(registry_->SetAlias("m", "stable", version).ok());
  for (const int page_size : {1, 2, 4, 5, 6, 0}) {
    std::vector<int64_t> seen;
    std::string token;
    do {
      const auto page = registry_->ListAliasMoves("m", "stable", page_size, token).value();
      for (const AliasMove& move : page.moves) seen.push_back(move.version.value());
      token = page.next_token;
    } while (!token.empty());
    EXPECT_THAT(seen, ElementsAre(2, 1, 3, 2, 1)) << page_size;
  }
  for (const char* token : {"x", "0", "-1", "1x"}) {
    EXPECT_EQ(registry_->ListAliasMoves("m", "stable", 1, token).status().code(),
              absl::StatusCode::kInvalidArgument)
        << token;
  }
  EXPECT_THAT(registry_->ListAliasMoves("m", "never", 1, "")->moves, IsEmpty());
}

TEST_F(AliasesTest, TheHistoryKeepsItsNewestMoves) {
  limits_.max_moves_per_model = 4;
  Open();
  for (const int64_t version : {2, 3, 1, 2}) {
    now_us_ += 1;
    ASSERT_TRUE(registry_->SetAlias("m", "stable", version).ok());
  }
  EXPECT_THAT(Story(), ElementsAre("set 1>2", "set 2>3", "set 3>1", "set 1>2"));
  now_us_ += 1;
  ASSERT_TRUE(registry_->SetAlias("m", "x", 1).ok());
  EXPECT_THAT(Story(), ElementsAre("set 2>3", "set 3>1", "set 1>2"));
  EXPECT_THAT(Story("x"), SizeIs(1));
  for (const int64_t version : {1, 3}) {
    ASSERT_TRUE(Rollback().ok());
    EXPECT_EQ(At(), version);
  }
}

}  // namespace
}  // namespace lbw::registry

// Evaluations, promotion, rollback and lineage against the whole server.
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "component/job_driver.h"
#include "component/server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Versions 1 (float) and 2 (4 bits), and a dataset.
class Promotion : public ::testing::Test {
 protected:
  Promotion() : driver_(fixture_.data_dir()) {
    fixture_.CreateDiscModel();
    v1::ModelVersion quantized;
    EXPECT_TRUE(fixture_.Quantize("models/discs", 4, &quantized).ok());
    MakeDataset(fixture_, driver_, "faces");
  }

  v1::SetAliasRequest To(int version) {
    v1::SetAliasRequest request;
    request.set_name(kAlias);
    request.set_version("models/discs/versions/" + std::to_string(version));
    request.set_submitter("ada");
    return request;
  }
  v1::PromotionRule* Require(v1::SetAliasRequest* request) {
    v1::PromotionRule* rule = request->add_require();
    rule->set_dataset("datasets/faces");
    return rule;
  }
  grpc::Status Set(const v1::SetAliasRequest& request) {
    v1::Alias alias;
    grpc::ClientContext context;
    return fixture_.models().SetAlias(&context, request, &alias);
  }
  grpc::Status Rollback(v1::Alias* alias) {
    v1::RollbackAliasRequest request;
    request.set_name(kAlias);
    request.set_submitter("bob");
    request.set_comment("it was slower");
    grpc::ClientContext context;
    return fixture_.models().RollbackAlias(&context, request, alias);
  }
  std::vector<v1::AliasMove> Moves() {
    std::vector<v1::AliasMove> moves;
    v1::ListAliasMovesRequest request;
    request.set_alias(kAlias);
    request.set_page_size(2);
    do {
      v1::ListAliasMovesResponse page;
      grpc::ClientContext context;
      const grpc::Status status = fixture_.models().ListAliasMoves(&context, request, &page);
      EXPECT_TRUE(status.ok()) << status.error_message();
      moves.insert(moves.end(), page.moves().begin(), page.moves().end());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return moves;
  }
  std::string Evaluated(int version, double map_50) {
    return Evaluate(fixture_, driver_, "models/discs/versions/" + std::to_string(version),
                    "datasets/faces", map_50);
  }

  static constexpr const char* kAlias = "models/discs/aliases/prod";
  ServerFixture fixture_;
  JobDriver driver_;
};

TEST_F(Promotion, AnAliasMovesOnlyWhereTheFigureIsReached) {
  v1::SetAliasRequest request = To(2);
  Require(&request)->set_min_value(0.8);
  grpc::Status status = Set(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "EVALUATION_MISSING");
  Evaluated(2, 0.75);
  status = Set(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "EVALUATION_FAILED");
  EXPECT_THAT(status.error_message(), HasSubstr("0.75"));
  EXPECT_THAT(status.error_message(), HasSubstr("0.8"));
  Evaluated(2, 0.85);
  request.set_comment("better");
  status = Set(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const std::vector<v1::AliasMove> moves = Moves();
  ASSERT_THAT(moves, SizeIs(1));
  EXPECT_EQ(moves[0].version(), "models/discs/versions/2");
  EXPECT_EQ(moves[0].previous(), "");
  EXPECT_EQ(moves[0].submitter(), "ada");
  EXPECT_EQ(moves[0].comment(), "better");
  EXPECT_EQ(moves[0].action(), "set");
  ASSERT_EQ(moves[0].passed_size(), 1);
  EXPECT_THAT(moves[0].passed(0), HasSubstr("datasets/faces"));
}

TEST_F(Promotion, AnAliasMovesOnlyWhereLittleIsLostAgainstAnother) {
  ASSERT_TRUE(Set(To(1)).ok());
  Evaluated(1, 0.90);
  Evaluated(2, 0.88);
  v1::SetAliasRequest request = To(2);
  v1::PromotionRule* rule = Require(&request);
  rule->set_max_drop(0.01);
  rule->set_against(kAlias);  // what it points at now
  EXPECT_EQ(ReasonOf(Set(request)), "EVALUATION_FAILED");
  rule->set_max_drop(0.05);
  const grpc::Status status = Set(request);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

// Scenario: good figures over one picture, above another score, on another split; then the dataset
// is made anew. Expectation: none of them lets the alias move, and each is named with why.
TEST_F(Promotion, OnlyTheWholeSplitAsItIsNowWithDefaultOptionsCounts) {
  const auto evaluate = [this](const std::function<void(v1::EvaluateSpec&)>& change) {
    v1::CreateJobRequest job = EvaluateRequest("models/discs/versions/2", "datasets/faces");
    change(*job.mutable_spec()->mutable_evaluate());
    MakeEvaluateJob(fixture_, job);
    return driver_.FinishEvaluation(driver_.Take("evaluate"), 0.9).id;
  };
  const std::string few = evaluate([](auto& s) { s.mutable_options()->set_max_pictures(1); });
  const std::string score =
      evaluate([](auto& s) { s.mutable_options()->set_score_threshold(0.5F); });
  const std::string split = evaluate([](auto& s) { s.set_split("train"); });
  v1::SetAliasRequest request = To(2);
  v1::PromotionRule* rule = Require(&request);
  rule->set_min_value(0.8);
  grpc::Status status = Set(request);
  EXPECT_EQ(ReasonOf(status), "EVALUATION_MISSING");
  EXPECT_THAT(status.error_message(), HasSubstr("evaluations/" + few + " has max_pictures=1"));
  EXPECT_THAT(status.error_message(),
              HasSubstr("evaluations/" + score + " has score_threshold=0.5"));
  EXPECT_THAT(status.error_message(),
              HasSubstr("evaluations/" + split + " is on split \"train\", not \"val\""));
  // A rule that says so takes each.
  rule->mutable_options()->set_max_pictures(1);
  EXPECT_TRUE(Set(request).ok());
  rule->mutable_options()->set_max_pictures(0);
  rule->mutable_options()->set_score_threshold(0.5F);
  EXPECT_TRUE(Set(request).ok());
  rule->clear_options();
  rule->set_split("train");
  EXPECT_TRUE(Set(request).ok());
  rule->set_split("tain");
  EXPECT_EQ(FieldOf(Set(request)), "require[0].split");
  rule->clear_split();
  rule->mutable_options()->set_score_threshold(2);
  EXPECT_EQ(FieldOf(Set(request)), "require[0].options.score_threshold");
  rule->clear_options();
  evaluate([](auto& s) { s.mutable_options()->set_threads(1); });
  EXPECT_TRUE(Set(request).ok());
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/faces");
  google::protobuf::Empty empty;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.datasets().DeleteDataset(&context, remove, &empty).ok());
  }
  EXPECT_EQ(Set(request).error_code(), grpc::StatusCode::NOT_FOUND);
  v1::CreateDatasetRequest create;
  create.set_dataset_id("faces");
  create.set_artifact(fixture_.Upload("another archive"));
  v1::Dataset dataset;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.datasets().CreateDataset(&context, create, &dataset).ok());
  }
  status = Set(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "DATASET_NOT_READY");
  EXPECT_THAT(status.error_message(), HasSubstr("state=CHECKING"));
  driver_.FinishCheck(driver_.Take("check_dataset"), fixture_.Upload(DiscPack(7)));
  status = Set(request);
  EXPECT_EQ(ReasonOf(status), "EVALUATION_MISSING");
  EXPECT_THAT(status.error_message(), HasSubstr("is on other content"));
}

TEST_F(Promotion, EachWrongRuleIsNamed) {
  const auto field = [this](const v1::SetAliasRequest& request) {
    const grpc::Status status = Set(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    return FieldOf(status);
  };
  v1::SetAliasRequest request = To(2);
  v1::PromotionRule* rule = Require(&request);
  EXPECT_THAT(field(request), HasSubstr("require[0]"));  // neither figure
  rule->set_min_value(0.5);
  rule->set_metric("beauty");
  EXPECT_EQ(field(request), "require[0].metric");
  rule->clear_metric();
  rule->set_dataset("faces");
  EXPECT_EQ(field(request), "require[0].dataset");
  rule->set_dataset("datasets/faces");
  rule->set_against("models/other/versions/1");
  EXPECT_EQ(field(request), "require[0].against");
  rule->clear_against();
  request.set_comment(std::string(257, 'c'));
  EXPECT_EQ(field(request), "comment");
  request.clear_comment();
  request.set_submitter(std::string(65, 's'));
  EXPECT_EQ(field(request), "submitter");
  request.clear_submitter();
  for (int i = 0; i < 16; ++i) *request.add_require() = request.require(0);
  EXPECT_EQ(field(request), "require");
  request = To(2);
  request.set_version("models/other/versions/1");
  EXPECT_EQ(field(request), "version");
}

TEST_F(Promotion, RollbackGoesBackAndHistoryKeepsEveryMove) {
  v1::Alias alias;
  EXPECT_EQ(Rollback(&alias).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(Set(To(1)).ok());
  EXPECT_EQ(ReasonOf(Rollback(&alias)), "NO_PREVIOUS");
  ASSERT_TRUE(Set(To(2)).ok());
  const grpc::Status status = Rollback(&alias);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(alias.version(), "models/discs/versions/1");
  v1::DeleteAliasRequest remove;
  remove.set_name(kAlias);
  remove.set_submitter("eve");
  google::protobuf::Empty empty;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.models().DeleteAlias(&context, remove, &empty).ok());
  }
  std::vector<std::string> actions;
  const std::vector<v1::AliasMove> moves = Moves();
  for (const v1::AliasMove& move : moves) actions.push_back(move.action());
  EXPECT_THAT(actions, ElementsAre("delete", "rollback", "set", "set"));
  EXPECT_EQ(moves[0].submitter(), "eve");
  EXPECT_EQ(moves[0].version(), "");
  EXPECT_EQ(moves[1].comment(), "it was slower");
  EXPECT_EQ(moves[1].previous(), "models/discs/versions/2");
}

TEST_F(Promotion, EvaluationsAreListedGotAndStandWithTheVersion) {
  const std::string first = Evaluated(2, 0.7);
  const std::string second = Evaluated(2, 0.8);
  const std::string other = Evaluated(1, 0.9);
  v1::ListEvaluationsRequest list;
  list.set_page_size(1);
  list.set_version("models/discs/versions/2");
  std::vector<std::string> names;
  do {
    v1::ListEvaluationsResponse page;
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.models().ListEvaluations(&context, list, &page).ok());
    for (const v1::Evaluation& evaluation : page.evaluations()) {
      names.push_back(evaluation.name());
      EXPECT_EQ(evaluation.voc().classes_size(), 0);
    }
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(names, ElementsAre(second, first));
  v1::GetEvaluationRequest get;
  get.set_name(other);
  v1::Evaluation evaluation;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.models().GetEvaluation(&context, get, &evaluation).ok());
  }
  EXPECT_EQ(evaluation.version(), "models/discs/versions/1");
  EXPECT_DOUBLE_EQ(evaluation.value(), 0.9);
  EXPECT_EQ(evaluation.split(), "val");
  EXPECT_EQ(evaluation.voc().classes(0).curve_size(), 1);
  EXPECT_EQ(evaluation.options().top_k(), 5U);
  v1::GetVersionRequest get_version;
  get_version.set_name("models/discs/versions/2");
  v1::ModelVersion version;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.models().GetVersion(&context, get_version, &version).ok());
  }
  ASSERT_EQ(version.evaluations_size(), 1);
  EXPECT_EQ(version.evaluations(0).name(), second);
}

TEST_F(Promotion, LineageLeadsFromTheArtifactToTheEvaluation) {
  const std::string evaluation = Evaluated(2, 0.8);
  v1::GetLineageRequest request;
  request.set_name(evaluation);
  v1::Lineage lineage;
  {
    grpc::ClientContext context;
    const grpc::Status status = fixture_.models().GetLineage(&context, request, &lineage);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  std::vector<std::string> edges;
  for (const v1::LineageEdge& edge : lineage.edges()) {
    edges.push_back(edge.from() + " " + edge.relation() + " " + edge.to());
  }
  EXPECT_EQ(lineage.nodes(0).name(), evaluation);
  EXPECT_THAT(edges, Contains("models/discs/versions/1 quantized models/discs/versions/2"));
  EXPECT_THAT(edges, Contains("models/discs/versions/2 evaluated " + evaluation));
  EXPECT_THAT(edges, Contains("datasets/faces evaluated " + evaluation));
  EXPECT_THAT(edges, Contains(HasSubstr("imported models/discs/versions/1")));
  request.set_name("nonsense");
  grpc::ClientContext context;
  const grpc::Status status = fixture_.models().GetLineage(&context, request, &lineage);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "name");
}

}  // namespace
}  // namespace lbw::testing

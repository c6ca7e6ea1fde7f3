#include "registry/evaluations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class EvaluationsTest : public RegistryFixture {
 protected:
  EvaluationsTest() { evaluations_ = NewEvaluations(*database_); }

  static Evaluation Made(const std::string& id, const std::string& model = "m",
                         int64_t version = 1) {
    Evaluation evaluation;
    evaluation.id = id;
    evaluation.model = model;
    evaluation.version = version;
    evaluation.dataset = "faces";
    evaluation.pack_artifact = "pack";
    evaluation.split = "val";
    evaluation.job = id;
    evaluation.against = "models/m/versions/9";
    evaluation.options_json = R"({"a":1})";
    evaluation.metric = "map_50";
    evaluation.metrics = {{"map_50", 0.1}, {"map_11", 1.0 / 3.0}};
    evaluation.summary_json = "summary of " + id;
    evaluation.result_json = "result of " + id;
    return evaluation;
  }
  absl::Status Insert(const Evaluation& evaluation) {
    return database_->Transaction(
        [&](store::Session& session) { return evaluations_->Insert(session, evaluation); });
  }
  std::vector<std::string> Ids(const Evaluations::Query& query, int page_size) {
    std::vector<std::string> ids;
    std::string token;
    do {
      const Evaluations::Page page = evaluations_->List(query, page_size, token).value();
      for (const Evaluation& evaluation : page.evaluations) ids.push_back(evaluation.id);
      token = page.next_token;
    } while (!token.empty());
    return ids;
  }

  std::unique_ptr<Evaluations> evaluations_;
};

TEST_F(EvaluationsTest, KeepsWhatItWasGiven) {
  Evaluation given = Made("e1");
  given.create_time = absl::FromUnixMicros(1);
  ASSERT_TRUE(Insert(given).ok());
  const Evaluation found = evaluations_->Get("e1").value();
  EXPECT_EQ(found.model, "m");
  EXPECT_EQ(found.version, 1);
  EXPECT_EQ(found.dataset, "faces");
  EXPECT_EQ(found.pack_artifact, "pack");
  EXPECT_EQ(found.split, "val");
  EXPECT_EQ(found.job, "e1");
  EXPECT_EQ(found.against, "models/m/versions/9");
  EXPECT_EQ(found.create_time, absl::FromUnixMicros(now_us_));
  EXPECT_EQ(found.options_json, given.options_json);
  EXPECT_EQ(found.metric, "map_50");
  EXPECT_THAT(found.metrics, ElementsAre(Pair("map_11", 1.0 / 3.0), Pair("map_50", 0.1)));
  EXPECT_EQ(found.summary_json, given.summary_json);
  EXPECT_EQ(found.result_json, given.result_json);
  EXPECT_EQ(evaluations_->Get("none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Insert(given).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(EvaluationsTest, FiguresThatAreNotFiniteAreLeftOut) {
  Evaluation given = Made("e1");
  given.metrics = {{"map_50", std::numeric_limits<double>::quiet_NaN()},
                   {"map_11", std::numeric_limits<double>::infinity()},
                   {"top1", 0.25}};
  ASSERT_TRUE(Insert(given).ok());
  EXPECT_THAT(evaluations_->Get("e1")->metrics, ElementsAre(Pair("top1", 0.25)));
}

TEST_F(EvaluationsTest, PagesAreNewestFirstAlsoWhereTimesAreEqual) {
  for (const char* id : {"b", "a", "c"}) ASSERT_TRUE(Insert(Made(id)).ok());
  now_us_ += 1;
  ASSERT_TRUE(Insert(Made("d", "m", 2)).ok());
  now_us_ += 1;
  Evaluation cats = Made("e", "n", 2);
  cats.dataset = "cats";
  ASSERT_TRUE(Insert(cats).ok());
  for (const int page_size : {1, 2, 3, 4, 5, 0}) {
    EXPECT_THAT(Ids({}, page_size), ElementsAre("e", "d", "c", "b", "a")) << page_size;
    EXPECT_THAT(Ids({"m", 0, ""}, page_size), ElementsAre("d", "c", "b", "a"));
    EXPECT_THAT(Ids({"m", 1, ""}, page_size), ElementsAre("c", "b", "a"));
    EXPECT_THAT(Ids({"", 2, ""}, page_size), ElementsAre("e", "d"));
    EXPECT_THAT(Ids({"", 0, "cats"}, page_size), ElementsAre("e"));
    EXPECT_THAT(Ids({"m", 2, "cats"}, page_size), IsEmpty());
  }
  const Evaluations::Page page = evaluations_->List({}, 1, "").value();
  EXPECT_EQ(page.evaluations[0].summary_json, "summary of e");
  EXPECT_EQ(page.evaluations[0].result_json, "");
}

TEST_F(EvaluationsTest, AListOfLongSummariesReadsNoMoreThanAPageMayHold) {
  EvaluationLimits limits;
  limits.max_page_bytes = 100;
  evaluations_ = NewEvaluations(*database_, limits);
  for (const char* id : {"d", "c", "b", "a"}) {
    Evaluation made = Made(id);
    made.dataset = id;
    made.options_json = "{}";
    made.summary_json = std::string(*id == 'c' ? 1000 : 40, *id);
    ASSERT_TRUE(Insert(made).ok());
    now_us_ += 1;
  }
  std::vector<std::string> pages;
  std::string token;
  do {
    const Evaluations::Page page = evaluations_->List({}, 0, token).value();
    std::string ids;
    for (const Evaluation& evaluation : page.evaluations) ids += evaluation.id;
    pages.push_back(ids);
    token = page.next_token;
  } while (!token.empty());
  EXPECT_THAT(pages, ElementsAre("ab", "c", "d"));
}

// They stand in the answer of a version, beside its report.
TEST_F(EvaluationsTest, TheNewestOfManyDatasetsAreNoMoreThanAPageMayHold) {
  EvaluationLimits limits;
  limits.max_page_bytes = 100;
  evaluations_ = NewEvaluations(*database_, limits);
  now_us_ += 1;
  MakeModel("m");
  for (const char* id : {"c", "b", "a"}) {
    now_us_ += 1;
    Evaluation made = Made(id);
    made.dataset = id;
    made.options_json = "{}";
    made.summary_json = std::string(40, *id);
    ASSERT_TRUE(Insert(made).ok());
  }
  const std::vector<Evaluation> newest = evaluations_->Newest("m", 1).value();
  ASSERT_EQ(newest.size(), 2u);
  EXPECT_EQ(newest[0].id, "a");
  EXPECT_EQ(newest[1].id, "b");
}

TEST_F(EvaluationsTest, TokensThatAreNotOursAreRefused) {
  for (const std::string& token : {std::string("x"), std::string("1"), std::string("1."),
                                   std::string(".a"), "1." + std::string(200, 'a')}) {
    const absl::Status status = evaluations_->List({}, 1, token).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << token;
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre("page_token"));
  }
}

TEST_F(EvaluationsTest, NewestIsOneOfEachDatasetAndSplit) {
  MakeModel("m");
  Evaluation test = Made("t1");
  test.split = "test";
  ASSERT_TRUE(Insert(test).ok());
  ASSERT_TRUE(Insert(Made("v1")).ok());
  now_us_ += 1;
  ASSERT_TRUE(Insert(Made("v3")).ok());
  ASSERT_TRUE(Insert(Made("v2")).ok());  // the same time: the later id is the newer
  ASSERT_TRUE(Insert(Made("other", "m", 2)).ok());
  const std::vector<Evaluation> newest = evaluations_->Newest("m", 1).value();
  ASSERT_THAT(newest, SizeIs(2));
  EXPECT_EQ(newest[0].id, "v3");
  EXPECT_EQ(newest[0].summary_json, "summary of v3");
  EXPECT_EQ(newest[0].result_json, "");
  EXPECT_EQ(newest[1].id, "t1");
  EXPECT_THAT(evaluations_->Newest("m", 3).value(), IsEmpty());
}

// A model that is made anew under the same name counts its versions from 1 again: what the old
// version 1 reached is not the new one's.
TEST_F(EvaluationsTest, NewestLeavesOutThoseOfAModelOfTheSameNameBefore) {
  MakeModel("m");
  ASSERT_TRUE(Insert(Made("old")).ok());
  ASSERT_TRUE(registry_->DeleteModel("m", Registry::Force::kYes).ok());
  EXPECT_THAT(evaluations_->Newest("m", 1).value(), SizeIs(1));
  now_us_ += 1;
  MakeModel("m");
  EXPECT_THAT(evaluations_->Newest("m", 1).value(), IsEmpty());
  EXPECT_THAT(Ids({"m", 1, ""}, 10), ElementsAre("old"));
  ASSERT_TRUE(Insert(Made("new")).ok());
  EXPECT_THAT(evaluations_->Newest("m", 1).value(), SizeIs(1));
}

TEST_F(EvaluationsTest, StayWhenTheirVersionGoes) {
  MakeModel("m");
  ASSERT_TRUE(Insert(Made("e1")).ok());
  ASSERT_TRUE(registry_->DeleteVersion("m", 1, Registry::Force::kYes).ok());
  EXPECT_TRUE(evaluations_->Get("e1").ok());
}

}  // namespace
}  // namespace lbw::registry

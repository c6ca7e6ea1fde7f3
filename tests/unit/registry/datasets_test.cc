#include "registry/datasets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetsTest : public RegistryFixture {
 protected:
  DatasetsTest() {
    dataset_limits_.max_datasets = 4;
    dataset_limits_.max_text_bytes = 100;
    datasets_ = NewDatasets(*database_, dataset_limits_);
  }
  absl::Status Insert(const std::string& name, const std::string& job = "j1") {
    return database_->Transaction(
        [&](store::Session& session) { return datasets_->Insert(session, name, "archive", job); });
  }
  absl::Status Publish(const std::string& name, const std::string& job,
                       const Datasets::Checked& checked) {
    return database_->Transaction(
        [&](store::Session& session) { return datasets_->Publish(session, name, job, checked); });
  }
  absl::Status Fail(const std::string& name, const std::string& job) {
    return database_->Transaction([&](store::Session& session) {
      return datasets_->Fail(session, name, job, "nothing usable in it");
    });
  }
  Datasets::Checked Result(const std::string& content = "pack") {
    return {AddArtifact(content), 4, R"({"pictures":"3"})", R"({"defects":[]})"};
  }

  DatasetLimits dataset_limits_;
  std::unique_ptr<Datasets> datasets_;
};

TEST_F(DatasetsTest, IsCheckedAndThenReady) {
  ASSERT_TRUE(Insert("faces").ok());
  const Dataset checking = datasets_->Get("faces").value();
  EXPECT_EQ(checking.state, DatasetState::kChecking);
  EXPECT_EQ(checking.job, "j1");
  EXPECT_EQ(checking.source_artifact, "archive");
  EXPECT_EQ(checking.create_time, absl::FromUnixMicros(now_us_));
  const absl::Status early = datasets_->RequireReady("faces").status();
  EXPECT_EQ(early.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(early), "DATASET_NOT_READY");
  EXPECT_THAT(std::string(early.message()), AllOf(HasSubstr("CHECKING"), HasSubstr("jobs/j1")));
  const Datasets::Checked result = Result();
  ASSERT_TRUE(Publish("faces", "j1", result).ok());
  const Dataset ready = datasets_->RequireReady("faces").value();
  EXPECT_EQ(ready.state, DatasetState::kReady);
  EXPECT_EQ(ready.pack_artifact, result.pack_artifact);
  EXPECT_EQ(ready.pack_bytes, 4u);
  EXPECT_EQ(ready.summary_json, result.summary_json);
  EXPECT_EQ(ready.defects_json, "");
  EXPECT_EQ(datasets_->Get("faces")->defects_json, result.defects_json);
}

TEST_F(DatasetsTest, AFailedOneSaysWhy) {
  ASSERT_TRUE(Insert("faces").ok());
  ASSERT_TRUE(Fail("faces", "j1").ok());
  const absl::Status status = datasets_->RequireReady("faces").status();
  EXPECT_EQ(ReasonOf(status), "DATASET_NOT_READY");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("FAILED"), HasSubstr("nothing usable in it")));
  // A result that comes late changes nothing.
  ASSERT_TRUE(Publish("faces", "j1", Result()).ok());
  EXPECT_EQ(datasets_->Get("faces")->state, DatasetState::kFailed);
}

TEST_F(DatasetsTest, NamesAreCheckedAndTakenOnce) {
  for (const std::string& bad : {std::string(), std::string("A"), std::string("a/b")})
    EXPECT_EQ(ReasonOf(Insert(bad)), "BAD_NAME") << bad;
  ASSERT_TRUE(Insert("faces").ok());
  const absl::Status again = Insert("faces", "j2");
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.message()), HasSubstr("state=CHECKING"));
  EXPECT_EQ(datasets_->Get("faces")->job, "j1");
  EXPECT_EQ(datasets_->Get("none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(datasets_->RequireReady("none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(datasets_->Delete("none").code(), absl::StatusCode::kNotFound);
}

TEST_F(DatasetsTest, LimitsHoldAtTheLimitAndOneMore) {
  for (const char* name : {"a", "b", "c", "d"}) ASSERT_TRUE(Insert(name).ok());
  const absl::Status more = Insert("e");
  EXPECT_EQ(more.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(more.message()), HasSubstr("limit=4"));
  EXPECT_EQ(datasets_->Count().value(), 4);
  Datasets::Checked result = Result();
  result.summary_json = std::string(50, 's');
  result.defects_json = std::string(51, 'd');
  EXPECT_EQ(ReasonOf(Publish("a", "j1", result)), "LIMIT_EXCEEDED");
  EXPECT_EQ(datasets_->Get("a")->state, DatasetState::kChecking);
  result.defects_json.pop_back();
  EXPECT_TRUE(Publish("a", "j1", result).ok());
}

TEST_F(DatasetsTest, APackThatIsNotStoredIsRefused) {
  ASSERT_TRUE(Insert("faces").ok());
  Datasets::Checked result = Result();
  result.pack_artifact = std::string(64, 'e');
  EXPECT_EQ(Publish("faces", "j1", result).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(datasets_->Get("faces")->state, DatasetState::kChecking);
}

TEST_F(DatasetsTest, HoldsItsPackUntilItIsDeleted) {
  ASSERT_TRUE(Insert("faces").ok());
  const Datasets::Checked result = Result();
  ASSERT_TRUE(Publish("faces", "j1", result).ok());
  const absl::Status held = artifacts_->DeleteArtifact(result.pack_artifact);
  EXPECT_EQ(ReasonOf(held), "IN_USE");
  EXPECT_THAT(std::string(held.message()), HasSubstr("datasets/faces"));
  ASSERT_TRUE(datasets_->Delete("faces").ok());
  EXPECT_EQ(artifacts_->GetArtifact(result.pack_artifact).status().code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(artifacts_->Sweep().ok());
  EXPECT_FALSE(blobs_->Exists(result.pack_artifact).value());
}

TEST_F(DatasetsTest, ADeletionThatIsNotAllowedChangesNothing) {
  ASSERT_TRUE(Insert("faces").ok());
  const absl::Status refused =
      datasets_->Delete("faces", [](store::Session& session, const Dataset& dataset) {
        EXPECT_EQ(dataset.job, "j1");
        EXPECT_EQ(ReasonOf(RequireReadyDataset(session, "faces").status()), "DATASET_NOT_READY");
        return absl::FailedPreconditionError("it is used");
      });
  EXPECT_EQ(refused.message(), "it is used");
  EXPECT_TRUE(datasets_->Get("faces").ok());
}

TEST_F(DatasetsTest, APackThatTwoShareStaysWithTheLast) {
  const Datasets::Checked result = Result();
  for (const char* name : {"a", "b"}) {
    ASSERT_TRUE(Insert(name).ok());
    ASSERT_TRUE(Publish(name, "j1", result).ok());
  }
  ASSERT_TRUE(datasets_->Delete("a").ok());
  EXPECT_TRUE(artifacts_->GetArtifact(result.pack_artifact).ok());
  ASSERT_TRUE(datasets_->Delete("b").ok());
  EXPECT_FALSE(artifacts_->GetArtifact(result.pack_artifact).ok());
}

// The dataset was deleted while its check ran, or deleted and made anew by another job: the old
// job's result must not appear under the name, and its pack must not stay.
TEST_F(DatasetsTest, AResultForADatasetThatIsGoneOrAnotherIsReleased) {
  ASSERT_TRUE(Insert("faces").ok());
  ASSERT_TRUE(datasets_->Delete("faces").ok());
  const Datasets::Checked late = Result("late");
  ASSERT_TRUE(Publish("faces", "j1", late).ok());
  EXPECT_EQ(datasets_->Get("faces").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(artifacts_->GetArtifact(late.pack_artifact).ok());
  ASSERT_TRUE(Insert("faces", "j2").ok());
  const Datasets::Checked later = Result("later");
  ASSERT_TRUE(Publish("faces", "j1", later).ok());
  ASSERT_TRUE(Fail("faces", "j1").ok());
  EXPECT_EQ(datasets_->Get("faces")->state, DatasetState::kChecking);
  EXPECT_FALSE(artifacts_->GetArtifact(later.pack_artifact).ok());
  ASSERT_TRUE(Publish("faces", "j2", Result("own")).ok());
  EXPECT_EQ(datasets_->Get("faces")->state, DatasetState::kReady);
}

TEST_F(DatasetsTest, PagesCoverEveryOneOnceByName) {
  for (const char* name : {"c", "a", "d", "b"}) ASSERT_TRUE(Insert(name).ok());
  for (const int page_size : {1, 3, 4, 5, 0}) {
    std::vector<std::string> seen;
    std::string token;
    do {
      const Datasets::Page page = datasets_->List(page_size, token).value();
      for (const Dataset& dataset : page.datasets) seen.push_back(dataset.name);
      token = page.next_token;
    } while (!token.empty());
    EXPECT_THAT(seen, ElementsAre("a", "b", "c", "d")) << page_size;
  }
  EXPECT_EQ(datasets_->List(1, "No/Token").status().code(), absl::StatusCode::kInvalidArgument);
}

// 1,000 long summaries were read before the answer was cut to what a message may have.
TEST_F(DatasetsTest, AListOfLongSummariesReadsNoMoreThanAPageMayHold) {
  dataset_limits_.max_page_bytes = 100;
  datasets_ = NewDatasets(*database_, dataset_limits_);
  Datasets::Checked checked = Result();
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(Insert(name).ok());
    checked.summary_json = std::string(*name == 'c' ? 100 : 40, *name);
    checked.defects_json = "";
    ASSERT_TRUE(Publish(name, "j1", checked).ok());
  }
  std::vector<std::string> pages;
  std::string token;
  do {
    const Datasets::Page page = datasets_->List(0, token).value();
    std::string names;
    for (const Dataset& dataset : page.datasets) {
      names += dataset.name;
      EXPECT_EQ(dataset.summary_json.find_first_not_of(dataset.name), std::string::npos);
    }
    pages.push_back(names);
    token = page.next_token;
  } while (!token.empty());
  EXPECT_THAT(pages, ElementsAre("ab", "c", "d"));
}

}  // namespace
}  // namespace lbw::registry

#include "tasks/tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "base/strings.h"
#include "store/artifact_rows.h"
#include "tasks/json.h"
#include "unit/registry/registry_fixture.h"
#include "unit/tasks/tasks_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class KindsTest : public registry::RegistryFixture {
 protected:
  KindsTest() : datasets_(registry::NewDatasets(*database_, {})) {
    evaluations_ = registry::NewEvaluations(*database_);
    kinds_ = NewJobKinds({registry_.get(), datasets_.get(), evaluations_.get(), blobs_.get()});
  }
  std::string AddBlob(const std::string& content) {
    const auto blob = blobs_->NewBlob().value();
    EXPECT_TRUE(blob->Append(base::AsBytes(content)).ok());
    return blob->Commit()->sha256;
  }
  absl::Status In(const std::function<absl::Status(store::Session&)>& work) {
    return database_->Transaction(work);
  }
  jobs::Job CheckJob() const {
    jobs::Job job;
    job.id = "01check";
    job.kind = std::string(kCheckDataset);
    job.state = jobs::JobState::kRunning;
    job.spec_json = base::StrCat(R"({"dataset": "datasets/d", "source_artifact": "artifacts/)",
                                 source_, R"("})");
    return job;
  }
  jobs::Job EvaluateJob() const {
    jobs::Job job;
    job.id = "01evaluate";
    job.kind = std::string(kEvaluate);
    job.state = jobs::JobState::kRunning;
    job.spec_json =
        R"({"version": "models/m/versions/1", "dataset": "datasets/d", "split": "val",
            "options": {"top_k": 5, "threads": 2}})";
    return job;
  }
  void InsertDataset() {
    const absl::Status status = In([&](store::Session& session) {
      return datasets_->Insert(session, "d", source_, "01check");
    });
    ASSERT_TRUE(status.ok()) << status;
  }
  // The kept result.
  std::string ApplyCheck() {
    std::string result = base::StrCat(
        R"({"dataset": {"name": "datasets/d", "pictures": "3", "pack_artifact": "artifacts/)",
        pack_, R"(", "pack_bytes": "4"}, "defects_blob": ")",
        AddBlob(R"({"defects": [], "not_kept": "0"})"), R"("})");
    const absl::Status status =
        In([&](store::Session& session) { return kinds_->Apply(session, CheckJob(), result); });
    EXPECT_TRUE(status.ok()) << status;
    return result;
  }

  std::unique_ptr<registry::Datasets> datasets_;
  std::unique_ptr<registry::Evaluations> evaluations_;
  std::unique_ptr<jobs::JobKinds> kinds_;
  const std::string source_ = AddArtifact("an archive", store::ArtifactOrigin::kUpload);
  const std::string pack_ = AddBlob("pack");
};

TEST_F(KindsTest, PreparesDigestsOfWhatIsNamed) {
  MakeModel("m");
  InsertDataset();
  ApplyCheck();
  const auto inputs = kinds_->Prepare(EvaluateJob());
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  const Json json = Json::parse(*inputs);
  EXPECT_EQ(json["bundle"], registry_->GetVersion("m", 1)->bundle);
  EXPECT_EQ(json["pack"], pack_);
  EXPECT_FALSE(json.contains("against_bundle"));
  EXPECT_EQ(Json::parse(*kinds_->Prepare(CheckJob()))["archive"], source_);
}

TEST_F(KindsTest, ADatasetThatWasDeletedOrIsNotReadyStopsAnEvaluation) {
  MakeModel("m");
  InsertDataset();
  const absl::Status checking = kinds_->Prepare(EvaluateJob()).status();
  EXPECT_EQ(checking.code(), absl::StatusCode::kFailedPrecondition) << checking;
  EXPECT_EQ(base::GetErrorDetails(checking).reason, "DATASET_NOT_READY");
  ApplyCheck();
  ASSERT_TRUE(datasets_->Delete("d").ok());
  const absl::Status gone = kinds_->Prepare(EvaluateJob()).status();
  EXPECT_EQ(gone.code(), absl::StatusCode::kNotFound) << gone;
  EXPECT_THAT(std::string(gone.message()), HasSubstr("datasets/d"));
}

TEST_F(KindsTest, AVersionThatIsGoneStopsAnEvaluation) {
  InsertDataset();
  ApplyCheck();
  EXPECT_EQ(kinds_->Prepare(EvaluateJob()).status().code(), absl::StatusCode::kNotFound);
}

// The job keeps the API's JobResult: rpc reads it as that message.
TEST_F(KindsTest, ACheckMakesTheDatasetReady) {
  InsertDataset();
  const std::string result = ApplyCheck();
  const Json kept = MessageOf(result, "dataset");
  EXPECT_EQ(kept.value("name", ""), "datasets/d") << kept;
  EXPECT_EQ(kept.value("pictures", ""), "3");
  EXPECT_EQ(Json::parse(result).size(), 1U) << "nothing that is this room's own: " << result;
  const auto dataset = datasets_->Get("d");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->state, registry::DatasetState::kReady);
  EXPECT_EQ(dataset->pack_artifact, pack_);
  EXPECT_THAT(dataset->defects_json, HasSubstr("not_kept"));
  EXPECT_THAT(dataset->summary_json, Not(HasSubstr("defects_blob")));
  EXPECT_TRUE(artifacts_->GetArtifact(pack_).ok());
}

TEST_F(KindsTest, ALongSummaryComesFromItsBlob) {
  InsertDataset();
  const std::string summary =
      base::StrCat(R"({"name": "datasets/d", "pictures": "7", "pack_artifact": "artifacts/)", pack_,
                   R"(", "pack_bytes": "4"})");
  std::string result = base::StrCat(R"({"summary_blob": ")", AddBlob(summary),
                                    R"(", "defects_blob": ")", AddBlob("{}"), R"("})");
  const absl::Status status =
      In([&](store::Session& session) { return kinds_->Apply(session, CheckJob(), result); });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(MessageOf(result, "dataset").value("pictures", ""), "7") << result;
  EXPECT_EQ(Json::parse(result).size(), 1U) << "nothing that is this room's own: " << result;
  EXPECT_THAT(datasets_->Get("d")->summary_json, HasSubstr(R"("pictures":"7")"));
}

// With the reason of a database in trouble the worker would ask again and again.
TEST_F(KindsTest, ASweptPackIsNoTroubleOfTheDatabase) {
  InsertDataset();
  std::string result = base::StrCat(
      R"({"dataset": {"name": "datasets/d", "pack_artifact": "artifacts/)", std::string(64, 'a'),
      R"(", "pack_bytes": "4"}, "defects_blob": ")", AddBlob("{}"), R"("})");
  const absl::Status status =
      In([&](store::Session& session) { return kinds_->Apply(session, CheckJob(), result); });
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BLOB_GONE") << status;
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(datasets_->Get("d")->state, registry::DatasetState::kChecking);
}

// Another job's checkpoint of the same bytes was dropped, and the sweep took them.
TEST_F(KindsTest, ASweptCheckpointIsNotHeld) {
  const std::string sha256 = AddArtifact("a checkpoint", store::ArtifactOrigin::kResult);
  EXPECT_TRUE(kinds_->HoldBlob(sha256).ok());
  ASSERT_TRUE(
      In([&](store::Session& session) { return store::MarkDeleting(session, sha256); }).ok());
  ASSERT_TRUE(artifacts_->Sweep().ok());
  const auto hold = kinds_->HoldBlob(sha256);
  EXPECT_EQ(base::GetErrorDetails(hold.status()).reason, "BLOB_GONE") << hold.status();
}

TEST_F(KindsTest, ACheckThatFailedFailsItsDataset) {
  InsertDataset();
  jobs::Job job = CheckJob();
  job.state = jobs::JobState::kFailed;
  job.error.message = "no archive at all";
  ASSERT_TRUE(In([&](store::Session& session) { return kinds_->ApplyFailure(session, job); }).ok());
  const auto dataset = datasets_->Get("d");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->state, registry::DatasetState::kFailed);
  EXPECT_EQ(dataset->error, "no archive at all");
}

TEST_F(KindsTest, ACancelledCheckSaysSo) {
  InsertDataset();
  jobs::Job job = CheckJob();
  job.state = jobs::JobState::kCancelled;
  ASSERT_TRUE(In([&](store::Session& session) { return kinds_->ApplyFailure(session, job); }).ok());
  EXPECT_THAT(datasets_->Get("d")->error, HasSubstr("cancelled"));
}

// As above for Evaluation; the row has the figures that promotion looks at.
TEST_F(KindsTest, AnEvaluationBecomesARow) {
  std::string result = base::StrCat(
      R"({"evaluation": {"version": "models/m/versions/1", "dataset": "datasets/d",
          "pack_artifact": "artifacts/)",
      pack_, R"(", "split": "val", "metric": "map_50", "value": 0.75, "voc": {"map_50": 0.75,
          "map_11": 0.5, "classes": [{"label": "a", "curve": [{"recall": 1}]}]}}})");
  const absl::Status status =
      In([&](store::Session& session) { return kinds_->Apply(session, EvaluateJob(), result); });
  ASSERT_TRUE(status.ok()) << status;
  const Json kept = MessageOf(result, "evaluation");
  EXPECT_EQ(kept.value("name", ""), "evaluations/01evaluate") << kept;
  EXPECT_EQ(kept.value("job", ""), "jobs/01evaluate");
  EXPECT_EQ(kept.value("create_time", ""), "2023-11-14T22:13:20.000000Z");
  const auto row = evaluations_->Get("01evaluate");
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->model, "m");
  EXPECT_EQ(row->version, 1);
  EXPECT_EQ(row->pack_artifact, pack_);
  EXPECT_EQ(row->metric, "map_50");
  EXPECT_EQ(row->metrics.at("map_50"), 0.75);
  EXPECT_EQ(row->metrics.at("map_11"), 0.5);
  EXPECT_EQ(row->metrics.count("top1"), 0U);
  EXPECT_THAT(row->summary_json, Not(HasSubstr("curve")));
  EXPECT_THAT(row->result_json, HasSubstr("curve"));
  EXPECT_THAT(row->options_json, Not(HasSubstr("threads")));
}

TEST_F(KindsTest, AResultThatIsNoneIsAnErrorAndChangesNothing) {
  InsertDataset();
  for (const char* text : {"", "{}", "[]", R"({"dataset": {}})", R"({"evaluation": 3})"}) {
    for (const jobs::Job& job : {CheckJob(), EvaluateJob()}) {
      std::string result = text;
      EXPECT_FALSE(
          In([&](store::Session& session) { return kinds_->Apply(session, job, result); }).ok())
          << text << " " << job.kind;
    }
  }
  EXPECT_EQ(datasets_->Get("d")->state, registry::DatasetState::kChecking);
}

// What they do is quantize_publish_test's.
TEST_F(KindsTest, QuantizationsAndComparisonsAreDispatched) {
  for (const std::string_view kind : {kQuantize, kCompare}) {
    jobs::Job job;
    job.kind = std::string(kind);
    job.spec_json = R"({"version": "models/m"})";
    const absl::Status prepared = kinds_->Prepare(job).status();
    EXPECT_EQ(base::GetErrorDetails(prepared).reason, "BAD_NAME") << prepared;
    std::string result = "{}";
    const absl::Status applied =
        In([&](store::Session& session) { return kinds_->Apply(session, job, result); });
    EXPECT_EQ(base::GetErrorDetails(applied).reason, "BAD_NAME") << applied;
  }
}

TEST_F(KindsTest, KnowsItsNamesAndNoOthers) {
  EXPECT_THAT(kinds_->names(), ElementsAre("evaluate", "check_dataset", "quantize", "compare",
                                           "train", "fine_tune"));
  jobs::Job job;
  job.kind = "dream";
  EXPECT_EQ(kinds_->Prepare(job).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::tasks

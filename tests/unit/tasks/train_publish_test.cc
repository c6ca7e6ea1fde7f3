#include "tasks/train_publish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "registry/evaluations.h"
#include "tasks/report_size.h"
#include "unit/tasks/publish_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;

class TrainPublishTest : public PublishFixture {
 protected:
  TrainPublishTest()
      : PublishFixture({"d", "e", "c"}), evaluations_(registry::NewEvaluations(*database_)) {}
  TaskContext Context() {
    return {registry_.get(), datasets_.get(), evaluations_.get(), blobs_.get()};
  }
  jobs::Job JobOf(std::string_view kind) const {
    jobs::Job job;
    job.id = "01train";
    job.kind = std::string(kind);
    job.create_time = absl::FromUnixMicros(now_us_);
    Json spec = Json::parse(R"({"version": "models/m/versions/1",
        "data": {"dataset": "datasets/d", "split": "train", "eval_dataset": "datasets/e",
                 "eval_split": "val"},
        "evaluate": {"score_threshold": 0.05, "max_detections": 50}})");
    if (kind == kFineTune) {
      spec["options"] = {{"bits", 3}};
      spec["calibration"] = {
          {"dataset", "datasets/c"}, {"count", 64}, {"positions", 400}, {"sweeps", 3}};
    }
    job.spec_json = Dump(spec);
    return job;
  }
  static Json Training(size_t epochs) {
    Json training = Json::parse(R"({"training": {"metric": "map_50", "value": 0.75},
        "evaluation": {"metric": "map_50", "value": 0.75, "voc": {"map_50": 0.75}}})");
    training["evaluation"]["pack_artifact"] = base::ArtifactName(DigestOf("e"));
    for (size_t i = 1; i <= epochs; ++i) {
      training["training"]["history"].push_back(
          {{"epoch", base::StrCat(i)}, {"losses", {{"loss", 1.5}, {"boxes", 0.5}}}});
    }
    return training;
  }
  Json ResultOf(std::string_view kind, size_t epochs = 2) {
    Json result;
    result["training"] = Training(epochs);
    result["bundle"] = AddBlob("the weights");
    result["bundle_bytes"] = "11";
    if (kind != kFineTune) return result;
    result["training"]["report"] = {{"tensors", {{{"name", "w"}}}}};
    result["training"]["calibration"] = {{"dataset", "datasets/c"}};
    result["rule_matches"] = Json::parse(R"([{"rule_index": -1, "tensors": ["w"]}])");
    result["options"] = {{"bits", 3}};
    return result;
  }
  absl::Status Apply(const jobs::Job& job, Json& result) {
    return In([&](store::Session& session) {
      Json fresh = result;
      const absl::Status status = ApplyTrain(session, job, Context(), fresh);
      if (status.ok()) result = fresh;
      return status;
    });
  }

  std::unique_ptr<registry::Evaluations> evaluations_;
};

TEST_F(TrainPublishTest, PreparesDigestsOfWhatIsNamed) {
  const auto inputs = PrepareTrain(JobOf(kFineTune), *registry_, *datasets_);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  const Json json = Json::parse(*inputs);
  EXPECT_EQ(json["bundle"], registry_->GetVersion("m", 1)->bundle);
  EXPECT_EQ(json["pack"], DigestOf("d"));
  EXPECT_EQ(json["eval_pack"], DigestOf("e"));
  EXPECT_EQ(json["calibration_pack"], DigestOf("c"));
  const Json plain = Json::parse(*PrepareTrain(JobOf(kTrain), *registry_, *datasets_));
  EXPECT_FALSE(plain.contains("calibration_pack"));
  ASSERT_TRUE(datasets_->Delete("e").ok());
  EXPECT_EQ(PrepareTrain(JobOf(kTrain), *registry_, *datasets_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(TrainPublishTest, FineTuningBecomesAQuantizedVersionWithItsEvaluation) {
  Json result = ResultOf(kFineTune);
  const absl::Status status = Apply(JobOf(kFineTune), result);
  ASSERT_TRUE(status.ok()) << status;
  const auto version = registry_->GetVersion("m", 2);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_TRUE(version->quantized);
  EXPECT_EQ(version->parent, 1);
  EXPECT_EQ(version->job, "01train");
  EXPECT_EQ(Json::parse(version->quantization_json)["bits"], 3);
  const Json report = Json::parse(version->report_json);
  EXPECT_EQ(report["training"]["history"].size(), 2U);
  EXPECT_EQ(report["calibration"]["dataset"], "datasets/c");
  EXPECT_EQ(report["rule_matches"][0]["tensors"][0], "w");
  EXPECT_FALSE(report.contains("evaluation")) << "it is a row of its own";
  // The job keeps the API's JobResult.
  EXPECT_EQ(result.size(), 1U) << result;
  EXPECT_EQ(result["training"]["version"], "models/m/versions/2");
  EXPECT_EQ(result["training"]["evaluation"]["version"], "models/m/versions/2");
  const auto evaluation = evaluations_->Get("01train");
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(evaluation->model, "m");
  EXPECT_EQ(evaluation->version, 2);
  EXPECT_EQ(evaluation->dataset, "e");
  EXPECT_EQ(evaluation->split, "val");
  EXPECT_EQ(evaluation->metrics.at("map_50"), 0.75);
}

TEST_F(TrainPublishTest, TrainingInFloatBecomesTheNewestFloatVersion) {
  Json result = ResultOf(kTrain);
  const absl::Status status = Apply(JobOf(kTrain), result);
  ASSERT_TRUE(status.ok()) << status;
  const auto version = registry_->GetVersion("m", 2);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_FALSE(version->quantized);
  EXPECT_EQ(version->parent, 1);
  EXPECT_EQ(version->quantization_json, "");
}

TEST_F(TrainPublishTest, ALongHistoryIsThinnedInTheResultAndWholeInTheVersion) {
  Json result = ResultOf(kTrain, 5'000);
  const absl::Status status = Apply(JobOf(kTrain), result);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_LE(Dump(result).size(), kMostReportBytes + 1'000);
  const Json& history = result["training"]["training"]["history"];
  EXPECT_GT(history.size(), 50U);
  EXPECT_EQ(history.back()["epoch"], "5000");
  EXPECT_THAT(Dump(result["training"]["training"]["notes"]), HasSubstr("some epochs"));
  const Json report = Json::parse(registry_->GetVersion("m", 2)->report_json);
  EXPECT_EQ(report["training"]["history"].size(), 5'000U);
}

TEST_F(TrainPublishTest, AResultThatIsNoneChangesNothing) {
  Json lacking = ResultOf(kFineTune);
  lacking.erase("options");
  EXPECT_FALSE(Apply(JobOf(kFineTune), lacking).ok());
  Json gone = ResultOf(kFineTune);
  gone["bundle"] = DigestOf("never written");
  EXPECT_EQ(Apply(JobOf(kFineTune), gone).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(registry_->GetVersion("m", 2).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(TrainPublishTest, AParentThatWasDeletedFailsTheJob) {
  jobs::Job job = JobOf(kTrain);
  job.create_time = absl::UnixEpoch();  // before the version that now has its name
  Json result = ResultOf(kTrain);
  EXPECT_EQ(Apply(job, result).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace lbw::tasks

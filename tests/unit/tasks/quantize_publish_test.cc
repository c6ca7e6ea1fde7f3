#include "tasks/quantize_publish.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "tasks/report_size.h"
#include "unit/tasks/publish_fixture.h"

namespace lbw::tasks {
namespace {

using ::testing::HasSubstr;

class PublishTest : public PublishFixture {
 protected:
  PublishTest() : PublishFixture({"d", "e"}) {}
  jobs::Job Quantize() const {
    jobs::Job job;
    job.id = "01quantize";
    job.kind = "quantize";
    job.create_time = absl::FromUnixMicros(now_us_);
    job.spec_json = R"({"version": "models/m/versions/1", "options": {"bits": 4},
        "calibration": {"dataset": "datasets/d", "count": 64, "positions": 400, "sweeps": 3},
        "measure": {"dataset": "datasets/e"}})";
    return job;
  }
  static Json Quantization() {
    return Json::parse(R"({"version": "", "report": {"tensors": [{"name": "w"}], "totals": {}},
        "calibration": {"dataset": "datasets/d", "seed": "3",
                        "layers": [{"name": "w", "widths": [{"bits": 4}]}],
                        "activations": {"x": {"scale": 0.5}}}})");
  }
  Json ResultOf(const std::string& bundle) {
    Json result;
    result["quantization"] = Quantization();
    result["rule_matches"] = Json::parse(R"([{"rule_index": -1, "tensors": ["w"]}])");
    result["options"] = {{"bits", 4}, {"scheme", "SCHEME_EXACT"}};
    result["bundle"] = AddBlob(bundle);
    result["bundle_bytes"] = base::StrCat(bundle.size());
    return result;
  }
  absl::Status Apply(const jobs::Job& job, Json& result) {
    return In([&](store::Session& session) {
      Json fresh = result;
      const absl::Status status = ApplyQuantize(session, job, *registry_, *blobs_, fresh);
      if (status.ok()) result = fresh;
      return status;
    });
  }
};

TEST_F(PublishTest, PreparesDigestsOfWhatIsNamed) {
  const auto inputs = PrepareQuantize(Quantize(), *registry_, *datasets_);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  Json json = Json::parse(*inputs);
  EXPECT_EQ(json["bundle"], registry_->GetVersion("m", 1)->bundle);
  EXPECT_EQ(json["pack"], DigestOf("d"));
  EXPECT_EQ(json["measure_pack"], DigestOf("e"));
  jobs::Job job = Quantize();
  Json spec = Json::parse(job.spec_json);
  spec["measure"] = {{"skip", true}};
  job.spec_json = Dump(spec);
  json = Json::parse(*PrepareQuantize(job, *registry_, *datasets_));
  EXPECT_FALSE(json.contains("measure_pack"));
  ASSERT_TRUE(datasets_->Delete("d").ok());
  EXPECT_EQ(PrepareQuantize(job, *registry_, *datasets_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(PublishTest, PreparesBothBundlesOfAComparison) {
  AddVersion("m", 1);
  jobs::Job job;
  job.spec_json = R"({"version": "models/m/versions/2", "reference": "models/m/versions/1",
                      "dataset": "datasets/d", "count": 3})";
  const auto inputs = PrepareCompare(job, *registry_, *datasets_);
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  const Json json = Json::parse(*inputs);
  EXPECT_EQ(json["bundle"], registry_->GetVersion("m", 2)->bundle);
  EXPECT_EQ(json["reference_bundle"], registry_->GetVersion("m", 1)->bundle);
  EXPECT_EQ(json["pack"], DigestOf("d"));
}

TEST_F(PublishTest, AResultBecomesTheNextVersion) {
  Json result = ResultOf("the codes");
  const absl::Status status = Apply(Quantize(), result);
  ASSERT_TRUE(status.ok()) << status;
  const auto version = registry_->GetVersion("m", 2);
  ASSERT_TRUE(version.ok()) << version.status();
  const auto parent = registry_->GetVersion("m", 1);
  EXPECT_EQ(version->state, registry::VersionState::kReady);
  EXPECT_TRUE(version->quantized);
  EXPECT_EQ(version->parent, 1);
  EXPECT_EQ(version->job, "01quantize");
  EXPECT_EQ(version->bundle_bytes, 9U);
  EXPECT_EQ(version->source_artifact, "");
  EXPECT_EQ(version->spec_json, parent->spec_json);
  EXPECT_EQ(version->head_kind, parent->head_kind);
  EXPECT_EQ(version->classes, parent->classes);
  EXPECT_EQ(version->max_batch, parent->max_batch);
  EXPECT_EQ(Json::parse(version->quantization_json)["bits"], 4);
  const Json report = Json::parse(version->report_json);
  EXPECT_EQ(report["report"]["tensors"].size(), 1U);
  EXPECT_EQ(report["calibration"]["activations"].size(), 1U);
  EXPECT_EQ(report["rule_matches"][0]["tensors"][0], "w");
  // The job keeps the API's JobResult.
  EXPECT_EQ(result.size(), 1U) << result;
  EXPECT_EQ(result["quantization"]["version"], "models/m/versions/2");
  EXPECT_EQ(result["quantization"]["calibration"]["layers"].size(), 1U);
  EXPECT_FALSE(result["quantization"].contains("rule_matches"));
  // Its bundle is an artifact that cannot go away.
  EXPECT_TRUE(artifacts_->GetArtifact(version->bundle).ok());
  EXPECT_EQ(artifacts_->DeleteArtifact(version->bundle).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(PublishTest, ALongReportComesFromItsBlobAndLeavesAShortResult) {
  Json quantization = Quantization();
  for (int i = 0; i < 3000; ++i) {
    const std::string name = base::StrCat("layer", i, std::string(100, 'x'));
    quantization["report"]["tensors"].push_back({{"name", name}});
    quantization["calibration"]["layers"].push_back({{"name", name}});
  }
  quantization["rule_matches"] = Json::parse(R"([{"rule_index": 7}])");
  Json result = ResultOf("the codes");
  result.erase("quantization");
  result.erase("rule_matches");
  result["report_blob"] = AddBlob(Dump(quantization));
  const absl::Status status = Apply(Quantize(), result);
  ASSERT_TRUE(status.ok()) << status;
  const Json report = Json::parse(registry_->GetVersion("m", 2)->report_json);
  EXPECT_EQ(report["report"]["tensors"].size(), 3001U);
  EXPECT_EQ(report["calibration"]["layers"].size(), 3001U);
  EXPECT_EQ(report["rule_matches"][0]["rule_index"], 7);
  EXPECT_FALSE(report["calibration"].contains("notes"));
  const Json& kept = result["quantization"];
  EXPECT_LE(Dump(kept).size(), kMostReportBytes);
  EXPECT_EQ(kept["version"], "models/m/versions/2");
  EXPECT_FALSE(kept["report"].contains("tensors"));
  EXPECT_TRUE(kept["report"].contains("totals"));
  EXPECT_THAT(kept["calibration"]["notes"][0].get<std::string>(), HasSubstr("report.tensors"));
}

TEST_F(PublishTest, AParentThatIsGoneOrAnotherOneFailsTheJob) {
  Json result = ResultOf("the codes");
  ASSERT_TRUE(registry_->DeleteModel("m", registry::Registry::Force::kYes).ok());
  const jobs::Job job = Quantize();
  const absl::Status gone = Apply(job, result);
  EXPECT_EQ(gone.code(), absl::StatusCode::kFailedPrecondition) << gone;
  EXPECT_THAT(std::string(gone.message()), HasSubstr("models/m/versions/1"));
  EXPECT_THAT(std::string(gone.message()), HasSubstr("deleted"));
  now_us_ += 1'000'000;
  MakeModel("m");
  EXPECT_EQ(Apply(job, result).code(), absl::StatusCode::kFailedPrecondition)
      << "the name means another version by now";
  EXPECT_EQ(registry_->GetModel("m")->versions.size(), 1U);
}

TEST_F(PublishTest, AResultThatIsNoneIsAnErrorAndChangesNothing) {
  const auto without = [this](const char* key) {
    Json result = ResultOf("the codes");
    result.erase(key);
    return result;
  };
  Json wrong_size = ResultOf("the codes");
  wrong_size["bundle_bytes"] = "8";
  Json swept = ResultOf("the codes");
  swept["bundle"] = std::string(64, 'a');
  Json no_report = ResultOf("the codes");
  no_report["quantization"].erase("report");
  struct Row {
    Json result;
    absl::StatusCode code;
  };
  const std::vector<Row> rows = {{without("quantization"), absl::StatusCode::kInternal},
                                 {without("options"), absl::StatusCode::kInternal},
                                 {without("bundle"), absl::StatusCode::kInternal},
                                 {no_report, absl::StatusCode::kInternal},
                                 {wrong_size, absl::StatusCode::kDataLoss},
                                 {swept, absl::StatusCode::kUnavailable}};
  for (const Row& row : rows) {
    Json result = row.result;
    const absl::Status status = Apply(Quantize(), result);
    EXPECT_EQ(status.code(), row.code) << status;
  }
  EXPECT_EQ(registry_->GetModel("m")->versions.size(), 1U);
}

// With the reason of a database in trouble the worker would ask again and again.
TEST_F(PublishTest, ASweptBundleIsNoTroubleOfTheDatabase) {
  Json swept = ResultOf("the codes");
  swept["bundle"] = std::string(64, 'a');
  EXPECT_EQ(base::GetErrorDetails(Apply(Quantize(), swept)).reason, "BLOB_GONE");
}

TEST_F(PublishTest, AComparisonIsKeptWithItsVersionsNames) {
  jobs::Job job;
  job.spec_json = R"({"version": "models/m/versions/2", "reference": "models/m/versions/1",
                      "dataset": "datasets/d", "count": 3})";
  Json result = Json::parse(R"({"comparison": {"pictures": 3}, "beside": 1})");
  ASSERT_TRUE(ApplyCompare(job, *blobs_, result).ok());
  EXPECT_EQ(result.size(), 1U);
  EXPECT_EQ(result["comparison"]["pictures"], 3);
  EXPECT_EQ(result["comparison"]["version"], "models/m/versions/2");
  EXPECT_EQ(result["comparison"]["reference"], "models/m/versions/1");
  result = Json::object();
  result["report_blob"] = AddBlob(R"({"pictures": 4})");
  ASSERT_TRUE(ApplyCompare(job, *blobs_, result).ok());
  EXPECT_EQ(result["comparison"]["pictures"], 4);
  result = Json::object();
  EXPECT_EQ(ApplyCompare(job, *blobs_, result).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace lbw::tasks

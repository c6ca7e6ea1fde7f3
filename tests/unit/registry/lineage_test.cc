#include "registry/lineage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/ids.h"
#include "registry/datasets.h"
#include "registry/evaluations.h"
#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using Force = Registry::Force;

// m/1 imported, m/2 quantized from it, "low" points at m/2; faces checked by a job; m/2 evaluated
// on faces and compared with m/1 by another.
class LineageTest : public RegistryFixture {
 protected:
  LineageTest() {
    evaluations_ = NewEvaluations(*database_);
    datasets_ = NewDatasets(*database_, {});
    MakeModel("m");
    AddVersion("m", 1);
    source_ = registry_->GetVersion("m", 1)->source_artifact;
    EXPECT_TRUE(registry_->SetAlias("m", "low", 2).ok());
    archive_ = AddArtifact("archive", store::ArtifactOrigin::kUpload);
    pack_ = AddArtifact("pack");
    AddJob(check_, "check_dataset", "SUCCEEDED",
           {base::DatasetName("faces"), base::ArtifactName(archive_)});
    AddJob(evaluate_, "evaluate", "SUCCEEDED",
           {base::VersionName("m", 2), base::VersionName("m", 1), base::DatasetName("faces")});
    Do([&](store::Session& session) -> absl::Status {
      LBW_RETURN_IF_ERROR(datasets_->Insert(session, "faces", archive_, check_));
      LBW_RETURN_IF_ERROR(datasets_->Publish(
          session, "faces", check_,
          {pack_, 4'140'000, R"({"pictures":"1839","classes":[{"name":"a"},{"name":"b"}]})", ""}));
      return Evaluate(session, evaluate_, 2, base::VersionName("m", 1));
    });
  }
  void Do(const std::function<absl::Status(store::Session&)>& fn) {
    const absl::Status status = database_->Transaction(fn);
    EXPECT_TRUE(status.ok()) << status;
  }
  absl::Status Evaluate(store::Session& session, const std::string& id, int64_t version,
                        const std::string& against) {
    Evaluation evaluation;
    evaluation.id = id;
    evaluation.job = id;
    evaluation.model = "m";
    evaluation.version = version;
    evaluation.dataset = "faces";
    evaluation.split = "val";
    evaluation.against = against;
    evaluation.metric = "map_50";
    evaluation.metrics = {{"map_50", 0.89571}};
    return evaluations_->Insert(session, evaluation);
  }
  void AddJob(const std::string& id, const std::string& kind, const std::string& state,
              const std::vector<std::string>& uses) {
    Do([&](store::Session& session) -> absl::Status {
      LBW_RETURN_IF_ERROR(
          session
              .Execute(
                  "INSERT INTO jobs (id, kind, state, submitter, subject, priority, spec_json, "
                  "labels_json, estimate_json, create_us, update_us, queued_us, ready, retry_us, "
                  "attempts, failed_attempts, lost_attempts, lease_token, worker, step, "
                  "total_steps, progress_json, checkpoint, error_code, error_reason, "
                  "error_message, result_json, artifacts_json, last_cursor, kept_events, "
                  "log_bytes) VALUES ($1, $2, $3, '', '', 0, '', '', '', $4, 0, 0, 0, 0, 0, 0, 0, "
                  "0, '', 120, 1839, '', '', 0, '', 'no such split', '', '', 0, 0, 0)",
                  {id, kind, state, now_us_})
              .status());
      for (const std::string& use : uses) {
        LBW_RETURN_IF_ERROR(
            session.Execute("INSERT INTO job_uses (resource, job) VALUES ($1, $2)", {use, id})
                .status());
      }
      return absl::OkStatus();
    });
  }
  void DropJob(const std::string& id) {
    Do([&](store::Session& session) -> absl::Status {
      LBW_RETURN_IF_ERROR(session.Execute("DELETE FROM job_uses WHERE job = $1", {id}).status());
      return session.Execute("DELETE FROM jobs WHERE id = $1", {id}).status();
    });
  }
  // Names in short: "art", "m/1", "low", "check", "faces", ...
  std::string Short(const std::string& name) const {
    if (name == base::ArtifactName(source_)) return "onnx";
    if (name == base::ArtifactName(archive_)) return "archive";
    if (name == base::ArtifactName(pack_)) return "pack";
    if (name == base::JobName(check_)) return "check";
    if (name == base::JobName(evaluate_)) return "evaluate";
    if (name == base::EvaluationName(evaluate_)) return "figures";
    const size_t versions = name.find("/versions/");
    if (versions != std::string::npos) return "m/" + name.substr(versions + 10);
    return name.substr(name.rfind('/') + 1);
  }
  std::vector<std::string> Names(const Lineage& lineage) const {
    std::vector<std::string> names;
    for (const LineageNode& node : lineage.nodes) names.push_back(Short(node.name));
    return names;
  }
  // "m/1 quantized m/2".
  std::vector<std::string> Edges(const Lineage& lineage) const {
    std::vector<std::string> edges;
    for (const LineageEdge& edge : lineage.edges)
      edges.push_back(Short(edge.from) + " " + edge.relation + " " + Short(edge.to));
    return edges;
  }
  Lineage Of(const std::string& name) { return ReadLineage(*database_, name).value(); }
  LineageNode NodeOf(const std::string& name) {
    const Lineage lineage = Of(name);
    for (const LineageNode& node : lineage.nodes) {
      if (node.name == name) return node;
    }
    ADD_FAILURE() << "no node " << name;
    return {};
  }

  const std::string check_ = base::NewId();
  const std::string evaluate_ = base::NewId();
  std::string source_, archive_, pack_;
  std::unique_ptr<Evaluations> evaluations_;
  std::unique_ptr<Datasets> datasets_;
};

TEST_F(LineageTest, AnEvaluationKnowsEverythingItCameFrom) {
  const Lineage lineage = Of(base::EvaluationName(evaluate_));
  EXPECT_EQ(lineage.nodes[0].name, base::EvaluationName(evaluate_));
  EXPECT_THAT(Names(lineage), UnorderedElementsAre("figures", "m/2", "m/1", "onnx", "faces",
                                                   "check", "archive", "evaluate"));
  EXPECT_THAT(Edges(lineage),
              UnorderedElementsAre("m/2 evaluated figures", "faces evaluated figures",
                                   "evaluate evaluated figures", "m/1 compared_with figures",
                                   "m/1 quantized m/2", "onnx imported m/1", "check checked faces",
                                   "archive ran check", "m/1 ran evaluate", "m/2 ran evaluate",
                                   "faces ran evaluate"));
}

TEST_F(LineageTest, AnArtifactKnowsEverythingThatWasMadeOfIt) {
  const Lineage lineage = Of(base::ArtifactName(source_));
  EXPECT_THAT(Names(lineage), UnorderedElementsAre("onnx", "m/1", "m/2", "stable", "low",
                                                   "evaluate", "figures", "faces"));
  EXPECT_THAT(Edges(lineage), IsSupersetOf({"onnx imported m/1", "m/1 quantized m/2",
                                            "m/1 points_at stable", "m/2 points_at low",
                                            "m/2 evaluated figures", "faces evaluated figures"}));
  EXPECT_THAT(
      Names(Of(base::ArtifactName(archive_))),
      UnorderedElementsAre("archive", "check", "faces", "evaluate", "figures", "m/1", "m/2"));
}

TEST_F(LineageTest, SiblingsOfAnAncestorStayOut) {
  VersionDraft draft = Draft("m");
  draft.source_artifact = source_;
  ASSERT_TRUE(Publish(registry_->CreateVersion(draft).value()).ok());
  AddVersion("m", 1);
  const Lineage lineage = Of(base::VersionName("m", 2));
  EXPECT_THAT(Names(lineage),
              UnorderedElementsAre("m/2", "m/1", "onnx", "low", "evaluate", "figures", "faces"));
  // A model means all its versions.
  const Lineage model = Of("models/m");
  EXPECT_EQ(Short(model.nodes[0].name), "m/4");
  EXPECT_THAT(Names(model), IsSupersetOf({"m/1", "m/2", "m/3", "m/4", "onnx", "figures"}));
}

TEST_F(LineageTest, ADatasetAndItsJobDoNotGoInACircle) {
  const Lineage lineage = Of(base::DatasetName("faces"));
  EXPECT_THAT(Edges(lineage), Contains("check checked faces"));
  EXPECT_THAT(Edges(lineage), Not(Contains("faces ran check")));
  EXPECT_THAT(Edges(Of(base::JobName(check_))), Not(Contains("faces ran check")));
}

TEST_F(LineageTest, APackAndABundleLeadToWhatTheyAreOf) {
  EXPECT_THAT(Edges(Of(base::ArtifactName(pack_))), Contains("faces packed pack"));
  const std::string bundle = registry_->GetVersion("m", 2)->bundle;
  const Lineage lineage = Of(base::ArtifactName(bundle));
  EXPECT_EQ(lineage.edges[0].relation, "bundled");
  EXPECT_THAT(Names(lineage), IsSupersetOf({"m/2", "m/1", "onnx"}));
}

TEST_F(LineageTest, AJobThatMadeAVersionIsItsAncestor) {
  const std::string tune = base::NewId();
  AddJob(tune, "fine_tune", "SUCCEEDED", {base::VersionName("m", 1), base::DatasetName("faces")});
  VersionDraft draft = Draft("m", 1);
  draft.job = tune;
  ASSERT_TRUE(Publish(registry_->CreateVersion(draft).value()).ok());
  const Lineage lineage = Of(base::VersionName("m", 3));
  EXPECT_THAT(Edges(lineage), IsSupersetOf({Short(base::JobName(tune)) + " made m/3",
                                            std::string("m/1 quantized m/3"),
                                            "faces ran " + Short(base::JobName(tune))}));
}

TEST_F(LineageTest, ACalibratedVersionCameFromItsPicturesButNotFromThoseItWasMeasuredOn) {
  const std::string job = base::NewId();
  AddJob(job, "quantize", "SUCCEEDED",
         {base::VersionName("m", 1), base::DatasetName("faces"), base::DatasetName("other")});
  Do([&](store::Session& session) {
    return session
        .Execute("UPDATE jobs SET spec_json = $1 WHERE id = $2",
                 {std::string(R"({"calibration":{"dataset":"datasets/faces"},)"
                              R"("measure":{"dataset":"datasets/other"}})"),
                  job})
        .status();
  });
  VersionDraft draft = Draft("m", 1);
  draft.job = job;
  Version version = registry_->CreateVersion(draft).value();
  version.bundle = AddArtifact("calibrated");
  version.report_json = R"({"calibration":{"dataset":"datasets/faces"}})";
  ASSERT_TRUE(registry_->PublishVersion(version).ok());
  const std::string name = base::VersionName("m", 3);
  EXPECT_THAT(
      Edges(Of(name)),
      IsSupersetOf({std::string("faces calibrated_on m/3"), std::string("m/1 quantized m/3"),
                    Short(base::JobName(job)) + " made m/3", "m/1 ran " + Short(base::JobName(job)),
                    "other ran " + Short(base::JobName(job))}));
  EXPECT_THAT(Edges(Of(name)), Not(Contains("other calibrated_on m/3")));
  EXPECT_THAT(Edges(Of(base::DatasetName("faces"))), Contains("faces calibrated_on m/3"));
  EXPECT_THAT(Edges(Of(base::DatasetName("other"))), Not(Contains("other calibrated_on m/3")));
  // The version knows it when its job is deleted.
  DropJob(job);
  EXPECT_THAT(Edges(Of(name)), Contains("faces calibrated_on m/3"));
}

TEST_F(LineageTest, ATrainedVersionCameFromWhatItWasTrainedAndCalibratedOn) {
  const std::string job = base::NewId();
  AddJob(job, "fine_tune", "SUCCEEDED",
         {base::VersionName("m", 1), base::DatasetName("faces"), base::DatasetName("other")});
  Do([&](store::Session& session) {
    return session
        .Execute("UPDATE jobs SET spec_json = $1 WHERE id = $2",
                 {std::string(R"({"calibration":{"dataset":"datasets/other"},)"
                              R"("data":{"dataset":"datasets/faces"}})"),
                  job})
        .status();
  });
  VersionDraft draft = Draft("m", 1);
  draft.job = job;
  Version version = registry_->CreateVersion(draft).value();
  version.bundle = AddArtifact("trained");
  version.report_json = R"({"calibration":{"dataset":"datasets/other"},)"
                        R"("training":{"dataset":"datasets/faces"}})";
  ASSERT_TRUE(registry_->PublishVersion(version).ok());
  const std::string name = base::VersionName("m", 3);
  const auto both =
      IsSupersetOf({std::string("faces trained_on m/3"), std::string("other calibrated_on m/3")});
  EXPECT_THAT(Edges(Of(name)), both);
  EXPECT_THAT(Edges(Of(name)), Not(Contains("faces calibrated_on m/3")));
  EXPECT_THAT(Edges(Of(base::DatasetName("faces"))), Contains("faces trained_on m/3"));
  EXPECT_THAT(Edges(Of(base::DatasetName("other"))), Contains("other calibrated_on m/3"));
  DropJob(job);
  EXPECT_THAT(Edges(Of(name)), both);
}

TEST_F(LineageTest, AVersionWhoseWidthsWereSearchedSaysSo) {
  VersionDraft draft = Draft("m", 1);
  draft.quantization_json = R"({"scheme":"SCHEME_EXACT"})";
  Version version = registry_->CreateVersion(draft).value();
  version.bundle = AddArtifact("mixed");
  version.head_kind = "ssd";
  ASSERT_TRUE(registry_->PublishVersion(version).ok());
  EXPECT_EQ(NodeOf(base::VersionName("m", 3)).summary, "mixed bits, ssd");
}

TEST_F(LineageTest, NodesSayWhatTheyAre) {
  const LineageNode floating = NodeOf(base::VersionName("m", 1));
  EXPECT_EQ(floating.kind, "version");
  EXPECT_EQ(floating.state, "READY");
  EXPECT_EQ(floating.summary, "float, ssd, 77 bytes");
  EXPECT_EQ(floating.create_time, absl::FromUnixMicros(now_us_));
  EXPECT_FALSE(floating.gone);
  EXPECT_EQ(NodeOf(base::VersionName("m", 2)).summary, "4 bits, ssd, 77 bytes");
  EXPECT_EQ(NodeOf(base::AliasName("m", "low")).summary, "models/m/versions/2");
  const LineageNode dataset = NodeOf(base::DatasetName("faces"));
  EXPECT_EQ(dataset.state, "READY");
  EXPECT_EQ(dataset.summary, "1839 pictures, 2 classes, 4.1 MB");
  const LineageNode job = NodeOf(base::JobName(evaluate_));
  EXPECT_EQ(job.state, "SUCCEEDED");
  EXPECT_EQ(job.summary, "evaluate");
  const LineageNode evaluation = NodeOf(base::EvaluationName(evaluate_));
  EXPECT_EQ(evaluation.kind, "evaluation");
  EXPECT_EQ(evaluation.state, "");
  EXPECT_EQ(evaluation.summary, "map_50 0.8957 on faces (val)");
  EXPECT_THAT(NodeOf(base::ArtifactName(archive_)).summary, HasSubstr("archive, other, 7 bytes"));
}

TEST_F(LineageTest, JobsSayHowFarTheyAreOrWhyTheyFailed) {
  const std::string running = base::NewId();
  AddJob(running, "evaluate", "RUNNING", {});
  EXPECT_EQ(NodeOf(base::JobName(running)).summary, "evaluate, 120 of 1839");
  const std::string failed = base::NewId();
  AddJob(failed, "evaluate", "FAILED", {});
  EXPECT_EQ(NodeOf(base::JobName(failed)).summary, "evaluate: no such split");
}

TEST_F(LineageTest, WhatWasDeletedIsGoneButNamed) {
  DropJob(check_);
  DropJob(evaluate_);
  ASSERT_TRUE(datasets_->Delete("faces").ok());
  ASSERT_TRUE(registry_->DeleteVersion("m", 2, Force::kYes).ok());
  const Lineage lineage = Of(base::EvaluationName(evaluate_));
  EXPECT_THAT(Names(lineage),
              UnorderedElementsAre("figures", "m/2", "m/1", "onnx", "faces", "evaluate"));
  for (const LineageNode& node : lineage.nodes) {
    const std::string name = Short(node.name);
    EXPECT_EQ(node.gone, name == "m/2" || name == "faces" || name == "evaluate") << name;
    EXPECT_EQ(node.create_time.has_value(), !node.gone) << name;
  }
  // What is gone can still be asked for while something names it.
  EXPECT_THAT(Names(Of(base::DatasetName("faces"))), IsSupersetOf({"faces", "figures"}));
  EXPECT_TRUE(Of(base::VersionName("m", 2)).nodes[0].gone);
}

TEST_F(LineageTest, ACheckKnowsItsArchiveAlsoWhenItsJobIsGone) {
  DropJob(check_);
  EXPECT_THAT(Edges(Of(base::DatasetName("faces"))),
              IsSupersetOf({"archive ran check", "check checked faces"}));
}

TEST_F(LineageTest, NamesAreCheckedAndMustLeadToSomething) {
  for (const std::string& bad :
       {std::string(), std::string("m"), std::string("uploads/1"), std::string("models/M"),
        std::string("jobs/1"), std::string("datasets/"), std::string("artifacts/12")}) {
    const absl::Status status = ReadLineage(*database_, bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(ReasonOf(status), "BAD_NAME");
  }
  for (const std::string& none :
       {base::ModelName("none"), base::VersionName("m", 9), base::AliasName("m", "none"),
        base::DatasetName("none"), base::JobName(base::NewId()),
        base::EvaluationName(base::NewId()), base::ArtifactName(std::string(64, 'a'))}) {
    EXPECT_EQ(ReadLineage(*database_, none).status().code(), absl::StatusCode::kNotFound) << none;
  }
}

TEST_F(LineageTest, AnAnswerIsBounded) {
  Do([&](store::Session& session) -> absl::Status {
    for (int i = 0; i < 50; ++i) LBW_RETURN_IF_ERROR(Evaluate(session, base::NewId(), 1, ""));
    return absl::OkStatus();
  });
  const Lineage lineage = ReadLineage(*database_, base::VersionName("m", 1), 20).value();
  EXPECT_EQ(lineage.nodes.size(), 20u);
  EXPECT_TRUE(lineage.truncated);
  EXPECT_EQ(Short(lineage.nodes[0].name), "m/1");
  EXPECT_FALSE(Of(base::VersionName("m", 1)).truncated);
}

}  // namespace
}  // namespace lbw::registry

#include "registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Force = Registry::Force;
using RegistryTest = RegistryFixture;

TEST_F(RegistryTest, AModelIsMadePublishedAndFound) {
  const VersionDraft draft = Draft("face");
  const Version creating = registry_->CreateModel(draft).value();
  EXPECT_EQ(creating.number, 1);
  EXPECT_EQ(creating.state, VersionState::kCreating);
  EXPECT_EQ(ReasonOf(registry_->Resolve(Ref("face")).status()), "VERSION_NOT_READY");
  const Version published = Publish(creating).value();
  EXPECT_EQ(published.state, VersionState::kReady);
  const Version found = registry_->Resolve(Ref("face")).value();
  EXPECT_EQ(found.number, 1);
  EXPECT_EQ(found.bundle, published.bundle);
  EXPECT_EQ(found.bundle_bytes, 77u);
  EXPECT_EQ(found.source_artifact, draft.source_artifact);
  EXPECT_EQ(found.spec_json, R"({"head":{}})");
  EXPECT_EQ(registry_->GetVersion("face", 1)->report_json, R"({"rows":[]})");
  EXPECT_EQ(found.head_kind, "ssd");
  EXPECT_EQ(found.max_batch, 1);
  EXPECT_THAT(found.classes, ElementsAre("mask", "no \"mask\""));
  EXPECT_THAT(found.import_notes, ElementsAre("dropped x"));
  EXPECT_EQ(found.create_time, absl::FromUnixMicros(now_us_));
  const Model model = registry_->GetModel("face").value();
  ASSERT_THAT(model.aliases, SizeIs(1));
  EXPECT_EQ(model.aliases[0].alias, "stable");
  EXPECT_EQ(model.aliases[0].version, 1);
  ASSERT_THAT(model.versions, SizeIs(1));
  EXPECT_EQ(model.versions[0].report_json, "");
}

TEST_F(RegistryTest, NamesAreChecked) {
  for (const std::string& name :
       {std::string(), std::string("Face"), std::string("a/b"), std::string(64, 'a')}) {
    VersionDraft draft;
    draft.model = name;
    EXPECT_EQ(ReasonOf(registry_->CreateModel(draft).status()), "BAD_NAME") << name;
  }
}

TEST_F(RegistryTest, ANameIsTakenOnce) {
  MakeModel("face");
  const absl::Status again = registry_->CreateModel(Draft("face")).status();
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(again), "ALREADY_EXISTS");
  EXPECT_THAT(registry_->GetModel("face")->versions, SizeIs(1));
}

TEST_F(RegistryTest, LimitsHoldAtTheLimitAndOneMore) {
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(registry_->CreateModel(Draft("m" + std::to_string(i))).ok());
  const absl::Status models = registry_->CreateModel(Draft("one-more")).status();
  EXPECT_EQ(models.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(models), "LIMIT_EXCEEDED");
  EXPECT_EQ(registry_->CountModels().value(), 20);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(registry_->CreateVersion(Draft("m0")).ok());
  EXPECT_EQ(registry_->CreateVersion(Draft("m0")).status().code(),
            absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(Publish(registry_->GetVersion("m1", 1).value()).ok());
  for (const char* alias : {"a", "b"}) ASSERT_TRUE(registry_->SetAlias("m1", alias, 1).ok());
  EXPECT_EQ(registry_->SetAlias("m1", "c", 1).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(registry_->SetAlias("m1", "b", 1).ok());
  Version large = registry_->GetVersion("m2", 1).value();
  large.bundle = AddArtifact("b");
  large.quantization_json.clear();
  large.report_json = std::string(1001, 'x');
  EXPECT_EQ(ReasonOf(registry_->PublishVersion(large).status()), "LIMIT_EXCEEDED");
  large.report_json.pop_back();
  EXPECT_TRUE(registry_->PublishVersion(large).ok());
}

TEST_F(RegistryTest, NumbersAreNeverUsedAgain) {
  MakeModel("m");
  EXPECT_EQ(AddVersion("m", 1), 2);
  ASSERT_TRUE(registry_->DeleteVersion("m", 2, Force::kNo).ok());
  EXPECT_EQ(AddVersion("m", 1), 3);
  const Version given_up = registry_->CreateVersion(Draft("m", 1)).value();
  ASSERT_TRUE(registry_->AbandonVersion("m", given_up.number).ok());
  EXPECT_EQ(AddVersion("m", 1), 5);
}

TEST_F(RegistryTest, AParentMustBeThereAndReady) {
  MakeModel("m");
  EXPECT_EQ(registry_->CreateVersion(Draft("m", 9)).status().code(), absl::StatusCode::kNotFound);
  const Version creating = registry_->CreateVersion(Draft("m")).value();
  EXPECT_EQ(ReasonOf(registry_->CreateVersion(Draft("m", creating.number)).status()),
            "VERSION_NOT_READY");
  EXPECT_EQ(registry_->CreateVersion(Draft("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->CreateModel(Draft("x", 1)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RegistryTest, PublishIsOnceAndKeepsWhatWasDrafted) {
  MakeModel("m");
  Version creating = registry_->CreateVersion(Draft("m", 1)).value();
  creating.parent = 77;
  creating.quantized = false;
  const Version published = Publish(creating).value();
  EXPECT_EQ(published.parent, 1);
  EXPECT_TRUE(published.quantized);
  EXPECT_EQ(published.quantization_json, R"({"bits":4})");
  EXPECT_EQ(ReasonOf(Publish(published).status()), "VERSION_NOT_READY");
  Version unknown = published;
  unknown.number = 50;
  EXPECT_EQ(Publish(unknown).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryTest, PublishNeedsItsArtifacts) {
  Version version = registry_->CreateModel(Draft("m")).value();
  version.bundle = base::Sha256Hex(base::AsBytes("never stored"));
  const absl::Status status = registry_->PublishVersion(version).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(version.bundle));
  EXPECT_EQ(registry_->GetVersion("m", 1)->state, VersionState::kCreating);
  ASSERT_TRUE(artifacts_->DeleteArtifact(version.source_artifact).ok());
  EXPECT_EQ(Publish(version).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RegistryTest, AReadyVersionHoldsItsArtifacts) {
  MakeModel("m");
  const Version version = registry_->GetVersion("m", 1).value();
  for (const std::string& sha256 : {version.bundle, version.source_artifact}) {
    const absl::Status held = artifacts_->DeleteArtifact(sha256);
    EXPECT_EQ(ReasonOf(held), "IN_USE");
    EXPECT_THAT(std::string(held.message()), HasSubstr("models/m/versions/1"));
  }
  ASSERT_TRUE(registry_->DeleteVersion("m", 1, Force::kYes).ok());
  EXPECT_TRUE(artifacts_->GetArtifact(version.source_artifact).ok());
  EXPECT_EQ(artifacts_->GetArtifact(version.bundle).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(blobs_->Exists(version.bundle).value());
  ASSERT_TRUE(artifacts_->Sweep().ok());
  EXPECT_FALSE(blobs_->Exists(version.bundle).value());
  EXPECT_TRUE(artifacts_->DeleteArtifact(version.source_artifact).ok());
}

TEST_F(RegistryTest, ABundleThatTwoVersionsShareStaysWithTheLast) {
  const std::string bundle = AddArtifact("shared");
  for (const char* model : {"a", "b"}) {
    Version version = registry_->CreateModel(Draft(model)).value();
    version.bundle = bundle;
    ASSERT_TRUE(registry_->PublishVersion(version).ok());
  }
  ASSERT_TRUE(registry_->DeleteModel("a", Force::kYes).ok());
  EXPECT_TRUE(artifacts_->GetArtifact(bundle).ok());
  ASSERT_TRUE(registry_->DeleteModel("b", Force::kYes).ok());
  EXPECT_FALSE(artifacts_->GetArtifact(bundle).ok());
}

TEST_F(RegistryTest, AResultThatIsAlsoABundleOutlivesItsVersion) {
  Version version = registry_->CreateModel(Draft("m")).value();
  version.bundle = AddArtifact("asked for", store::ArtifactOrigin::kResult);
  ASSERT_TRUE(registry_->PublishVersion(version).ok());
  ASSERT_TRUE(registry_->DeleteModel("m", Force::kYes).ok());
  EXPECT_TRUE(artifacts_->GetArtifact(version.bundle).ok());
}

TEST_F(RegistryTest, ResolvingReadsNoReport) {
  MakeModel("m");
  EXPECT_NE(registry_->GetVersion("m", 1)->report_json, "");
  const Version resolved = registry_->Resolve(Ref("m")).value();
  EXPECT_EQ(resolved.report_json, "");
  EXPECT_EQ(resolved.number, 1);
  EXPECT_NE(resolved.bundle, "");
}

TEST_F(RegistryTest, AnUploadedBundleOutlivesItsVersion) {
  const std::string content = "uploaded";
  const std::string sha256 = base::Sha256Hex(base::AsBytes(content));
  const auto upload = artifacts_->CreateUpload("", content.size(), sha256, "u").value();
  {
    const auto writer =
        artifacts_->OpenWriter(upload.id, store::ArtifactStore::Start::kResume).value();
    ASSERT_TRUE(
        writer->Write(0, base::AsBytes(content), base::Crc32c(base::AsBytes(content))).ok());
    ASSERT_TRUE(writer->Close().ok());
  }
  ASSERT_TRUE(artifacts_->FinishUpload(upload.id, "", {}).ok());
  Version version = registry_->CreateModel(Draft("m")).value();
  version.bundle = sha256;
  ASSERT_TRUE(registry_->PublishVersion(version).ok());
  ASSERT_TRUE(registry_->DeleteModel("m", Force::kYes).ok());
  EXPECT_TRUE(artifacts_->GetArtifact(sha256).ok());
}

TEST_F(RegistryTest, AbandonTakesTheModelThatWasMadeForIt) {
  ASSERT_TRUE(registry_->CreateModel(Draft("m")).ok());
  ASSERT_TRUE(registry_->AbandonVersion("m", 1).ok());
  EXPECT_EQ(registry_->GetModel("m").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->AbandonVersion("m", 1).code(), absl::StatusCode::kNotFound);
  MakeModel("m");
  EXPECT_EQ(ReasonOf(registry_->AbandonVersion("m", 1)), "VERSION_NOT_READY");
  const int64_t second = registry_->CreateVersion(Draft("m")).value().number;
  ASSERT_TRUE(registry_->AbandonVersion("m", second).ok());
  EXPECT_TRUE(registry_->GetModel("m").ok());
}

TEST_F(RegistryTest, AbandonKeepsAModelThatHasAnotherVersion) {
  ASSERT_TRUE(registry_->CreateModel(Draft("m")).ok());
  AddVersion("m");
  ASSERT_TRUE(registry_->AbandonVersion("m", 1).ok());
  EXPECT_EQ(registry_->Resolve(Ref("m"))->number, 2);
}

TEST_F(RegistryTest, WhatWasBeingMadeWhenTheServerStoppedHasFailed) {
  MakeModel("m");
  ASSERT_TRUE(registry_->CreateVersion(Draft("m")).ok());
  Open();
  const Version version = registry_->GetVersion("m", 2).value();
  EXPECT_EQ(version.state, VersionState::kFailed);
  EXPECT_THAT(version.error, HasSubstr("stopped"));
  EXPECT_EQ(registry_->GetVersion("m", 1)->state, VersionState::kReady);
  EXPECT_EQ(ReasonOf(Publish(version).status()), "VERSION_NOT_READY");
  EXPECT_TRUE(registry_->DeleteVersion("m", 2, Force::kNo).ok());
}

TEST_F(RegistryTest, AVersionThatAJobMakesGoesOnWhenTheServerStarts) {
  MakeModel("m");
  VersionDraft draft = Draft("m", 1);
  draft.job = "j1";
  const Version creating = registry_->CreateVersion(draft).value();
  EXPECT_EQ(creating.job, "j1");
  Open();
  EXPECT_EQ(registry_->GetVersion("m", 2)->state, VersionState::kCreating);
  Version filled = creating;
  filled.job = "another";
  EXPECT_EQ(Publish(filled)->job, "j1");
  EXPECT_EQ(registry_->Resolve({"m", 2, std::nullopt})->job, "j1");
  EXPECT_EQ(registry_->GetVersion("m", 1)->job, "");
}

TEST_F(RegistryTest, AWorkerLeavesWhatTheServerIsMakingAlone) {
  MakeModel("m");
  ASSERT_TRUE(registry_->CreateVersion(Draft("m")).ok());
  const auto workers = OpenRegistry(*database_, limits_, OpenedBy::kWorker).value();
  EXPECT_EQ(workers->GetVersion("m", 2)->state, VersionState::kCreating);
  Open();
  EXPECT_EQ(workers->GetVersion("m", 2)->state, VersionState::kFailed);
}

TEST_F(RegistryTest, ResolveFollowsAliasesNamesAndVersions) {
  MakeModel("m");
  const int64_t low = AddVersion("m", 1);
  ASSERT_TRUE(registry_->SetAlias("m", "low", low).ok());
  EXPECT_EQ(registry_->Resolve({"m", std::nullopt, "low"})->number, low);
  EXPECT_EQ(registry_->ResolveFloat({"m", std::nullopt, "low"})->number, 1);
  EXPECT_EQ(registry_->Resolve({"m", low, std::nullopt})->number, low);
  const absl::Status outright = registry_->ResolveFloat({"m", low, std::nullopt}).status();
  EXPECT_EQ(ReasonOf(outright), "ALREADY_QUANTIZED");
  EXPECT_THAT(std::string(outright.message()), HasSubstr("models/m/versions/1"));
  ASSERT_TRUE(registry_->SetAlias("m", "stable", low).ok());
  EXPECT_EQ(registry_->Resolve(Ref("m"))->number, low);
  EXPECT_EQ(registry_->ResolveFloat(Ref("m"))->number, 1);
  ASSERT_TRUE(registry_->DeleteAlias("m", "stable").ok());
  EXPECT_EQ(registry_->Resolve(Ref("m"))->number, 1);
  EXPECT_EQ(registry_->Resolve(Ref("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryTest, AliasesAreChecked) {
  MakeModel("m");
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "job-7", 1).status()), "RESERVED");
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "Bad", 1).status()), "BAD_NAME");
  EXPECT_EQ(registry_->SetAlias("m", "ok", 9).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->SetAlias("none", "ok", 1).status().code(), absl::StatusCode::kNotFound);
  const int64_t creating = registry_->CreateVersion(Draft("m")).value().number;
  EXPECT_EQ(ReasonOf(registry_->SetAlias("m", "ok", creating).status()), "VERSION_NOT_READY");
  EXPECT_EQ(registry_->DeleteAlias("m", "none").code(), absl::StatusCode::kNotFound);
  now_us_ += 5;
  EXPECT_EQ(registry_->SetAlias("m", "ok", 1)->update_time, absl::FromUnixMicros(now_us_));
}

TEST_F(RegistryTest, DeleteVersionRefusesWhatIsUsed) {
  MakeModel("m");
  const int64_t low = AddVersion("m", 1);
  EXPECT_THAT(std::string(registry_->DeleteVersion("m", 1, Force::kNo).message()),
              HasSubstr("aliases/stable"));
  ASSERT_TRUE(registry_->SetAlias("m", "stable", low).ok());
  const absl::Status parent = registry_->DeleteVersion("m", 1, Force::kNo);
  EXPECT_EQ(ReasonOf(parent), "IN_USE");
  EXPECT_THAT(std::string(parent.message()), HasSubstr("versions/2 was made from it"));
  EXPECT_TRUE(registry_->DeleteVersion("m", 1, Force::kYes).ok());
  EXPECT_EQ(registry_->GetVersion("m", 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->DeleteVersion("m", 1, Force::kYes).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(registry_->DeleteVersion("m", low, Force::kYes).ok());
  EXPECT_THAT(registry_->GetModel("m")->aliases, IsEmpty());
  const int64_t creating = registry_->CreateVersion(Draft("m")).value().number;
  EXPECT_EQ(ReasonOf(registry_->DeleteVersion("m", creating, Force::kYes)), "VERSION_NOT_READY");
}

TEST_F(RegistryTest, DeleteModelRefusesVersionsAndTakesEverythingWithForce) {
  MakeModel("m");
  AddVersion("m", 1);
  EXPECT_EQ(ReasonOf(registry_->DeleteModel("m", Force::kNo)), "IN_USE");
  ASSERT_TRUE(registry_->DeleteModel("m", Force::kYes).ok());
  EXPECT_EQ(registry_->GetModel("m").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->DeleteModel("m", Force::kYes).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(registry_->CountModels().value(), 0);
  EXPECT_EQ(MakeModel("m"), 1);
}

TEST_F(RegistryTest, PagesCoverEveryModelOnceByName) {
  std::vector<std::string> expected;
  for (const char* name : {"a", "a-b", "b", "m.1", "z"}) {
    MakeModel(name);
    expected.push_back(name);
  }
  AddVersion("b", 1);
  for (const int page_size : {1, 2, 4, 5, 6, 0}) {
    std::vector<std::string> seen;
    std::string token;
    do {
      const Registry::ModelPage page = registry_->ListModels(page_size, token).value();
      for (const Model& model : page.models) {
        seen.push_back(model.name);
        EXPECT_THAT(model.versions, SizeIs(model.name == "b" ? 2 : 1));
        EXPECT_THAT(model.aliases, SizeIs(1));
      }
      token = page.next_token;
    } while (!token.empty());
    EXPECT_EQ(seen, expected) << page_size;
  }
  EXPECT_EQ(registry_->GetModel("b")->versions[0].number, 2);
  EXPECT_EQ(registry_->ListModels(1, "No/Token").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::registry

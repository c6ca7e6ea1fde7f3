#include "registry/ready_version.h"

#include <gmock/gmock.h>

#include <string>

#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using ::testing::HasSubstr;

class ReadyVersionTest : public RegistryFixture {
 protected:
  MadeVersion Made() {
    MadeVersion made;
    made.model = "m";
    made.parent = 1;
    made.parent_seen = absl::FromUnixMicros(now_us_);
    made.bundle = std::string(64, 'b');
    made.bundle_bytes = 123;
    made.quantization_json = R"({"bits":3})";
    made.report_json = R"({"report":{}})";
    made.job = "01job";
    return made;
  }
  absl::StatusOr<Version> Add(const MadeVersion& made) {
    absl::StatusOr<Version> version = absl::InternalError("not run");
    const absl::Status status = database_->Transaction([&](store::Session& session) {
      version = registry_->AddReadyVersion(session, made);
      return version.status();
    });
    EXPECT_EQ(status, version.status());
    return version;
  }
};

TEST_F(ReadyVersionTest, IsTheNextOneAndReadyWithItsParentsSpec) {
  MakeModel("m");
  now_us_ += 5;
  const auto added = Add(Made());
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->number, 2);
  const auto version = registry_->GetVersion("m", 2);
  ASSERT_TRUE(version.ok()) << version.status();
  const auto parent = registry_->GetVersion("m", 1);
  EXPECT_EQ(version->state, VersionState::kReady);
  EXPECT_EQ(version->create_time, absl::FromUnixMicros(now_us_));
  EXPECT_EQ(version->parent, 1);
  EXPECT_TRUE(version->quantized);
  EXPECT_EQ(version->spec_json, parent->spec_json);
  EXPECT_EQ(version->max_batch, parent->max_batch);
  EXPECT_EQ(version->head_kind, parent->head_kind);
  EXPECT_EQ(version->classes, parent->classes);
  EXPECT_TRUE(version->import_notes.empty());
  EXPECT_EQ(version->source_artifact, "");
  EXPECT_EQ(version->bundle_bytes, 123U);
  EXPECT_EQ(version->quantization_json, R"({"bits":3})");
  EXPECT_EQ(version->report_json, R"({"report":{}})");
  EXPECT_EQ(version->job, "01job");
  const auto artifact = artifacts_->GetArtifact(std::string(64, 'b'));
  ASSERT_TRUE(artifact.ok()) << artifact.status();
  EXPECT_EQ(artifact->display_name, "m-2.safetensors");
  EXPECT_EQ(artifact->size_bytes, 123U);
  EXPECT_EQ(artifact->format, store::ArtifactFormat::kPackedSafetensors);
  // Recovery leaves it, and the name alone still means the float one.
  Open();
  EXPECT_EQ(registry_->GetVersion("m", 2)->state, VersionState::kReady);
  EXPECT_EQ(registry_->Resolve(Ref("m"))->number, 1);
  EXPECT_EQ(Add(Made())->number, 3);
}

TEST_F(ReadyVersionTest, LetsGoOfItsBundleWhenItIsDeleted) {
  MakeModel("m");
  ASSERT_TRUE(Add(Made()).ok());
  EXPECT_EQ(ReasonOf(registry_->DeleteVersion("m", 1, Registry::Force::kNo)), "IN_USE");
  ASSERT_TRUE(registry_->DeleteVersion("m", 2, Registry::Force::kNo).ok());
  EXPECT_EQ(artifacts_->GetArtifact(std::string(64, 'b')).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ReadyVersionTest, AParentThatIsGoneIsNamed) {
  const auto expect_gone = [this] {
    const absl::Status status = Add(Made()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(ReasonOf(status), "NOT_FOUND");
    EXPECT_THAT(std::string(status.message()), HasSubstr("models/m/versions/1"));
  };
  expect_gone();  // no model
  MakeModel("m");
  AddVersion("m");
  ASSERT_TRUE(registry_->DeleteVersion("m", 1, Registry::Force::kYes).ok());
  expect_gone();  // no such version
}

TEST_F(ReadyVersionTest, AYoungerParentOfTheSameNameIsAnother) {
  MakeModel("m");
  MadeVersion made = Made();
  made.parent_seen -= absl::Microseconds(1);
  EXPECT_EQ(ReasonOf(Add(made).status()), "NOT_FOUND");
  EXPECT_EQ(registry_->GetModel("m")->versions.size(), 1U);
}

TEST_F(ReadyVersionTest, LimitsHold) {
  MakeModel("m");
  MadeVersion made = Made();
  made.report_json = std::string(1001, 'x');
  EXPECT_EQ(ReasonOf(Add(made).status()), "LIMIT_EXCEEDED");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Add(Made()).ok());
  const absl::Status full = Add(Made()).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
}

TEST_F(ReadyVersionTest, AParentThatIsBeingMadeIsNotReady) {
  MakeModel("m");
  ASSERT_TRUE(registry_->CreateVersion(Draft("m")).ok());
  MadeVersion made = Made();
  made.parent = 2;
  EXPECT_EQ(ReasonOf(Add(made).status()), "VERSION_NOT_READY");
}

}  // namespace
}  // namespace lbw::registry

// A registry on a real database and a real artifact store, with a clock that stands still.
#ifndef LBW_TESTS_UNIT_REGISTRY_REGISTRY_FIXTURE_H_
#define LBW_TESTS_UNIT_REGISTRY_REGISTRY_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "registry/registry.h"
#include "store/artifact_store.h"
#include "store/folder_blob_store.h"
#include "store/sqlite_database.h"
#include "support/temp_dir.h"

namespace lbw::registry {

inline std::string ReasonOf(const absl::Status& status) {
  return base::GetErrorDetails(status).reason;
}
inline base::ModelRef Ref(const std::string& model) { return {model, std::nullopt, std::nullopt}; }

class RegistryFixture : public ::testing::Test {
 protected:
  RegistryFixture() {
    store::SqliteOptions sqlite;
    sqlite.folder = folder_.path();
    sqlite.now_us = [this] { return now_us_; };
    database_ = store::SqliteDatabase::Open(sqlite).value();
    blobs_ = store::FolderBlobStore::Open(store::RealFileSystem(), folder_.path()).value();
    store::ArtifactStoreOptions options;
    options.folder = folder_.path();
    artifacts_ =
        store::OpenArtifactStore(*database_, *blobs_, store::RealFileSystem(), options).value();
    limits_.max_models = 20;
    limits_.max_versions_per_model = 6;
    limits_.max_aliases_per_model = 3;
    limits_.max_text_bytes = 1000;
    Open();
  }
  void Open() { registry_ = OpenRegistry(*database_, limits_).value(); }

  std::string AddArtifact(const std::string& content,
                          store::ArtifactOrigin origin = store::ArtifactOrigin::kBundle) {
    auto blob = artifacts_->NewBlob().value();
    EXPECT_TRUE(blob->Append(base::AsBytes(content)).ok());
    return artifacts_->AddArtifact(std::move(blob), store::ArtifactFormat::kOther, content, origin)
        ->sha256;
  }
  VersionDraft Draft(const std::string& model, std::optional<int64_t> parent = std::nullopt) {
    VersionDraft draft;
    draft.model = model;
    draft.parent = parent;
    draft.quantized = parent.has_value();
    if (draft.quantized) draft.quantization_json = R"({"bits":4})";
    if (!parent) draft.source_artifact = AddArtifact("source of " + model);
    return draft;
  }
  absl::StatusOr<Version> Publish(Version version) {
    version.bundle = AddArtifact("bundle " + version.model + std::to_string(version.number));
    version.bundle_bytes = 77;
    version.spec_json = R"({"head":{}})";
    version.report_json = R"({"rows":[]})";
    version.head_kind = "ssd";
    version.max_batch = 1;
    version.classes = {"mask", "no \"mask\""};
    version.import_notes = {"dropped x"};
    return registry_->PublishVersion(version);
  }
  int64_t MakeModel(const std::string& model) {
    const auto published = Publish(registry_->CreateModel(Draft(model)).value());
    EXPECT_TRUE(published.ok()) << published.status();
    return 1;
  }
  int64_t AddVersion(const std::string& model, std::optional<int64_t> parent = std::nullopt) {
    const auto published = Publish(registry_->CreateVersion(Draft(model, parent)).value());
    EXPECT_TRUE(published.ok()) << published.status();
    return published.ok() ? published->number : 0;
  }

  int64_t now_us_ = 1'700'000'000'000'000;
  testing::TempDir folder_{testing::TempDir::Place::kMemory};
  RegistryLimits limits_;
  std::unique_ptr<store::SqliteDatabase> database_;
  std::unique_ptr<store::FolderBlobStore> blobs_;
  std::unique_ptr<store::ArtifactStore> artifacts_;
  std::unique_ptr<Registry> registry_;
};

}  // namespace lbw::registry

#endif  // LBW_TESTS_UNIT_REGISTRY_REGISTRY_FIXTURE_H_

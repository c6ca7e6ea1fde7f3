// What tests of published results share: a registry with a model and datasets that are READY.
#ifndef LBW_TESTS_UNIT_TASKS_PUBLISH_FIXTURE_H_
#define LBW_TESTS_UNIT_TASKS_PUBLISH_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"
#include "registry/datasets.h"
#include "unit/registry/registry_fixture.h"

namespace lbw::tasks {

inline std::string DigestOf(std::string_view content) {
  return base::Sha256Hex(base::AsBytes(content));
}

class PublishFixture : public registry::RegistryFixture {
 protected:
  // Model "m", and a dataset of each name whose pack is the name.
  explicit PublishFixture(const std::vector<std::string>& datasets)
      : datasets_(registry::NewDatasets(*database_, {})) {
    limits_.max_text_bytes = size_t{4} << 20;
    Open();
    MakeModel("m");
    for (const std::string& name : datasets) {
      const std::string pack = AddArtifact(name);
      const absl::Status status = In([&](store::Session& session) -> absl::Status {
        LBW_RETURN_IF_ERROR(datasets_->Insert(session, name, source_, "01check"));
        return datasets_->Publish(session, name, "01check", {pack, 4, "{}", "{}"});
      });
      EXPECT_TRUE(status.ok()) << status;
    }
  }
  absl::Status In(const std::function<absl::Status(store::Session&)>& work) {
    return database_->Transaction(work);
  }
  std::string AddBlob(const std::string& content) {
    const auto blob = blobs_->NewBlob().value();
    EXPECT_TRUE(blob->Append(base::AsBytes(content)).ok());
    return blob->Commit()->sha256;
  }

  std::unique_ptr<registry::Datasets> datasets_;
  const std::string source_ = AddArtifact("an archive", store::ArtifactOrigin::kUpload);
};

}  // namespace lbw::tasks

#endif  // LBW_TESTS_UNIT_TASKS_PUBLISH_FIXTURE_H_

#include "rpc/job_plan.h"

#include <memory>
#include <string>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "registry/datasets.h"
#include "store/artifact_rows.h"
#include "store/sqlite_database.h"
#include "support/temp_dir.h"

namespace lbw::rpc {
namespace {

using ::testing::HasSubstr;

class CheckStillThereTest : public ::testing::Test {
 protected:
  CheckStillThereTest() {
    store::SqliteOptions options;
    options.folder = folder_.path();
    database_ = store::SqliteDatabase::Open(options).value();
    datasets_ = registry::NewDatasets(*database_, {});
    plan_.datasets = {{"faces", Pack('a')}};
  }
  static std::string Pack(char digit) { return std::string(64, digit); }
  void Make(const std::string& pack) {
    const absl::Status made = database_->Transaction([&](store::Session& session) -> absl::Status {
      store::ArtifactRow row;
      row.artifact.sha256 = pack;
      LBW_RETURN_IF_ERROR(store::PutArtifact(session, row).status());
      LBW_RETURN_IF_ERROR(datasets_->Insert(session, "faces", "archive", "j"));
      return datasets_->Publish(session, "faces", "j", {pack, 1, "", ""});
    });
    ASSERT_TRUE(made.ok()) << made;
  }
  absl::Status Check() {
    return database_->Transaction(
        [&](store::Session& session) { return CheckStillThere(session, plan_); });
  }

  testing::TempDir folder_{testing::TempDir::Place::kMemory};
  std::unique_ptr<store::SqliteDatabase> database_;
  std::unique_ptr<registry::Datasets> datasets_;
  JobPlan plan_;
};

// Between reading the dataset and the transaction that creates the job it may go, and come back as
// another.
TEST_F(CheckStillThereTest, ADatasetThatWasDeletedOrMadeAnewMeanwhileIsRefused) {
  Make(Pack('a'));
  EXPECT_TRUE(Check().ok());
  ASSERT_TRUE(datasets_->Delete("faces").ok());
  EXPECT_EQ(Check().code(), absl::StatusCode::kNotFound);
  Make(Pack('b'));
  const absl::Status other = Check();
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::GetErrorDetails(other).reason, "DATASET_NOT_READY");
  EXPECT_THAT(std::string(other.message()), HasSubstr("made anew"));
}

}  // namespace
}  // namespace lbw::rpc

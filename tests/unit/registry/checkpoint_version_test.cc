#include "registry/checkpoint_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/ids.h"
#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using ::testing::HasSubstr;

class CheckpointVersionTest : public RegistryFixture {
 protected:
  CheckpointVersionTest() { MakeModel("m"); }

  void Do(const std::function<absl::Status(store::Session&)>& fn) {
    const absl::Status status = database_->Transaction(fn);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::string AddJob(const std::string& kind, const std::string& state,
                     const std::string& version = base::VersionName("m", 1)) {
    const std::string id = base::NewId();
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
                  "0, '', 0, 0, '', '', 0, '', '', '', '', 0, 0, 0)",
                  {id, kind, state, now_us_})
              .status());
      return session.Execute("INSERT INTO job_uses (resource, job) VALUES ($1, $2)", {version, id})
          .status();
    });
    return id;
  }
  void AddCheckpoint(const std::string& job, int64_t number, const std::string& sha256) {
    Do([&](store::Session& session) {
      return session
          .Execute(
              "INSERT INTO job_checkpoints (job, sha256, number, size_bytes, step, epoch, "
              "create_us, best) VALUES ($1, $2, $3, 1000, $3, 0, $4, 0)",
              {job, sha256, number, now_us_ + number})
          .status();
    });
  }
  void ExpectError(const std::string& job, absl::StatusCode code, const std::string& reason,
                   const std::string& words) {
    const absl::Status status = registry_->ResolveCheckpoint("m", job).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(ReasonOf(status), reason) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  }
};

TEST_F(CheckpointVersionTest, IsTheNewestOfAJobThatHasNotEnded) {
  for (const char* state : {"QUEUED", "RUNNING", "PAUSING", "PAUSED", "CANCELLING"}) {
    for (const char* kind : {"train", "fine_tune"}) {
      SCOPED_TRACE(std::string(kind) + " " + state);
      const std::string job = AddJob(kind, state);
      AddCheckpoint(job, 8, "old");
      AddCheckpoint(job, 9, "new");
      AddCheckpoint(job, 7, "best");
      const auto found = registry_->ResolveCheckpoint("m", job);
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ(found->bundle, "new");
      EXPECT_EQ(found->bundle_bytes, 1000U);
      EXPECT_EQ(found->model, "m");
      EXPECT_EQ(found->number, 0);
      EXPECT_EQ(found->job, job);
      EXPECT_EQ(found->state, VersionState::kReady);
    }
  }
}

TEST_F(CheckpointVersionTest, SaysWhyThereIsNone) {
  using absl::StatusCode;
  MakeModel("other");
  ExpectError(base::NewId(), StatusCode::kNotFound, "NOT_FOUND", "there is no jobs/");
  ExpectError(AddJob("train", "RUNNING"), StatusCode::kFailedPrecondition, "WRONG_STATE",
              "has no checkpoint yet: state=RUNNING");
  ExpectError(AddJob("evaluate", "RUNNING"), StatusCode::kFailedPrecondition, "WRONG_STATE",
              "kind=evaluate");
  const std::string elsewhere = AddJob("train", "RUNNING", base::VersionName("other", 1));
  AddCheckpoint(elsewhere, 1, "x");
  ExpectError(elsewhere, StatusCode::kNotFound, "NOT_FOUND",
              "does not train models/m, but models/other/versions/1");
  for (const char* state : {"FAILED", "CANCELLED"}) {
    const std::string job = AddJob("train", state);
    AddCheckpoint(job, 1, "x");
    ExpectError(job, StatusCode::kFailedPrecondition, "WRONG_STATE",
                std::string("has ended: state=") + state);
  }
}

TEST_F(CheckpointVersionTest, OfAJobThatSucceededTheVersionIsNamed) {
  const std::string job = AddJob("fine_tune", "SUCCEEDED");
  AddCheckpoint(job, 1, "x");
  VersionDraft draft = Draft("m", 1);
  draft.job = job;
  ASSERT_TRUE(Publish(registry_->CreateVersion(draft).value()).ok());
  ExpectError(job, absl::StatusCode::kFailedPrecondition, "WRONG_STATE", "models/m/versions/2");
}

TEST_F(CheckpointVersionTest, IsNoVersionForAnythingElse) {
  const std::string job = AddJob("train", "RUNNING");
  AddCheckpoint(job, 1, "x");
  const absl::Status status = registry_->Resolve({"m", std::nullopt, "job-" + job}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("can only be detected with"));
}

}  // namespace
}  // namespace lbw::registry

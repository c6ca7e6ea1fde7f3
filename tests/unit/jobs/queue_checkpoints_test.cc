// Checkpoints of the queue and the artifacts that they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "jobs/queue.h"
#include "unit/jobs/queue_fixture.h"

namespace lbw::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class QueueCheckpointsTest : public QueueTest {
 protected:
  void Add(const Lease& lease, int number, std::optional<double> metric = std::nullopt,
           bool best = false) {
    CheckpointInfo info;
    info.sha256 = Digest(number);
    info.size_bytes = 1000 + static_cast<uint64_t>(number);
    info.step = number * 10;
    info.epoch = number;
    info.metric = metric;
    info.best = best;
    const absl::Status status = queue_->AddCheckpoint(Key(lease), info);
    ASSERT_TRUE(status.ok()) << status;
  }
  // Numbers, newest first; the best negative.
  std::vector<int> Kept(std::string_view id) {
    std::vector<int> kept;
    const std::vector<CheckpointInfo> all = queue_->Checkpoints(id).value();
    for (const CheckpointInfo& info : all) {
      const int number = static_cast<int>(info.epoch);
      kept.push_back(info.best ? -number : number);
    }
    return kept;
  }
  std::string StateOf(int number) {
    return Ask("SELECT state FROM artifacts WHERE sha256 = '" + Digest(number) + "'");
  }
};

TEST_F(QueueCheckpointsTest, ACheckpointIsAnArtifactThatTheJobNeeds) {
  const std::string id = Create().id;
  const Lease lease = Take();
  Advance(absl::Seconds(5));
  Add(lease, 1, 0.5);
  const Job job = Get(id);
  ASSERT_TRUE(job.checkpoint.has_value());
  EXPECT_EQ(job.checkpoint->sha256, Digest(1));
  EXPECT_EQ(job.checkpoint->size_bytes, 1001U);
  EXPECT_EQ(job.checkpoint->step, 10);
  EXPECT_EQ(job.checkpoint->create_time, Now());
  EXPECT_EQ(job.checkpoint->metric, 0.5);
  EXPECT_TRUE(job.checkpoint->best);
  EXPECT_EQ(Ask("SELECT format || origin || state FROM artifacts"), "safetensorsresultREADY");
  EXPECT_EQ(Count("SELECT size_bytes FROM artifacts"), 1001);
  EXPECT_EQ(Ask("SELECT owner FROM artifact_references"), "jobs/" + id);
  EXPECT_EQ(History(id), "QUEUED RUNNING checkpoint");
  const std::string event = queue_->EventsAfter(id, 2, 1).value()[0].json;
  EXPECT_EQ(event, R"({"checkpoint":{"artifact":"artifacts/)" + Digest(1) +
                       R"(","best":true,"create_time":"2023-11-14T22:13:25.001Z","epoch":"1",)"
                       R"("metric":0.5,"size_bytes":"1001","step":"10"}})");
  Finish(lease, Outcome::Kind::kStopped);
  EXPECT_EQ(Take().job.checkpoint->sha256, Digest(1));
}

TEST_F(QueueCheckpointsTest, TheNewestTwoAndTheBestAreKept) {
  const std::string id = Create().id;
  const Lease lease = Take();
  Add(lease, 1, 0.3);
  EXPECT_THAT(Kept(id), ElementsAre(-1));
  Add(lease, 2, 0.5);
  EXPECT_THAT(Kept(id), ElementsAre(-2, 1));
  Add(lease, 3, 0.5);  // not above the best
  EXPECT_THAT(Kept(id), ElementsAre(3, -2));
  Add(lease, 4);
  EXPECT_THAT(Kept(id), ElementsAre(4, 3, -2));
  Add(lease, 5, 0.4);
  EXPECT_THAT(Kept(id), ElementsAre(5, 4, -2));
  Add(lease, 6, 0.6);
  EXPECT_THAT(Kept(id), ElementsAre(-6, 5));
  for (const int dropped : {1, 2, 3, 4}) EXPECT_EQ(StateOf(dropped), "DELETING") << dropped;
  for (const int kept : {5, 6}) EXPECT_EQ(StateOf(kept), "READY") << kept;
  EXPECT_EQ(Count("SELECT COUNT(*) FROM artifact_references"), 2);
}

TEST_F(QueueCheckpointsTest, WithoutMetricsNoneIsBestUnlessItIsTold) {
  const std::string id = Create().id;
  const Lease lease = Take();
  Add(lease, 1);
  Add(lease, 2);
  Add(lease, 3);
  EXPECT_THAT(Kept(id), ElementsAre(3, 2));
  Add(lease, 4, std::nullopt, /*best=*/true);
  Add(lease, 5);
  Add(lease, 6);
  EXPECT_THAT(Kept(id), ElementsAre(6, 5, -4));
}

// Scenario: an attempt was lost after its checkpoint's blob was written; the next one writes the
// same bytes. Expectation: one row, the newest, and the job has not got further.
TEST_F(QueueCheckpointsTest, TheSameContentAgainIsOneCheckpointAndNoProgress) {
  const std::string id = Create().id;
  Lease lease = Take();
  Add(lease, 1);
  Add(lease, 2);
  Finish(lease, Outcome::Kind::kCrashed);
  Advance(absl::Minutes(1));
  lease = Take();
  Add(lease, 2);
  EXPECT_THAT(Kept(id), ElementsAre(2, 1));
  EXPECT_EQ(Get(id).failed_attempts, 1);
  Add(lease, 3);
  EXPECT_THAT(Kept(id), ElementsAre(3, 2));
  EXPECT_EQ(Get(id).failed_attempts, 0);
}

TEST_F(QueueCheckpointsTest, LostAttemptsAreForgottenToo) {
  const std::string id = Create().id;
  Finish(Take(), Outcome::Kind::kKilled);
  EXPECT_EQ(Get(id).lost_attempts, 1);
  Advance(absl::Minutes(1));
  Add(Take(), 1);
  EXPECT_EQ(Get(id).lost_attempts, 0);
}

TEST_F(QueueCheckpointsTest, WhatSomebodyElseNeedsOrUploadedStays) {
  AddArtifact(Digest(1), /*uploaded=*/true);
  AddArtifact(Digest(3));
  JobDraft draft = Draft();
  draft.artifacts = {Digest(3)};
  const std::string id = Create(draft).id;
  Create();
  const Lease lease = Take();
  const Lease other = Take();
  ASSERT_EQ(lease.job.id, id);
  Add(other, 2);
  for (int i = 1; i <= 5; ++i) Add(lease, i);
  EXPECT_THAT(Kept(id), ElementsAre(5, 4));
  EXPECT_EQ(StateOf(1), "READY");  // uploaded
  EXPECT_EQ(StateOf(2), "READY");  // the other job's too
  EXPECT_EQ(StateOf(3), "READY");  // given to the job
  EXPECT_EQ(Count("SELECT COUNT(*) FROM artifact_references WHERE owner = 'jobs/" + id + "'"), 3);
}

TEST_F(QueueCheckpointsTest, AMarkedArtifactIsBroughtBack) {
  Create();
  const Lease lease = Take();
  for (int i = 1; i <= 3; ++i) Add(lease, i);
  ASSERT_EQ(StateOf(1), "DELETING");
  Add(lease, 1);
  EXPECT_EQ(StateOf(1), "READY");
}

TEST_F(QueueCheckpointsTest, AnEndedJobKeepsThemUntilItIsDeleted) {
  const std::string id = Create().id;
  const Lease lease = Take();
  Add(lease, 1);
  Add(lease, 2);
  Finish(lease, Outcome::Kind::kResult);
  EXPECT_THAT(Kept(id), ElementsAre(2, 1));
  ASSERT_TRUE(queue_->Delete(id).ok());
  EXPECT_EQ(StateOf(1), "DELETING");
  EXPECT_EQ(StateOf(2), "DELETING");
}

}  // namespace
}  // namespace lbw::jobs

#include "jobs/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "unit/jobs/queue_fixture.h"

namespace lbw::jobs {
namespace {

using store::Session;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> Ids(const std::vector<Job>& jobs) {
  std::vector<std::string> ids;
  for (const Job& job : jobs) ids.push_back(job.id);
  return ids;
}

// --- Create -------------------------------------------------------------------------------------

TEST_F(QueueTest, AJobIsKeptAsItWasDrafted) {
  AddArtifact(Digest(7));
  JobDraft draft = Draft("ann", -3);
  draft.request_id = "r1";
  draft.labels = {{"team", "vision"}, {"a/b", ""}};
  draft.estimate_json = R"({"basis":"x"})";
  draft.uses = {"models/m/versions/1", "datasets/d"};
  draft.artifacts = {Digest(7)};
  const absl::Time created = Now();
  const std::string id = Create(draft).id;
  const Job job = Get(id);
  EXPECT_EQ(job.kind, "evaluate");
  EXPECT_EQ(job.state, JobState::kQueued);
  EXPECT_EQ(job.spec_json, draft.spec_json);
  EXPECT_EQ(job.submitter, "ann");
  EXPECT_EQ(job.request_id, "r1");
  EXPECT_EQ(job.priority, -3);
  EXPECT_EQ(job.labels, draft.labels);
  EXPECT_EQ(job.estimate_json, draft.estimate_json);
  EXPECT_THAT(job.uses, ElementsAre("datasets/d", "models/m/versions/1"));
  EXPECT_EQ(job.create_time, created);
  EXPECT_EQ(job.update_time, created);
  EXPECT_EQ(job.queued_time, created);
  EXPECT_EQ(job.start_time, std::nullopt);
  EXPECT_EQ(job.end_time, std::nullopt);
  EXPECT_EQ(job.retry_time, std::nullopt);
  EXPECT_EQ(job.checkpoint, std::nullopt);
  EXPECT_EQ(job.last_cursor, 1);
  EXPECT_EQ(Ask("SELECT owner FROM artifact_references"), "jobs/" + id);
  EXPECT_EQ(History(id), "QUEUED");
}

TEST_F(QueueTest, TheSameRequestMakesNoSecondJob) {
  JobDraft draft = Draft();
  draft.request_id = "r1";
  int recorded = 0;
  const Queue::Record record = [&](Session&, std::string_view) {
    ++recorded;
    return absl::OkStatus();
  };
  const Job first = queue_->Create(draft, record).value();
  EXPECT_EQ(queue_->Create(draft, record).value().id, first.id);
  EXPECT_EQ(recorded, 1);
  // Still that one when it has ended.
  ASSERT_TRUE(queue_->Ask(first.id, Wish::kCancel).ok());
  EXPECT_EQ(queue_->Create(draft).value().id, first.id);

  const auto differs = [&](const std::function<void(JobDraft&)>& change) {
    JobDraft other = draft;
    change(other);
    const absl::Status status = queue_->Create(other).status();
    return status.code() == absl::StatusCode::kAlreadyExists &&
           ReasonOf(status) == "REQUEST_ID_REUSED";
  };
  EXPECT_TRUE(differs([](JobDraft& d) { d.kind = "check_dataset"; }));
  EXPECT_TRUE(differs([](JobDraft& d) { d.spec_json = "{}"; }));
  EXPECT_TRUE(differs([](JobDraft& d) { d.priority = 1; }));
  EXPECT_TRUE(differs([](JobDraft& d) { d.labels["a"] = "b"; }));
  // Another submitter's request_id is another one, and none is nobody's.
  JobDraft other = draft;
  other.submitter = "bob";
  EXPECT_NE(queue_->Create(other).value().id, first.id);
  EXPECT_NE(Create().id, Create().id);
}

// The spec is filled in with what an alias meant and how many threads there were; both may have
// changed when the retry comes.
TEST_F(QueueTest, ARetriedRequestIsAnsweredThoughItWouldBeFilledInDifferentlyByNow) {
  JobDraft draft = Draft();
  draft.request_id = "r1";
  draft.request_digest = Digest(1);
  const Job first = queue_->Create(draft).value();
  JobDraft retried = draft;
  retried.spec_json = R"({"threads":8})";
  EXPECT_EQ(queue_->Create(retried).value().id, first.id);
  EXPECT_EQ(queue_->FindByRequest({draft.submitter, "r1", Digest(1)}).value()->id, first.id);
  // Another request is another one, also where it would be filled in to the same spec.
  JobDraft other = draft;
  other.request_digest = Digest(2);
  EXPECT_EQ(ReasonOf(queue_->Create(other).status()), "REQUEST_ID_REUSED");
  EXPECT_EQ(ReasonOf(queue_->FindByRequest({draft.submitter, "r1", Digest(2)}).status()),
            "REQUEST_ID_REUSED");
  EXPECT_EQ(queue_->FindByRequest({draft.submitter, "r2", Digest(1)}).value(), std::nullopt);
  EXPECT_EQ(queue_->FindByRequest({"bob", "r1", Digest(1)}).value(), std::nullopt);
}

// A job of a program that kept no digests is compared as that program did.
TEST_F(QueueTest, AJobWithoutADigestIsComparedByItsSpec) {
  JobDraft draft = Draft();
  draft.request_id = "r1";
  const Job first = queue_->Create(draft).value();
  draft.request_digest = Digest(1);
  EXPECT_EQ(queue_->FindByRequest({draft.submitter, "r1", Digest(1)}).value(), std::nullopt);
  EXPECT_EQ(queue_->Create(draft).value().id, first.id);
  draft.spec_json = "{}";
  EXPECT_EQ(ReasonOf(queue_->Create(draft).status()), "REQUEST_ID_REUSED");
}

TEST_F(QueueTest, WhatRecordWritesIsThereWithTheJobOrNotAtAll) {
  const Queue::Record record = [](Session& session, std::string_view job) {
    return session
        .Execute("INSERT INTO submitters (submitter, last_lease_us) VALUES ($1, 0)",
                 {std::string(job)})
        .status();
  };
  const std::string id = queue_->Create(Draft(), record).value().id;
  EXPECT_EQ(Ask("SELECT submitter FROM submitters WHERE last_lease_us = 0"), id);
  const std::string before = Dump();
  EXPECT_EQ(queue_
                ->Create(Draft(),
                         [&](Session& session, std::string_view job) -> absl::Status {
                           LBW_RETURN_IF_ERROR(record(session, job));
                           return absl::AlreadyExistsError("a dataset of that name");
                         })
                .status()
                .code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Dump(), before);
}

TEST_F(QueueTest, DraftsAreCheckedAtTheirLimits) {
  struct Case {
    std::string_view field;
    std::function<void(JobDraft&)> good;
    std::function<void(JobDraft&)> bad;
  };
  const auto labels = [](JobDraft& d, int count) {
    for (int i = 0; i < count; ++i) d.labels[base::StrCat("k", i)] = "v";
  };
  const Case cases[] = {
      {"priority", [](JobDraft& d) { d.priority = 100; }, [](JobDraft& d) { d.priority = 101; }},
      {"priority", [](JobDraft& d) { d.priority = -100; }, [](JobDraft& d) { d.priority = -101; }},
      {"submitter", [](JobDraft& d) { d.submitter.assign(64, 'x'); },
       [](JobDraft& d) { d.submitter.assign(65, 'x'); }},
      {"request_id", [](JobDraft& d) { d.request_id.assign(64, 'x'); },
       [](JobDraft& d) { d.request_id.assign(65, 'x'); }},
      {"labels", [&](JobDraft& d) { labels(d, 16); }, [&](JobDraft& d) { labels(d, 17); }},
      {"labels", [](JobDraft& d) { d.labels[std::string(64, 'x')] = std::string(64, 'y'); },
       [](JobDraft& d) { d.labels[std::string(65, 'x')] = "y"; }},
      {"labels", [](JobDraft& d) { d.labels["a.b_c-d/e"] = ""; },
       [](JobDraft& d) { d.labels["a b"] = ""; }},
      {"spec", [](JobDraft& d) { d.spec_json.assign(size_t{1} << 20, 'x'); },
       [](JobDraft& d) { d.spec_json.assign((size_t{1} << 20) + 1, 'x'); }},
      {"spec", [](JobDraft&) {}, [](JobDraft& d) { d.kind = ""; }},
      {"artifacts", [](JobDraft&) {}, [](JobDraft& d) { d.artifacts = {"abc"}; }},
  };
  for (const Case& row : cases) {
    JobDraft good = Draft();
    row.good(good);
    EXPECT_TRUE(queue_->Create(good).ok()) << row.field;
    JobDraft bad = Draft();
    row.bad(bad);
    const absl::Status status = queue_->Create(bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << row.field;
    EXPECT_THAT(base::GetErrorDetails(status).fields, ElementsAre(std::string(row.field)));
  }
}

TEST_F(QueueTest, AnArtifactThatIsNotStoredIsRefusedAndNamed) {
  JobDraft draft = Draft();
  draft.artifacts = {Digest(1)};
  const absl::Status status = queue_->Create(draft).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "NOT_FOUND");
  EXPECT_THAT(std::string(status.message()), HasSubstr(Digest(1)));
  EXPECT_EQ(Count("SELECT COUNT(*) FROM jobs"), 0);
}

TEST_F(QueueTest, JobsThatHaveNotEndedAreBounded) {
  QueueLimits limits;
  limits.max_active = 2;
  Reopen(limits);
  const std::string first = Create().id;
  Create();
  const absl::Status status = queue_->Create(Draft()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  ASSERT_TRUE(queue_->Ask(first, Wish::kCancel).ok());
  EXPECT_TRUE(queue_->Create(Draft()).ok());
}

// --- Callers ------------------------------------------------------------------------------------

TEST_F(QueueTest, AJobThatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(queue_->Get("x").status()));
  EXPECT_TRUE(absl::IsNotFound(queue_->Ask("x", Wish::kCancel).status()));
  EXPECT_TRUE(absl::IsNotFound(queue_->Delete("x")));
  EXPECT_TRUE(absl::IsNotFound(queue_->EventsAfter("x", 0, 10).status()));
  EXPECT_TRUE(absl::IsNotFound(queue_->Checkpoints("x").status()));
  EXPECT_TRUE(absl::IsNotFound(queue_->ReadLog("x").status()));
}

TEST_F(QueueTest, ListGivesPagesNewestFirst) {
  std::vector<std::string> made;
  for (int i = 0; i < 7; ++i) made.insert(made.begin(), Create().id);
  std::vector<std::string> seen;
  std::string token;
  do {
    const Queue::Page page = queue_->List({}, 3, token).value();
    EXPECT_LE(page.jobs.size(), 3U);
    for (const std::string& id : Ids(page.jobs)) seen.push_back(id);
    token = page.next_token;
  } while (!token.empty());
  EXPECT_EQ(seen, made);
  EXPECT_THAT(queue_->List({}, 7, "").value().next_token, IsEmpty());
  for (const std::string_view bad : {"x", "1", "1.", ".a", "x.y"}) {
    EXPECT_EQ(queue_->List({}, 3, bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

// 1,000 results were read before the answer was cut to what a message may have.
TEST_F(QueueTest, AListOfLongResultsReadsNoMoreThanAPageMayHold) {
  QueueLimits limits;
  limits.max_page_bytes = 1000;
  Reopen(limits);
  std::vector<std::string> made;
  for (int i = 0; i < 4; ++i) {
    made.insert(made.begin(), Create().id);
    Finish(Take(), Outcome::Kind::kResult, std::string(i == 1 ? 5000 : 400, 'x'));
  }
  std::vector<std::vector<std::string>> pages;
  std::string token;
  do {
    const Queue::Page page = queue_->List({}, 0, token).value();
    pages.push_back(Ids(page.jobs));
    token = page.next_token;
  } while (!token.empty());
  EXPECT_THAT(pages, ElementsAre(ElementsAre(made[0], made[1]), ElementsAre(made[2]),
                                 ElementsAre(made[3])));
}

TEST_F(QueueTest, ListFilters) {
  JobDraft draft = Draft("ann");
  draft.uses = {"models/m/versions/1", "datasets/d"};
  draft.labels = {{"team", "vision"}};
  const std::string a = Create(draft).id;
  draft = Draft("bob", 0, "check_dataset");
  draft.uses = {"models/m2/versions/1", "models/m/versions/12"};
  const std::string b = Create(draft).id;
  ASSERT_TRUE(queue_->Ask(b, Wish::kCancel).ok());
  const auto list = [&](std::string_view filter) {
    return Ids(queue_->List(ParseFilter(filter).value(), 0, "").value().jobs);
  };
  EXPECT_THAT(list(""), ElementsAre(b, a));
  EXPECT_THAT(list("state = CANCELLED"), ElementsAre(b));
  EXPECT_THAT(list("state != CANCELLED"), ElementsAre(a));
  EXPECT_THAT(list("state = active"), ElementsAre(a));
  EXPECT_THAT(list("state != active"), ElementsAre(b));
  EXPECT_THAT(list("kind = check_dataset"), ElementsAre(b));
  EXPECT_THAT(list("submitter = ann"), ElementsAre(a));
  EXPECT_THAT(list("model = m"), ElementsAre(b, a));
  EXPECT_THAT(list("model = m2"), ElementsAre(b));
  EXPECT_THAT(list("model != m2"), ElementsAre(a));
  EXPECT_THAT(list("model = models/m/versions/1"), ElementsAre(a));
  EXPECT_THAT(list("dataset = d"), ElementsAre(a));
  EXPECT_THAT(list("label.team = vision"), ElementsAre(a));
  EXPECT_THAT(list("label.team != vision"), ElementsAre(b));
  EXPECT_THAT(list("label.team = x AND submitter = ann"), IsEmpty());
}

TEST_F(QueueTest, WishesOfAJobThatNobodyHolds) {
  const std::string id = Create().id;
  EXPECT_EQ(queue_->Ask(id, Wish::kPause).value().state, JobState::kPaused);
  EXPECT_TRUE(NothingIsDue());
  EXPECT_EQ(queue_->Ask(id, Wish::kResume).value().state, JobState::kQueued);
  EXPECT_EQ(Take().job.id, id);

  const std::string other = Create().id;
  std::vector<std::string> failed;
  const Queue::ApplyFailure on_failure = [&](Session&, const Job& job) {
    failed.push_back(base::StrCat(job.id, " ", Name(job.state)));
    return absl::OkStatus();
  };
  const Job cancelled = queue_->Ask(other, Wish::kCancel, on_failure).value();
  EXPECT_EQ(cancelled.state, JobState::kCancelled);
  EXPECT_TRUE(cancelled.end_time.has_value());
  EXPECT_TRUE(queue_->Ask(other, Wish::kCancel, on_failure).ok());  // again: nothing happens
  EXPECT_THAT(failed, ElementsAre(other + " CANCELLED"));
  EXPECT_EQ(ReasonOf(queue_->Ask(other, Wish::kResume).status()), "WRONG_STATE");
  EXPECT_EQ(History(other), "QUEUED CANCELLED");
  EXPECT_TRUE(NothingIsDue());
}

TEST_F(QueueTest, AFailureThatCannotBeAppliedUndoesTheCancel) {
  const std::string id = Create().id;
  const std::string before = Dump();
  const absl::Status status =
      queue_->Ask(id, Wish::kCancel, [](Session&, const Job&) { return absl::InternalError("no"); })
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Dump(), before);
}

TEST_F(QueueTest, WishesOfAJobThatRunsAreHeardByItsWorker) {
  const std::string id = Create().id;
  const Lease lease = Take();
  EXPECT_EQ(queue_->Peek(Key(lease)).value(), JobState::kRunning);
  EXPECT_EQ(queue_->Ask(id, Wish::kPause).value().state, JobState::kPausing);
  EXPECT_EQ(queue_->Renew(Key(lease)).value(), JobState::kPausing);
  EXPECT_EQ(queue_->Ask(id, Wish::kCancel).value().state, JobState::kCancelling);
  EXPECT_EQ(queue_->Peek(Key(lease)).value(), JobState::kCancelling);
  EXPECT_EQ(Finish(lease, Outcome::Kind::kCancelled).state, JobState::kCancelled);
  EXPECT_EQ(History(id), "QUEUED RUNNING PAUSING CANCELLING CANCELLED");
}

TEST_F(QueueTest, APausedJobGoesOnWhenItIsResumed) {
  const std::string id = Create().id;
  const Lease lease = Take();
  ASSERT_TRUE(queue_->Ask(id, Wish::kPause).ok());
  const Job paused = Finish(lease, Outcome::Kind::kPaused);
  EXPECT_EQ(paused.state, JobState::kPaused);
  EXPECT_EQ(paused.worker, "");
  EXPECT_TRUE(NothingIsDue());
  ASSERT_TRUE(queue_->Ask(id, Wish::kResume).ok());
  const Lease again = Take();
  EXPECT_GT(again.token, lease.token);
  EXPECT_EQ(again.job.attempts, 2);
  EXPECT_EQ(again.job.start_time, lease.job.start_time);
}

TEST_F(QueueTest, DeleteTakesEverythingThatBelongsToTheJob) {
  AddArtifact(Digest(1), /*uploaded=*/true);
  JobDraft draft = Draft();
  draft.artifacts = {Digest(1)};
  draft.uses = {"datasets/d"};
  draft.labels = {{"a", "b"}};
  const std::string id = Create(draft).id;
  EXPECT_EQ(ReasonOf(queue_->Delete(id)), "WRONG_STATE");
  const Lease lease = Take();
  CheckpointInfo checkpoint;
  checkpoint.sha256 = Digest(2);
  ASSERT_TRUE(queue_->AddCheckpoint(Key(lease), checkpoint).ok());
  Queue::Progress progress;
  progress.log_text = "hello\n";
  ASSERT_TRUE(queue_->Report(Key(lease), progress).ok());
  EXPECT_EQ(ReasonOf(queue_->Delete(id)), "WRONG_STATE");
  Finish(lease, Outcome::Kind::kResult);
  ASSERT_TRUE(queue_->Delete(id).ok());
  for (const std::string_view table : {"jobs", "job_events", "job_logs", "job_uses", "job_labels",
                                       "job_checkpoints", "artifact_references"}) {
    EXPECT_EQ(Count(base::StrCat("SELECT COUNT(*) FROM ", table)), 0) << table;
  }
  // The upload stays; the checkpoint is for the store's sweep.
  EXPECT_EQ(Ask("SELECT sha256 FROM artifacts WHERE state = 'READY'"), Digest(1));
  EXPECT_EQ(Ask("SELECT sha256 FROM artifacts WHERE state = 'DELETING'"), Digest(2));
}

TEST_F(QueueTest, ActiveUsersAreJobsThatHaveNotEnded) {
  JobDraft draft = Draft();
  draft.uses = {"datasets/d"};
  const std::string a = Create(draft).id;
  const std::string b = Create(draft).id;
  Create();
  ASSERT_TRUE(queue_->Ask(a, Wish::kCancel).ok());
  EXPECT_THAT(queue_->ActiveUsersOf("datasets/d").value(), ElementsAre(b));
  EXPECT_THAT(queue_->ActiveUsersOf("datasets/e").value(), IsEmpty());
}

// --- Who is next --------------------------------------------------------------------------------

TEST_F(QueueTest, TheHighestPriorityGoesFirstThenTheOldest) {
  const std::string low = Create("ann", -1).id;
  const std::string a = Create("ann", 5).id;
  const std::string b = Create("ann", 5).id;
  EXPECT_EQ(Take().job.id, a);
  EXPECT_EQ(Take().job.id, b);
  EXPECT_EQ(Take().job.id, low);
  EXPECT_TRUE(NothingIsDue());
}

TEST_F(QueueTest, SubmittersTakeTurnsHoweverMuchOneOfThemQueued) {
  for (int i = 0; i < 6; ++i) Create("ann");
  Create("bob");
  Create("bob");
  Create("cid");
  std::string order;
  for (int i = 0; i < 9; ++i) {
    const Lease lease = Take();  // the clock stands still: turns do not need it
    order += lease.job.submitter[0];
    Finish(lease, Outcome::Kind::kResult);
  }
  EXPECT_EQ(order, "abcabaaaa");
}

TEST_F(QueueTest, WhoRunsFewestGoesFirst) {
  for (int i = 0; i < 4; ++i) Create("ann");
  const Lease a1 = Take();
  const Lease a2 = Take();
  EXPECT_EQ(a2.job.submitter, "ann");
  Create("bob");
  Create("bob");
  Create("bob");
  EXPECT_EQ(Take().job.submitter, "bob");  // 0 against 2
  EXPECT_EQ(Take().job.submitter, "bob");  // 1 against 2
  EXPECT_EQ(Take().job.submitter, "ann");  // 2 each: ann waits longer
  Finish(a1, Outcome::Kind::kResult);
  Finish(a2, Outcome::Kind::kResult);
  EXPECT_EQ(Take().job.submitter, "ann");  // 1 against 2
}

TEST_F(QueueTest, ANewSubmitterDoesNotOvertakeWhoHasWaitedLonger) {
  Create("ann");
  Create("ann");
  Create("bob");
  Finish(Take(), Outcome::Kind::kResult);  // ann's
  Finish(Take(), Outcome::Kind::kResult);  // bob's
  Create("bob");
  Advance(absl::Seconds(1));
  Create("cid");
  EXPECT_EQ(Take().job.submitter, "ann");
  EXPECT_EQ(Take().job.submitter, "bob");
  EXPECT_EQ(Take().job.submitter, "cid");
}

TEST_F(QueueTest, AWorkerGetsOnlyKindsThatItCanRun) {
  const std::string train = Create("ann", 9, "train").id;
  const std::string evaluate = Create("ann").id;
  EXPECT_TRUE(NothingIsDue({}));
  EXPECT_TRUE(NothingIsDue({"calibrate"}));
  EXPECT_EQ(Take().job.id, evaluate);
  EXPECT_TRUE(NothingIsDue());
  const std::vector<std::string> both = {"evaluate", "train"};
  EXPECT_EQ(queue_->LeaseNext("w", both).value()->job.id, train);
}

TEST_F(QueueTest, KindsOfOnePriorityAreOneQueue) {
  const std::string a = Create("ann", 0, "train").id;
  const std::string b = Create("ann", 0, "evaluate").id;
  const std::string c = Create("ann", 0, "train").id;
  const std::vector<std::string> both = {"evaluate", "train"};
  for (const std::string& id : {a, b, c}) {
    EXPECT_EQ(queue_->LeaseNext("w", both).value()->job.id, id);
  }
}

TEST_F(QueueTest, AFailedAttemptWaitsForItsRetryTimeAndThenKeepsItsPlace) {
  const std::string a = Create().id;
  const Lease lease = Take();
  const std::string b = Create().id;
  const Job failed = Finish(lease, Outcome::Kind::kCrashed);
  EXPECT_EQ(failed.state, JobState::kQueued);
  EXPECT_EQ(failed.failed_attempts, 1);
  EXPECT_EQ(failed.error.code, absl::StatusCode::kInternal);
  ASSERT_TRUE(failed.retry_time.has_value());
  EXPECT_EQ(Get(a).retry_time, failed.retry_time);
  const std::string c = Create().id;
  EXPECT_EQ(Take().job.id, b);
  Advance(*failed.retry_time - Now() - absl::Microseconds(1));
  EXPECT_EQ(Take().job.id, c);
  EXPECT_TRUE(NothingIsDue());
  Advance(absl::Microseconds(1));
  const Lease again = Take();
  EXPECT_EQ(again.job.id, a);
  EXPECT_GT(again.token, lease.token);
  EXPECT_EQ(again.job.retry_time, std::nullopt);
}

// Scenario: 100,000 jobs of 1,000 submitters wait. Expectation: no statement of a lease walks or
// sorts a table; the planner is asked about each.
TEST_F(QueueTest, LeasingSeeksInIndexesHoweverManyJobsAreQueued) {
  Create("first");
  const auto fill = [](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(
        session
            .Execute("INSERT INTO jobs SELECT 'j' || n, kind, state, 's' || (n % 1000), subject, "
                     "NULL, n % 3, spec_json, labels_json, estimate_json, create_us + n, "
                     "update_us, start_us, end_us, queued_us, ready, retry_us, attempts, "
                     "failed_attempts, lost_attempts, lease_token, worker, lease_expire_us, step, "
                     "total_steps, progress_json, checkpoint, error_code, error_reason, "
                     "error_message, result_json, artifacts_json, last_cursor, kept_events, "
                     "log_bytes, request_digest, state_events, not_begun FROM jobs, (WITH "
                     "RECURSIVE c(n) AS "
                     "(SELECT 1 UNION ALL SELECT "
                     "n + 1 FROM c WHERE n < 100000) SELECT n FROM c)")
            .status());
    LBW_RETURN_IF_ERROR(
        session
            .Execute("INSERT INTO submitters SELECT DISTINCT submitter, 5 FROM jobs WHERE "
                     "submitter <> 'first'")
            .status());
    return session
        .Execute(
            "INSERT INTO job_lanes SELECT DISTINCT submitter, kind, priority, 5 FROM jobs "
            "WHERE submitter <> 'first'")
        .status();
  };
  ASSERT_TRUE(database_->Transaction(fill).ok());
  ASSERT_EQ(Count("SELECT COUNT(*) FROM jobs WHERE state = 'QUEUED'"), 100'001);
  std::vector<std::string> statements;
  faulty_->RecordTo(&statements);
  std::set<std::string> submitters;
  for (int i = 0; i < 50; ++i) submitters.insert(Take().job.submitter);
  EXPECT_EQ(submitters.size(), 50U);
  const size_t of_leases = statements.size();
  EXPECT_LE(of_leases, 50U * 20);
  ASSERT_TRUE(queue_->ExpireLeases().ok());
  faulty_->RecordTo(nullptr);
  const std::set<std::string> distinct(statements.begin(), statements.end());
  ASSERT_TRUE(database_
                  ->Transaction([&](Session& session) -> absl::Status {
                    for (const std::string& sql : distinct) {
                      // Parameters stay NULL.
                      std::vector<store::Value> values;
                      for (int i = 1; sql.find(base::StrCat("$", i)) != std::string::npos; ++i) {
                        values.emplace_back();
                      }
                      LBW_ASSIGN_OR_RETURN(const auto plan,
                                           session.Execute("EXPLAIN QUERY PLAN " + sql, values));
                      for (const store::Row& row : plan) {
                        const std::string& step = row.Text(3);
                        EXPECT_EQ(step.find("TEMP B-TREE"), std::string::npos) << sql << step;
                        if (step.find("SCAN jobs") == std::string::npos) continue;
                        // Only the index of jobs that have a lease may be walked.
                        EXPECT_NE(step.find("jobs_by_lease"), std::string::npos) << sql << step;
                      }
                    }
                    return absl::OkStatus();
                  })
                  .ok());
}

// --- Leases -------------------------------------------------------------------------------------

TEST_F(QueueTest, ALeaseHasADeadlineATokenAndAWorker) {
  const std::string id = Create().id;
  const Lease lease = Take("w7");
  EXPECT_GT(lease.token, 0);
  EXPECT_EQ(lease.job.state, JobState::kRunning);
  const Job job = Get(id);
  EXPECT_EQ(job.worker, "w7");
  EXPECT_EQ(job.lease_token, lease.token);
  EXPECT_EQ(job.attempts, 1);
  EXPECT_EQ(job.start_time, Now());
  EXPECT_EQ(job.lease_expire_time, Now() + absl::Seconds(30));
  Advance(absl::Seconds(10));
  EXPECT_EQ(queue_->Renew(Key(lease)).value(), JobState::kRunning);
  EXPECT_EQ(Get(id).lease_expire_time, Now() + absl::Seconds(30));
  EXPECT_THAT(queue_->EventsAfter(id, 1, 10).value()[0].json, HasSubstr(R"("worker":"w7")"));
}

// Every write of a worker, with a token of an attempt before, of none, and of a lease that was
// taken away: refused, and nothing changes.
TEST_F(QueueTest, StaleWritesChangeNothing) {
  const std::string id = Create().id;
  const Lease stale = Take("w1");
  const auto refuses_all = [&](const LeaseKey& key) {
    const std::string before = Dump();
    Queue::Progress progress;
    progress.events_json = {"{}"};
    progress.step = 5;
    progress.log_text = "x";
    CheckpointInfo checkpoint;
    checkpoint.sha256 = Digest(1);
    const Queue::ApplyResult apply = [](Session&, const Job&, std::string&) {
      ADD_FAILURE() << "applied";
      return absl::OkStatus();
    };
    const absl::Status answers[] = {
        queue_->Renew(key).status(),
        queue_->Peek(key).status(),
        queue_->Report(key, progress),
        queue_->AddCheckpoint(key, checkpoint),
        queue_->Finish(key, Ended(Outcome::Kind::kResult), "{}", apply).status(),
        queue_->Finish(key, Ended(Outcome::Kind::kCrashed), "", {}).status(),
        queue_->Finish(key, Ended(Outcome::Kind::kStopped), "", {}).status(),
    };
    for (const absl::Status& status : answers) {
      EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
      EXPECT_EQ(ReasonOf(status), "LEASE_LOST");
    }
    EXPECT_EQ(Dump(), before);
  };
  refuses_all(LeaseKey{id, 0});
  refuses_all(LeaseKey{id, stale.token - 1});
  refuses_all(LeaseKey{id, stale.token + 1});
  refuses_all(LeaseKey{"no-such-job", 1});
  ASSERT_EQ(queue_->ReclaimLeases("w1").value(), 1);
  refuses_all(Key(stale));  // QUEUED
  Advance(absl::Minutes(1));
  const Lease fresh = Take("w1");  // the same worker, another attempt
  ASSERT_GT(fresh.token, stale.token);
  refuses_all(Key(stale));
  Finish(fresh, Outcome::Kind::kResult, "{}");
  refuses_all(Key(fresh));  // SUCCEEDED
  EXPECT_EQ(History(id), "QUEUED RUNNING QUEUED RUNNING SUCCEEDED");
}

// Scenario: a power cut makes the database forget a lease that was not synced; the same job is
// leased again while the first worker, on another machine, lives on. Expectation: two tokens.
TEST_F(QueueTest, AForgottenLeasesTokenIsNotGivenAgain) {
  const std::string id = Create().id;
  const Lease forgotten = Take("w1");
  const absl::Status status = database_->Transaction([&](Session& session) -> absl::Status {
    LBW_RETURN_IF_ERROR(session
                            .Execute("UPDATE jobs SET state = 'QUEUED', worker = '', lease_token = "
                                     "0, lease_expire_us = NULL, ready = 1, attempts = 0, "
                                     "last_cursor = 1, kept_events = 1")
                            .status());
    LBW_RETURN_IF_ERROR(session.Execute("DELETE FROM job_events WHERE cursor > 1").status());
    return session.Execute("INSERT INTO job_lanes VALUES ('ann', 'evaluate', 0, 0)").status();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(absl::IsAborted(queue_->Renew(Key(forgotten)).status()));
  Advance(absl::Milliseconds(1));
  const Lease again = Take("w2");
  EXPECT_EQ(again.job.id, id);
  EXPECT_NE(again.token, forgotten.token);
  EXPECT_TRUE(absl::IsAborted(queue_->Renew(Key(forgotten)).status()));
}

TEST_F(QueueTest, LeasesThatRanOutAreTakenBackAndDoNotCount) {
  QueueLimits limits;
  limits.retry.max_attempts = 1;
  Reopen(limits);
  const std::string id = Create().id;
  Create();
  const Lease lease = Take("w1");
  const Lease renewed = Take("w2");
  Advance(absl::Seconds(20));
  ASSERT_TRUE(queue_->Renew(Key(renewed)).ok());
  Advance(absl::Seconds(10) - absl::Microseconds(1));
  EXPECT_EQ(queue_->ExpireLeases().value(), 0);
  Advance(absl::Microseconds(1));
  EXPECT_EQ(queue_->ExpireLeases().value(), 1);
  EXPECT_EQ(queue_->ExpireLeases().value(), 0);
  const Job job = Get(id);
  EXPECT_EQ(job.state, JobState::kQueued);
  EXPECT_EQ(job.failed_attempts, 0);
  EXPECT_EQ(job.lost_attempts, 1);
  EXPECT_EQ(job.worker, "");
  EXPECT_EQ(job.lease_expire_time, std::nullopt);
  EXPECT_TRUE(job.retry_time.has_value());
  EXPECT_TRUE(queue_->Renew(Key(renewed)).ok());
  EXPECT_EQ(queue_->Renew(Key(lease)).status().code(), absl::StatusCode::kAborted);
}

TEST_F(QueueTest, ADeadWorkersLeasesAreReclaimedAtOnce) {
  const std::string running = Create().id;
  const std::string pausing = Create().id;
  const std::string cancelling = Create().id;
  const std::string others = Create().id;
  Take("w1");
  Take("w1");
  Take("w1");
  Take("w2");
  ASSERT_TRUE(queue_->Ask(pausing, Wish::kPause).ok());
  ASSERT_TRUE(queue_->Ask(cancelling, Wish::kCancel).ok());
  std::vector<std::string> failed;
  EXPECT_EQ(queue_
                ->ReclaimLeases("w1",
                                [&](Session&, const Job& job) {
                                  failed.push_back(job.id);
                                  return absl::OkStatus();
                                })
                .value(),
            3);
  EXPECT_EQ(Get(running).state, JobState::kQueued);
  EXPECT_EQ(Get(pausing).state, JobState::kPaused);
  EXPECT_EQ(Get(cancelling).state, JobState::kCancelled);
  EXPECT_EQ(Get(others).state, JobState::kRunning);
  EXPECT_THAT(failed, ElementsAre(cancelling));
}

// Scenario: what waits on one job cannot be told that it ended. Expectation: the error is answered,
// that job stays as it was, the others are freed.
TEST_F(QueueTest, OneJobThatCannotBeFreedDoesNotHoldUpTheOthers) {
  const std::string bad = Create().id;
  const std::string good = Create().id;
  Take("w1");
  Take("w1");
  ASSERT_TRUE(queue_->Ask(bad, Wish::kCancel).ok());
  ASSERT_TRUE(queue_->Ask(good, Wish::kCancel).ok());
  Advance(absl::Minutes(1));
  const absl::Status status =
      queue_
          ->ExpireLeases([&](Session&, const Job& job) {
            return job.id == bad ? absl::InternalError("no") : absl::OkStatus();
          })
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Get(bad).state, JobState::kCancelling);
  EXPECT_EQ(Get(good).state, JobState::kCancelled);
  EXPECT_EQ(queue_->ExpireLeases().value(), 1);
}

// --- Finish -------------------------------------------------------------------------------------

TEST_F(QueueTest, AResultIsAppliedAndKeptInOneTransaction) {
  const std::string id = Create().id;
  const Lease lease = Take();
  const Queue::ApplyResult apply = [](Session& session, const Job& job, std::string& result) {
    EXPECT_EQ(job.state, JobState::kRunning);
    EXPECT_EQ(result, "{}");
    result = R"({"evaluation":{}})";
    return session.Execute("INSERT INTO submitters VALUES ('applied', 1)").status();
  };
  const Job job = queue_->Finish(Key(lease), Ended(Outcome::Kind::kResult), "{}", apply).value();
  EXPECT_EQ(job.state, JobState::kSucceeded);
  EXPECT_EQ(Get(id).result_json, R"({"evaluation":{}})");
  EXPECT_EQ(Get(id).end_time, Now());
  EXPECT_EQ(Count("SELECT COUNT(*) FROM submitters WHERE submitter = 'applied'"), 1);
}

TEST_F(QueueTest, AResultThatCannotBeAppliedFailsTheAttempt) {
  Create();
  Create();
  int told = 0;
  const Queue::ApplyFailure on_failure = [&](Session&, const Job& job) {
    ++told;
    EXPECT_THAT(job.error.message, HasSubstr("its model is gone"));
    return absl::OkStatus();
  };
  const auto finish = [&](const absl::Status& error) {
    return queue_->Finish(
        Key(Take()), Ended(Outcome::Kind::kResult), "{}",
        [&](Session& session, const Job&, std::string&) -> absl::Status {
          LBW_RETURN_IF_ERROR(
              session.Execute("INSERT INTO submitters VALUES ('applied', 1)").status());
          return error;
        },
        on_failure);
  };
  const Job failed = finish(absl::NotFoundError("its model is gone")).value();
  EXPECT_EQ(failed.state, JobState::kFailed);
  EXPECT_EQ(failed.error.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(failed.result_json, "");
  EXPECT_EQ(told, 1);
  const Job retried = finish(absl::UnavailableError("not now")).value();
  EXPECT_EQ(retried.state, JobState::kQueued);
  EXPECT_EQ(retried.failed_attempts, 1);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(Count("SELECT COUNT(*) FROM submitters WHERE submitter = 'applied'"), 0);
}

TEST_F(QueueTest, TheDatabasesTroubleIsNotTheJobs) {
  Create();
  const Lease lease = Take();
  const std::string before = Dump();
  const absl::Status status = queue_
                                  ->Finish(Key(lease), Ended(Outcome::Kind::kResult), "{}",
                                           [](Session&, const Job&, std::string&) -> absl::Status {
                                             return base::Error(absl::StatusCode::kUnavailable,
                                                                base::reason::kStoreFailed, "busy");
                                           })
                                  .status();
  EXPECT_EQ(ReasonOf(status), "STORE_FAILED");
  EXPECT_EQ(Dump(), before);
  EXPECT_EQ(Finish(lease, Outcome::Kind::kResult).state, JobState::kSucceeded);
}

// As the database's own trouble it was asked again for two leases, with nothing to hope for.
TEST_F(QueueTest, AResultWhoseBlobIsGoneEndsTheAttemptAtOnceAndIsTriedAgain) {
  Create();
  const auto gone = [](Session&, const Job&, std::string&) -> absl::Status {
    return base::Error(absl::StatusCode::kUnavailable, base::reason::kBlobGone, "swept");
  };
  const absl::StatusOr<Job> job =
      queue_->Finish(Key(Take()), Ended(Outcome::Kind::kResult), "{}", gone);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state, JobState::kQueued);
  EXPECT_EQ(job->failed_attempts, 1);
  EXPECT_EQ(job->error.reason, "BLOB_GONE");
}

// A job that cannot be prepared came back every five minutes for ever.
TEST_F(QueueTest, AJobThatCanNeverBeBegunFailsInTheEnd) {
  QueueLimits limits;
  limits.retry.max_not_begun = 3;
  Reopen(limits);
  const std::string id = Create().id;
  Outcome outcome = Ended(Outcome::Kind::kNotStarted);
  outcome.error = {absl::StatusCode::kInternal, "STORE_FAILED", "the disk cannot be read"};
  int told = 0;
  const auto on_failure = [&told](Session&, const Job&) {
    ++told;
    return absl::OkStatus();
  };
  const auto end = [&](const Outcome& how) {
    Advance(absl::Minutes(10));
    return queue_->Finish(Key(Take()), how, "", {}, on_failure).value();
  };
  EXPECT_EQ(end(outcome).not_begun, 1);
  EXPECT_EQ(end(outcome).not_begun, 2);
  EXPECT_EQ(end(Ended(Outcome::Kind::kKilled)).not_begun, 0);  // it was begun
  for (int i = 0; i < 2; ++i) EXPECT_EQ(end(outcome).state, JobState::kQueued);
  EXPECT_EQ(told, 0);
  const Job failed = end(outcome);
  EXPECT_EQ(failed.state, JobState::kFailed);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(failed.error.reason, "ATTEMPTS_EXHAUSTED");
  EXPECT_THAT(failed.error.message, HasSubstr("could not be begun 3 times in a row"));
  EXPECT_THAT(failed.error.message, HasSubstr("the disk cannot be read"));
  EXPECT_EQ(Get(id).error.message, failed.error.message);
}

TEST_F(QueueTest, AttemptsInARowAreBoundedAndACheckpointStartsAnew) {
  QueueLimits limits;
  limits.retry.max_attempts = 3;
  Reopen(limits);
  Create();
  std::vector<Job> told;
  for (int i = 0; i < 5; ++i) {
    const Lease lease = Take();
    if (i == 1) {
      CheckpointInfo checkpoint;
      checkpoint.sha256 = Digest(1);
      checkpoint.step = 10;
      ASSERT_TRUE(queue_->AddCheckpoint(Key(lease), checkpoint).ok());
      EXPECT_EQ(Get(lease.job.id).failed_attempts, 0);
    }
    const Job job = queue_
                        ->Finish(Key(lease), Ended(Outcome::Kind::kStalled), "", {},
                                 [&](Session&, const Job& ended) {
                                   told.push_back(ended);
                                   return absl::OkStatus();
                                 })
                        .value();
    // Crashes 2, 3 and 4 follow the checkpoint.
    ASSERT_EQ(job.state, i < 3 ? JobState::kQueued : JobState::kFailed) << i;
    if (job.state == JobState::kFailed) break;
    Advance(absl::Minutes(10));
  }
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].error.reason, "ATTEMPTS_EXHAUSTED");
  EXPECT_EQ(told[0].attempts, 4);
  EXPECT_EQ(Get(told[0].id).error.message, told[0].error.message);
}

TEST_F(QueueTest, AWorkerThatStopsGivesTheJobBackAtOnce) {
  const std::string id = Create().id;
  const Job job = Finish(Take(), Outcome::Kind::kStopped);
  EXPECT_EQ(job.state, JobState::kQueued);
  EXPECT_EQ(job.failed_attempts + job.lost_attempts, 0);
  EXPECT_EQ(Take("w2").job.id, id);
}

// --- Housekeeping -------------------------------------------------------------------------------

TEST_F(QueueTest, SweepDropsWhatEndedLongAgo) {
  QueueLimits limits;
  limits.retention = absl::Hours(1);
  Reopen(limits);
  for (int i = 0; i < 150; ++i) {  // more than one transaction takes
    ASSERT_TRUE(queue_->Ask(Create("old").id, Wish::kCancel).ok());
  }
  const std::string active = Create("ann").id;
  WorkerInfo worker;
  worker.id = "w1";
  ASSERT_TRUE(queue_->SeeWorker(worker).ok());
  Advance(absl::Hours(1) - absl::Seconds(10));
  EXPECT_EQ(queue_->Sweep().value(), 0);
  const std::string fresh = Create().id;
  ASSERT_TRUE(queue_->Ask(fresh, Wish::kCancel).ok());
  Advance(absl::Seconds(11));
  EXPECT_EQ(queue_->Sweep().value(), 150);
  EXPECT_THAT(Ids(queue_->List({}, 0, "").value().jobs), ElementsAre(fresh, active));
  EXPECT_THAT(queue_->Workers().value(), IsEmpty());
  EXPECT_EQ(Count("SELECT COUNT(*) FROM submitters"), 1);
}

// Scenario: jobs with more events than one transaction may delete. Expectation: no transaction
// deletes more, and everything is gone in the end.
TEST_F(QueueTest, DeletingIsDoneInBoundedBatches) {
  QueueLimits limits;
  limits.retention = absl::Hours(1);
  limits.delete_rows_at_once = 10;
  Reopen(limits);
  const auto end_one = [&] {
    const std::string id = Create().id;
    const Lease lease = Take();
    Queue::Progress progress;
    progress.events_json.assign(22, "{}");
    progress.log_text = "text";
    ASSERT_TRUE(queue_->Report(Key(lease), progress).ok());
    Finish(lease, Outcome::Kind::kResult, "{}");  // 25 events
  };
  const auto statements_that_drop = [&](const std::function<void()>& work) {
    std::vector<std::string> statements;
    faulty_->RecordTo(&statements);
    work();
    faulty_->RecordTo(nullptr);
    return std::count_if(statements.begin(), statements.end(), [](const std::string& sql) {
      return sql.rfind("DELETE FROM job_events WHERE job = $1", 0) == 0;
    });
  };
  end_one();
  const std::string id = queue_->List({}, 0, "").value().jobs[0].id;
  EXPECT_EQ(statements_that_drop([&] { ASSERT_TRUE(queue_->Delete(id).ok()); }), 3);
  EXPECT_EQ(queue_->Get(id).status().code(), absl::StatusCode::kNotFound);
  end_one();
  end_one();
  Advance(absl::Hours(2));
  EXPECT_EQ(statements_that_drop([&] { EXPECT_EQ(queue_->Sweep().value(), 2); }), 6);
  for (const char* table : {"jobs", "job_events", "job_logs"}) {
    EXPECT_EQ(Count(base::StrCat("SELECT COUNT(*) FROM ", table)), 0) << table;
  }
}

TEST_F(QueueTest, WorkersAreSeenAndForgotten) {
  WorkerInfo worker{"w1", "host", 42, "cpu (2 threads)", Now(), {}, ""};
  ASSERT_TRUE(queue_->SeeWorker(worker).ok());
  Advance(absl::Seconds(5));
  worker.job = "j1";
  ASSERT_TRUE(queue_->SeeWorker(worker).ok());
  const std::vector<WorkerInfo> workers = queue_->Workers().value();
  ASSERT_THAT(workers, SizeIs(1));
  EXPECT_EQ(workers[0].host, "host");
  EXPECT_EQ(workers[0].pid, 42);
  EXPECT_EQ(workers[0].device, "cpu (2 threads)");
  EXPECT_EQ(workers[0].start_time, Now() - absl::Seconds(5));
  EXPECT_EQ(workers[0].last_seen_time, Now());
  EXPECT_EQ(workers[0].job, "j1");
  ASSERT_TRUE(queue_->ForgetWorker("w1").ok());
  ASSERT_TRUE(queue_->ForgetWorker("w1").ok());
  EXPECT_THAT(queue_->Workers().value(), IsEmpty());
}

TEST_F(QueueTest, CountsAndAgesByKind) {
  Create("ann", 0, "train");
  Create();
  Create();
  Take();
  Advance(absl::Seconds(100));
  const Lease lease = Take();
  CheckpointInfo checkpoint;
  checkpoint.sha256 = Digest(1);
  ASSERT_TRUE(queue_->AddCheckpoint(Key(lease), checkpoint).ok());
  Advance(absl::Seconds(7));
  std::map<std::string, int64_t> counts;
  const std::vector<JobCount> counted = queue_->Counts().value();
  for (const JobCount& count : counted) {
    counts[base::StrCat(count.kind, " ", Name(count.state))] = count.count;
  }
  EXPECT_EQ(counts, (std::map<std::string, int64_t>{{"train QUEUED", 1}, {"evaluate RUNNING", 2}}));
  const auto ages = queue_->CheckpointAges().value();
  ASSERT_THAT(ages, SizeIs(1));
  EXPECT_EQ(ages[0].kind, "evaluate");
  EXPECT_EQ(ages[0].age, absl::Seconds(107));
  // A job that is deleted is counted no more.
  const std::string gone = Create("ann", 0, "gone").id;
  ASSERT_TRUE(queue_->Ask(gone, Wish::kCancel).ok());
  EXPECT_THAT(queue_->Counts().value(), SizeIs(3));
  ASSERT_TRUE(queue_->Delete(gone).ok());
  EXPECT_THAT(queue_->Counts().value(), SizeIs(2));
}

TEST_F(QueueTest, AChangeIsHeardOf) {
  const uint64_t token = queue_->WaitForChange(0, absl::ZeroDuration());
  EXPECT_EQ(queue_->WaitForChange(token, absl::ZeroDuration()), token);
  Create();
  EXPECT_NE(queue_->WaitForChange(token, absl::Seconds(10)), token);
}

}  // namespace
}  // namespace lbw::jobs

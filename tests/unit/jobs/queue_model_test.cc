// The queue against a model in memory, against failures of single statements, and against itself
// from several threads and connections.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/strings.h"
#include "jobs/queue.h"
#include "unit/jobs/queue_fixture.h"

namespace lbw::jobs {
namespace {

struct ModelJob {
  std::string id;
  std::string submitter;
  std::string kind;
  int32_t priority = 0;
  int64_t created = 0;  // order
  JobState state = JobState::kQueued;
  std::optional<absl::Time> retry;
  int64_t token = 0;
  int64_t failed = 0;
  int64_t lost = 0;
  std::optional<absl::Time> expires;
  std::string worker;
  std::string history = "QUEUED";
};

// What the queue's contract says, in the plainest words: everything is looked at every time.
class Model {
 public:
  explicit Model(const RetryLimits& limits) : limits_(limits) {}

  void Add(const Job& job, absl::Time now) {
    ModelJob added;
    added.id = job.id;
    added.submitter = job.submitter;
    added.kind = job.kind;
    added.priority = job.priority;
    added.created = static_cast<int64_t>(jobs.size());
    jobs[job.id] = added;
    turns_.emplace(job.submitter, Turn(now));
  }

  // The id of the job to lease, "" where nothing is due.
  std::string Next(const std::set<std::string>& kinds, absl::Time now) const {
    std::map<std::string, int64_t> running;
    for (const auto& [id, job] : jobs) running[job.submitter] += HasLease(job.state) ? 1 : 0;
    const ModelJob* best = nullptr;
    const auto key = [&](const ModelJob& job) {
      return std::make_tuple(-job.priority, running[job.submitter], turns_.at(job.submitter),
                             job.submitter, job.created);
    };
    for (const auto& [id, job] : jobs) {
      if (job.state != JobState::kQueued || kinds.count(job.kind) == 0) continue;
      if (job.retry && *job.retry > now) continue;
      if (best == nullptr || key(job) < key(*best)) best = &job;
    }
    return best == nullptr ? "" : best->id;
  }

  void Lease(const std::string& id, const std::string& worker, absl::Time now) {
    ModelJob& job = jobs.at(id);
    Move(job, JobState::kRunning);
    job.token = std::max(job.token + 1, absl::ToUnixMicros(now));
    job.worker = worker;
    job.expires = now + absl::Seconds(30);
    turns_[job.submitter] = Turn(now);
  }

  // The outcome by the pure policy, whose own tests judge it.
  void End(const std::string& id, const Outcome& outcome, absl::Time now, const Job& told) {
    ModelJob& job = jobs.at(id);
    Job snapshot = told;
    snapshot.state = job.state;
    snapshot.failed_attempts = job.failed;
    snapshot.lost_attempts = job.lost;
    const Decision decision = Decide(snapshot, outcome, limits_);
    job.failed = decision.failed_attempts;
    job.lost = decision.lost_attempts;
    Move(job, decision.next);
    if (decision.next == JobState::kQueued && decision.delay > absl::ZeroDuration()) {
      job.retry = now + absl::Floor(decision.delay, absl::Microseconds(1));
    }
  }

  void Move(ModelJob& job, JobState to) {
    job.state = to;
    job.history += base::StrCat(" ", Name(to));
    job.retry.reset();
    if (HasLease(to)) return;
    job.expires.reset();
    job.worker.clear();
  }

  std::map<std::string, ModelJob> jobs;

 private:
  // Turns follow each other even within a microsecond, but new submitters of one moment are even.
  std::pair<absl::Time, int64_t> Turn(absl::Time now) { return {now, ++turn_}; }

  const RetryLimits limits_;
  std::map<std::string, std::pair<absl::Time, int64_t>> turns_;
  int64_t turn_ = 0;
};

class QueueModelTest : public QueueTest {
 protected:
  void Play(uint32_t seed, int steps);
  void Step();
  void CreateOne();
  void LeaseOne();
  void EndOne();
  void AskOne();
  void LoseSome();
  void Compare();
  bool Chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  // A job of the model, mostly one that has not ended; nullptr without any.
  ModelJob* Pick();

  std::mt19937 random_;
  std::unique_ptr<Model> model_;
  std::vector<std::pair<std::string, int64_t>> stale_;  // keys of leases that are over
};

ModelJob* QueueModelTest::Pick() {
  std::vector<ModelJob*> all;
  for (auto& [id, job] : model_->jobs) {
    if (!HasEnded(job.state) || Chance(5)) all.push_back(&job);
  }
  return all.empty() ? nullptr : all[random_() % all.size()];
}

void QueueModelTest::CreateOne() {
  constexpr const char* kSubmitters[] = {"ann", "bob", "cid", "dee"};
  constexpr const char* kKinds[] = {"evaluate", "train"};
  const Job job = Create(kSubmitters[random_() % 4], static_cast<int32_t>(random_() % 3) - 1,
                         kKinds[random_() % 2]);
  model_->Add(job, job.create_time);
}

void QueueModelTest::LeaseOne() {
  std::set<std::string> kinds;
  if (Chance(80)) kinds.insert("evaluate");
  if (Chance(60)) kinds.insert("train");
  const std::string worker = base::StrCat("w", random_() % 3);
  const std::string expected = model_->Next(kinds, Now());
  const std::vector<std::string> asked(kinds.begin(), kinds.end());
  const auto lease = queue_->LeaseNext(worker, asked);
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_EQ(*lease ? (*lease)->job.id : "", expected);
  if (expected.empty()) return;
  model_->Lease(expected, worker, Now());
  ASSERT_EQ((*lease)->token, model_->jobs[expected].token);
  Advance(absl::Milliseconds(1));
}

void QueueModelTest::EndOne() {
  ModelJob* const job = Pick();
  if (job == nullptr || !HasLease(job->state)) return;
  Outcome outcome = Ended(static_cast<Outcome::Kind>(random_() % 10));
  if (outcome.kind == Outcome::Kind::kError) {
    outcome =
        Failed(Chance(50) ? absl::StatusCode::kUnavailable : absl::StatusCode::kNotFound, "e");
  }
  const int64_t token = job->token;
  const Job before = Get(job->id);
  int told = 0;
  const absl::StatusOr<Job> after = queue_->Finish(LeaseKey{job->id, token}, outcome, "{}", {},
                                                   [&](store::Session&, const Job& ended) {
                                                     ++told;
                                                     EXPECT_TRUE(HasEnded(ended.state));
                                                     return absl::OkStatus();
                                                   });
  ASSERT_TRUE(after.ok()) << after.status();
  model_->End(job->id, outcome, Now(), before);
  ASSERT_EQ(told == 1, job->state == JobState::kFailed || job->state == JobState::kCancelled);
  stale_.emplace_back(job->id, token);
}

void QueueModelTest::AskOne() {
  ModelJob* const job = Pick();
  if (job == nullptr) return;
  const Wish wish = static_cast<Wish>(random_() % 3);
  const absl::StatusOr<JobState> next = Apply(wish, job->state);
  const absl::StatusOr<Job> after = queue_->Ask(job->id, wish);
  ASSERT_EQ(after.ok(), next.ok()) << after.status();
  if (next.ok() && *next != job->state) model_->Move(*job, *next);
}

void QueueModelTest::LoseSome() {
  const bool expire = Chance(50);
  const std::string worker = base::StrCat("w", random_() % 3);
  if (expire) Advance(absl::Seconds(static_cast<int64_t>(random_() % 20)));
  std::vector<std::pair<std::string, Job>> lost;
  for (const auto& [id, job] : model_->jobs) {
    const bool is_lost = expire ? job.expires && *job.expires <= Now() : job.worker == worker;
    if (HasLease(job.state) && is_lost) lost.emplace_back(id, Get(id));
  }
  const auto count = expire ? queue_->ExpireLeases() : queue_->ReclaimLeases(worker);
  ASSERT_TRUE(count.ok()) << count.status();
  ASSERT_EQ(*count, static_cast<int64_t>(lost.size()));
  for (const auto& [id, before] : lost) {
    stale_.emplace_back(id, before.lease_token);
    model_->End(id, Ended(Outcome::Kind::kLost), Now(), before);
  }
}

void QueueModelTest::Step() {
  const auto dice = random_() % 100;
  if (dice < 20) return CreateOne();
  if (dice < 50) return LeaseOne();
  if (dice < 70) return EndOne();
  if (dice < 80) return AskOne();
  if (dice < 86) return LoseSome();
  if (dice < 90) return Advance(absl::Seconds(static_cast<int64_t>(random_() % 8)));
  if (dice < 96) {
    ModelJob* const job = Pick();
    if (job == nullptr || !HasLease(job->state)) return;
    const auto state = queue_->Renew(LeaseKey{job->id, job->token});
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_EQ(*state, job->state);
    job->expires = Now() + absl::Seconds(30);
    return;
  }
  if (stale_.empty()) return;
  const auto& [id, token] = stale_[random_() % stale_.size()];
  const LeaseKey key{id, token};
  ASSERT_TRUE(absl::IsAborted(queue_->Renew(key).status()));
  ASSERT_TRUE(
      absl::IsAborted(queue_->Finish(key, Ended(Outcome::Kind::kResult), "{}", {}).status()));
}

void QueueModelTest::Compare() {
  for (const auto& [id, expected] : model_->jobs) {
    const Job job = Get(id);
    ASSERT_EQ(Name(job.state), Name(expected.state)) << id;
    ASSERT_EQ(job.lease_token, expected.token);
    ASSERT_EQ(job.failed_attempts, expected.failed);
    ASSERT_EQ(job.lost_attempts, expected.lost);
    ASSERT_EQ(job.worker, expected.worker);
    ASSERT_EQ(job.lease_expire_time, expected.expires);
    ASSERT_EQ(History(id), expected.history);
    ASSERT_EQ(job.end_time.has_value(), HasEnded(expected.state));
  }
  // The counters agree with the rows.
  ASSERT_EQ(Count("SELECT COUNT(*) FROM (SELECT kind, state, COUNT(*) AS n FROM jobs GROUP BY "
                  "kind, state EXCEPT SELECT kind, state, count FROM job_counts)"),
            0);
  ASSERT_EQ(Count("SELECT SUM(count) FROM job_counts"), Count("SELECT COUNT(*) FROM jobs"));
  // Every ready job has its lane.
  ASSERT_EQ(Count("SELECT COUNT(*) FROM jobs WHERE state = 'QUEUED' AND ready = 1 AND NOT EXISTS "
                  "(SELECT 1 FROM job_lanes WHERE submitter = jobs.submitter AND kind = jobs.kind "
                  "AND priority = jobs.priority)"),
            0);
}

void QueueModelTest::Play(uint32_t seed, int steps) {
  SCOPED_TRACE(base::StrCat("seed=", seed));
  random_.seed(seed);
  QueueLimits limits;
  limits.retry.max_attempts = 3;
  Reopen(limits);
  for (const std::string_view table :
       {"job_events", "jobs", "submitters", "job_lanes", "job_counts"}) {
    const absl::Status status = database_->Transaction([&](store::Session& session) {
      return session.Execute(base::StrCat("DELETE FROM ", table)).status();
    });
    ASSERT_TRUE(status.ok()) << status;
  }
  stale_.clear();
  model_ = std::make_unique<Model>(limits.retry);
  for (int i = 0; i < steps && !HasFatalFailure(); ++i) Step();
  if (!HasFatalFailure()) Compare();
}

TEST_F(QueueModelTest, RandomOperationsAgreeWithTheModel) {
  for (uint32_t seed = 1; seed <= 40 && !HasFatalFailure(); ++seed) Play(seed, 400);
}

// --- A failure at every statement ---------------------------------------------------------------

// Runs the operation with its first statement failing, then its second, and so on until none fails.
// Every time nothing may have changed, and the operation may be asked again.
class QueueFaultTest : public QueueTest {
 protected:
  int FailEverywhere(const std::function<absl::Status()>& operation) {
    for (int at = 1; at < 200; ++at) {
      const std::string before = Dump();
      faulty_->FailAt(at);
      const absl::Status status = operation();
      const bool failed = faulty_->failed();
      faulty_->FailAt(0);
      if (!failed) {
        EXPECT_TRUE(status.ok()) << status;
        return at - 1;
      }
      EXPECT_FALSE(status.ok()) << at;
      EXPECT_EQ(Dump(), before) << "failed at " << at;
      if (HasFailure()) return at;
    }
    ADD_FAILURE() << "never ends";
    return 0;
  }
};

TEST_F(QueueFaultTest, AFailureAnywhereChangesNothingAndTheCallMayBeRepeated) {
  AddArtifact(Digest(9));
  JobDraft draft = Draft();
  draft.request_id = "r";
  draft.labels = {{"a", "b"}};
  draft.uses = {"datasets/d"};
  draft.artifacts = {Digest(9)};
  EXPECT_GE(FailEverywhere([&] { return queue_->Create(draft).status(); }), 10);
  const std::vector<std::string> kinds = {"evaluate"};
  std::optional<Lease> lease;
  EXPECT_GE(FailEverywhere([&]() -> absl::Status {
              auto leased = queue_->LeaseNext("w1", kinds);
              if (leased.ok()) lease = *std::move(leased);
              return leased.status();
            }),
            10);
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->job.attempts, 1);
  FailEverywhere([&] { return queue_->Renew(Key(*lease)).status(); });
  for (int i = 1; i <= 3; ++i) {
    CheckpointInfo info;
    info.sha256 = Digest(i);
    info.step = i;
    EXPECT_GE(FailEverywhere([&] { return queue_->AddCheckpoint(Key(*lease), info); }), 6);
    Queue::Progress progress;
    progress.events_json = {"{}", "{}"};
    progress.log_text = "line\n";
    EXPECT_GE(FailEverywhere([&] { return queue_->Report(Key(*lease), progress); }), 6);
  }
  EXPECT_EQ(queue_->Checkpoints(lease->job.id)->size(), 2U);
  EXPECT_EQ(queue_->ReadLog(lease->job.id)->text, "line\nline\nline\n");
  FailEverywhere([&] { return queue_->Ask(lease->job.id, Wish::kPause).status(); });
  FailEverywhere(
      [&] { return queue_->Finish(Key(*lease), Ended(Outcome::Kind::kPaused), "", {}).status(); });
  FailEverywhere([&] { return queue_->Ask(lease->job.id, Wish::kResume).status(); });
  lease = Take();
  int applied = 0;
  FailEverywhere([&] {
    return queue_
        ->Finish(Key(*lease), Ended(Outcome::Kind::kResult), "{}",
                 [&](store::Session& session, const Job&, std::string&) {
                   ++applied;
                   return session
                       .Execute("INSERT INTO workers VALUES ('applied', '', 0, '', 0, 0, '')")
                       .status();
                 })
        .status();
  });
  EXPECT_GT(applied, 1);
  EXPECT_EQ(Count("SELECT COUNT(*) FROM workers"), 1);
  EXPECT_EQ(Get(lease->job.id).state, JobState::kSucceeded);
  EXPECT_GE(FailEverywhere([&] { return queue_->Delete(lease->job.id); }), 10);
}

TEST_F(QueueFaultTest, ALostLeaseIsTakenBackWhateverFailedBefore) {
  Create();
  Take();
  Advance(absl::Minutes(1));
  FailEverywhere([&] { return queue_->ExpireLeases().status(); });
  Advance(absl::Minutes(1));
  EXPECT_EQ(Take("w2").job.attempts, 2);
  FailEverywhere([&] { return queue_->ReclaimLeases("w2").status(); });
  EXPECT_EQ(Count("SELECT COUNT(*) FROM jobs WHERE state = 'QUEUED'"), 1);
}

// --- Several processes --------------------------------------------------------------------------

// Scenario: four threads on two connections to one file, as two processes would have them.
// Expectation: every job is leased exactly once and ends.
TEST(QueueConcurrency, EveryJobIsLeasedOnce) {
  constexpr int kJobs = 400;
  constexpr int kThreads = 4;
  const testing::TempDir folder{testing::TempDir::Place::kMemory};
  std::vector<std::unique_ptr<store::SqliteDatabase>> databases;
  std::vector<std::unique_ptr<Queue>> queues;
  for (int i = 0; i < 2; ++i) {
    store::SqliteOptions options;
    options.folder = folder.path();
    options.lock = store::SqliteOptions::Lock::kNone;
    databases.push_back(store::SqliteDatabase::Open(options).value());
    queues.push_back(NewQueue(*databases.back(), QueueLimits{}));
  }
  JobDraft draft;
  draft.kind = "evaluate";
  for (int i = 0; i < kJobs; ++i) {
    draft.submitter = base::StrCat("s", i % 7);
    ASSERT_TRUE(queues[0]->Create(draft).ok());
  }
  absl::Mutex mu;
  std::vector<std::string> leased;
  const auto work = [&](int number) {
    Queue& queue = *queues[static_cast<size_t>(number) % queues.size()];
    const std::vector<std::string> kinds = {"evaluate"};
    const std::string worker = base::StrCat("w", number);
    while (true) {
      const auto lease = queue.LeaseNext(worker, kinds);
      ASSERT_TRUE(lease.ok()) << lease.status();
      if (!*lease) return;
      const LeaseKey key{(*lease)->job.id, (*lease)->token};
      {
        absl::MutexLock lock(&mu);
        leased.push_back((*lease)->job.id);
      }
      ASSERT_TRUE(queue.Finish(key, Ended(Outcome::Kind::kResult), "{}", {}).ok());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(leased.size(), static_cast<size_t>(kJobs));
  EXPECT_EQ(std::set<std::string>(leased.begin(), leased.end()).size(), leased.size());
  const std::vector<JobCount> counts = queues[1]->Counts().value();
  ASSERT_EQ(counts.size(), 1U);
  EXPECT_EQ(counts[0].state, JobState::kSucceeded);
  EXPECT_EQ(counts[0].count, kJobs);
}

}  // namespace
}  // namespace lbw::jobs

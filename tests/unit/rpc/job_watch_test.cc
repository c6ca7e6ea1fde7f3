// The hub behind WatchJob, over a queue in memory and a real gRPC connection: a channel within the
// process has no windows, and a slow reader would slow nothing down.
#include "rpc/job_watch.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lbw/v1/job.grpc.pb.h"
#include "unit/rpc/fake_queue.h"

namespace lbw::rpc {
namespace {

const std::string kId = "01hf8z4vj3s0f2x7m9c1d5e6g8";
const std::string kName = "jobs/" + kId;

class WatchService final : public v1::JobService::CallbackService {
 public:
  explicit WatchService(const ServiceContext& context) : watchers_(context) {}
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) override {
    return watchers_.Watch(*context, *request);
  }

 private:
  JobWatchers watchers_;
};

class JobWatch : public testing::Test {
 protected:
  void Begin(const ServiceLimits& limits = {}) {
    base::ThreadPool::Options options;
    options.threads = 2;
    pool_ = std::make_unique<base::ThreadPool>(options);
    ServiceContext context;
    context.queue = &queue_;
    context.short_work = pool_.get();
    context.draining = &draining_;
    context.limits = limits;
    service_ = std::make_unique<WatchService>(context);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    stub_ = v1::JobService::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                                        grpc::InsecureChannelCredentials()));
  }
  ~JobWatch() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  // One call of WatchJob.
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader;
    std::vector<uint64_t> cursors;
    std::vector<v1::JobState> states;

    bool Read() {
      v1::WatchJobResponse response;
      if (!reader->Read(&response)) return false;
      for (const v1::JobEvent& event : response.events()) cursors.push_back(event.cursor());
      if (response.has_job()) states.push_back(response.job().state());
      return true;
    }
    grpc::Status ReadAll() {
      while (Read()) {
      }
      return reader->Finish();
    }
  };
  std::unique_ptr<Stream> Watch(uint64_t after_cursor = 0, const std::string& name = kName) {
    auto stream = std::make_unique<Stream>();
    // A test that fails should end.
    stream->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::WatchJobRequest request;
    request.set_name(name);
    request.set_after_cursor(after_cursor);
    stream->reader = stub_->WatchJob(&stream->context, request);
    return stream;
  }

  FakeQueue queue_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<base::ThreadPool> pool_;
  std::unique_ptr<WatchService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::JobService::Stub> stub_;
};

std::vector<uint64_t> Numbers(uint64_t first, uint64_t last) {
  std::vector<uint64_t> numbers;
  for (uint64_t i = first; i <= last; ++i) numbers.push_back(i);
  return numbers;
}

TEST_F(JobWatch, AJobThatHasEndedIsToldWholeAndTheStreamEnds) {
  Begin();
  queue_.Put(kId, jobs::JobState::kSucceeded);
  queue_.AddEvents(kId, 1'234);
  const auto stream = Watch();
  const grpc::Status status = stream->ReadAll();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(stream->cursors, Numbers(1, 1'234));
  EXPECT_EQ(stream->states.back(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(queue_.largest_page(), 500U);
}

TEST_F(JobWatch, GoesOnBehindTheCursor) {
  Begin();
  queue_.Put(kId, jobs::JobState::kFailed);
  queue_.AddEvents(kId, 10);
  const auto stream = Watch(7);
  EXPECT_TRUE(stream->ReadAll().ok());
  EXPECT_EQ(stream->cursors, Numbers(8, 10));
  const auto at_the_end = Watch(10);
  EXPECT_TRUE(at_the_end->ReadAll().ok());
  EXPECT_TRUE(at_the_end->cursors.empty());
  EXPECT_EQ(at_the_end->states, std::vector<v1::JobState>{v1::JOB_STATE_FAILED});
}

TEST_F(JobWatch, NewEventsComeToEverybodyWhoWatches) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 20; ++i) streams.push_back(Watch());
  for (const auto& stream : streams) ASSERT_TRUE(stream->Read());
  for (int i = 0; i < 50; ++i) queue_.AddEvents(kId, 3);
  queue_.Put(kId, jobs::JobState::kSucceeded);
  for (const auto& stream : streams) {
    EXPECT_TRUE(stream->ReadAll().ok());
    EXPECT_EQ(stream->cursors, Numbers(1, 150));
    EXPECT_EQ(stream->states.back(), v1::JOB_STATE_SUCCEEDED);
  }
}

// Scenario: events come while watchers are between reading and waiting, again and again.
TEST_F(JobWatch, AnEventThatComesAtAnyMomentIsNotMissed) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  const auto stream = Watch();
  for (uint64_t i = 1; i <= 30; ++i) {
    queue_.AddEvents(kId, 1);
    while (stream->cursors.size() < i) ASSERT_TRUE(stream->Read());
  }
  EXPECT_EQ(stream->cursors, Numbers(1, 30));
  stream->context.TryCancel();
  EXPECT_EQ(stream->ReadAll().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(JobWatch, OtherJobsChangesAreNotReadForEverybody) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  queue_.Put("other", jobs::JobState::kRunning);
  const auto stream = Watch();
  ASSERT_TRUE(stream->Read());
  const int before = queue_.reads();
  for (int i = 0; i < 200; ++i) queue_.AddEvents("other", 1);
  queue_.AddEvents(kId, 1);
  ASSERT_TRUE(stream->Read());
  // One read for the event; one more where the first answer's read had met the first change.
  EXPECT_LE(queue_.reads() - before, 2);
  stream->context.TryCancel();
}

TEST_F(JobWatch, SilenceIsBrokenByTheJobItself) {
  ServiceLimits limits;
  limits.watch_keep_alive = absl::Milliseconds(20);
  Begin(limits);
  queue_.Put(kId, jobs::JobState::kRunning);
  const auto stream = Watch();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(stream->Read());
  EXPECT_EQ(stream->states.size(), 4U);
  EXPECT_TRUE(stream->cursors.empty());
  stream->context.TryCancel();
}

TEST_F(JobWatch, RefusesEachCauseWithItsCode) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  queue_.AddEvents(kId, 3);
  EXPECT_EQ(Watch(0, "jobs/x")->ReadAll().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Watch(0, "jobs/01hf8z4vj3s0f2x7m9c1d5e6g9")->ReadAll().error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Watch(4)->ReadAll().error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(Watch(~uint64_t{0})->ReadAll().error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

TEST_F(JobWatch, AJobThatIsDeletedEndsNotFound) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  const auto stream = Watch();
  ASSERT_TRUE(stream->Read());
  queue_.Forget(kId);
  EXPECT_EQ(stream->ReadAll().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(JobWatch, OneMoreThanTheLimitIsRefusedAndAPlaceIsFreeAgainAfterwards) {
  ServiceLimits limits;
  limits.max_watchers = 2;
  Begin(limits);
  queue_.Put(kId, jobs::JobState::kRunning);
  const auto first = Watch();
  const auto second = Watch();
  ASSERT_TRUE(first->Read());
  ASSERT_TRUE(second->Read());
  EXPECT_EQ(Watch()->ReadAll().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  first->context.TryCancel();
  EXPECT_EQ(first->ReadAll().error_code(), grpc::StatusCode::CANCELLED);
  bool free = false;
  const base::Stopwatch watch;
  while (!free && watch.ElapsedNs() < int64_t{30'000'000'000}) {
    const auto third = Watch();
    free = third->Read();
    third->context.TryCancel();
  }
  EXPECT_TRUE(free);
  second->context.TryCancel();
}

// Scenario: one client reads nothing while another reads all. 40 MiB of events are more than gRPC's
// windows take.
TEST_F(JobWatch, ASlowReaderHoldsNobodyUpAndMissesNothing) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  const auto slow = Watch();
  ASSERT_TRUE(slow->Read());
  for (int i = 0; i < 400; ++i) queue_.AddEvents(kId, 1, 100'000);
  queue_.Put(kId, jobs::JobState::kSucceeded);
  const auto quick = Watch();
  EXPECT_TRUE(quick->ReadAll().ok());
  EXPECT_EQ(quick->cursors, Numbers(1, 400));
  EXPECT_TRUE(slow->ReadAll().ok());
  EXPECT_EQ(slow->cursors, Numbers(1, 400));
}

TEST_F(JobWatch, ADrainEndsThoseWhoWaitAndRefusesNewOnes) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  const auto stream = Watch();
  ASSERT_TRUE(stream->Read());
  draining_.store(true);
  const grpc::Status status = stream->ReadAll();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("draining"));
  EXPECT_EQ(Watch()->ReadAll().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// Scenario: the client of a stream that is being written takes nothing. The drain does not wait
// for it.
TEST_F(JobWatch, ADrainCancelsAReaderThatTakesNothing) {
  Begin();
  queue_.Put(kId, jobs::JobState::kRunning);
  queue_.AddEvents(kId, 400, 100'000);
  const auto stream = Watch();
  ASSERT_TRUE(stream->Read());
  draining_.store(true);
  const base::Stopwatch watch;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(50));
  EXPECT_LT(watch.ElapsedNs(), int64_t{30'000'000'000});
  EXPECT_FALSE(stream->ReadAll().ok());
  EXPECT_LT(stream->cursors.size(), 400U);
}

TEST_F(JobWatch, CancellingAtAnyMomentLeavesNothingBehind) {
  ServiceLimits limits;
  limits.max_watchers = 8;
  Begin(limits);
  queue_.Put(kId, jobs::JobState::kRunning);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; i < 5'000 && !stop.load(); ++i) {
      queue_.AddEvents(kId, 1);
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto stream = Watch();
    for (int reads = 0; reads < i % 4; ++reads) stream->Read();
    stream->context.TryCancel();
    stream->ReadAll();
  }
  stop.store(true);
  writer.join();
  queue_.Put(kId, jobs::JobState::kSucceeded);
  // Every place is free again, sooner or later.
  grpc::Status status;
  const base::Stopwatch watch;
  do {
    status = Watch()->ReadAll();
  } while (!status.ok() && watch.ElapsedNs() < int64_t{30'000'000'000});
  EXPECT_TRUE(status.ok()) << status.error_message();
}

}  // namespace
}  // namespace lbw::rpc

// JobService against the whole server; a driver plays the worker.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "component/job_driver.h"
#include "component/server_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lbw::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A server with a model of two versions and a dataset.
class Jobs : public ::testing::Test {
 protected:
  Jobs() : driver_(fixture_.data_dir()) {
    model_ = fixture_.CreateDiscModel();
    v1::ModelVersion quantized;
    EXPECT_TRUE(fixture_.Quantize(model_, 4, &quantized).ok());
    dataset_ = MakeDataset(fixture_, driver_, "discs").name();
  }

  v1::CreateJobRequest Request() { return EvaluateRequest(model_ + "/versions/2", dataset_); }
  v1::Job Create() { return MakeEvaluateJob(fixture_, Request()); }
  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return fixture_.jobs().CreateJob(&context, request, job);
  }
  v1::Job Get(const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    grpc::ClientContext context;
    const grpc::Status status = fixture_.jobs().GetJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  template <typename Request, typename Call>
  grpc::Status Ask(const std::string& name, Call call, v1::Job* job) {
    Request request;
    request.set_name(name);
    grpc::ClientContext context;
    return (fixture_.jobs().*call)(&context, request, job);
  }
  grpc::Status Cancel(const std::string& name, v1::Job* job) {
    return Ask<v1::CancelJobRequest>(name, &v1::JobService::Stub::CancelJob, job);
  }
  grpc::Status Pause(const std::string& name, v1::Job* job) {
    return Ask<v1::PauseJobRequest>(name, &v1::JobService::Stub::PauseJob, job);
  }
  grpc::Status Resume(const std::string& name, v1::Job* job) {
    return Ask<v1::ResumeJobRequest>(name, &v1::JobService::Stub::ResumeJob, job);
  }
  grpc::Status Delete(const std::string& name) {
    v1::DeleteJobRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    grpc::ClientContext context;
    return fixture_.jobs().DeleteJob(&context, request, &empty);
  }
  grpc::Status List(const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    grpc::ClientContext context;
    return fixture_.jobs().ListJobs(&context, request, response);
  }
  // Names of every job that the filter lets through, page by page.
  std::vector<std::string> ListAll(const std::string& filter, int page_size) {
    std::vector<std::string> names;
    v1::ListJobsRequest request;
    request.set_filter(filter);
    request.set_page_size(page_size);
    do {
      v1::ListJobsResponse page;
      const grpc::Status status = List(request, &page);
      EXPECT_TRUE(status.ok()) << status.error_message();
      EXPECT_LE(page.jobs_size(), page_size);
      for (const v1::Job& job : page.jobs()) names.push_back(job.name());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return names;
  }

  ServerFixture fixture_;
  JobDriver driver_;
  std::string model_;
  std::string dataset_;
};

TEST_F(Jobs, AJobSaysEverythingThatWasLeftOut) {
  v1::CreateJobRequest request = EvaluateRequest(model_, dataset_);
  request.mutable_spec()->mutable_evaluate()->set_against(model_ + "/versions/2");
  const v1::Job job = MakeEvaluateJob(fixture_, request);
  EXPECT_EQ(job.kind(), "evaluate");
  EXPECT_EQ(job.state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(job.max_attempts(), 5U);
  const v1::EvaluateSpec& spec = job.spec().evaluate();
  EXPECT_EQ(spec.version(), model_ + "/versions/1");  // what "stable" was when it was created
  EXPECT_EQ(spec.against(), model_ + "/versions/2");
  EXPECT_EQ(spec.split(), "val");
  EXPECT_FLOAT_EQ(spec.options().score_threshold(), 0.02F);
  EXPECT_FLOAT_EQ(spec.options().iou_threshold(), 0.4F);
  EXPECT_EQ(spec.options().pixel_rule(), "inclusive");
  EXPECT_GE(spec.options().threads(), 1U);
  EXPECT_EQ(Get(job.name()).spec().SerializeAsString(), job.spec().SerializeAsString());
}

TEST_F(Jobs, ValidateOnlyEstimatesAndStoresNothing) {
  v1::CreateJobRequest request = Request();
  request.set_validate_only(true);
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.name(), "");
  EXPECT_EQ(job.spec().evaluate().split(), "val");
  EXPECT_GT(job.estimate().memory_bytes(), 0U);
  EXPECT_NE(job.estimate().basis(), "");
  EXPECT_THAT(ListAll("kind = evaluate", 10), IsEmpty());
  EXPECT_NE(Create().estimate().basis(), "");  // a real one carries it too
}

TEST_F(Jobs, TheSameRequestIdMakesOneJob) {
  v1::CreateJobRequest request = Request();
  request.set_request_id("once");
  v1::Job first;
  v1::Job second;
  ASSERT_TRUE(Create(request, &first).ok());
  ASSERT_TRUE(Create(request, &second).ok());
  EXPECT_EQ(first.name(), second.name());
  request.set_priority(1);
  v1::Job third;
  const grpc::Status status = Create(request, &third);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonOf(status), "REQUEST_ID_REUSED");
  EXPECT_THAT(ListAll("kind = evaluate", 10), ElementsAre(first.name()));
}

// Scenario: a retry comes after the alias has moved, and once more after the dataset is gone.
// Expectation: the same job answers, with the version that the alias meant when it was made.
TEST_F(Jobs, ARetryIsAnsweredAfterItsNamesHaveChanged) {
  v1::CreateJobRequest request = EvaluateRequest(model_, dataset_);
  request.set_request_id("once");
  v1::Job first;
  ASSERT_TRUE(Create(request, &first).ok());
  EXPECT_EQ(first.spec().evaluate().version(), model_ + "/versions/1");
  v1::SetAliasRequest move;
  move.set_name(model_ + "/aliases/stable");
  move.set_version(model_ + "/versions/2");
  v1::Alias alias;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.models().SetAlias(&context, move, &alias).ok());
  }
  v1::Job again;
  ASSERT_TRUE(Create(request, &again).ok());
  EXPECT_EQ(again.name(), first.name());
  EXPECT_EQ(again.spec().evaluate().version(), model_ + "/versions/1");
  v1::DeleteDatasetRequest remove;
  remove.set_name(dataset_);
  remove.set_force(true);
  google::protobuf::Empty empty;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.datasets().DeleteDataset(&context, remove, &empty).ok());
  }
  ASSERT_TRUE(Create(request, &again).ok());
  EXPECT_EQ(again.name(), first.name());
  // What the job was filled in with is another request than what was sent.
  *request.mutable_spec() = first.spec();
  const grpc::Status status = Create(request, &again);
  EXPECT_EQ(ReasonOf(status), "REQUEST_ID_REUSED");
}

// Scenario: the only thread for heavy work quantizes, and more wait for it. Expectation: jobs are
// created meanwhile, each with its estimate.
TEST(JobsBesideQuantizing, CreateJobDoesNotWaitForQuantizations) {
  ServerFixture fixture([](config::Config& config) { config.quantize_concurrency = 1; });
  JobDriver driver(fixture.data_dir());
  const std::string model = fixture.CreateDiscModel();
  const std::string dataset = MakeDataset(fixture, driver, "discs").name();
  const std::string header =
      R"({"w":{"dtype":"F32","shape":[2048,2048],"data_offsets":[0,16777216]}})" +
      std::string(4, ' ');
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  file += header + std::string(size_t{16} << 20, '\x3d');
  v1::QuantizeArtifactRequest quantize;
  quantize.set_artifact(fixture.Upload(file));
  quantize.mutable_options()->set_bits(4);
  std::atomic<bool> over{false};
  std::atomic<int> quantized{0};
  std::vector<std::thread> busy;
  for (int i = 0; i < 4; ++i) {
    busy.emplace_back([&] {
      while (!over.load()) {
        grpc::ClientContext context;
        auto stream = fixture.quantization().QuantizeArtifact(&context, quantize);
        v1::QuantizeArtifactResponse update;
        while (stream->Read(&update)) {
        }
        const grpc::Status status = stream->Finish();
        EXPECT_TRUE(status.ok()) << status.error_message();
        if (!status.ok()) return;
        ++quantized;
      }
    });
  }
  std::vector<double> ms;
  for (int i = 0; i < 60; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const v1::Job job = MakeEvaluateJob(fixture, EvaluateRequest(model, dataset));
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
                     .count());
    EXPECT_NE(job.estimate().basis(), "");
  }
  over.store(true);
  for (std::thread& thread : busy) thread.join();
  std::sort(ms.begin(), ms.end());
  EXPECT_GT(quantized.load(), 0);
  RecordProperty("create_job_p50_us", static_cast<int>(ms[ms.size() / 2] * 1e3));
  std::cout << "CreateJob beside " << quantized.load() << " quantizations: p50 "
            << ms[ms.size() / 2] << " ms, max " << ms.back() << " ms\n";
}

TEST_F(Jobs, PauseResumeAndCancelWhileQueued) {
  const std::string name = Create().name();
  v1::Job job;
  ASSERT_TRUE(Pause(name, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_PAUSED);
  ASSERT_TRUE(Pause(name, &job).ok());  // already so
  ASSERT_TRUE(Resume(name, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_QUEUED);
  ASSERT_TRUE(Cancel(name, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(job.has_end_time());
  ASSERT_TRUE(Cancel(name, &job).ok());
  const grpc::Status status = Resume(name, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "WRONG_STATE");
}

TEST_F(Jobs, PauseResumeAndCancelWhileRunning) {
  const std::string name = Create().name();
  v1::Job job;
  jobs::Lease lease = driver_.Take("evaluate");
  EXPECT_EQ(Get(name).state(), v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(Pause(name, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_PAUSING);
  driver_.End(lease, jobs::Outcome::Kind::kPaused);
  EXPECT_EQ(Get(name).state(), v1::JOB_STATE_PAUSED);
  ASSERT_TRUE(Resume(name, &job).ok());
  lease = driver_.Take("evaluate");
  EXPECT_EQ(Get(name).attempts(), 2U);
  ASSERT_TRUE(Cancel(name, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLING);
  driver_.End(lease, jobs::Outcome::Kind::kCancelled);
  EXPECT_EQ(Get(name).state(), v1::JOB_STATE_CANCELLED);
}

TEST_F(Jobs, FiltersAndPagesMeet) {
  std::vector<std::string> names;  // newest first
  for (int i = 0; i < 5; ++i) {
    v1::CreateJobRequest request = Request();
    request.set_submitter(i % 2 == 0 ? "ada" : "bob");
    (*request.mutable_labels())["round"] = std::to_string(i);
    names.insert(names.begin(), MakeEvaluateJob(fixture_, request).name());
  }
  v1::Job job;
  ASSERT_TRUE(Cancel(names[0], &job).ok());
  EXPECT_EQ(ListAll("kind = evaluate", 2), names);
  EXPECT_THAT(ListAll("submitter = bob", 1), ElementsAre(names[1], names[3]));
  EXPECT_THAT(ListAll("kind = evaluate AND state = active AND submitter = ada", 1),
              ElementsAre(names[2], names[4]));
  EXPECT_THAT(ListAll("label.round = 3", 10), ElementsAre(names[1]));
  EXPECT_THAT(ListAll("state = CANCELLED", 10), ElementsAre(names[0]));
  EXPECT_THAT(ListAll("model = discs AND state != CANCELLED", 10),
              ElementsAre(names[1], names[2], names[3], names[4]));
  EXPECT_THAT(ListAll("dataset = nobody", 10), IsEmpty());
}

TEST_F(Jobs, ListRefusesEachCauseWithItsField) {
  v1::ListJobsRequest request;
  v1::ListJobsResponse page;
  request.set_page_size(1'001);
  EXPECT_EQ(FieldOf(List(request, &page)), "page_size");
  request.set_page_size(1);
  request.set_filter("colour = red");
  EXPECT_EQ(FieldOf(List(request, &page)), "filter");
  request.clear_filter();
  request.set_page_token("nonsense");
  EXPECT_EQ(List(request, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Jobs, HostileSpecsAreRefusedByName) {
  struct Row {
    std::string name;
    std::function<void(v1::CreateJobRequest&)> spoil;
    grpc::StatusCode code;
    std::string field;  // "": not looked at
  };
  using Request = v1::CreateJobRequest;
  const auto evaluate = [](Request& r) { return r.mutable_spec()->mutable_evaluate(); };
  const auto unknown = [](google::protobuf::Message* message) {
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(4'000, 1);
  };
  constexpr auto kArgument = grpc::StatusCode::INVALID_ARGUMENT;
  const std::vector<Row> rows = {
      {"empty", [](Request& r) { r.Clear(); }, kArgument, "spec"},
      {"unknown field in the options", [&](Request& r) { unknown(evaluate(r)->mutable_options()); },
       kArgument, "spec.evaluate.options"},
      {"unknown kind",
       [&](Request& r) {
         r.mutable_spec()->clear_kind();
         unknown(r.mutable_spec());
       },
       kArgument, "spec"},
      {"a dataset's check",
       [](Request& r) { r.mutable_spec()->mutable_check_dataset()->set_dataset("datasets/x"); },
       kArgument, "spec.check_dataset"},
      {"version is a path", [&](Request& r) { evaluate(r)->set_version("models/../etc"); },
       kArgument, "spec.evaluate.version"},
      {"version is huge", [&](Request& r) { evaluate(r)->set_version(std::string(1 << 20, 'a')); },
       kArgument, "spec.evaluate.version"},
      {"no such model", [&](Request& r) { evaluate(r)->set_version("models/nobody"); },
       grpc::StatusCode::NOT_FOUND, ""},
      {"no such version", [&](Request& r) { evaluate(r)->set_version("models/discs/versions/99"); },
       grpc::StatusCode::NOT_FOUND, ""},
      {"no such dataset", [&](Request& r) { evaluate(r)->set_dataset("datasets/nobody"); },
       grpc::StatusCode::NOT_FOUND, ""},
      {"dataset is a version", [&](Request& r) { evaluate(r)->set_dataset("models/discs"); },
       kArgument, "spec.evaluate.dataset"},
      {"unknown split", [&](Request& r) { evaluate(r)->set_split("' OR 1=1 --"); }, kArgument,
       "spec.evaluate.split"},
      {"against itself", [&](Request& r) { evaluate(r)->set_against("models/discs/versions/2"); },
       kArgument, "spec.evaluate.against"},
      {"score", [&](Request& r) { evaluate(r)->mutable_options()->set_score_threshold(2); },
       kArgument, "spec.evaluate.options.score_threshold"},
      {"detections", [&](Request& r) { evaluate(r)->mutable_options()->set_max_detections(1'001); },
       kArgument, "spec.evaluate.options.max_detections"},
      {"priority", [](Request& r) { r.set_priority(2'000'000'000); }, kArgument, "priority"},
      {"request_id", [](Request& r) { r.set_request_id(std::string(65, 'x')); }, kArgument,
       "request_id"},
      {"labels", [](Request& r) { (*r.mutable_labels())["a = b"] = ""; }, kArgument, "labels"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    v1::CreateJobRequest request = this->Request();
    row.spoil(request);
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_EQ(status.error_code(), row.code) << status.error_message();
    EXPECT_TRUE(row.field.empty() || FieldOf(status) == row.field) << FieldOf(status);
  }
  EXPECT_THAT(ListAll("kind = evaluate", 10), IsEmpty());
}

TEST_F(Jobs, AJobIsDeletedOnlyAfterItsEnd) {
  const std::string name = Create().name();
  EXPECT_EQ(ReasonOf(Delete(name)), "WRONG_STATE");
  const jobs::Lease lease = driver_.Take("evaluate");
  driver_.Report(lease, 1, 1);
  driver_.FinishEvaluation(lease, 0.9);
  const v1::Job done = Get(name);
  EXPECT_EQ(done.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_DOUBLE_EQ(done.result().evaluation().value(), 0.9);
  EXPECT_EQ(done.result().evaluation().voc().classes(0).curve_size(), 1);
  EXPECT_DOUBLE_EQ(done.values().at("map"), 0.5);
  v1::GetJobLogRequest log_request;
  log_request.set_job(name);
  v1::GetJobLogResponse log;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.jobs().GetJobLog(&context, log_request, &log).ok());
  }
  EXPECT_THAT(log.text(), HasSubstr("step 1\n"));
  ASSERT_TRUE(Delete(name).ok());
  EXPECT_EQ(Delete(name).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(ListAll("kind = evaluate", 10), IsEmpty());
}

// One call of WatchJob.
class Watch {
 public:
  Watch(v1::JobService::Stub& jobs, const std::string& name, uint64_t after_cursor) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::WatchJobRequest request;
    request.set_name(name);
    request.set_after_cursor(after_cursor);
    reader_ = jobs.WatchJob(&context_, request);
  }
  bool Read(v1::WatchJobResponse* response) { return reader_->Read(response); }
  grpc::Status End() {
    v1::WatchJobResponse rest;
    while (reader_->Read(&rest)) {
    }
    return reader_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader_;
};

// Scenario: a job runs and writes 300 notes while its watcher is cut off after every few messages
// and comes back with its last cursor.
TEST_F(Jobs, AWatcherThatReconnectsMissesNothing) {
  const std::string name = Create().name();
  std::thread worker([this] {
    const jobs::Lease lease = driver_.Take("evaluate");
    for (int i = 0; i < 300; ++i) driver_.Say(lease, "note " + std::to_string(i));
    driver_.FinishEvaluation(lease, 0.5);
  });
  std::vector<uint64_t> cursors;
  int notes = 0;
  v1::JobState last_state = v1::JOB_STATE_UNSPECIFIED;
  bool ended = false;
  for (int round = 0; !ended && round < 1'000; ++round) {
    Watch watch(fixture_.jobs(), name, cursors.empty() ? 0 : cursors.back());
    v1::WatchJobResponse response;
    for (int reads = 0; reads < 1 + round % 3 && watch.Read(&response); ++reads) {
      for (const v1::JobEvent& event : response.events()) {
        cursors.push_back(event.cursor());
        notes += event.has_message() ? 1 : 0;
      }
      if (response.has_job()) last_state = response.job().state();
    }
    if (last_state == v1::JOB_STATE_SUCCEEDED) {
      ended = true;
      EXPECT_TRUE(watch.End().ok());
    } else {
      watch.Cancel();
      watch.End();
    }
  }
  worker.join();
  EXPECT_TRUE(ended);
  EXPECT_EQ(notes, 300);
  EXPECT_EQ(cursors.size(), Get(name).last_cursor());
  for (size_t i = 0; i < cursors.size(); ++i) ASSERT_EQ(cursors[i], i + 1);
}

TEST_F(Jobs, AWatcherLivesThroughTheServersRestart) {
  const std::string name = Create().name();
  uint64_t cursor = 0;
  {
    Watch watch(fixture_.jobs(), name, 0);
    v1::WatchJobResponse response;
    ASSERT_TRUE(watch.Read(&response));
    cursor = response.job().last_cursor();
    fixture_.Restart();
    EXPECT_EQ(watch.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  driver_.FinishEvaluation(driver_.Take("evaluate"), 0.5);
  Watch watch(fixture_.jobs(), name, cursor);
  v1::WatchJobResponse response;
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_EQ(response.events(0).cursor(), cursor + 1);
  EXPECT_EQ(response.job().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(response.job().result().evaluation().voc().classes_size(), 1);
  EXPECT_TRUE(watch.End().ok());
}

TEST_F(Jobs, AWatchEndsWithTheCodeOfItsCause) {
  const std::string name = Create().name();
  EXPECT_EQ(Watch(fixture_.jobs(), name, 1'000).End().error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(Watch(fixture_.jobs(), "jobs/none", 0).End().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  Watch watch(fixture_.jobs(), name, 0);
  v1::WatchJobResponse response;
  ASSERT_TRUE(watch.Read(&response));
  v1::Job job;
  ASSERT_TRUE(Cancel(name, &job).ok());
  EXPECT_TRUE(watch.End().ok());
}

TEST_F(Jobs, TheServersStatusCountsThem) {
  Create();
  Create();
  driver_.Take("evaluate");
  jobs::WorkerInfo worker;
  worker.id = "w1";
  worker.host = "here";
  worker.pid = 42;
  ASSERT_TRUE(driver_.queue().SeeWorker(worker).ok());
  v1::ServerStatus status;
  grpc::ClientContext context;
  ASSERT_TRUE(fixture_.server().GetServerStatus(&context, {}, &status).ok());
  EXPECT_EQ(status.datasets(), 1U);
  std::vector<std::string> counts;
  for (const v1::JobCount& count : status.jobs()) {
    counts.push_back(count.kind() + " " + count.state() + " " + std::to_string(count.count()));
  }
  EXPECT_THAT(counts, ::testing::UnorderedElementsAre("evaluate QUEUED 1", "evaluate RUNNING 1"));
  ASSERT_EQ(status.workers_size(), 1);
  EXPECT_EQ(status.workers(0).pid(), 42);
  EXPECT_TRUE(status.workers(0).alive());
}

}  // namespace
}  // namespace lbw::testing

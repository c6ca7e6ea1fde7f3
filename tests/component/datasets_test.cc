// DatasetService against the whole server; a driver plays the worker that checks.
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

class Datasets : public ::testing::Test {
 protected:
  Datasets() : driver_(fixture_.data_dir()) {}

  v1::CreateDatasetRequest Request(const std::string& id) {
    v1::CreateDatasetRequest request;
    request.set_dataset_id(id);
    request.set_artifact(fixture_.Upload("an archive of " + id));
    return request;
  }
  grpc::Status Create(const v1::CreateDatasetRequest& request, v1::Dataset* dataset) {
    grpc::ClientContext context;
    return fixture_.datasets().CreateDataset(&context, request, dataset);
  }
  grpc::Status Get(const std::string& name, v1::Dataset* dataset) {
    v1::GetDatasetRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    return fixture_.datasets().GetDataset(&context, request, dataset);
  }
  grpc::Status Delete(const std::string& name, bool force) {
    v1::DeleteDatasetRequest request;
    request.set_name(name);
    request.set_force(force);
    google::protobuf::Empty empty;
    grpc::ClientContext context;
    return fixture_.datasets().DeleteDataset(&context, request, &empty);
  }
  grpc::Status CreateJob(const std::string& dataset, v1::Job* job) {
    grpc::ClientContext context;
    return fixture_.jobs().CreateJob(&context, EvaluateRequest("models/discs", dataset), job);
  }
  v1::Job Cancel(const std::string& name) {
    v1::CancelJobRequest request;
    request.set_name(name);
    v1::Job job;
    grpc::ClientContext context;
    EXPECT_TRUE(fixture_.jobs().CancelJob(&context, request, &job).ok());
    return job;
  }

  ServerFixture fixture_;
  JobDriver driver_;
};

TEST_F(Datasets, ADatasetIsCheckedByAJobAndThenReady) {
  v1::CreateDatasetRequest request = Request("discs");
  request.set_format(v1::DATASET_FORMAT_VOC);
  request.add_classes("red");
  request.set_submitter("ada");
  v1::Dataset dataset;
  const grpc::Status status = Create(request, &dataset);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(dataset.name(), "datasets/discs");
  EXPECT_EQ(dataset.state(), v1::DATASET_STATE_CHECKING);
  EXPECT_EQ(dataset.source_artifact(), request.artifact());
  v1::GetJobRequest get;
  get.set_name(dataset.job());
  v1::Job job;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.jobs().GetJob(&context, get, &job).ok());
  }
  EXPECT_EQ(job.kind(), "check_dataset");
  EXPECT_EQ(job.submitter(), "ada");
  EXPECT_EQ(job.spec().check_dataset().dataset(), "datasets/discs");
  EXPECT_EQ(job.spec().check_dataset().format(), v1::DATASET_FORMAT_VOC);
  EXPECT_THAT(job.spec().check_dataset().classes(), ElementsAre("red"));
  driver_.FinishCheck(driver_.Take("check_dataset"), fixture_.Upload(DiscPack()));
  ASSERT_TRUE(Get("datasets/discs", &dataset).ok());
  EXPECT_EQ(dataset.state(), v1::DATASET_STATE_READY);
  EXPECT_EQ(dataset.pictures(), 3U);
  EXPECT_EQ(dataset.job(), job.name());
  EXPECT_NE(dataset.pack_artifact(), "");
}

TEST_F(Datasets, CreateRefusesEachCause) {
  v1::Dataset dataset;
  v1::CreateDatasetRequest request = Request("a");
  request.set_artifact("artifacts/" + std::string(64, '0'));
  EXPECT_EQ(Create(request, &dataset).error_code(), grpc::StatusCode::NOT_FOUND);
  request = Request("../../etc");
  EXPECT_EQ(FieldOf(Create(request, &dataset)), "dataset_id");
  request = Request("a");
  ASSERT_TRUE(Create(request, &dataset).ok());
  const grpc::Status twice = Create(request, &dataset);
  EXPECT_EQ(twice.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  // The job of the refused one was not made either.
  v1::ListJobsRequest list;
  v1::ListJobsResponse page;
  grpc::ClientContext context;
  ASSERT_TRUE(fixture_.jobs().ListJobs(&context, list, &page).ok());
  EXPECT_EQ(page.jobs_size(), 1);
}

TEST_F(Datasets, OneThatIsNotReadyIsRefusedToJobsAndSheets) {
  fixture_.CreateDiscModel();
  v1::Dataset dataset;
  ASSERT_TRUE(Create(Request("discs"), &dataset).ok());
  v1::Job job;
  const grpc::Status status = CreateJob("datasets/discs", &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "DATASET_NOT_READY");
  v1::RenderDatasetRequest request;
  request.set_name("datasets/discs");
  v1::RenderDatasetResponse sheet;
  grpc::ClientContext context;
  EXPECT_EQ(ReasonOf(fixture_.datasets().RenderDataset(&context, request, &sheet)),
            "DATASET_NOT_READY");
}

TEST_F(Datasets, ACheckThatIsCancelledMakesItFailed) {
  v1::Dataset dataset;
  ASSERT_TRUE(Create(Request("discs"), &dataset).ok());
  EXPECT_EQ(Cancel(dataset.job()).state(), v1::JOB_STATE_CANCELLED);
  ASSERT_TRUE(Get("datasets/discs", &dataset).ok());
  EXPECT_EQ(dataset.state(), v1::DATASET_STATE_FAILED);
  EXPECT_NE(dataset.error(), "");
}

TEST_F(Datasets, OneInUseIsDeletedOnlyByForce) {
  fixture_.CreateDiscModel();
  MakeDataset(fixture_, driver_, "discs");
  v1::Job job;
  ASSERT_TRUE(CreateJob("datasets/discs", &job).ok());
  const grpc::Status status = Delete("datasets/discs", false);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "IN_USE");
  EXPECT_THAT(status.error_message(), HasSubstr(job.name()));
  ASSERT_TRUE(Delete("datasets/discs", true).ok());
  v1::Dataset dataset;
  EXPECT_EQ(Get("datasets/discs", &dataset).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Delete("datasets/discs", true).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(CreateJob("datasets/discs", &job).error_code(), grpc::StatusCode::NOT_FOUND);
  // Its name is free again.
  EXPECT_TRUE(Create(Request("discs"), &dataset).ok());
}

// Scenario: again and again a dataset is deleted while a job is created on it. Expectation: one of
// the two is refused.
TEST_F(Datasets, NoJobIsCreatedOnADatasetThatIsDeletedMeanwhile) {
  fixture_.CreateDiscModel();
  int refused_jobs = 0;
  for (int i = 0; i < 25; ++i) {
    const std::string name = MakeDataset(fixture_, driver_, "d" + std::to_string(i)).name();
    v1::Job job;
    grpc::Status created;
    std::thread creator([&] { created = CreateJob(name, &job); });
    const grpc::Status deleted = Delete(name, false);
    creator.join();
    EXPECT_NE(created.ok(), deleted.ok())
        << created.error_message() << "; " << deleted.error_message();
    refused_jobs += created.ok() ? 0 : 1;
    if (!deleted.ok()) {
      EXPECT_EQ(ReasonOf(deleted), "IN_USE");
    }
    if (created.ok()) Cancel(job.name());
  }
  RecordProperty("refused_jobs", refused_jobs);
}

// Scenario: a check finds 30,000 classes with names of 2 KB, more than an answer may have.
TEST_F(Datasets, ASummaryThatIsLargerThanAMessageIsAnsweredInPart) {
  v1::Dataset dataset;
  ASSERT_TRUE(Create(Request("huge"), &dataset).ok());
  v1::Dataset summary;
  summary.set_pictures(7);
  for (int i = 0; i < 30'000; ++i) {
    summary.add_classes()->set_name(std::to_string(i) + std::string(2'000, 'c'));
  }
  driver_.FinishCheckWith(driver_.Take("check_dataset"), fixture_.Upload(DiscPack()), summary);
  ASSERT_TRUE(Get("datasets/huge", &dataset).ok());
  EXPECT_EQ(dataset.state(), v1::DATASET_STATE_READY);
  EXPECT_EQ(dataset.pictures(), 7U);
  EXPECT_GT(dataset.classes_size(), 1'000);
  EXPECT_EQ(dataset.classes_left_out(), 30'000U - static_cast<unsigned>(dataset.classes_size()));
  EXPECT_LT(dataset.ByteSizeLong(), size_t{48} << 20);
}

TEST_F(Datasets, ForceCancelsTheCheckOfTheDatasetThatGoes) {
  v1::Dataset dataset;
  ASSERT_TRUE(Create(Request("discs"), &dataset).ok());
  EXPECT_EQ(ReasonOf(Delete("datasets/discs", false)), "IN_USE");
  ASSERT_TRUE(Delete("datasets/discs", true).ok());
  EXPECT_EQ(Cancel(dataset.job()).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE(driver_.queue()
                   .LeaseNext("driver", std::vector<std::string>{"check_dataset"})
                   .value()
                   .has_value());
}

TEST_F(Datasets, DefectsComeInPagesAndByKind) {
  MakeDataset(fixture_, driver_, "discs");
  v1::ListDefectsRequest request;
  request.set_dataset("datasets/discs");
  request.set_page_size(1);
  request.set_kind("zero_area");
  std::vector<std::string> files;
  do {
    v1::ListDefectsResponse page;
    grpc::ClientContext context;
    const grpc::Status status = fixture_.datasets().ListDefects(&context, request, &page);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const v1::DatasetDefect& defect : page.defects()) files.push_back(defect.file());
    EXPECT_EQ(page.not_kept(), 4U);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(files, ElementsAre("a.xml", "c.xml"));
}

TEST_F(Datasets, TheListGoesByName) {
  MakeDataset(fixture_, driver_, "b");
  MakeDataset(fixture_, driver_, "a");
  MakeDataset(fixture_, driver_, "c");
  v1::ListDatasetsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    v1::ListDatasetsResponse page;
    grpc::ClientContext context;
    ASSERT_TRUE(fixture_.datasets().ListDatasets(&context, request, &page).ok());
    for (const v1::Dataset& dataset : page.datasets()) names.push_back(dataset.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("datasets/a", "datasets/b", "datasets/c"));
}

TEST_F(Datasets, ASheetIsAPngAndEachWrongOptionIsNamed) {
  MakeDataset(fixture_, driver_, "discs");
  const auto render = [this](const v1::RenderDatasetRequest& request,
                             v1::RenderDatasetResponse* sheet) {
    grpc::ClientContext context;
    return fixture_.datasets().RenderDataset(&context, request, sheet);
  };
  v1::RenderDatasetRequest request;
  request.set_name("datasets/discs");
  v1::RenderDatasetResponse sheet;
  const grpc::Status status = render(request, &sheet);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(sheet.pictures(), 3U);
  EXPECT_EQ(sheet.png().substr(0, 4), "\x89PNG");
  request.set_split("val");
  ASSERT_TRUE(render(request, &sheet).ok());
  EXPECT_EQ(sheet.pictures(), 1U);
  request.set_split("nobody");
  EXPECT_EQ(render(request, &sheet).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.clear_split();
  request.set_columns(13);
  EXPECT_EQ(FieldOf(render(request, &sheet)), "columns");
}

}  // namespace
}  // namespace lbw::testing

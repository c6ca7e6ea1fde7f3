// Creating jobs of kind train and fine_tune against the whole server, and detecting with their
// checkpoints.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/io.h"
#include "component/two_versions.h"
#include "detect/image/image.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/model.h"
#include "support/disc_scene.h"
#include "tensorfile/packed.h"

namespace lbw::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The model of a bundle with a weight's share of it, as a checkpoint of a training writes it.
std::string CheckpointOf(const std::string& bundle, float scale) {
  model::Model model = model::ReadBundle(base::StringReader(bundle)).value();
  std::map<std::string, tensorfile::AnyTensor> scaled;
  for (const auto& [name, constant] : model.constants) scaled.emplace(name, constant);
  scaled.emplace("lbw.train/opt.v", base::Tensor(base::DType::kF32, {7}));
  std::map<std::string, const tensorfile::AnyTensor*> tensors;
  for (const auto& [name, tensor] : scaled) tensors.emplace(name, &tensor);
  base::StringSink sink;
  const absl::Status written = tensorfile::WritePacked(sink, tensors,
                                                       {{"lbw.graph", graph::ToJson(model.graph)},
                                                        {"lbw.spec", model::SpecToJson(model.spec)},
                                                        {"lbw.checkpoint", "1"},
                                                        {"step", std::to_string(scale)}});
  EXPECT_TRUE(written.ok()) << written;
  return sink.Take();
}

class TrainingJobs : public TwoVersionsTest {
 protected:
  v1::CreateJobRequest Train() const {
    v1::CreateJobRequest request;
    v1::TrainSpec* spec = request.mutable_spec()->mutable_train();
    spec->set_version(model_);
    spec->mutable_data()->set_dataset(dataset_);
    return request;
  }
  v1::CreateJobRequest FineTune(uint32_t bits = 3) const {
    v1::CreateJobRequest request;
    v1::FineTuneSpec* spec = request.mutable_spec()->mutable_fine_tune();
    spec->set_version(model_);
    spec->mutable_options()->set_bits(bits);
    spec->mutable_data()->set_dataset(dataset_);
    return request;
  }
  grpc::Status Detect(const std::string& model, v1::DetectResponse* response) {
    const DiscScene scene = DrawDiscScene(5, 160);
    detect::Image image;
    image.width = scene.width;
    image.height = scene.height;
    image.rgb = scene.rgb;
    v1::DetectRequest request;
    request.set_model(model);
    request.add_images(detect::EncodeImage(image, detect::ImageFormat::kPng).value());
    grpc::ClientContext context;
    return fixture_.detection().Detect(&context, request, response);
  }
  void AddCheckpoint(const jobs::Lease& lease, const std::string& blob, int64_t step) {
    jobs::CheckpointInfo info;
    info.sha256 = fixture_.Upload(blob).substr(std::string("artifacts/").size());
    info.size_bytes = blob.size();
    info.step = step;
    const absl::Status added = driver_.queue().AddCheckpoint({lease.job.id, lease.token}, info);
    EXPECT_TRUE(added.ok()) << added;
  }
};

TEST_F(TrainingJobs, ATrainingIsFilledInAndEstimated) {
  v1::Job job;
  const grpc::Status status = Create(Train(), &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.kind(), "train");
  const v1::TrainSpec& spec = job.spec().train();
  EXPECT_EQ(spec.version(), model_ + "/versions/1");
  EXPECT_EQ(spec.data().split(), "train");
  EXPECT_EQ(spec.data().eval_split(), "val");
  EXPECT_EQ(spec.options().epochs(), 30U);
  EXPECT_EQ(spec.options().batch_norm(), v1::BATCH_NORM_MODE_TRAIN);
  EXPECT_EQ(spec.options().device(), "auto");
  EXPECT_GT(job.estimate().memory_bytes(), uint64_t{300} << 20);
  EXPECT_THAT(job.estimate().basis(), HasSubstr("30 steps of 16 pictures"));
  EXPECT_EQ(driver_.Take("train").job.kind, "train");
}

TEST_F(TrainingJobs, AFineTuningIsFilledInByItsBits) {
  v1::Job job;
  grpc::Status status = Create(FineTune(3), &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.kind(), "fine_tune");
  EXPECT_EQ(job.spec().fine_tune().version(), model_ + "/versions/1");
  EXPECT_EQ(job.spec().fine_tune().training().epochs(), 4U);
  EXPECT_DOUBLE_EQ(job.spec().fine_tune().training().labels(), 0);
  EXPECT_EQ(job.spec().fine_tune().calibration().dataset(), dataset_);
  EXPECT_THAT(job.estimate().basis(), HasSubstr("its calibration"));
  status = Create(FineTune(2), &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.spec().fine_tune().training().epochs(), 16U);
  EXPECT_DOUBLE_EQ(job.spec().fine_tune().training().labels(), 0.3);
  EXPECT_EQ(job.spec().fine_tune().calibration().scale(), v1::SCALE_KIND_REAL);
}

TEST_F(TrainingJobs, ADryRunStoresNothing) {
  v1::CreateJobRequest request = FineTune();
  request.set_validate_only(true);
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.name(), "");
  EXPECT_EQ(job.spec().fine_tune().training().epochs(), 4U);
  EXPECT_GT(job.estimate().memory_bytes(), 0U);
  v1::ListJobsRequest list;
  list.set_filter("kind = fine_tune");
  v1::ListJobsResponse jobs;
  grpc::ClientContext context;
  ASSERT_TRUE(fixture_.jobs().ListJobs(&context, list, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
}

TEST_F(TrainingJobs, RefusesEachCauseWithItsField) {
  using Request = v1::CreateJobRequest;
  using grpc::StatusCode;
  struct Row {
    std::string name;
    Request request;
    std::function<void(Request&)> spoil;
    StatusCode code;
    std::string reason;
    std::string field;
  };
  const auto train = [](Request& r) { return r.mutable_spec()->mutable_train(); };
  const auto tune = [](Request& r) { return r.mutable_spec()->mutable_fine_tune(); };
  const std::vector<Row> rows = {
      {"a quantized version to train in float", Train(),
       [&](Request& r) { train(r)->set_version(model_ + "/versions/2"); },
       StatusCode::FAILED_PRECONDITION, "ALREADY_QUANTIZED", "spec.train.version"},
      {"a quantized version to fine-tune", FineTune(),
       [&](Request& r) { tune(r)->set_version(model_ + "/versions/2"); },
       StatusCode::FAILED_PRECONDITION, "ALREADY_QUANTIZED", ""},
      {"no such version", Train(),
       [&](Request& r) { train(r)->set_version(model_ + "/versions/9"); }, StatusCode::NOT_FOUND,
       "NOT_FOUND", ""},
      {"no dataset", Train(), [&](Request& r) { train(r)->clear_data(); },
       StatusCode::INVALID_ARGUMENT, "BAD_NAME", "spec.train.data.dataset"},
      {"no such dataset", Train(),
       [&](Request& r) { train(r)->mutable_data()->set_eval_dataset("datasets/none"); },
       StatusCode::NOT_FOUND, "NOT_FOUND", ""},
      {"no epochs", Train(), [&](Request& r) { train(r)->mutable_options()->set_epochs(0); },
       StatusCode::INVALID_ARGUMENT, "BAD_ARGUMENT", "spec.train.options.epochs"},
      {"a negative rate", FineTune(),
       [&](Request& r) { tune(r)->mutable_training()->set_rate(-0.1); },
       StatusCode::INVALID_ARGUMENT, "BAD_ARGUMENT", "spec.fine_tune.training.rate"},
      {"no bits", FineTune(), [&](Request& r) { tune(r)->clear_options(); },
       StatusCode::INVALID_ARGUMENT, "BAD_OPTIONS", "spec.fine_tune.options.bits"},
      {"no such device", Train(),
       [&](Request& r) { train(r)->mutable_options()->set_device("tpu"); },
       StatusCode::INVALID_ARGUMENT, "BAD_ARGUMENT", "spec.train.options.device"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Request request = row.request;
    row.spoil(request);
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_EQ(status.error_code(), row.code) << status.error_message();
    EXPECT_EQ(ReasonOf(status), row.reason) << status.error_message();
    EXPECT_EQ(FieldOf(status), row.field) << status.error_message();
  }
  v1::Job job;
  Request named = FineTune();
  named.mutable_spec()->mutable_fine_tune()->set_version(model_ + "/versions/2");
  EXPECT_THAT(Create(named, &job).error_message(), HasSubstr(model_ + "/versions/1"));
}

// A name that means a quantized version by its alias: fine-tuning starts from what it was made of,
// training in float is told to.
TEST_F(TrainingJobs, AnAliasOfAQuantizedVersion) {
  v1::SetAliasRequest alias;
  alias.set_name(model_ + "/aliases/stable");
  alias.set_version(model_ + "/versions/2");
  v1::Alias set;
  grpc::ClientContext context;
  ASSERT_TRUE(fixture_.models().SetAlias(&context, alias, &set).ok());
  v1::Job job;
  ASSERT_TRUE(Create(FineTune(), &job).ok());
  EXPECT_EQ(job.spec().fine_tune().version(), model_ + "/versions/1");
  const grpc::Status status = Create(Train(), &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "ALREADY_QUANTIZED");
}

TEST_F(TrainingJobs, ACudaDeviceThatIsNotThereIsRefusedWhenTheJobIsCreated) {
  v1::CreateJobRequest request = Train();
  request.mutable_spec()->mutable_train()->mutable_options()->set_device("cuda:999");
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
  EXPECT_THAT(ReasonOf(status), StartsWith("NO_CUDA_"));
  EXPECT_EQ(FieldOf(status), "spec.train.options.device");
}

TEST_F(TrainingJobs, ItsNewestCheckpointDetectsWhileItRuns) {
  v1::Job job;
  ASSERT_TRUE(Create(FineTune(), &job).ok());
  const std::string alias = model_ + "/aliases/job-" + job.name().substr(5);
  v1::DetectResponse response;
  grpc::Status status = Detect(alias, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "WRONG_STATE");
  EXPECT_THAT(status.error_message(), HasSubstr("no checkpoint yet"));

  v1::GetVersionRequest get;
  get.set_name(model_ + "/versions/1");
  v1::ModelVersion version;
  grpc::ClientContext context;
  ASSERT_TRUE(fixture_.models().GetVersion(&context, get, &version).ok());
  const std::string bundle = fixture_.Download(version.bundle_artifact());
  const jobs::Lease lease = driver_.Take("fine_tune");
  AddCheckpoint(lease, CheckpointOf(bundle, 1), 10);
  v1::DetectResponse expected;
  ASSERT_TRUE(Detect(model_ + "/versions/1", &expected).ok());
  status = Detect(alias, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.model_version(), alias);
  ASSERT_EQ(response.results_size(), 1);
  ASSERT_GT(response.results(0).detections_size(), 0);
  EXPECT_EQ(response.results(0).detections_size(), expected.results(0).detections_size());
  const std::string first = response.checkpoint();
  EXPECT_THAT(first, StartsWith("artifacts/"));

  AddCheckpoint(lease, CheckpointOf(bundle, 2), 20);
  status = Detect(alias, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_NE(response.checkpoint(), first);
  v1::ServerStatus server;
  grpc::ClientContext status_context;
  ASSERT_TRUE(fixture_.server().GetServerStatus(&status_context, {}, &server).ok());
  std::vector<std::string> loaded;
  for (const v1::LoadedVersion& one : server.loaded()) loaded.push_back(one.version());
  EXPECT_THAT(loaded, ::testing::UnorderedElementsAre(alias, model_ + "/versions/1"));

  v1::CancelJobRequest cancel;
  cancel.set_name(job.name());
  grpc::ClientContext cancel_context;
  ASSERT_TRUE(fixture_.jobs().CancelJob(&cancel_context, cancel, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLING);
  EXPECT_TRUE(Detect(alias, &response).ok());
  driver_.End(lease, jobs::Outcome::Kind::kCancelled);
  status = Detect(alias, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("has ended"));
  EXPECT_EQ(Detect(model_ + "/aliases/job-01hf8z4vj3s0f2x7m9c1d5e6g8", &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace lbw::testing

#include "component/job_driver.h"

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/ids.h"
#include "base/io.h"
#include "base/status.h"
#include "dataset/pack.h"
#include "detect/image/image.h"
#include "gtest/gtest.h"
#include "rpc/json.h"
#include "support/disc_scene.h"

namespace lbw::testing {
namespace {

constexpr std::string_view kWorker = "driver";

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status();
    std::abort();
  }
  return *std::move(result);
}

jobs::LeaseKey Key(const jobs::Lease& lease) { return {lease.job.id, lease.token}; }

v1::Dataset CheckedDataset(const v1::CheckDatasetSpec& spec) {
  v1::Dataset dataset;
  dataset.set_name(spec.dataset());
  dataset.set_format(v1::DATASET_FORMAT_VOC);
  dataset.set_task(v1::DATASET_TASK_DETECTION);
  dataset.set_pictures(3);
  dataset.set_boxes(9);
  dataset.set_pixel_rule("inclusive");
  const auto add_split = [&dataset](const char* name, uint64_t pictures) {
    v1::DatasetSplit* split = dataset.add_splits();
    split->set_name(name);
    split->set_pictures(pictures);
    split->set_boxes(3 * pictures);
  };
  add_split("train", 2);
  add_split("val", 1);
  for (const char* name : {"red", "green", "blue"}) dataset.add_classes()->set_name(name);
  v1::DefectCount* defect = dataset.add_defects();
  defect->set_kind("zero_area");
  defect->set_count(2);
  return dataset;
}

// A picture that the pack's writer wants beside its bytes.
dataset::Picture PictureOf(const DiscScene& scene, int index) {
  dataset::Picture picture;
  picture.name = "scene_" + std::to_string(index) + ".png";
  picture.width = scene.width;
  picture.height = scene.height;
  picture.splits = {index == 2 ? 1 : 0};
  for (const Disc& disc : scene.discs) {
    dataset::Annotation annotation;
    annotation.box.x_min = static_cast<float>(disc.cx - disc.radius);
    annotation.box.y_min = static_cast<float>(disc.cy - disc.radius);
    annotation.box.x_max = static_cast<float>(disc.cx + disc.radius);
    annotation.box.y_max = static_cast<float>(disc.cy + disc.radius);
    annotation.class_index = disc.class_index;
    picture.annotations.push_back(annotation);
  }
  return picture;
}

}  // namespace

JobDriver::JobDriver(const std::string& data_dir) {
  store::SqliteOptions options;
  options.folder = data_dir;
  options.lock = store::SqliteOptions::Lock::kNone;
  database_ = Must(store::SqliteDatabase::Open(options));
  queue_ = jobs::NewQueue(*database_, jobs::QueueLimits{});
  datasets_ = registry::NewDatasets(*database_, registry::DatasetLimits{});
  evaluations_ = registry::NewEvaluations(*database_);
}

jobs::Lease JobDriver::Take(const std::string& kind) {
  const std::vector<std::string> kinds = {kind};
  std::optional<jobs::Lease> lease = Must(queue_->LeaseNext(kWorker, kinds));
  if (!lease.has_value()) {
    ADD_FAILURE() << "no job is due: kind=" << kind;
    std::abort();
  }
  return *std::move(lease);
}

void JobDriver::Report(const jobs::Lease& lease, int64_t step, int64_t total_steps) {
  v1::JobEvent event;
  event.mutable_progress()->set_step(static_cast<uint64_t>(step));
  event.mutable_progress()->set_total_steps(static_cast<uint64_t>(total_steps));
  (*event.mutable_progress()->mutable_values())["map"] = 0.5;
  jobs::Queue::Progress progress;
  progress.events_json = {rpc::ToJson(event)};
  progress.step = step;
  progress.total_steps = total_steps;
  progress.progress_json = rpc::ToJson(event.progress());
  progress.log_text = "step " + std::to_string(step) + "\n";
  const absl::Status status = queue_->Report(Key(lease), progress);
  EXPECT_TRUE(status.ok()) << status;
}

void JobDriver::Say(const jobs::Lease& lease, const std::string& text) {
  v1::JobEvent event;
  event.mutable_message()->set_severity("info");
  event.mutable_message()->set_text(text);
  jobs::Queue::Progress progress;
  progress.events_json = {rpc::ToJson(event)};
  const absl::Status status = queue_->Report(Key(lease), progress);
  EXPECT_TRUE(status.ok()) << status;
}

jobs::Job JobDriver::End(const jobs::Lease& lease, jobs::Outcome::Kind kind) {
  jobs::Outcome outcome;
  outcome.kind = kind;
  return Must(queue_->Finish(Key(lease), outcome, "", {}));
}

jobs::Job JobDriver::FinishCheck(const jobs::Lease& lease, const std::string& pack) {
  v1::CheckDatasetSpec spec;
  rpc::MergeJson(lease.job.spec_json, &spec);
  return FinishCheckWith(lease, pack, CheckedDataset(spec));
}

jobs::Job JobDriver::FinishCheckWith(const jobs::Lease& lease, const std::string& pack,
                                     const v1::Dataset& summary) {
  v1::CheckDatasetSpec spec;
  rpc::MergeJson(lease.job.spec_json, &spec);
  const std::string name = Must(base::ParseDatasetName(spec.dataset(), "dataset"));
  registry::Datasets::Checked checked;
  checked.pack_artifact = Must(base::ParseArtifactName(pack, "pack"));
  checked.pack_bytes = 1;
  checked.summary_json = rpc::ToJson(summary);
  checked.defects_json =
      R"({"defects": [{"kind": "zero_area", "file": "a.xml", "action": "left_out"},
          {"kind": "grey", "file": "b.png", "action": "noted"},
          {"kind": "zero_area", "file": "c.xml", "action": "left_out"}], "not_kept": "4"})";
  const auto apply = [&](store::Session& session, const jobs::Job& job, std::string&) {
    return datasets_->Publish(session, name, job.id, checked);
  };
  return Must(queue_->Finish(Key(lease), jobs::Outcome{}, checked.summary_json, apply));
}

jobs::Job JobDriver::FinishEvaluation(const jobs::Lease& lease, double map_50) {
  v1::EvaluateSpec spec;
  rpc::MergeJson(lease.job.spec_json, &spec);
  const base::ModelRef version = Must(base::ParseModelRef(spec.version(), "version"));
  v1::Evaluation result;
  result.set_metric("map_50");
  result.set_value(map_50);
  result.set_pictures(1);
  result.mutable_voc()->set_map_50(map_50);
  result.mutable_voc()->set_map_11(map_50 / 2);
  *result.mutable_options() = spec.options();
  registry::Evaluation row;
  row.id = lease.job.id;
  row.model = version.model;
  row.version = version.version.value_or(0);
  row.dataset = Must(base::ParseDatasetName(spec.dataset(), "dataset"));
  row.pack_artifact = Must(datasets_->Get(row.dataset)).pack_artifact;
  row.split = spec.split();
  row.job = lease.job.id;
  row.against = spec.against();
  row.options_json = rpc::ToCanonicalJson(spec.options());
  row.metric = "map_50";
  row.metrics = {{"map_50", map_50}, {"map_11", map_50 / 2}};
  row.summary_json = rpc::ToJson(result);
  v1::VocClassScores* scores = result.mutable_voc()->add_classes();
  scores->set_label("red");
  scores->add_curve()->set_recall(1);
  row.result_json = rpc::ToJson(result);
  const auto apply = [&](store::Session& session, const jobs::Job&, std::string&) {
    return evaluations_->Insert(session, row);
  };
  v1::JobResult whole;
  *whole.mutable_evaluation() = result;
  return Must(queue_->Finish(Key(lease), jobs::Outcome{}, rpc::ToJson(whole), apply));
}

std::string DiscPack(uint64_t seed) {
  dataset::Dataset dataset;
  dataset.classes = {"red", "green", "blue"};
  dataset.splits = {"train", "val"};
  dataset.format = dataset::Format::kVoc;
  std::string bytes;
  for (int i = 0; i < 3; ++i) {
    const DiscScene scene = DrawDiscScene(seed * 10 + static_cast<uint64_t>(i), 160);
    detect::Image image;
    image.width = scene.width;
    image.height = scene.height;
    image.rgb = scene.rgb;
    const std::string png = Must(detect::EncodeImage(image, detect::ImageFormat::kPng));
    dataset.pictures.push_back(PictureOf(scene, i));
    dataset.pictures.back().offset = bytes.size();
    dataset.pictures.back().size_bytes = png.size();
    bytes += png;
  }
  base::StringSink sink;
  const absl::Status written = dataset::WritePack(dataset, base::StringReader(bytes), sink);
  EXPECT_TRUE(written.ok()) << written;
  return sink.Take();
}

v1::Dataset MakeDataset(ServerFixture& fixture, JobDriver& driver, const std::string& id,
                        uint64_t seed) {
  v1::CreateDatasetRequest request;
  request.set_dataset_id(id);
  request.set_artifact(fixture.Upload("an archive of " + id));
  v1::Dataset dataset;
  {
    grpc::ClientContext context;
    const grpc::Status status = fixture.datasets().CreateDataset(&context, request, &dataset);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  driver.FinishCheck(driver.Take("check_dataset"), fixture.Upload(DiscPack(seed)));
  v1::GetDatasetRequest get;
  get.set_name(dataset.name());
  grpc::ClientContext context;
  const grpc::Status status = fixture.datasets().GetDataset(&context, get, &dataset);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(dataset.state(), v1::DATASET_STATE_READY);
  return dataset;
}

v1::CreateJobRequest EvaluateRequest(const std::string& version, const std::string& dataset) {
  v1::CreateJobRequest request;
  request.mutable_spec()->mutable_evaluate()->set_version(version);
  request.mutable_spec()->mutable_evaluate()->set_dataset(dataset);
  return request;
}

v1::Job MakeEvaluateJob(ServerFixture& fixture, const v1::CreateJobRequest& request) {
  v1::Job job;
  grpc::ClientContext context;
  const grpc::Status status = fixture.jobs().CreateJob(&context, request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return job;
}

std::string Evaluate(ServerFixture& fixture, JobDriver& driver, const std::string& version,
                     const std::string& dataset, double map_50) {
  MakeEvaluateJob(fixture, EvaluateRequest(version, dataset));
  const jobs::Job job = driver.FinishEvaluation(driver.Take("evaluate"), map_50);
  EXPECT_EQ(job.state, jobs::JobState::kSucceeded) << job.error.message;
  return base::EvaluationName(job.id);
}

}  // namespace lbw::testing

#include "rpc/convert_job.h"

#include <set>
#include <string>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

namespace lbw::rpc {
namespace {

const absl::Time kTime = absl::FromUnixMicros(1'700'000'000'250'000);

jobs::Job RunningJob() {
  jobs::Job job;
  job.id = "01hf8z4vj3s0f2x7m9c1d5e6g8";
  job.kind = "evaluate";
  job.state = jobs::JobState::kRunning;
  job.spec_json = R"({"version": "models/m/versions/2", "options": {"top_k": 5}})";
  job.submitter = "ada";
  job.priority = -3;
  job.labels = {{"team", "vision"}};
  job.create_time = kTime;
  job.update_time = kTime + absl::Seconds(2);
  job.start_time = kTime + absl::Seconds(1);
  job.attempts = 2;
  job.failed_attempts = 1;
  job.worker = "w1";
  job.lease_expire_time = kTime + absl::Seconds(30);
  job.step = 40;
  job.total_steps = 100;
  job.progress_json = R"({"step": "40", "values": {"map": 0.5}, "eta": "1.500s"})";
  job.last_cursor = 17;
  return job;
}

v1::Job Convert(const jobs::Job& job, bool details = true) {
  v1::Job out;
  JobView view;
  view.max_attempts = 7;
  view.details = details;
  ToProto(job, view, &out);
  return out;
}

TEST(JobToProto, SaysEverythingOfARunningJob) {
  const v1::Job job = Convert(RunningJob());
  EXPECT_EQ(job.name(), "jobs/01hf8z4vj3s0f2x7m9c1d5e6g8");
  EXPECT_EQ(job.kind(), "evaluate");
  EXPECT_EQ(job.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(job.spec().evaluate().version(), "models/m/versions/2");
  EXPECT_EQ(job.spec().evaluate().options().top_k(), 5U);
  EXPECT_EQ(job.submitter(), "ada");
  EXPECT_EQ(job.priority(), -3);
  EXPECT_EQ(job.labels().at("team"), "vision");
  EXPECT_EQ(job.create_time().seconds(), 1'700'000'000);
  EXPECT_EQ(job.create_time().nanos(), 250'000'000);
  EXPECT_EQ(job.start_time().seconds(), 1'700'000'001);
  EXPECT_FALSE(job.has_end_time());
  EXPECT_FALSE(job.has_retry_time());
  EXPECT_EQ(job.attempts(), 2U);
  EXPECT_EQ(job.failed_attempts(), 1U);
  EXPECT_EQ(job.max_attempts(), 7U);
  EXPECT_EQ(job.worker(), "w1");
  EXPECT_EQ(job.lease_expire_time().seconds(), 1'700'000'030);
  EXPECT_EQ(job.step(), 40U);
  EXPECT_EQ(job.total_steps(), 100U);
  EXPECT_DOUBLE_EQ(job.values().at("map"), 0.5);
  EXPECT_EQ(job.eta().seconds(), 1);
  EXPECT_EQ(job.last_cursor(), 17U);
  EXPECT_EQ(job.checkpoint(), "");
  EXPECT_FALSE(job.has_result());
  EXPECT_FALSE(job.has_error());
  EXPECT_FALSE(job.has_estimate());
}

TEST(JobToProto, EveryStateHasOneOfItsOwn) {
  std::set<v1::JobState> seen;
  for (int i = 0; i < jobs::kJobStates; ++i) {
    const auto state = static_cast<jobs::JobState>(i);
    const v1::JobState converted = ToProto(state);
    EXPECT_EQ(v1::JobState_Name(converted), "JOB_STATE_" + std::string(jobs::Name(state)));
    seen.insert(converted);
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(jobs::kJobStates));
  EXPECT_EQ(seen.count(v1::JOB_STATE_UNSPECIFIED), 0U);
}

TEST(JobToProto, ShowsAnErrorOnlyWhereItStillMatters) {
  jobs::Job job = RunningJob();
  job.error = {absl::StatusCode::kNotFound, "NOT_FOUND", "no dataset faces"};
  for (int i = 0; i < jobs::kJobStates; ++i) {
    job.state = static_cast<jobs::JobState>(i);
    const bool shown = job.state == jobs::JobState::kFailed || job.state == jobs::JobState::kQueued;
    EXPECT_EQ(Convert(job).has_error(), shown) << jobs::Name(job.state);
  }
  job.state = jobs::JobState::kFailed;
  const google::rpc::Status error = Convert(job).error();
  EXPECT_EQ(error.code(), 5);
  EXPECT_EQ(error.message(), "no dataset faces");
  google::rpc::ErrorInfo info;
  ASSERT_EQ(error.details_size(), 1);
  ASSERT_TRUE(error.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "NOT_FOUND");
}

TEST(JobToProto, AnEtaIsOfAJobThatRuns) {
  jobs::Job job = RunningJob();
  job.state = jobs::JobState::kPaused;
  EXPECT_FALSE(Convert(job).has_eta());
  job.state = jobs::JobState::kPausing;
  EXPECT_TRUE(Convert(job).has_eta());
}

TEST(JobToProto, ResultHasCurvesOnlyWithDetails) {
  jobs::Job job = RunningJob();
  job.state = jobs::JobState::kSucceeded;
  job.result_json =
      R"({"evaluation": {"metric": "map_50", "value": 0.9, "voc": {"classes": [{"label": "a", "ap": 0.9,
          "curve": [{"recall": 1}]}]}, "classification": {"confusion": ["1", "2"]},
          "agreement": {"classes": [{"curve": [{"recall": 1}]}]}}})";
  const v1::Evaluation full = Convert(job).result().evaluation();
  EXPECT_EQ(full.voc().classes(0).curve_size(), 1);
  EXPECT_EQ(full.classification().confusion_size(), 2);
  const v1::Evaluation brief = Convert(job, false).result().evaluation();
  EXPECT_DOUBLE_EQ(brief.value(), 0.9);
  EXPECT_DOUBLE_EQ(brief.voc().classes(0).ap(), 0.9);
  EXPECT_EQ(brief.voc().classes(0).curve_size(), 0);
  EXPECT_EQ(brief.classification().confusion_size(), 0);
  EXPECT_EQ(brief.agreement().classes(0).curve_size(), 0);
}

TEST(JobToProto, CheckOfADatasetHasItsOwnSpecAndResult) {
  jobs::Job job = RunningJob();
  job.kind = "check_dataset";
  job.state = jobs::JobState::kSucceeded;
  job.spec_json = R"({"dataset": "datasets/d", "format": "DATASET_FORMAT_VOC"})";
  job.result_json = R"({"dataset": {"name": "datasets/d", "pictures": "12"}})";
  const v1::Job out = Convert(job);
  EXPECT_EQ(out.spec().check_dataset().format(), v1::DATASET_FORMAT_VOC);
  EXPECT_EQ(out.result().dataset().pictures(), 12U);
}

TEST(JobToProto, CalibrationsHaveSpecsOfTheirOwnAndLongListsOnlyWithDetails) {
  jobs::Job job = RunningJob();
  job.kind = "quantize";
  job.state = jobs::JobState::kSucceeded;
  job.spec_json = R"({"version": "models/m/versions/1", "calibration": {"count": 64}})";
  job.result_json =
      R"({"quantization": {"version": "models/m/versions/2",
          "report": {"tensors": [{"name": "w"}], "totals": {"tensors": "1"}},
          "calibration": {"layers": [{"name": "w"}], "activations": {"x": {"scale": 0.5}},
                          "measurements": [{"what": "float"}]}}})";
  const v1::Job full = Convert(job);
  EXPECT_EQ(full.spec().quantize().calibration().count(), 64U);
  EXPECT_EQ(full.result().quantization().report().tensors_size(), 1);
  EXPECT_EQ(full.result().quantization().calibration().layers_size(), 1);
  EXPECT_EQ(full.result().quantization().calibration().activations_size(), 1);
  const v1::QuantizationResult brief = Convert(job, false).result().quantization();
  EXPECT_EQ(brief.version(), "models/m/versions/2");
  EXPECT_EQ(brief.report().tensors_size(), 0);
  EXPECT_EQ(brief.report().totals().tensors(), 1U);
  EXPECT_EQ(brief.calibration().layers_size(), 0);
  EXPECT_EQ(brief.calibration().activations_size(), 0);
  EXPECT_EQ(brief.calibration().measurements_size(), 1);
}

TEST(JobToProto, ComparisonsHaveASpecOfTheirOwnAndLongListsOnlyWithDetails) {
  jobs::Job job = RunningJob();
  job.kind = "compare";
  job.state = jobs::JobState::kSucceeded;
  job.spec_json = R"({"version": "models/m/versions/2", "reference": "models/m/versions/1"})";
  job.result_json =
      R"({"comparison": {"pictures": 3, "values": [{"value": "y"}], "compared": [{"name": "a"}]}})";
  const v1::Job full = Convert(job);
  EXPECT_EQ(full.spec().compare().reference(), "models/m/versions/1");
  EXPECT_EQ(full.result().comparison().values_size(), 1);
  EXPECT_EQ(full.result().comparison().compared_size(), 1);
  const v1::Comparison brief = Convert(job, false).result().comparison();
  EXPECT_EQ(brief.pictures(), 3U);
  EXPECT_EQ(brief.values_size(), 0);
  EXPECT_EQ(brief.compared_size(), 0);
}

TEST(JobToProto, TrainingsHaveSpecsOfTheirOwnAndLongListsOnlyWithDetails) {
  jobs::Job job = RunningJob();
  job.kind = "train";
  job.spec_json = R"({"version": "models/m/versions/1", "options": {"epochs": 30}})";
  EXPECT_EQ(Convert(job).spec().train().options().epochs(), 30U);
  job.kind = "fine_tune";
  job.state = jobs::JobState::kSucceeded;
  job.spec_json = R"({"version": "models/m/versions/1", "training": {"rate": 0.003}})";
  job.result_json =
      R"({"training": {"version": "models/m/versions/2",
          "training": {"history": [{"epoch": "1"}], "layers": [{"name": "w"}], "value": 0.5},
          "evaluation": {"voc": {"classes": [{"label": "a", "curve": [{"recall": 1}]}]}},
          "report": {"tensors": [{"name": "w"}], "totals": {"tensors": "1"}},
          "calibration": {"layers": [{"name": "w"}], "activations": {"x": {"scale": 0.5}}}}})";
  const v1::Job full = Convert(job);
  EXPECT_DOUBLE_EQ(full.spec().fine_tune().training().rate(), 0.003);
  const v1::TrainingResult& whole = full.result().training();
  EXPECT_EQ(whole.training().history_size(), 1);
  EXPECT_EQ(whole.training().layers_size(), 1);
  EXPECT_EQ(whole.evaluation().voc().classes(0).curve_size(), 1);
  EXPECT_EQ(whole.report().tensors_size(), 1);
  EXPECT_EQ(whole.calibration().activations_size(), 1);
  const v1::TrainingResult brief = Convert(job, false).result().training();
  EXPECT_EQ(brief.version(), "models/m/versions/2");
  EXPECT_DOUBLE_EQ(brief.training().value(), 0.5);
  EXPECT_EQ(brief.training().history_size(), 0);
  EXPECT_EQ(brief.training().layers_size(), 0);
  EXPECT_EQ(brief.evaluation().voc().classes(0).curve_size(), 0);
  EXPECT_EQ(brief.report().tensors_size(), 0);
  EXPECT_EQ(brief.calibration().layers_size(), 0);
  EXPECT_EQ(brief.calibration().activations_size(), 0);
}

TEST(EventToProto, ReadsEachKind) {
  const auto convert = [](const std::string& json) {
    jobs::Event event;
    event.cursor = 5;
    event.time = kTime;
    event.json = json;
    v1::JobEvent out;
    ToProto(event, &out);
    EXPECT_EQ(out.cursor(), 5U);
    EXPECT_EQ(out.time().seconds(), 1'700'000'000);
    return out;
  };
  EXPECT_EQ(convert(R"({"state": {"state": "JOB_STATE_RUNNING", "attempt": 2}})").state().attempt(),
            2U);
  EXPECT_EQ(convert(R"({"progress": {"step": "9"}})").progress().step(), 9U);
  EXPECT_EQ(convert(R"({"message": {"severity": "warning", "text": "x"}})").message().text(), "x");
  EXPECT_TRUE(convert(R"({"checkpoint": {"step": "3", "metric": 0.5}})").checkpoint().has_metric());
  EXPECT_EQ(convert(R"({"invented": {}})").kind_case(), v1::JobEvent::KIND_NOT_SET);
}

TEST(CheckpointToProto, LeavesOutAMetricThatThereIsNone) {
  jobs::CheckpointInfo info;
  info.sha256 = std::string(64, 'a');
  info.size_bytes = 10;
  info.step = 3;
  info.create_time = kTime;
  v1::JobCheckpoint out;
  ToProto(info, &out);
  EXPECT_EQ(out.artifact(), "artifacts/" + std::string(64, 'a'));
  EXPECT_FALSE(out.has_metric());
  info.metric = 0.25;
  info.best = true;
  ToProto(info, &out);
  EXPECT_DOUBLE_EQ(out.metric(), 0.25);
  EXPECT_TRUE(out.best());
}

}  // namespace
}  // namespace lbw::rpc

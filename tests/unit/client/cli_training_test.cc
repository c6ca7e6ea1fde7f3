// Training on the command line, against the server in memory.
#include <filesystem>
#include <sstream>

#include "client/cpp/cli.h"
#include "client/cpp/commands/folder_dataset.h"
#include "client/cpp/job_words.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "unit/client/make_training.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class CliTraining : public ::testing::Test {
 protected:
  CliTraining() {
    server.models.model.set_name("models/face");
    server.models.version.set_name("models/face/versions/3");
    server.models.version.set_parent_version("models/face/versions/1");
    server.jobs.training = MakeTrainingResult();
    v1::Dataset& dataset = server.datasets.datasets["datasets/faces"];
    dataset.set_name("datasets/faces");
    dataset.set_state(v1::DATASET_STATE_READY);
  }
  int Run(std::vector<std::string> arguments) {
    out.str("");
    err.str("");
    arguments.insert(arguments.begin(), {"--server", server.address()});
    return RunCli(arguments, {out, err}, canceller);
  }

  lbw::testing::TempDir dir;
  FakeServer server;
  Canceller canceller;
  std::ostringstream out;
  std::ostringstream err;
};

TEST_F(CliTraining, TrainWaitsPrintsPlotsAndReports) {
  EXPECT_EQ(Run({"train", "face/1", "--dataset", "faces", "--epochs", "3", "--rate", "0.001",
                 "--eval", "faces:val", "--no-augment", "--loss", "labels=1,distill=0.5", "--plot",
                 dir.File("t.png"), "--report", dir.File("r.json"), "--label", "run=a"}),
            0)
      << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("3 epochs, 135 steps of 16"),
                               HasSubstr("created face/3, map_50 0.9371\n")));
  EXPECT_THAT(ReadText(dir.File("t.png")), StartsWith("\x89PNG"));
  v1::TrainingResult result;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(ReadText(dir.File("r.json")), &result).ok());
  EXPECT_EQ(result.training().history_size(), 3);
  ASSERT_THAT(server.jobs.Created(), SizeIs(1));
  const v1::CreateJobRequest request = server.jobs.Created().front();
  const v1::TrainSpec& spec = request.spec().train();
  EXPECT_EQ(spec.version(), "models/face/versions/1");
  EXPECT_EQ(spec.data().dataset(), "datasets/faces");
  EXPECT_EQ(spec.data().eval_split(), "val");
  EXPECT_TRUE(spec.data().augment().off());
  EXPECT_EQ(spec.options().epochs(), 3U);
  EXPECT_DOUBLE_EQ(spec.options().distill(), 0.5);
  EXPECT_FALSE(spec.options().has_batch());
  EXPECT_EQ(request.labels().at("run"), "a");
}

TEST_F(CliTraining, FineTuneTakesTheGridAndASpecFile) {
  WriteText(dir.File("ft.yaml"),
            "options: {bits: 3}\ndata: {dataset: datasets/faces}\n"
            "training: {epochs: 8, schedule: constant}\n");
  EXPECT_EQ(Run({"finetune", "face", "--spec", dir.File("ft.yaml"), "--epochs", "2", "--scale",
                 "pow2", "--images", "32", "--stages", "6,4", "--json"}),
            0)
      << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("\"training\""), HasSubstr("models/face/versions/3")));
  ASSERT_THAT(server.jobs.Created(), SizeIs(1));
  const v1::FineTuneSpec spec = server.jobs.Created().front().spec().fine_tune();
  EXPECT_EQ(spec.version(), "models/face");
  EXPECT_EQ(spec.options().bits(), 3U);
  EXPECT_EQ(spec.data().dataset(), "datasets/faces");
  EXPECT_EQ(spec.training().epochs(), 2U);
  EXPECT_EQ(spec.training().schedule(), v1::RATE_SCHEDULE_CONSTANT);
  EXPECT_EQ(spec.calibration().count(), 32U);
  EXPECT_EQ(spec.calibration().scale(), v1::SCALE_KIND_POW2);
  EXPECT_EQ(spec.calibration().dataset(), "");
  EXPECT_EQ(spec.low_bit().stages_size(), 2);
}

TEST_F(CliTraining, DryRunAndNoWait) {
  EXPECT_EQ(Run({"finetune", "face", "--dataset", "faces", "--bits", "4", "--dry-run"}), 0)
      << err.str();
  EXPECT_THAT(out.str(), HasSubstr("would fine-tune"));
  EXPECT_TRUE(server.jobs.Created().front().validate_only());
  EXPECT_EQ(Run({"train", "face", "--dataset", "faces", "--no-wait"}), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("created jobs/"));
}

TEST_F(CliTraining, WrongOptionsCostNoCall) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> rows = {
      {{"train", "face"}, "--dataset is needed"},
      {{"train", "face", "--dataset", "faces", "--loss", "label=1"}, "--loss"},
      {{"train", "face", "--dataset", "faces", "--schedule", "linear"}, "--schedule"},
      {{"train", "face", "--dataset", "faces", "--no-wait", "--plot", dir.File("x.png")},
       "--no-wait"},
      {{"train", "face", "--dataset", "faces", "--bits", "4"}, "--bits"},
      {{"finetune", "face", "--dataset", "faces"}, "--bits must be 2..6"},
      {{"finetune", "face", "--dataset", "faces", "--bits", "7"}, "--bits must be 2..6"},
      {{"finetune", "face", "--dataset", "faces", "--bits", "2", "--scale", "x"}, "--scale"},
  };
  for (const auto& [arguments, words] : rows) {
    SCOPED_TRACE(words);
    EXPECT_EQ(Run(arguments), 1);
    EXPECT_THAT(err.str(), AllOf(StartsWith("INVALID_ARGUMENT"), HasSubstr(words)));
  }
  EXPECT_EQ(Run({"train", "face", "--dataset", "faces", "--spec", dir.File("none.yaml")}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("NOT_FOUND"), HasSubstr("--spec")));
  EXPECT_THAT(server.jobs.Created(), IsEmpty());
}

TEST_F(CliTraining, AVersionShowsHowItWasTrained) {
  *server.models.version.mutable_training() = MakeTraining();
  *server.models.model.add_versions() = server.models.version;
  EXPECT_EQ(Run({"model", "get", "face/3"}), 0) << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("trained on 720 pictures"), HasSubstr("0.9371"),
                               Not(HasSubstr("conv1.weight"))));
  EXPECT_EQ(Run({"model", "get", "face/3", "--layers"}), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("conv1.weight"));
}

TEST(TrainingJobWords, SayWhatIsTrained) {
  v1::Job job;
  v1::TrainSpec& train = *job.mutable_spec()->mutable_train();
  train.set_version("models/face/versions/1");
  train.mutable_data()->set_dataset("datasets/faces");
  train.mutable_data()->set_split("train");
  train.mutable_options()->set_epochs(30);
  EXPECT_EQ(JobSubject(job), "face/1 on faces (train), 30 epochs");
  v1::FineTuneSpec& tune = *job.mutable_spec()->mutable_fine_tune();
  tune.set_version("models/face/versions/1");
  tune.mutable_options()->set_bits(3);
  tune.mutable_data()->set_dataset("datasets/faces");
  tune.mutable_training()->set_epochs(4);
  EXPECT_EQ(JobSubject(job), "face/1 to 3 bits on faces, 4 epochs");
  EXPECT_LT(ValueRank("map_50"), ValueRank("loss"));
  EXPECT_LT(ValueRank("loss"), ValueRank("distill.scores"));
  EXPECT_EQ(ValueRank("a"), ValueRank("b"));
}

TEST(DataDatasetId, IsAlwaysAName) {
  EXPECT_EQ(DataDatasetId("face", "0123456789abcdef"), "face-data-01234567");
  EXPECT_EQ(DataDatasetId(std::string(63, 'm'), std::string(64, 'a')).size(), 63U);
}

}  // namespace
}  // namespace lbw::client

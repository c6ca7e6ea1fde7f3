// Calibrated quantization and comparison on the command line, against the server in memory.
#include <filesystem>
#include <sstream>

#include "client/cpp/cli.h"
#include "client/cpp/commands/folder_dataset.h"
#include "client/cpp/job_words.h"
#include "client/cpp/plot.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "unit/client/make_calibration.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class CliCalibration : public ::testing::Test {
 protected:
  CliCalibration() {
    server.models.model.set_name("models/face");
    server.models.version.set_name("models/face/versions/3");
    server.models.version.set_parent_version("models/face/versions/1");
    server.jobs.quantization = MakeQuantization();
    server.jobs.comparison = MakeComparison();
    plot::Figure figure;
    figure.panels.emplace_back(plot::Chart{});
    server.detection.png = *plot::RenderPng(figure);
    std::filesystem::create_directories(dir.File("photos/more"));
    for (const char* name : {"good.jpg", "bad.jpg", "more/shifted.jpg"}) {
      WriteText(dir.File("photos/" + std::string(name)), name);
    }
  }
  int Run(std::vector<std::string> arguments) {
    out.str("");
    err.str("");
    arguments.insert(arguments.begin(), {"--server", server.address()});
    return RunCli(arguments, {out, err}, canceller);
  }
  void PutDataset(const std::string& name) {
    v1::Dataset& dataset = server.datasets.datasets["datasets/" + name];
    dataset.set_name("datasets/" + name);
    dataset.set_state(v1::DATASET_STATE_READY);
  }

  lbw::testing::TempDir dir;
  FakeServer server;
  Canceller canceller;
  std::ostringstream out;
  std::ostringstream err;
};

TEST_F(CliCalibration, QuantizeOnADatasetWaitsPrintsAndPlots) {
  PutDataset("faces");
  EXPECT_EQ(Run({"model",
                 "quantize",
                 "face",
                 "--bits",
                 "4",
                 "--calibrate",
                 "faces",
                 "--split",
                 "train",
                 "--seed",
                 "7",
                 "--measure",
                 "faces:val",
                 "--plot",
                 dir.File("q.png"),
                 "--report",
                 dir.File("r.json"),
                 "--priority",
                 "5",
                 "--label",
                 "run=a",
                 "--submitter",
                 "ann"}),
            0)
      << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("calibrated on 64 pictures"), HasSubstr("conv2"),
                               HasSubstr("created face/3, map_50 0.8912\n")));
  EXPECT_THAT(ReadText(dir.File("q.png")), StartsWith("\x89PNG"));
  v1::QuantizationResult result;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(ReadText(dir.File("r.json")), &result).ok());
  EXPECT_EQ(result.calibration().layers_size(), 9);
  ASSERT_THAT(server.jobs.Created(), SizeIs(1));
  const v1::CreateJobRequest request = server.jobs.Created().front();
  const v1::QuantizeSpec& spec = request.spec().quantize();
  EXPECT_EQ(spec.version(), "models/face");
  EXPECT_EQ(spec.options().bits(), 4U);
  EXPECT_EQ(spec.calibration().dataset(), "datasets/faces");
  EXPECT_EQ(spec.calibration().split(), "train");
  EXPECT_EQ(spec.measure().split(), "val");
  EXPECT_EQ(request.priority(), 5);
  EXPECT_EQ(request.labels().at("run"), "a");
  EXPECT_EQ(request.submitter(), "ann");
  EXPECT_EQ(server.artifacts.bytes_received(), 0U);
}

TEST_F(CliCalibration, QuantizeAsJsonDryRunAndNoWait) {
  EXPECT_EQ(Run({"model", "quantize", "face/1", "--calibrate", "faces", "--budget-bytes", "300k",
                 "--json"}),
            0)
      << err.str();
  v1::JobResult result;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &result).ok());
  EXPECT_EQ(result.quantization().version(), "models/face/versions/3");
  EXPECT_EQ(server.jobs.Created().back().spec().quantize().widths().budget_bytes(), 307200U);
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", "faces", "--dry-run"}),
            0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("would quantize"), HasSubstr("face to 4 bits on faces"),
                               HasSubstr("1:30")));
  EXPECT_TRUE(server.jobs.Created().back().validate_only());
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", "faces", "--no-wait",
                 "--request-id", "r1"}),
            0);
  EXPECT_THAT(out.str(), StartsWith("created jobs/"));
  EXPECT_EQ(server.jobs.Created().back().request_id(), "r1");
}

// A script that asked for a drop must notice a version that has a larger one.
TEST_F(CliCalibration, AMissedDropIsAWarningAndAnExitStatusOfItsOwn) {
  v1::CalibrationReport& report = *server.jobs.quantization.mutable_calibration();
  AddPlan(report);
  report.mutable_plan()->clear_budget_bytes();
  report.mutable_plan()->set_max_drop(0.005);
  report.mutable_plan()->set_verdict("the drop is 0.02, above 0.005");
  const std::vector<std::string> asked = {"model", "quantize",   "face", "--calibrate",
                                          "faces", "--max-drop", "0.005"};
  EXPECT_EQ(Run(asked), kDropMissedStatus);
  EXPECT_THAT(out.str(), HasSubstr("created face/3")) << "the version is there all the same";
  EXPECT_THAT(err.str(), AllOf(HasSubstr("--max-drop 0.005 is missed by face/3"),
                               HasSubstr("the drop is 0.02, above 0.005")));
  report.mutable_plan()->set_reached(true);
  EXPECT_EQ(Run(asked), 0) << err.str();
}

TEST_F(CliCalibration, LayersThatAJobLeavesOutComeFromTheVersion) {
  server.jobs.quantization.mutable_calibration()->clear_layers();
  *server.models.version.mutable_calibration() = MakeCalibration();
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", "faces"}), 0)
      << err.str();
  EXPECT_THAT(out.str(), HasSubstr("conv2"));
}

TEST_F(CliCalibration, WithoutCalibrateItIsTheCallItWas) {
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "3", "--scheme", "threshold", "--mu", "0.5",
                 "--keep-float", "a*"}),
            0)
      << err.str();
  EXPECT_EQ(server.models.last_quantize.options().ShortDebugString(),
            "bits: 3 scheme: SCHEME_THRESHOLD mu_ratio: 0.5 rules { match: \"a*\" keep_float: true "
            "}");
  EXPECT_THAT(out.str(), HasSubstr("created face/3 from face/1"));
  EXPECT_THAT(server.jobs.Created(), IsEmpty());
}

TEST_F(CliCalibration, OptionsThatNeedCalibrateAreRefusedWithoutIt) {
  const std::vector<std::vector<std::string>> options = {
      {"--images", "64"},     {"--split", "val"},    {"--seed", "1"},
      {"--positions", "400"}, {"--scale", "real"},   {"--budget-bytes", "1M"},
      {"--max-drop", "0.01"}, {"--widths", "2,3"},   {"--measure", "faces"},
      {"--threads", "2"},     {"--no-measure"},      {"--measure-pictures", "5"},
      {"--no-wait"},          {"--priority", "1"},   {"--request-id", "r"},
      {"--plot", "p.png"},    {"--report", "r.json"}};
  for (const std::vector<std::string>& option : options) {
    std::vector<std::string> command = {"model", "quantize", "face", "--bits", "4"};
    command.insert(command.end(), option.begin(), option.end());
    EXPECT_EQ(Run(command), 1) << option.front();
    EXPECT_THAT(err.str(), AllOf(StartsWith("INVALID_ARGUMENT: " + option.front()),
                                 HasSubstr("requires --calibrate")));
  }
  EXPECT_EQ(
      Run({"model", "quantize", "face", "--bits", "4", "--scheme", "threshold", "--mu", "auto"}),
      1);
  EXPECT_THAT(err.str(), HasSubstr("--mu auto is chosen by tests on pictures; it needs "
                                   "--calibrate"));
  EXPECT_EQ(Run({"model", "quantize", "face"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("--bits is required"));
  EXPECT_EQ(server.models.last_quantize.version(), "");
}

TEST_F(CliCalibration, WrongOptionsCostNoUpload) {
  const std::string photos = dir.File("photos");
  EXPECT_EQ(Run({"model", "quantize", "face", "--calibrate", photos}), 1);
  EXPECT_EQ(
      Run({"model", "quantize", "face", "--bits", "4", "--calibrate", photos, "--images", "0"}), 1);
  EXPECT_EQ(Run({"model", "quantize", "no", "--bits", "4", "--calibrate", photos}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: "));
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", photos, "--plot",
                 dir.File("no/q.png")}),
            1);
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", photos, "--no-wait",
                 "--plot", dir.File("q.png")}),
            1);
  EXPECT_THAT(err.str(), HasSubstr("--plot and --report need the result"));
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", dir.File("none")}), 1);
  EXPECT_THAT(err.str(), HasSubstr("is neither a folder here nor a dataset's name"));
  EXPECT_EQ(server.artifacts.bytes_received(), 0U);
  EXPECT_THAT(server.jobs.Created(), IsEmpty());
}

TEST_F(CliCalibration, AFolderBecomesADatasetOnce) {
  const std::vector<std::string> command = {"model",       "quantize",        "face", "--bits", "4",
                                            "--calibrate", dir.File("photos")};
  std::vector<std::string> dry_run = command;
  dry_run.push_back("--dry-run");
  EXPECT_EQ(Run(dry_run), 1);
  EXPECT_THAT(err.str(), HasSubstr("FAILED_PRECONDITION: the pictures in "));
  EXPECT_EQ(server.artifacts.bytes_received(), 0U);

  EXPECT_EQ(Run(command), 0) << err.str();
  const v1::CreateDatasetRequest made = server.datasets.last_create;
  EXPECT_THAT(made.dataset_id(), MatchesRegex("face-pictures-[0-9a-f]{8}"));
  EXPECT_EQ(made.artifact().substr(10, 8), made.dataset_id().substr(14));
  EXPECT_EQ(made.format(), v1::DATASET_FORMAT_PICTURES);
  const std::string name = "datasets/" + made.dataset_id();
  EXPECT_EQ(server.jobs.Created().back().spec().quantize().calibration().dataset(), name);
  EXPECT_EQ(server.jobs.Created().back().spec().quantize().calibration().split(), "");
  // Its archive went; the same pictures are found again without it.
  EXPECT_EQ(server.artifacts.Content(made.artifact().substr(10)), "");
  const uint64_t sent = server.artifacts.bytes_received();
  EXPECT_EQ(Run(command), 0) << err.str();
  EXPECT_EQ(Run(dry_run), 0) << err.str();
  EXPECT_EQ(server.artifacts.bytes_received(), sent);
  EXPECT_THAT(server.datasets.datasets, SizeIs(1));
  // Other content under that name is not taken for it.
  server.datasets.datasets[name].set_source_artifact("artifacts/other");
  EXPECT_EQ(Run(command), 1);
  EXPECT_THAT(err.str(), HasSubstr("ALREADY_EXISTS: " + name + " holds other pictures"));
}

TEST_F(CliCalibration, ANameIsADatasetBeforeItIsAFolder) {
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(dir.File("."));
  PutDataset("photos");
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", "photos"}), 0);
  EXPECT_EQ(server.jobs.Created().back().spec().quantize().calibration().dataset(),
            "datasets/photos");
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", "./photos"}), 0);
  EXPECT_THAT(server.jobs.Created().back().spec().quantize().calibration().dataset(),
              StartsWith("datasets/face-pictures-"));
  server.datasets.datasets.clear();
  EXPECT_EQ(Run({"model", "quantize", "face", "--bits", "4", "--calibrate", "photos"}), 0);
  EXPECT_THAT(server.jobs.Created().back().spec().quantize().calibration().dataset(),
              StartsWith("datasets/face-pictures-"));
  std::filesystem::current_path(here);
}

TEST(PicturesDatasetId, IsAlwaysAName) {
  EXPECT_EQ(PicturesDatasetId("face", "0123456789abcdef"), "face-pictures-01234567");
  const std::string id = PicturesDatasetId(std::string(63, 'm'), std::string(64, 'a'));
  EXPECT_THAT(id, SizeIs(63));
  EXPECT_THAT(id, MatchesRegex("m+-pictures-aaaaaaaa"));
}

TEST_F(CliCalibration, GetShowsTheCalibrationShortOrWhole) {
  *server.models.version.mutable_calibration() = MakeCalibration();
  *server.models.model.add_versions() = server.models.version;
  EXPECT_EQ(Run({"model", "get", "face/3"}), 0) << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("the layers that hurt most"), HasSubstr("0.8912"),
                               Not(HasSubstr("conv7"))));
  EXPECT_EQ(Run({"model", "get", "face/3", "--layers"}), 0) << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("conv7"), HasSubstr("28.5 s")));
}

TEST_F(CliCalibration, JobsOfBothKinds) {
  EXPECT_EQ(Run({"model", "compare", "face/2", "--dataset", "faces", "--no-wait"}), 0) << err.str();
  EXPECT_EQ(Run({"job", "get", "latest"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("face/2 on faces"), HasSubstr("bad.jpg"),
                               HasSubstr("face/2 against face/1: agreement 0.9731")));
  EXPECT_EQ(Run({"model", "quantize", "face/1", "--bits", "4", "--calibrate", "faces", "--split",
                 "train", "--no-wait"}),
            0);
  EXPECT_EQ(Run({"job", "get", "latest", "--plot", dir.File("j.png")}), 0) << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("face/1 to 4 bits on faces (train)"),
                               HasSubstr("face/3, map_50 0.8912"), HasSubstr("conv2")));
  EXPECT_THAT(ReadText(dir.File("j.png")), StartsWith("\x89PNG"));
  EXPECT_EQ(Run({"job", "list"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("quantize"), HasSubstr("compare"),
                               HasSubstr("face/3, map_50 0.8912")));
}

TEST_F(CliCalibration, CompareOnADatasetPrintsBothTables) {
  EXPECT_EQ(Run({"model", "compare", "face/2", "face/1", "--dataset", "faces", "--split", "val",
                 "--count", "100", "--seed", "7", "--score", "0.5"}),
            0)
      << err.str();
  EXPECT_THAT(out.str(),
              AllOf(StartsWith("face/2 against face/1"), HasSubstr("node5"), HasSubstr("bad.jpg")));
  EXPECT_EQ(server.jobs.Created().back().spec().compare().ShortDebugString(),
            "version: \"models/face/versions/2\" reference: \"models/face/versions/1\" dataset: "
            "\"datasets/faces\" split: \"val\" count: 100 seed: 7 options { score_threshold: 0.5 "
            "}");
  EXPECT_EQ(Run({"model", "compare", "face/2", "--dataset", "faces", "--json"}), 0);
  v1::JobResult result;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &result).ok());
  EXPECT_EQ(result.comparison().compared_size(), 4);
  EXPECT_EQ(server.jobs.Created().back().spec().compare().reference(), "");
}

TEST_F(CliCalibration, CompareDrawsTheWorstSideBySide) {
  const std::vector<std::string> command = {"model",    "compare",          "face/2",
                                            "--images", dir.File("photos"), "--out"};
  std::vector<std::string> sheet = command;
  sheet.push_back(dir.File("worst.png"));
  EXPECT_EQ(Run(sheet), 0) << err.str();
  EXPECT_THAT(ReadText(dir.File("worst.png")), StartsWith("\x89PNG"));
  EXPECT_THAT(server.jobs.Created().back().spec().compare().dataset(),
              StartsWith("datasets/face-pictures-"));
  // Both versions see each of the three pictures that did not fail, the reference first.
  ASSERT_THAT(server.detection.requests, SizeIs(6));
  EXPECT_EQ(server.detection.requests[0].model(), "models/face/versions/1");
  EXPECT_EQ(server.detection.requests[1].model(), "models/face/versions/2");
  EXPECT_FALSE(server.detection.requests[0].options().has_score_threshold());
  std::vector<std::string> folder = command;
  folder.insert(folder.end(), {dir.File("drawn"), "--score", "0.5"});
  EXPECT_EQ(Run(folder), 0) << err.str();
  for (const char* name : {"01-bad.png", "02-shifted.png", "03-good.png"}) {
    EXPECT_THAT(ReadText(dir.File("drawn/" + std::string(name))), StartsWith("\x89PNG")) << name;
  }
  EXPECT_EQ(server.detection.requests.back().options().score_threshold(), 0.5F);
}

TEST_F(CliCalibration, CompareDrawsWhatIsThere) {
  WriteText(dir.File("photos/bad.jpg"), "bad");  // the fake server cannot read it
  std::filesystem::remove(dir.File("photos/good.jpg"));
  EXPECT_EQ(Run({"model", "compare", "face/2", "--images", dir.File("photos"), "--out",
                 dir.File("drawn")}),
            0)
      << err.str();
  EXPECT_THAT(err.str(), AllOf(HasSubstr("bad.jpg is not drawn: not a picture"),
                               HasSubstr("good.jpg is not in ")));
  EXPECT_TRUE(std::filesystem::exists(dir.File("drawn/01-shifted.png")));
  server.jobs.comparison.clear_compared();
  EXPECT_EQ(Run({"model", "compare", "face/2", "--images", dir.File("photos"), "--out",
                 dir.File("none.png")}),
            1);
  EXPECT_THAT(err.str(), HasSubstr("NOT_FOUND: none of the compared pictures could be drawn"));
}

TEST_F(CliCalibration, CompareRefusesBeforeAnythingIsSent) {
  const std::string photos = dir.File("photos");
  EXPECT_EQ(Run({"model", "compare", "face/2"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("--images FOLDER or --dataset DATASET"));
  EXPECT_EQ(Run({"model", "compare", "face/2", "--images", photos, "--dataset", "faces"}), 1);
  EXPECT_EQ(Run({"model", "compare", "face/2", "--images", photos, "--split", "val"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("--split val belongs to --dataset"));
  EXPECT_EQ(Run({"model", "compare", "face/2", "--images", dir.File("none")}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: --images is no folder"));
  for (const char* count : {"0", "1025"}) {
    EXPECT_EQ(Run({"model", "compare", "face/2", "--dataset", "faces", "--count", count}), 1);
    EXPECT_THAT(err.str(), HasSubstr("--count must be 1..1024: " + std::string(count)));
  }
  EXPECT_EQ(Run({"model", "compare", "face/2", "--dataset", "faces", "--out", "o.png"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("it needs --images FOLDER"));
  EXPECT_EQ(Run({"model", "compare", "face/2", "--images", photos, "--out", photos + "/more"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("lies in --images"));
  EXPECT_EQ(Run({"model", "compare", "face/2", "--images", photos, "--out", dir.File("o.png"),
                 "--no-wait"}),
            1);
  EXPECT_THAT(server.jobs.Created(), IsEmpty());
  EXPECT_EQ(server.artifacts.bytes_received(), 0U);
}

TEST_F(CliCalibration, HelpHasExamples) {
  for (const char* name : {"quantize", "compare", "get"}) {
    EXPECT_EQ(Run({"model", name, "--help"}), 0);
    EXPECT_THAT(out.str(), HasSubstr("Examples:\n  lbw model")) << name;
  }
}

TEST(JobSubject, OfQuantizationsAndComparisons) {
  v1::Job job;
  v1::QuantizeSpec& quantize = *job.mutable_spec()->mutable_quantize();
  quantize.set_version("models/face/versions/1");
  quantize.mutable_calibration()->set_dataset("datasets/faces");
  quantize.mutable_widths()->set_budget_bytes(300 << 10);
  EXPECT_EQ(JobSubject(job), "face/1 to at most 300 KiB on faces");
  quantize.mutable_widths()->clear_budget_bytes();
  quantize.mutable_widths()->set_max_drop(0.005);
  EXPECT_EQ(JobSubject(job), "face/1 to a drop of at most 0.005 on faces");
  quantize.clear_widths();
  quantize.mutable_options()->set_bits(3);
  quantize.mutable_mu()->add_ratios(0.5);
  quantize.mutable_mu()->add_ratios(0.75);
  EXPECT_EQ(JobSubject(job), "face/1 to 3 bits, 2 values of mu on faces");
  v1::CompareSpec& compare = *job.mutable_spec()->mutable_compare();
  compare.set_version("models/face/versions/2");
  compare.set_reference("models/face/versions/1");
  compare.set_dataset("datasets/faces");
  compare.set_split("val");
  EXPECT_EQ(JobSubject(job), "face/2 against face/1 on faces (val)");
}

}  // namespace
}  // namespace lbw::client

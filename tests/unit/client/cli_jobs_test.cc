// The commands around jobs, datasets, evaluations and promotion, against the server in memory.
#include <filesystem>
#include <sstream>

#include "client/cpp/cli.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kPrefix[] = "01hzzzzzzzzzzzzzzzzzzzzz";

class CliJobs : public ::testing::Test {
 protected:
  int Run(std::vector<std::string> arguments) {
    out.str("");
    err.str("");
    arguments.insert(arguments.begin(), {"--server", server.address()});
    return RunCli(arguments, {out, err}, canceller);
  }
  void PutJob(const std::string& id, v1::JobState state) {
    FakeJobs::Script script;
    script.job.set_name("jobs/" + id);
    script.job.set_kind("evaluate");
    script.job.set_state(state);
    v1::JobProgress& progress = *script.events.emplace_back().mutable_progress();
    progress.set_stage("evaluate");
    progress.set_step(10);
    (*progress.mutable_values())["map_50"] = 0.5;
    server.jobs.Put(script);
  }
  void PutDataset(const std::string& name) {
    v1::Dataset& dataset = server.datasets.datasets["datasets/" + name];
    dataset.set_name("datasets/" + name);
    dataset.set_state(v1::DATASET_STATE_READY);
    dataset.set_pack_artifact("artifacts/pack");
  }

  lbw::testing::TempDir dir;
  FakeServer server;
  Canceller canceller;
  std::ostringstream out;
  std::ostringstream err;
};

TEST_F(CliJobs, EveryCommandHasHelpWithExamples) {
  std::vector<std::vector<std::string>> commands = {{"evaluate"}, {"dataset"}, {"job"}};
  for (const char* name : {"create", "list", "get", "defects", "show", "delete"}) {
    commands.push_back({"dataset", name});
  }
  for (const char* name :
       {"list", "get", "watch", "cancel", "pause", "resume", "delete", "checkpoints", "log"}) {
    commands.push_back({"job", name});
  }
  for (const char* name : {"alias", "rollback", "history", "lineage", "evaluations"}) {
    commands.push_back({"model", name});
  }
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    EXPECT_EQ(Run(command), 0) << err.str();
    EXPECT_THAT(out.str(), HasSubstr("Examples:\n  lbw ")) << command.front();
  }
}

TEST_F(CliJobs, AFolderBecomesADatasetAndItsArchiveGoes) {
  std::filesystem::create_directories(dir.File("voc/Annotations"));
  WriteText(dir.File("voc/Annotations/1.xml"), "<annotation/>");
  EXPECT_EQ(Run({"dataset", "create", "faces", dir.File("voc"), "--format", "voc", "--classes",
                 "mask,no_mask", "--map", "HaveMask=mask,NoMask=no_mask", "--submitter", "ann"}),
            0)
      << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("faces, READY"), HasSubstr("box_outside     12        11"),
                               HasSubstr("Annotations/7.xml")));
  const v1::CreateDatasetRequest& request = server.datasets.last_create;
  EXPECT_EQ(request.dataset_id(), "faces");
  EXPECT_EQ(request.format(), v1::DATASET_FORMAT_VOC);
  EXPECT_THAT(request.classes(), ElementsAre("mask", "no_mask"));
  EXPECT_EQ(request.class_map().at("NoMask"), "no_mask");
  EXPECT_EQ(request.submitter(), "ann");
  EXPECT_GT(server.artifacts.bytes_received(), 0U);
  EXPECT_EQ(server.artifacts.Content(request.artifact().substr(10)), "");
}

TEST_F(CliJobs, AnArchiveStaysAndOneThatIsNeededElsewhereIsNoError) {
  WriteText(dir.File("voc.zip"), "a zip");
  EXPECT_EQ(Run({"dataset", "create", "faces", dir.File("voc.zip"), "--json"}), 0) << err.str();
  v1::Dataset dataset;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &dataset).ok());
  EXPECT_EQ(server.artifacts.Content(server.datasets.last_create.artifact().substr(10)), "a zip");
  std::filesystem::create_directory(dir.File("voc"));
  WriteText(dir.File("voc/1.txt"), "1");
  server.artifacts.delete_errors = {{grpc::StatusCode::FAILED_PRECONDITION, "in use", "IN_USE"}};
  EXPECT_EQ(Run({"dataset", "create", "more", dir.File("voc")}), 0);
  EXPECT_THAT(err.str(), Not(HasSubstr("warning")));
  EXPECT_EQ(Run({"dataset", "create", "kept", dir.File("voc"), "--keep-archive"}), 0);
  EXPECT_NE(server.artifacts.Content(server.datasets.last_create.artifact().substr(10)), "");
}

TEST_F(CliJobs, WhatCannotBeADatasetCostsNoUpload) {
  WriteText(dir.File("voc.zip"), "a zip");
  const std::string file = dir.File("voc.zip");
  PutDataset("faces");
  EXPECT_EQ(Run({"dataset", "create", "faces", file}), 1);
  EXPECT_THAT(err.str(), StartsWith("ALREADY_EXISTS: datasets/faces exists and is READY"));
  EXPECT_EQ(Run({"dataset", "create", "Faces", file}), 1);
  EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: 'Faces'"));
  EXPECT_EQ(Run({"dataset", "create", "new", file, "--format", "zip"}), 1);
  EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: --format must be"));
  EXPECT_EQ(Run({"dataset", "create", "new", file, "--map", "a"}), 1);
  EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: --map is"));
  std::filesystem::create_directory(dir.File("empty"));
  EXPECT_EQ(Run({"dataset", "create", "new", dir.File("empty")}), 1);
  EXPECT_THAT(err.str(), HasSubstr("there are no files in"));
  EXPECT_EQ(server.artifacts.bytes_received(), 0U);
}

TEST_F(CliJobs, ACheckThatFailsIsTheCommandsError) {
  WriteText(dir.File("voc.zip"), "a zip");
  EXPECT_EQ(Run({"dataset", "create", "broken", dir.File("voc.zip")}), 1);
  EXPECT_EQ(err.str().substr(err.str().find("INVALID")),
            "INVALID_ARGUMENT: nothing usable in it\n");
}

TEST_F(CliJobs, DatasetsListDefectsSheetDelete) {
  PutDataset("faces");
  for (const char* kind : {"zero_area", "box_outside"}) {
    server.datasets.defects.add_defects()->set_kind(kind);
  }
  server.datasets.defects.set_not_kept(2000);
  EXPECT_EQ(Run({"dataset", "list"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("faces  READY"));
  EXPECT_EQ(Run({"dataset", "defects", "faces", "--kind", "zero_area"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("zero_area"), Not(HasSubstr("box_outside"))));
  EXPECT_THAT(err.str(), HasSubstr("2,000 more"));
  EXPECT_EQ(Run({"dataset", "show", "faces", "--out", dir.File("s.png"), "--columns", "3", "--rows",
                 "2", "--class", "mask", "--seed", "7"}),
            0);
  EXPECT_EQ(ReadText(dir.File("s.png")), "a picture");
  EXPECT_EQ(server.datasets.last_render.class_name(), "mask");
  EXPECT_THAT(out.str(), HasSubstr("6 pictures"));
  EXPECT_EQ(Run({"dataset", "delete", "faces"}), 0);
  EXPECT_EQ(Run({"dataset", "get", "faces"}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: "));
}

TEST_F(CliJobs, EvaluateWaitsPrintsAndPlots) {
  EXPECT_EQ(
      Run({"evaluate",    "face/2",  "--dataset",    "faces",     "--split",    "val",
           "--score",     "0.1",     "--against",    "face/1",    "--priority", "5",
           "--label",     "run=a=b", "--pixel-rule", "inclusive", "--plot",     dir.File("c.png"),
           "--submitter", "ann"}),
      0)
      << err.str();
  EXPECT_THAT(out.str(), AllOf(HasSubstr("face/2 on faces (val)"), HasSubstr("0.8957")));
  EXPECT_THAT(ReadText(dir.File("c.png")), StartsWith("\x89PNG"));
  ASSERT_THAT(server.jobs.Created(), SizeIs(1));
  const v1::CreateJobRequest request = server.jobs.Created().front();
  const v1::EvaluateSpec& spec = request.spec().evaluate();
  EXPECT_EQ(spec.version(), "models/face/versions/2");
  EXPECT_EQ(spec.against(), "models/face/versions/1");
  EXPECT_EQ(spec.options().score_threshold(), 0.1F);
  EXPECT_FALSE(spec.options().has_iou_threshold());
  EXPECT_FALSE(spec.options().has_per_class_nms());
  EXPECT_EQ(request.labels().at("run"), "a=b");
  EXPECT_EQ(request.priority(), 5);
  EXPECT_EQ(request.submitter(), "ann");
  EXPECT_THAT(request.request_id(), SizeIs(26));
}

TEST_F(CliJobs, EvaluateAsJsonDryRunAndNoWait) {
  EXPECT_EQ(Run({"evaluate", "face", "--dataset", "faces", "--json"}), 0) << err.str();
  v1::Evaluation evaluation;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &evaluation).ok());
  EXPECT_EQ(evaluation.metric(), "map_50");
  EXPECT_EQ(Run({"evaluate", "face", "--dataset", "faces", "--dry-run"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("1:30"), HasSubstr("a test")));
  EXPECT_TRUE(server.jobs.Created().back().validate_only());
  EXPECT_EQ(Run({"evaluate", "face", "--dataset", "faces", "--no-wait", "--request-id", "r1"}), 0);
  EXPECT_THAT(out.str(), StartsWith("created jobs/"));
  EXPECT_EQ(server.jobs.Created().back().request_id(), "r1");
}

TEST_F(CliJobs, EvaluateRefusesBeforeAnythingIsQueued) {
  EXPECT_EQ(Run({"evaluate", "face", "--dataset", "faces", "--plot", dir.File("no/c.png")}), 1);
  EXPECT_EQ(Run({"evaluate", "face", "--dataset", "faces", "--pixel-rule", "odd"}), 1);
  EXPECT_EQ(Run({"evaluate", "face", "--dataset", "faces", "--label", "x"}), 1);
  EXPECT_EQ(Run({"evaluate", "face"}), 1);
  EXPECT_THAT(server.jobs.Created(), IsEmpty());
}

TEST_F(CliJobs, AJobThatFailsIsTheCommandsError) {
  v1::Job end;
  end.set_state(v1::JOB_STATE_FAILED);
  end.mutable_error()->set_code(8);
  end.mutable_error()->set_message("out of memory");
  server.jobs.next_ends = {end};
  EXPECT_EQ(Run({"evaluate", "face", "--dataset", "faces"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("RESOURCE_EXHAUSTED: out of memory\n"));
  EXPECT_THAT(out.str(), IsEmpty());
}

TEST_F(CliJobs, JobsByEveryName) {
  PutJob(std::string(kPrefix) + "ab", v1::JOB_STATE_SUCCEEDED);
  PutJob("01hyyyyyyyyyyyyyyyyyyyyyyy", v1::JOB_STATE_RUNNING);
  const std::string whole = std::string(kPrefix) + "ab";
  for (const std::string& text :
       {whole, "jobs/" + whole, std::string("01hz"), std::string("zzab")}) {
    EXPECT_EQ(Run({"job", "get", text}), 0) << text << err.str();
    EXPECT_THAT(out.str(), HasSubstr("jobs/" + whole));
  }
  EXPECT_EQ(Run({"job", "get", "latest"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("jobs/01hyy"));
  EXPECT_EQ(Run({"job", "get", "01h"}), 1);
  EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: '01h' does not name a job"));
  EXPECT_EQ(Run({"job", "get", "9999"}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: no job's id has 9999"));
  PutJob("01hzyyyyyyyyyyyyyyyyyyyyyy", v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Run({"job", "get", "01hz"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("means 2 jobs"));
}

TEST_F(CliJobs, WatchPrintsLinesAndEndsAsTheJobDid) {
  PutJob(std::string(kPrefix) + "01", v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Run({"job", "watch", "latest"}), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("evaluate 10, map_50 0.5\n"));
  EXPECT_EQ(Run({"job", "watch", "latest", "--json"}), 0);
  std::istringstream lines(out.str());
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    v1::WatchJobResponse parsed;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &parsed).ok()) << line;
  }
  EXPECT_EQ(count, 3);
  PutJob(std::string(kPrefix) + "02", v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Run({"job", "watch", "latest", "--quiet"}), 1);
  EXPECT_EQ(err.str(), "CANCELLED: jobs/" + std::string(kPrefix) + "02 was cancelled\n");
  EXPECT_THAT(out.str(), IsEmpty());
}

TEST_F(CliJobs, ListPauseCancelCheckpointsLogAndCurves) {
  PutJob(std::string(kPrefix) + "01", v1::JOB_STATE_RUNNING);
  PutJob(std::string(kPrefix) + "02", v1::JOB_STATE_FAILED);
  EXPECT_EQ(Run({"job", "list", "--filter", "kind = evaluate", "--active"}), 0);
  EXPECT_EQ(server.jobs.last_filter, "kind = evaluate AND state = active");
  EXPECT_THAT(out.str(), AllOf(HasSubstr("RUNNING"), HasSubstr("FAILED")));
  EXPECT_EQ(Run({"job", "list", "--limit", "1", "--json"}), 0);
  v1::ListJobsResponse list;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &list).ok());
  EXPECT_EQ(list.jobs_size(), 1);
  EXPECT_EQ(Run({"job", "pause", "latest"}), 0);
  EXPECT_EQ(out.str(), std::string(kPrefix) + "02 is PAUSING\n");
  EXPECT_EQ(Run({"job", "cancel", "latest"}), 1);
  EXPECT_THAT(err.str(), StartsWith("FAILED_PRECONDITION: "));
  EXPECT_EQ(Run({"job", "checkpoints", "latest"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("eeeeeeeeeeee  1,000"), HasSubstr("best")));
  EXPECT_EQ(Run({"job", "log", "latest"}), 0);
  EXPECT_EQ(out.str(), "one\n?[2Jtwo\n");
  EXPECT_THAT(err.str(), HasSubstr("1.00 KiB of 4.00 KiB were not kept"));
  EXPECT_EQ(Run({"job", "get", "latest", "--plot", dir.File("j.png")}), 0) << err.str();
  EXPECT_THAT(ReadText(dir.File("j.png")), StartsWith("\x89PNG"));
}

TEST_F(CliJobs, AnAliasCarriesItsRules) {
  EXPECT_EQ(Run({"model", "alias", "face", "stable", "2", "--require", "dataset=faces,min=0.85",
                 "--require", "dataset=faces,max-drop=0.01,against=1", "--comment", "smaller",
                 "--submitter", "ann"}),
            0)
      << err.str();
  const v1::SetAliasRequest& request = server.models.last_alias;
  ASSERT_EQ(request.require_size(), 2);
  EXPECT_EQ(request.require(0).min_value(), 0.85);
  EXPECT_EQ(request.require(1).against(), "models/face/versions/1");
  EXPECT_EQ(request.comment(), "smaller");
  EXPECT_EQ(request.submitter(), "ann");
  EXPECT_THAT(server.jobs.Created(), IsEmpty());
  EXPECT_EQ(Run({"model", "alias", "face", "stable", "2", "--require", "min=1"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("a dataset is wanted"));
  EXPECT_EQ(Run({"model", "alias", "face", "stable", "2", "--evaluate"}), 1);
}

TEST_F(CliJobs, AliasRunsTheEvaluationsThatAreMissingAndOnlyThose) {
  PutDataset("faces");
  v1::Evaluation first;
  first.set_name("evaluations/e1");
  first.set_version("models/face/versions/1");
  first.set_dataset("datasets/faces");
  first.set_split("val");
  first.set_pack_artifact("artifacts/pack");
  first.mutable_options()->set_score_threshold(0.02F);
  // Of five pictures only: not what a rule wants that does not say so.
  v1::Evaluation few = first;
  few.set_name("evaluations/few");
  few.set_version("models/face/versions/2");
  few.mutable_options()->set_max_pictures(5);
  server.models.evaluations = {few, first};
  const auto made = [this] {  // and not only asked how they would be filled in
    std::vector<v1::EvaluateSpec> specs;
    for (const v1::CreateJobRequest& request : server.jobs.Created()) {
      if (!request.validate_only()) specs.push_back(request.spec().evaluate());
    }
    return specs;
  };
  const std::vector<std::string> command = {
      "model", "alias",      "face",      "stable",
      "2",     "--evaluate", "--require", "dataset=faces,max-drop=0.01,against=1"};
  EXPECT_EQ(Run(command), 0) << err.str();
  ASSERT_THAT(made(), SizeIs(1));
  EXPECT_EQ(made()[0].version(), "models/face/versions/2");
  EXPECT_EQ(made()[0].split(), "val");
  EXPECT_EQ(made()[0].options().score_threshold(), 0.02F);
  EXPECT_EQ(made()[0].options().max_pictures(), 0U);
  EXPECT_EQ(Run(command), 0) << err.str();
  EXPECT_THAT(made(), SizeIs(1));
  // Content that changed counts as not evaluated, on both sides.
  server.datasets.datasets["datasets/faces"].set_pack_artifact("artifacts/other");
  server.jobs.pack_artifact = "artifacts/other";
  EXPECT_EQ(Run(command), 0) << err.str();
  EXPECT_THAT(made(), SizeIs(3));
}

TEST_F(CliJobs, RollbackHistoryLineageEvaluations) {
  server.models.model.set_name("models/face");
  EXPECT_EQ(Run({"model", "rollback", "face", "stable", "--comment", "worse"}), 0) << err.str();
  EXPECT_EQ(out.str(), "face@stable is face/1 again\n");
  EXPECT_EQ(server.models.last_rollback.comment(), "worse");
  v1::AliasMove& move = *server.models.moves.add_moves();
  move.set_version("models/face/versions/2");
  move.set_action("set");
  move.set_submitter("ann");
  move.add_passed("map_50 on datasets/faces (val): 0.8957 >= 0.85");
  EXPECT_EQ(Run({"model", "history", "face", "stable"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("set     face/2  -     ann  map_50 on datasets/faces"));
  v1::Alias& alias = *server.models.model.add_aliases();
  alias.set_name("models/face/aliases/stable");
  alias.set_version("models/face/versions/2");
  server.models.lineage.add_nodes()->set_name("models/face/versions/2");
  EXPECT_EQ(Run({"model", "lineage", "face@stable"}), 0) << err.str();
  EXPECT_EQ(out.str(), "face/2  ◀\n");
  EXPECT_EQ(Run({"model", "lineage", "datasets/faces"}), 0);
  EXPECT_EQ(server.models.last_lineage, "datasets/faces");
  for (const char* version : {"models/face/versions/2", "models/face/versions/1"}) {
    v1::Evaluation& one = server.models.evaluations.emplace_back();
    one.set_version(version);
    one.set_dataset("datasets/faces");
    one.set_metric("map_50");
    one.set_value(0.75);
  }
  EXPECT_EQ(Run({"model", "evaluations", "face"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("face/2"), HasSubstr("face/1")));
  EXPECT_EQ(Run({"model", "evaluations", "face@stable", "--dataset", "faces"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("face/2"), Not(HasSubstr("face/1"))));
  server.models.model.add_versions()->set_name("models/face/versions/2");
  EXPECT_EQ(Run({"model", "get", "face"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("map_50 0.7500 on faces"));
}

TEST_F(CliJobs, StatusShowsJobsAndWorkers) {
  v1::JobCount& count = *server.status.status.add_jobs();
  count.set_kind("evaluate");
  count.set_state("QUEUED");
  count.set_count(1234);
  v1::Worker& worker = *server.status.status.add_workers();
  worker.set_id("w1");
  worker.set_pid(77);
  worker.set_job("jobs/" + std::string(kPrefix) + "01");
  EXPECT_EQ(Run({"status"}), 0);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("evaluate  QUEUED  1,234"),
                               HasSubstr("gone, had " + std::string(kPrefix))));
}

}  // namespace
}  // namespace lbw::client

// `lbw train` and `lbw finetune`.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/folder_dataset.h"
#include "client/cpp/commands/job_flags.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/job_words.h"
#include "client/cpp/json.h"
#include "client/cpp/names.h"
#include "client/cpp/training_flags.h"
#include "client/cpp/training_view.h"
#include "client/cpp/watch.h"

namespace lbw::client {
namespace {

constexpr char kTrainExamples[] = R"(Examples:
  lbw train scenes --dataset scenes --epochs 30
      in float, from the weights of version 1; makes the next version
  lbw train face/1 --dataset faces --spec train.yaml --rate 1e-3 --plot curves.png
      what train.yaml says (fields of TrainSpec: data, options, evaluate), but for the rate
  lbw train scenes --dataset scenes --eval fresh:test --batch-norm frozen --loss labels=1,focal
  lbw train scenes --dataset scenes --device cuda:0 --autocast --no-wait     then: lbw job watch latest)";

constexpr char kFineTuneExamples[] = R"(Examples:
  lbw finetune face --dataset faces --bits 3
      calibrates on 64 pictures, then trains the codes, 4 epochs; no labels are needed
  lbw finetune face/1 --dataset faces --bits 2 --plot curves.png
      a real scale a channel, labels at 0.3, 16 epochs; --scale pow2: powers of two alone
  lbw finetune face --dataset faces --bits 4 --layers RULES.yaml --epochs 8 --seed 3 --report r.json
  lbw finetune face --dataset faces --bits 4 --dry-run      what it would take)";

struct TrainArguments {
  std::string model;
  TrainingFlags flags;
  FineTuneFlags codes;  // finetune
  QuantizeFlags grid;   // finetune
  JobFlags job;
  std::string plot;
  std::string report;
};

absl::Status InvalidArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

absl::StatusOr<TrainingFlags> ReadSpec(TrainingFlags flags) {
  if (flags.spec_file.empty()) return flags;
  LBW_ASSIGN_OR_RETURN(flags.spec_text, ReadTextFile(flags.spec_file, "--spec"));
  return flags;
}

// The dataset that a flag names, or the file; a folder becomes one. text: the flag's; name: what
// the file says, and what comes out.
absl::Status Settle(Session& session, Connection& connection, const TrainArguments& arguments,
                    const std::string& text, std::string* name) {
  if (text.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.model));
  const FolderUse use = arguments.job.dry_run ? FolderUse::kOnlyFind : FolderUse::kCreate;
  LBW_ASSIGN_OR_RETURN(
      *name, DatasetOrFolder(session, connection, {ref.model, FolderKind::kFoundOut}, text, use));
  return absl::OkStatus();
}

absl::Status RequireDataset(const std::string& flag, const std::string& in_file) {
  if (!flag.empty() || !in_file.empty()) return absl::OkStatus();
  return InvalidArgument("--dataset is needed, or data: {dataset: NAME} in the file of --spec");
}

// The model as the server is asked for it; a name or an alias keeps its meaning.
absl::StatusOr<std::string> VersionOf(Connection& connection, const std::string& text) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(text));
  // A model that is not there costs no upload.
  LBW_RETURN_IF_ERROR(GetModel(connection, ref.model).status());
  return ResourceName(ref);
}

absl::Status ShowResult(Session& session, const TrainArguments& arguments,
                        const v1::TrainingResult& result) {
  if (!arguments.report.empty()) {
    LBW_ASSIGN_OR_RETURN(const std::string json, ToJson(result));
    LBW_RETURN_IF_ERROR(WriteFile(arguments.report, json));
  }
  if (session.wants_json()) {
    v1::JobResult whole;
    *whole.mutable_training() = result;
    LBW_RETURN_IF_ERROR(session.PrintJson(whole));
  } else {
    session.out() << RenderTraining(result.training(), TrainingDetail::kWhole) << "\ncreated "
                  << TrainingWord(result) << "\n";
  }
  if (arguments.plot.empty()) return absl::OkStatus();
  return SavePlot(session, TrainingFigure(TrainingWord(result), result.training()), arguments.plot);
}

// Creates the job of a request that is complete, and follows it.
absl::Status RunJob(Session& session, Connection& connection, const TrainArguments& arguments,
                    const std::string& verb, v1::CreateJobRequest request) {
  LBW_ASSIGN_OR_RETURN(const v1::Job job, CreateJob(connection, std::move(request)));
  if (arguments.job.dry_run) return PrintDryRun(session, job, verb);
  if (arguments.job.no_wait) return PrintCreated(session, job);
  session.Note(base::StrCat(JobSubject(job), ": ", job.name()));
  LBW_RETURN_IF_ERROR(WaitForJob(session, connection, job.name()).status());
  LBW_ASSIGN_OR_RETURN(const v1::TrainingResult result, TrainingOf(connection, job.name()));
  return ShowResult(session, arguments, result);
}

absl::Status Train(Session& session, const TrainArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckResultFiles(arguments.job, arguments.plot, arguments.report));
  LBW_ASSIGN_OR_RETURN(const TrainingFlags flags, ReadSpec(arguments.flags));
  v1::CreateJobRequest request;
  v1::TrainSpec& spec = *request.mutable_spec()->mutable_train();
  LBW_ASSIGN_OR_RETURN(spec, BuildTrainSpec(flags));
  LBW_RETURN_IF_ERROR(RequireDataset(flags.dataset, spec.data().dataset()));
  LBW_RETURN_IF_ERROR(FillIn(session, arguments.job, request));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(*spec.mutable_version(), VersionOf(*connection, arguments.model));
  LBW_RETURN_IF_ERROR(Settle(session, *connection, arguments, flags.dataset,
                             spec.mutable_data()->mutable_dataset()));
  return RunJob(session, *connection, arguments, "train", std::move(request));
}

absl::Status FineTune(Session& session, const TrainArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckResultFiles(arguments.job, arguments.plot, arguments.report));
  LBW_ASSIGN_OR_RETURN(const TrainingFlags flags, ReadSpec(arguments.flags));
  QuantizeFlags grid = arguments.grid;
  LBW_RETURN_IF_ERROR(ReadRules(grid));
  v1::CreateJobRequest request;
  v1::FineTuneSpec& spec = *request.mutable_spec()->mutable_fine_tune();
  LBW_ASSIGN_OR_RETURN(spec, BuildFineTuneSpec(flags, arguments.codes, grid));
  LBW_RETURN_IF_ERROR(RequireDataset(flags.dataset, spec.data().dataset()));
  LBW_RETURN_IF_ERROR(FillIn(session, arguments.job, request));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(*spec.mutable_version(), VersionOf(*connection, arguments.model));
  LBW_RETURN_IF_ERROR(Settle(session, *connection, arguments, flags.dataset,
                             spec.mutable_data()->mutable_dataset()));
  LBW_RETURN_IF_ERROR(Settle(session, *connection, arguments, arguments.codes.calibrate,
                             spec.mutable_calibration()->mutable_dataset()));
  return RunJob(session, *connection, arguments, "fine-tune", std::move(request));
}

void AddDataFlags(CLI::App& app, TrainingFlags& flags) {
  app.add_option("--spec", flags.spec_file,
                 "YAML or JSON with the spec's fields; flags go before what it says");
  app.add_option("--dataset", flags.dataset, "DATASET, or FOLDER that becomes one");
  app.add_option("--split", flags.split,
                 "to train on; 'train' where there is one, else all but what is evaluated on");
  app.add_option("--eval", flags.eval,
                 "DATASET[:SPLIT] or :SPLIT to evaluate on, or none; 'val', else 'test'");
  app.add_option("--max-pictures", flags.max_pictures, "train on the first so many only");
  app.add_flag("--no-augment", flags.no_augment, "pictures as detection sees them");
}

void AddRunFlags(CLI::App& app, TrainingFlags& flags, const std::string& epochs) {
  app.add_option("--epochs", flags.epochs, "1..10000; " + epochs + " by default");
  app.add_option("--batch", flags.batch, "pictures a step, 1..1024; 16 by default");
  app.add_option("--steps", flags.steps, "an epoch; as many whole batches as there are pictures");
  app.add_option("--seed", flags.seed, "of everything that is drawn; 0 by default");
  app.add_option("--device", flags.device, "auto (default), cpu, cuda or cuda:N");
  app.add_option("--threads", flags.threads, "of the network; the same bits for the same number");
  app.add_option("--loader-threads", flags.loader_threads, "that prepare pictures; 1 by default");
  app.add_flag("--autocast", flags.autocast, "bf16 where the device computes it");
  app.add_option("--batch-norm", flags.batch_norm, "train or frozen");
  app.add_flag("--reestimate-batch-norm", flags.reestimate_batch_norm,
               "means and variances found anew at the end; with --batch-norm train");
  app.add_option("--evaluate-every", flags.evaluate_every, "epochs; 1 by default, 0: at the end");
  app.add_option("--checkpoint-steps", flags.checkpoint_steps,
                 "steps between two checkpoints; by time by default");
}

void AddOptimizerFlags(CLI::App& app, TrainingFlags& flags) {
  app.add_option("--rate", flags.rate, "of weights, in units of their row's scale");
  app.add_option("--bias-rate", flags.bias_rate, "of everything else");
  app.add_option("--optimizer", flags.optimizer, "adam (default) or sgd");
  app.add_option("--momentum", flags.momentum, "of sgd; 0.9 by default");
  app.add_option("--weight-decay", flags.weight_decay, "0 by default");
  app.add_option("--clip-norm", flags.clip_norm, "of all gradients; 0 (default): none");
  app.add_option("--schedule", flags.schedule, "cosine (default), constant or step:0.5,0.75");
  app.add_option("--warmup", flags.warmup, "steps; 20 by default");
  app.add_option("--ema", flags.ema, "moving average of weights; 0.98 by default, 0: none");
  app.add_option("--loss", flags.loss,
                 "labels=1,distill=0.5,focal,box=1,negatives=3,smoothing=0.1,focal_alpha=0.25,"
                 "focal_gamma=2");
}

void AddOutputFlags(CLI::App& app, TrainArguments& arguments) {
  AddJobFlags(app, arguments.job);
  app.add_flag("--dry-run", arguments.job.dry_run, "check everything and estimate; create nothing");
  app.add_option("--plot", arguments.plot, "PNG file: loss and value by epoch");
  app.add_option("--report", arguments.report, "JSON file for the whole result");
}

void AddCodeFlags(CLI::App& app, TrainArguments& arguments) {
  app.add_option("--bits", arguments.grid.bits, "bits a weight: 2..6");
  AddGridFlags(app, arguments.grid);
  FineTuneFlags& codes = arguments.codes;
  app.add_option("--calibrate", codes.calibrate,
                 "DATASET or FOLDER to calibrate on; the training's by default");
  app.add_option("--calibrate-split", codes.calibrate_split, "of it");
  app.add_option("--images", codes.images, "pictures to calibrate on, 1..4096; 64 by default");
  app.add_option("--positions", codes.positions,
                 "output positions of a picture that count; 400 by default");
  app.add_option("--scale", codes.scale,
                 "pow2, or real: a factor a channel, at 2 bits, where it is the default");
  app.add_option("--scale-rate", arguments.flags.scale_rate, "of real scales; 0.006 by default");
  app.add_flag("--from-projection", codes.from_projection,
               "begin at the float weights' nearest codes");
  app.add_option("--exponent-every", codes.exponent_every,
                 "steps between two searches of exponents; 0 (default): fixed");
  app.add_option("--stages", codes.stages, "wider grids first: 6,4")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--blend", codes.blend, "BinaryRelax: lambda at the start; 0 (default): none");
  app.add_option("--freeze-flips", codes.freeze_flips,
                 "hold weights whose code flips in more than this share of steps");
  app.add_option("--codes-until", codes.codes_until,
                 "share of the run behind which codes are fixed; 1, or 0.75 at 2 bits");
}

}  // namespace

void AddTrainCommand(CLI::App& app, Command& command) {
  auto* sub =
      app.add_subcommand("train", "train a float version's weights; makes the next version");
  sub->footer(kTrainExamples);
  const auto arguments = std::make_shared<TrainArguments>();
  sub->add_option("MODEL", arguments->model, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  AddDataFlags(*sub, arguments->flags);
  AddRunFlags(*sub, arguments->flags, "30");
  AddOptimizerFlags(*sub, arguments->flags);
  AddOutputFlags(*sub, *arguments);
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Train(session, *arguments); };
  });
}

void AddFineTuneCommand(CLI::App& app, Command& command) {
  auto* sub = app.add_subcommand("finetune",
                                 "quantize a version and train its codes; makes the next version");
  sub->footer(kFineTuneExamples);
  const auto arguments = std::make_shared<TrainArguments>();
  sub->add_option("MODEL", arguments->model, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  AddCodeFlags(*sub, *arguments);
  AddDataFlags(*sub, arguments->flags);
  AddRunFlags(*sub, arguments->flags, "4, or 16 at 2 bits,");
  AddOptimizerFlags(*sub, arguments->flags);
  AddOutputFlags(*sub, *arguments);
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return FineTune(session, *arguments); };
  });
}

}  // namespace lbw::client

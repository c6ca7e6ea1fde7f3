#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/job_flags.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/evaluation_view.h"
#include "client/cpp/format.h"
#include "client/cpp/job_words.h"
#include "client/cpp/names.h"
#include "client/cpp/watch.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw evaluate face/2 --dataset faces
      mAP (area, 11-point, COCO) on the split 'val', else 'test', else everything
  lbw evaluate face/2 --dataset faces --against face/1 --plot curves.png
      how well its boxes agree with version 1's, and precision over recall as a picture
  lbw evaluate resnet20 --dataset cifar10 --split test --top-k 5 --json
  lbw evaluate face --dataset faces --dry-run      what it would take
  lbw evaluate face --dataset faces --no-wait      then: lbw job watch latest)";

struct EvaluateArguments {
  std::string model;
  std::string dataset;
  std::string split;
  std::optional<float> score;
  std::optional<float> iou;
  bool per_class_nms = false;
  std::optional<uint32_t> max_detections;
  std::string pixel_rule;
  uint32_t max_pictures = 0;
  uint32_t checkpoint_pictures = 0;
  uint32_t top_k = 0;
  uint32_t threads = 0;
  std::string against;
  JobFlags job;
  std::string plot;
};

absl::Status InvalidArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

v1::EvaluateOptions Options(const EvaluateArguments& arguments) {
  v1::EvaluateOptions options;
  if (arguments.score) options.set_score_threshold(*arguments.score);
  if (arguments.iou) options.set_iou_threshold(*arguments.iou);
  if (arguments.per_class_nms) options.set_per_class_nms(true);
  if (arguments.max_detections) options.set_max_detections(*arguments.max_detections);
  options.set_pixel_rule(arguments.pixel_rule);
  options.set_max_pictures(arguments.max_pictures);
  options.set_checkpoint_pictures(arguments.checkpoint_pictures);
  options.set_top_k(arguments.top_k);
  options.set_threads(arguments.threads);
  return options;
}

absl::StatusOr<v1::CreateJobRequest> BuildRequest(const Session& session,
                                                  const EvaluateArguments& arguments) {
  if (!arguments.pixel_rule.empty() && arguments.pixel_rule != "inclusive" &&
      arguments.pixel_rule != "continuous") {
    return InvalidArgument(base::StrCat("--pixel-rule must be inclusive or continuous: '",
                                        Printable(arguments.pixel_rule), "'"));
  }
  v1::CreateJobRequest request;
  v1::EvaluateSpec& spec = *request.mutable_spec()->mutable_evaluate();
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.model));
  spec.set_version(ResourceName(ref));
  LBW_ASSIGN_OR_RETURN(*spec.mutable_dataset(), ParseDatasetArgument(arguments.dataset));
  spec.set_split(arguments.split);
  if (!arguments.against.empty()) {
    LBW_ASSIGN_OR_RETURN(const base::ModelRef against, ParseModelArgument(arguments.against));
    spec.set_against(ResourceName(against));
  }
  *spec.mutable_options() = Options(arguments);
  LBW_RETURN_IF_ERROR(FillIn(session, arguments.job, request));
  return request;
}

absl::Status Evaluate(Session& session, const EvaluateArguments& arguments) {
  if (!arguments.plot.empty()) {
    LBW_RETURN_IF_ERROR(CheckOutFile(arguments.plot, "--plot"));
    if (arguments.job.no_wait || arguments.job.dry_run) {
      return InvalidArgument("--plot needs the result; it does not go with --no-wait or --dry-run");
    }
  }
  LBW_ASSIGN_OR_RETURN(v1::CreateJobRequest request, BuildRequest(session, arguments));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const v1::Job job, CreateJob(*connection, std::move(request)));
  if (arguments.job.dry_run) return PrintDryRun(session, job, "evaluate");
  if (arguments.job.no_wait) return PrintCreated(session, job);
  session.Note(base::StrCat(JobSubject(job), ": ", job.name()));
  LBW_ASSIGN_OR_RETURN(const v1::Job ended, WaitForJob(session, *connection, job.name()));
  LBW_ASSIGN_OR_RETURN(const v1::Evaluation evaluation, EvaluationOf(*connection, ended));
  if (session.wants_json()) {
    LBW_RETURN_IF_ERROR(session.PrintJson(evaluation));
  } else {
    session.out() << RenderEvaluation(evaluation);
  }
  if (arguments.plot.empty()) return absl::OkStatus();
  return SavePlot(session, EvaluationFigure(evaluation), arguments.plot);
}

void AddOptions(CLI::App& sub, EvaluateArguments& arguments) {
  sub.add_option("--dataset", arguments.dataset, "the dataset's name")->required();
  sub.add_option("--split", arguments.split, "val, test, ...; chosen by the server by default");
  sub.add_option("--score", arguments.score, "only boxes that score above it; 0.02 by default");
  sub.add_option("--iou", arguments.iou, "non-maximum suppression; the model's own by default");
  sub.add_flag("--per-class-nms", arguments.per_class_nms,
               "suppress within each class instead of over all");
  sub.add_option("--max-detections", arguments.max_detections, "boxes a picture, 1..1000");
  sub.add_option("--pixel-rule", arguments.pixel_rule,
                 "inclusive or continuous; the dataset's own by default");
  sub.add_option("--max-pictures", arguments.max_pictures, "only the first so many");
  sub.add_option("--against", arguments.against,
                 "also how well the boxes agree with this version's: NAME/VERSION");
  sub.add_option("--top-k", arguments.top_k, "classifiers: the k of top-k; 5 by default");
  sub.add_option("--threads", arguments.threads, "of the network; the machine's cores by default");
  sub.add_option("--checkpoint-pictures", arguments.checkpoint_pictures,
                 "pictures between two checkpoints; about 20 s by default");
  AddJobFlags(sub, arguments.job);
  sub.add_flag("--dry-run", arguments.job.dry_run, "check everything and estimate; create nothing");
  sub.add_option("--plot", arguments.plot,
                 "PNG file: precision over recall, or a classifier's confusion");
}

}  // namespace

void AddEvaluateCommand(CLI::App& app, Command& command) {
  auto* sub = app.add_subcommand("evaluate", "measure a model on a dataset: mAP or accuracy");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<EvaluateArguments>();
  sub->add_option("MODEL", arguments->model, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  AddOptions(*sub, *arguments);
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Evaluate(session, *arguments); };
  });
}

}  // namespace lbw::client

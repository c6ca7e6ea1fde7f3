#include "client/cpp/commands/calibrate.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/calibration_view.h"
#include "client/cpp/commands/folder_dataset.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/job_words.h"
#include "client/cpp/json.h"
#include "client/cpp/names.h"
#include "client/cpp/watch.h"

namespace lbw::client {
namespace {

// Everything but the dataset, so that a wrong option costs no upload.
absl::StatusOr<v1::CreateJobRequest> BuildRequest(const Session& session,
                                                  const CalibrateArguments& arguments) {
  QuantizeFlags grid = arguments.grid;
  LBW_RETURN_IF_ERROR(ReadRules(grid));
  v1::CreateJobRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_spec()->mutable_quantize(),
                       BuildQuantizeSpec(arguments.flags, std::move(grid)));
  LBW_RETURN_IF_ERROR(FillIn(session, arguments.job, request));
  return request;
}

absl::Status ShowResult(Session& session, const CalibrateArguments& arguments,
                        const v1::QuantizationResult& result) {
  if (!arguments.report.empty()) {
    LBW_ASSIGN_OR_RETURN(const std::string json, ToJson(result));
    LBW_RETURN_IF_ERROR(WriteFile(arguments.report, json));
  }
  if (session.wants_json()) {
    v1::JobResult whole;
    *whole.mutable_quantization() = result;
    LBW_RETURN_IF_ERROR(session.PrintJson(whole));
  } else {
    session.out() << RenderCalibration(result.calibration(), CalibrationDetail::kWhole)
                  << "\ncreated " << QuantizationWord(result) << "\n";
  }
  if (!arguments.plot.empty()) {
    LBW_RETURN_IF_ERROR(SavePlot(session,
                                 CalibrationFigure(QuantizationWord(result), result.calibration()),
                                 arguments.plot));
  }
  const v1::WidthPlan& plan = result.calibration().plan();
  if (!DropMissed(plan)) return absl::OkStatus();
  // The version is there; a script must not take it for what it asked for.
  return base::Error(
      absl::StatusCode::kFailedPrecondition, kDropMissed,
      base::StrCat("--max-drop ", plan.max_drop(), " is missed by ", ShortName(result.version()),
                   ", which was made all the same: ", plan.verdict()));
}

void AddSearchFlags(CLI::App& app, CalibrationFlags& flags) {
  app.add_option("--budget-bytes", flags.budget,
                 "choose each layer's bits so that all fit: 65536, 64k, 1.5M");
  app.add_option("--max-drop", flags.max_drop,
                 "or: the fewest bytes whose measured value is at most this much lower: 0.005");
  app.add_option("--widths", flags.widths, "bits to choose from: 2,3,4; 2..6 by default")
      ->delimiter(',')
      ->allow_extra_args(false);
}

void AddMeasureFlags(CLI::App& app, CalibrationFlags& flags) {
  app.add_option("--measure", flags.measure,
                 "DATASET[:SPLIT] to measure on; the calibration's own by default: val, else "
                 "test, else the pictures that were not calibrated on");
  app.add_option("--measure-pictures", flags.measure_pictures,
                 "measure on the first so many; all by default");
  app.add_flag("--no-measure", flags.no_measure, "no measuring at the end");
}

}  // namespace

void AddCalibrateFlags(CLI::App& app, CalibrateArguments& arguments) {
  CalibrationFlags& flags = arguments.flags;
  CLI::Option* const calibrate = app.add_option(
      "--calibrate", flags.calibrate,
      "DATASET, or FOLDER of pictures: choose codes so that layers keep their outputs on them");
  const std::vector<CLI::Option*> before = app.get_options({});
  app.add_option("--split", flags.split, "to calibrate on; 'train' where there is one, else all");
  app.add_option("--images", flags.images, "pictures to calibrate on, 1..4096; 64 by default");
  app.add_option("--seed", flags.seed, "which pictures; 0 by default");
  app.add_option("--positions", flags.positions,
                 "output positions of a picture that count; 400 by default");
  app.add_option("--scale", flags.scale,
                 "pow2, or real: a factor a channel, at 2 bits, where it is the default");
  AddSearchFlags(app, flags);
  AddMeasureFlags(app, flags);
  app.add_option("--threads", flags.threads,
                 "the result does not depend on them; the worker's by default");
  AddJobFlags(app, arguments.job);
  app.add_option("--plot", arguments.plot,
                 "PNG file: value and error against bytes, or against mu, or each layer's SQNR");
  app.add_option("--report", arguments.report,
                 "JSON file for the whole result, each tensor's statistics too");
  for (CLI::Option* option : app.get_options({})) {
    if (std::find(before.begin(), before.end(), option) == before.end()) option->needs(calibrate);
  }
}

absl::Status Calibrate(Session& session, const CalibrateArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckResultFiles(arguments.job, arguments.plot, arguments.report));
  LBW_ASSIGN_OR_RETURN(v1::CreateJobRequest request, BuildRequest(session, arguments));
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.model));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  // A model that is not there costs no upload either.
  LBW_ASSIGN_OR_RETURN(const v1::Model model, GetModel(*connection, ref.model));
  v1::QuantizeSpec& spec = *request.mutable_spec()->mutable_quantize();
  // As without calibration: the server knows the float ancestor that a bare name means.
  spec.set_version(ResourceName(ref));
  if (ref.alias) {
    LBW_ASSIGN_OR_RETURN(*spec.mutable_version(), ResolveVersion(model, ref));
  }
  const FolderUse use = arguments.job.dry_run ? FolderUse::kOnlyFind : FolderUse::kCreate;
  LBW_ASSIGN_OR_RETURN(
      *spec.mutable_calibration()->mutable_dataset(),
      DatasetOrFolder(session, *connection, {ref.model}, arguments.flags.calibrate, use));
  LBW_ASSIGN_OR_RETURN(const v1::Job job, CreateJob(*connection, std::move(request)));
  if (arguments.job.dry_run) return PrintDryRun(session, job, "quantize");
  if (arguments.job.no_wait) return PrintCreated(session, job);
  session.Note(base::StrCat(JobSubject(job), ": ", job.name()));
  LBW_RETURN_IF_ERROR(WaitForJob(session, *connection, job.name()).status());
  LBW_ASSIGN_OR_RETURN(const v1::QuantizationResult result,
                       QuantizationOf(*connection, job.name()));
  return ShowResult(session, arguments, result);
}

}  // namespace lbw::client

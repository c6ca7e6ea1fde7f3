#include "client/cpp/commands/job_flags.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/job_words.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"

namespace lbw::client {

void AddJobFlags(CLI::App& app, JobFlags& flags) {
  app.add_option("--priority", flags.priority, "-100..100; higher goes first");
  app.add_option("--label", flags.labels, "KEY=VALUE, kept with the job; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--request-id", flags.request_id,
                 "the same id makes no second job, also from another run");
  app.add_flag("--no-wait,!--wait", flags.no_wait, "return once the job is queued");
}

absl::Status CheckResultFiles(const JobFlags& flags, const std::string& plot,
                              const std::string& report) {
  if (!plot.empty()) LBW_RETURN_IF_ERROR(CheckOutFile(plot, "--plot"));
  if (!report.empty()) LBW_RETURN_IF_ERROR(CheckOutFile(report, "--report"));
  const bool wants_result = !plot.empty() || !report.empty();
  if (!wants_result || !(flags.no_wait || flags.dry_run)) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
      "--plot and --report need the result; they do not go with --no-wait or --dry-run");
}

absl::Status FillIn(const Session& session, const JobFlags& flags, v1::CreateJobRequest& request) {
  for (const std::string& label : flags.labels) {
    const size_t mark = label.find('=');
    if (mark == 0 || mark == std::string::npos) {
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("--label is KEY=VALUE: '", Printable(label), "'"));
    }
    (*request.mutable_labels())[label.substr(0, mark)] = label.substr(mark + 1);
  }
  request.set_request_id(flags.request_id);
  request.set_priority(flags.priority);
  request.set_validate_only(flags.dry_run);
  request.set_submitter(session.submitter());
  return absl::OkStatus();
}

absl::Status PrintDryRun(Session& session, const v1::Job& job, const std::string& verb) {
  if (session.wants_json()) return session.PrintJson(job);
  const v1::JobEstimate& estimate = job.estimate();
  Table table({{""}, {""}});
  table.AddRow({"would " + verb, JobSubject(job)});
  table.AddRow({StepUnit(job), job.total_steps() == 0 ? "-" : Grouped(job.total_steps())});
  table.AddRow({"time", job.estimate().has_duration()
                            ? HumanDuration(ToDuration(estimate.duration()))
                            : "-"});
  table.AddRow(
      {"memory", estimate.memory_bytes() == 0 ? "-" : HumanBytes(estimate.memory_bytes())});
  table.AddRow({"estimated", estimate.basis()});
  session.out() << table.Render();
  return absl::OkStatus();
}

absl::Status PrintCreated(Session& session, const v1::Job& job) {
  if (session.wants_json()) return session.PrintJson(job);
  session.out() << "created " << job.name() << "\n";
  session.Note(base::StrCat("  lbw job watch ", ShortName(job.name())));
  return absl::OkStatus();
}

}  // namespace lbw::client

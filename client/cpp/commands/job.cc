#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/strings.h"
#include "client/cpp/calibration_view.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/comparison_view.h"
#include "client/cpp/evaluation_view.h"
#include "client/cpp/format.h"
#include "client/cpp/job_words.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/training_view.h"
#include "client/cpp/watch.h"
#include "google/protobuf/empty.pb.h"
#include "lbw/v1/job.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw job list --active
  lbw job list --filter 'state = FAILED AND kind = evaluate'
  lbw job watch latest           goes on where the connection broke; Ctrl-C leaves the job running
  lbw job get latest --plot curves.png
  lbw job pause 7tq2             and resume, cancel: within an iteration and a checkpoint
  lbw job log latest
JOB is an id, at least 4 characters that it begins or ends with, or 'latest'.)";

struct JobArguments {
  std::string job;
  std::string filter;
  std::string plot;
  bool active = false;
  int limit = 50;
};

std::string StepCell(const v1::Job& job) {
  if (job.total_steps() == 0) return job.step() == 0 ? "-" : Grouped(job.step());
  return base::StrCat(Grouped(job.step()), " of ", Grouped(job.total_steps()));
}

std::string DurationCell(const v1::Job& job) {
  if (!job.has_start_time()) return "-";
  const absl::Time end = job.has_end_time() ? ToTime(job.end_time()) : base::RealClock().Now();
  return HumanDuration(std::max(absl::ZeroDuration(), end - ToTime(job.start_time())));
}

std::string ResultWord(const v1::Job& job) {
  if (job.result().has_evaluation()) {
    const v1::Evaluation& one = job.result().evaluation();
    return base::StrCat(one.metric(), " ", Decimal(one.value(), 4));
  }
  if (job.result().has_dataset()) {
    return base::StrCat(Grouped(job.result().dataset().pictures()), " pictures");
  }
  if (job.result().has_quantization()) return QuantizationWord(job.result().quantization());
  if (job.result().has_training()) return TrainingWord(job.result().training());
  if (job.result().has_comparison()) return ComparisonWord(job.result().comparison());
  return job.has_error() ? job.error().message() : "";
}

absl::Status List(Session& session, const JobArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  const auto stub = v1::JobService::NewStub(connection->channel());
  v1::ListJobsRequest request;
  request.set_filter(arguments.filter);
  if (arguments.active) {
    request.set_filter(arguments.filter.empty() ? "state = active"
                                                : arguments.filter + " AND state = active");
  }
  v1::ListJobsResponse all;
  do {
    request.set_page_size(std::min(1000, arguments.limit - all.jobs_size()));
    LBW_ASSIGN_OR_RETURN(auto page, connection->Unary<v1::ListJobsResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListJobs(context, request, response);
                                        }));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty() && all.jobs_size() < arguments.limit);
  all.set_next_page_token(request.page_token());
  if (session.wants_json()) return session.PrintJson(all);
  Table table({{"job"},
               {"kind"},
               {"state"},
               {"of"},
               {"steps", Align::kRight},
               {"time", Align::kRight},
               {"submitter"},
               {"created"},
               {"result"}});
  for (const v1::Job& job : all.jobs()) {
    table.AddRow({ShortName(job.name()), job.kind(), JobStateWord(job.state()), JobSubject(job),
                  StepCell(job), DurationCell(job), job.submitter(), TimeCell(job.create_time()),
                  CutColumns(ResultWord(job), 60)});
  }
  session.out() << table.Render();
  if (!all.next_page_token().empty()) {
    session.Note(base::StrCat("the newest ", arguments.limit, "; more with --limit"));
  }
  return absl::OkStatus();
}

void AddTimes(const v1::Job& job, Table& table) {
  table.AddRow({"created", TimeCell(job.create_time())});
  if (job.has_start_time()) table.AddRow({"started", TimeCell(job.start_time())});
  if (job.has_end_time()) table.AddRow({"ended", TimeCell(job.end_time())});
  if (job.has_start_time()) table.AddRow({"time", DurationCell(job)});
  if (job.has_eta() && !HasEnded(job.state())) {
    table.AddRow({"left", HumanDuration(ToDuration(job.eta()))});
  }
  if (job.has_retry_time() && job.state() == v1::JOB_STATE_QUEUED) {
    table.AddRow({"not before", TimeCell(job.retry_time())});
  }
}

void ShowJob(Session& session, const v1::Job& job) {
  Table table({{""}, {""}});
  table.AddRow({"job", job.name()});
  table.AddRow({"kind", job.kind()});
  table.AddRow({"state", JobStateWord(job.state())});
  table.AddRow({"of", JobSubject(job)});
  table.AddRow({"steps", StepCell(job)});
  AddTimes(job, table);
  table.AddRow({"submitter", base::StrCat(job.submitter(), ", priority ", job.priority())});
  if (job.attempts() > 0) {
    table.AddRow({"attempts", base::StrCat(job.attempts(), ", ", job.failed_attempts(), " of ",
                                           job.max_attempts(), " failed in a row")});
  }
  if (!job.worker().empty()) table.AddRow({"worker", job.worker()});
  if (!job.checkpoint().empty()) {
    table.AddRow({"checkpoint", base::StrCat(ShortName(job.checkpoint()), ", step ",
                                             Grouped(job.checkpoint_step()), ", ",
                                             TimeCell(job.checkpoint_time()))});
  }
  std::vector<std::string> values;
  for (const auto& value : job.values()) {
    values.push_back(base::StrCat(value.first, " ", Measured(value.second)));
  }
  std::sort(values.begin(), values.end());
  if (!values.empty()) table.AddRow({"values", absl::StrJoin(values, ", ")});
  std::vector<std::string> labels;
  for (const auto& label : job.labels()) {
    labels.push_back(base::StrCat(label.first, "=", label.second));
  }
  std::sort(labels.begin(), labels.end());
  if (!labels.empty()) table.AddRow({"labels", absl::StrJoin(labels, ", ")});
  if (job.error().code() != 0) table.AddRow({"error", job.error().message()});
  if (job.result().has_evaluation()) {
    table.AddRow({"result", EvaluationWord(job.result().evaluation())});
  } else if (job.has_result()) {
    table.AddRow({"result", ResultWord(job)});
  }
  session.out() << table.Render();
  if (job.result().has_quantization()) {
    session.out() << "\n"
                  << RenderCalibration(job.result().quantization().calibration(),
                                       CalibrationDetail::kShort);
  }
  if (job.result().has_training()) {
    session.out() << "\n"
                  << RenderTraining(job.result().training().training(), TrainingDetail::kShort);
  }
  if (job.result().has_comparison()) {
    session.out() << "\n" << RenderComparison(job.result().comparison());
  }
}

// The result of a quantization or a training; the curves of its values of any other job.
absl::StatusOr<plot::Figure> FigureOf(Connection& connection, const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_SUCCEEDED && job.result().has_quantization()) {
    LBW_ASSIGN_OR_RETURN(const v1::QuantizationResult result,
                         QuantizationOf(connection, job.name()));
    return CalibrationFigure(QuantizationWord(result), result.calibration());
  }
  if (job.state() == v1::JOB_STATE_SUCCEEDED && job.result().has_training()) {
    LBW_ASSIGN_OR_RETURN(const v1::TrainingResult result, TrainingOf(connection, job.name()));
    return TrainingFigure(TrainingWord(result), result.training());
  }
  LBW_ASSIGN_OR_RETURN(const JobView view, ReadHistory(connection, job));
  if (!view.values().empty()) return view.Curves();
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNotFound,
                     base::StrCat(job.name(), " has reported no values yet; nothing to plot"));
}

absl::Status Get(Session& session, const JobArguments& arguments) {
  if (!arguments.plot.empty()) LBW_RETURN_IF_ERROR(CheckOutFile(arguments.plot, "--plot"));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const std::string name, ResolveJob(*connection, arguments.job));
  LBW_ASSIGN_OR_RETURN(const v1::Job job, GetJob(*connection, name));
  if (!arguments.plot.empty()) {
    LBW_ASSIGN_OR_RETURN(const plot::Figure figure, FigureOf(*connection, job));
    LBW_RETURN_IF_ERROR(SavePlot(session, figure, arguments.plot));
  }
  if (session.wants_json()) return session.PrintJson(job);
  ShowJob(session, job);
  return absl::OkStatus();
}

absl::Status Watch(Session& session, const JobArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const std::string name, ResolveJob(*connection, arguments.job));
  LBW_ASSIGN_OR_RETURN(const v1::Job job, WatchJob(session, *connection, name));
  return JobOutcome(job);
}

// A call that answers with the job as it is then.
template <typename Request, typename Method>
absl::Status Change(Session& session, const std::string& text, Method method) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  Request request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), ResolveJob(*connection, text));
  const auto stub = v1::JobService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto job, connection->Unary<v1::Job>(
                                           Patience::kNone, [&](auto* context, auto* response) {
                                             return ((*stub).*method)(context, request, response);
                                           }));
  if (session.wants_json()) return session.PrintJson(job);
  session.out() << ShortName(job.name()) << " is " << JobStateWord(job.state()) << "\n";
  return absl::OkStatus();
}

absl::Status Delete(Session& session, const JobArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  v1::DeleteJobRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_name(), ResolveJob(*connection, arguments.job));
  const auto stub = v1::JobService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto empty, connection->Unary<google::protobuf::Empty>(
                                             Patience::kNone, [&](auto* context, auto* response) {
                                               return stub->DeleteJob(context, request, response);
                                             }));
  if (session.wants_json()) return session.PrintJson(empty);
  session.out() << "deleted " << request.name() << "\n";
  return absl::OkStatus();
}

absl::Status Checkpoints(Session& session, const JobArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  v1::ListCheckpointsRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_job(), ResolveJob(*connection, arguments.job));
  const auto stub = v1::JobService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto list, connection->Unary<v1::ListCheckpointsResponse>(
                                            Patience::kAnswer, [&](auto* context, auto* response) {
                                              return stub->ListCheckpoints(context, request,
                                                                           response);
                                            }));
  if (session.wants_json()) return session.PrintJson(list);
  Table table({{"artifact"},
               {"step", Align::kRight},
               {"epoch", Align::kRight},
               {"size", Align::kRight},
               {"metric", Align::kRight},
               {"created"},
               {""}});
  for (const v1::JobCheckpoint& one : list.checkpoints()) {
    table.AddRow({ShortName(one.artifact()), Grouped(one.step()), Grouped(one.epoch()),
                  HumanBytes(one.size_bytes()), one.has_metric() ? Measured(one.metric()) : "-",
                  TimeCell(one.create_time()), one.best() ? "best" : ""});
  }
  session.out() << table.Render();
  return absl::OkStatus();
}

absl::Status Log(Session& session, const JobArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  v1::GetJobLogRequest request;
  LBW_ASSIGN_OR_RETURN(*request.mutable_job(), ResolveJob(*connection, arguments.job));
  const auto stub = v1::JobService::NewStub(connection->channel());
  LBW_ASSIGN_OR_RETURN(const auto log, connection->Unary<v1::GetJobLogResponse>(
                                           Patience::kAnswer, [&](auto* context, auto* response) {
                                             return stub->GetJobLog(context, request, response);
                                           }));
  if (session.wants_json()) return session.PrintJson(log);
  // Tabs are no harm; everything else that could steer the terminal goes.
  const std::string text = absl::StrReplaceAll(log.text(), {{"\t", "    "}});
  const absl::string_view whole = absl::StripSuffix(text, "\n");
  if (!whole.empty()) {
    for (const absl::string_view line : absl::StrSplit(whole, '\n')) {
      session.out() << Printable(base::Std(line)) << "\n";
    }
  }
  if (log.dropped_bytes() > 0) {
    session.Note(base::StrCat(HumanBytes(log.dropped_bytes()), " of ",
                              HumanBytes(log.written_bytes()), " were not kept"));
  }
  return absl::OkStatus();
}

using Run = absl::Status (*)(Session&, const JobArguments&);

void Add(CLI::App& group, Command& command, const std::string& name, const std::string& help,
         Run run) {
  auto* sub = group.add_subcommand(name, help);
  sub->footer(kExamples);
  const auto arguments = std::make_shared<JobArguments>();
  if (name == "list") {
    sub->add_option("--filter", arguments->filter,
                    "conditions on state, kind, submitter, model, dataset, label.KEY");
    sub->add_flag("--active", arguments->active, "only those that have not ended");
    sub->add_option("--limit", arguments->limit, "at most so many, newest first")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str();
  } else {
    sub->add_option("JOB", arguments->job, "an id, a piece of one, or 'latest'")->required();
  }
  if (name == "get") {
    sub->add_option("--plot", arguments->plot,
                    "PNG file for the curves of its values, or what a quantization found");
  }
  sub->callback([&command, arguments, run] {
    command = [arguments, run](Session& session) { return run(session, *arguments); };
  });
}

}  // namespace

void AddJobCommands(CLI::App& app, Command& command) {
  auto* group = app.add_subcommand("job", "jobs: list, watch, pause, cancel ...");
  group->require_subcommand(1);
  group->footer(kExamples);
  using Stub = v1::JobService::Stub;
  Add(*group, command, "list", "jobs, newest first", List);
  Add(*group, command, "get", "one job", Get);
  Add(*group, command, "watch", "follow a job live until it ends", Watch);
  Add(*group, command, "cancel", "end a job", [](Session& session, const JobArguments& arguments) {
    return Change<v1::CancelJobRequest>(session, arguments.job, &Stub::CancelJob);
  });
  Add(*group, command, "pause", "stop a job at a checkpoint",
      [](Session& session, const JobArguments& arguments) {
        return Change<v1::PauseJobRequest>(session, arguments.job, &Stub::PauseJob);
      });
  Add(*group, command, "resume", "queue a paused job again",
      [](Session& session, const JobArguments& arguments) {
        return Change<v1::ResumeJobRequest>(session, arguments.job, &Stub::ResumeJob);
      });
  Add(*group, command, "delete", "remove a job that ended, with log and checkpoints", Delete);
  Add(*group, command, "checkpoints", "a job's checkpoints", Checkpoints);
  Add(*group, command, "log", "what a job's processes wrote", Log);
}

}  // namespace lbw::client

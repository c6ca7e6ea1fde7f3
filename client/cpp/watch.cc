#include "client/cpp/watch.h"

#include <algorithm>
#include <memory>
#include <ostream>

#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/json.h"
#include "client/cpp/live_screen.h"
#include "client/cpp/names.h"
#include "lbw/v1/job.grpc.pb.h"

namespace lbw::client {
namespace {

// One job that is followed.
class Follower {
 public:
  Follower(Connection& connection, const std::string& name, const FollowOptions& options)
      : connection_(connection),
        name_(name),
        options_(options),
        stub_(v1::JobService::NewStub(connection.channel())),
        retry_(connection.options().retry),
        cursor_(options.after_cursor) {}

  absl::StatusOr<v1::Job> Run(
      absl::FunctionRef<absl::Status(const v1::WatchJobResponse&)> on_response,
      absl::FunctionRef<void(const absl::Status&)> on_lost) {
    for (;;) {
      const absl::Status status = ReadOnce(on_response);
      LBW_RETURN_IF_ERROR(refused_);
      if (IsDone() || (status.ok() && HasEnded(job_.state()))) return job_;
      // A job that says nothing for long is no failure: ask again, which shows whether the server
      // lives.
      if (is_silent_) continue;
      if (!status.ok() && !IsPassing(status)) return status;
      const absl::Status lost =
          status.ok() ? absl::UnavailableError("the server ended the stream") : status;
      const auto delay = retry_.NextDelay(lost, connection_.has_contact() || has_answered_);
      if (!delay) return lost;
      on_lost(lost);
      LBW_RETURN_IF_ERROR(connection_.Wait(*delay));
    }
  }

 private:
  bool IsDone() const {
    if (options_.until_cursor > 0 && cursor_ >= options_.until_cursor) return true;
    return HasEnded(job_.state()) && cursor_ >= job_.last_cursor();
  }

  absl::Status ReadOnce(absl::FunctionRef<absl::Status(const v1::WatchJobResponse&)> on_response) {
    v1::WatchJobRequest request;
    request.set_name(name_);
    request.set_after_cursor(cursor_);
    Connection::Call call(connection_, Connection::Call::Kind::kStream);
    StallGuard guard(call.context(), connection_.options().stall_timeout);
    const auto reader = stub_->WatchJob(&call.context(), request);
    v1::WatchJobResponse response;
    bool has_moved = false;
    while (reader->Read(&response)) {
      guard.Feed();
      has_moved = has_answered_ = true;
      retry_.Progress();
      refused_ = Take(response, on_response);
      if (!refused_.ok() || (options_.until_cursor > 0 && IsDone())) {
        call.context().TryCancel();
        break;
      }
    }
    const grpc::Status ended = reader->Finish();
    const absl::Status status = call.Finish(ended);
    is_silent_ = has_moved && guard.is_stalled();
    if (guard.is_stalled()) return absl::UnavailableError("the server does not answer");
    return status;
  }

  absl::Status Take(const v1::WatchJobResponse& response,
                    absl::FunctionRef<absl::Status(const v1::WatchJobResponse&)> on_response) {
    if (response.has_job()) job_ = response.job();
    for (const v1::JobEvent& event : response.events()) {
      cursor_ = std::max(cursor_, event.cursor());
    }
    return on_response(response);
  }

  Connection& connection_;
  const std::string& name_;
  const FollowOptions& options_;
  const std::unique_ptr<v1::JobService::Stub> stub_;
  RetryState retry_;
  uint64_t cursor_;
  v1::Job job_;
  absl::Status refused_;
  bool has_answered_ = false;
  bool is_silent_ = false;
};

// An interrupted wait, with what it means for the job; other errors as they are.
absl::Status WithWhatGoesOn(const absl::Status& status, const std::string& name) {
  if (status.code() != absl::StatusCode::kCancelled &&
      status.code() != absl::StatusCode::kDeadlineExceeded) {
    return status;
  }
  const std::string id = ShortName(name);
  const char* const why =
      status.code() == absl::StatusCode::kCancelled ? "interrupted" : "the time is over";
  return absl::Status(status.code(), base::StrCat(why, "; the job goes on: lbw job watch ", id,
                                                  "; to end it: lbw job cancel ", id));
}

std::string LostNote(const absl::Status& status) {
  return base::StrCat("connection lost (", base::Std(status.message()), "), trying again");
}

absl::StatusOr<v1::Job> WatchLive(Session& session, Connection& connection,
                                  const std::string& name) {
  absl::Mutex mu;
  JobView view;  // guarded by mu
  const auto render = [&] {
    const JobView::Frame frame = {base::RealClock().Now(), session.terminal().out_size(),
                                  absl::LocalTimeZone()};
    const absl::MutexLock lock(&mu);
    return view.cursor() == 0 && view.job().name().empty() ? std::vector<std::string>()
                                                           : view.Render(frame);
  };
  const LiveScreen screen(session.out(), render);
  return FollowJob(
      connection, name, {},
      [&](const v1::WatchJobResponse& response) {
        const absl::MutexLock lock(&mu);
        view.Apply(response);
        return absl::OkStatus();
      },
      [&](const absl::Status& status) {
        const absl::MutexLock lock(&mu);
        view.SetConnectionNote(LostNote(status));
      });
}

absl::StatusOr<v1::Job> WatchLines(Session& session, Connection& connection,
                                   const std::string& name) {
  JobLog log(absl::LocalTimeZone());
  const auto print = [&](const v1::WatchJobResponse& response) -> absl::Status {
    if (session.wants_json()) {
      LBW_ASSIGN_OR_RETURN(const std::string line, ToJsonLine(response));
      session.out() << line << std::flush;
    } else if (!session.is_quiet()) {
      for (const std::string& line : log.Apply(response)) session.out() << line << "\n";
      session.out() << std::flush;
    }
    return absl::OkStatus();
  };
  return FollowJob(connection, name, {}, print,
                   [&](const absl::Status& status) { session.Warn(LostNote(status)); });
}

void ShowProgress(Session& session, const JobView& view) {
  const v1::Job& job = view.job();
  std::vector<std::string> names;
  for (const auto& value : view.values()) names.push_back(value.first);
  // The line is cut from the right.
  std::stable_sort(names.begin(), names.end(), [](const auto& left, const auto& right) {
    return ValueRank(left) < ValueRank(right);
  });
  std::string detail;
  for (const std::string& name : names) {
    base::StrAppend(&detail, name, " ", Measured(view.values().at(name).back().y), "  ");
  }
  const std::string stage = job.state() == v1::JOB_STATE_RUNNING && !view.stage().empty()
                                ? view.stage()
                                : JobStateWord(job.state());
  session.progress().Update({stage, job.step(), job.total_steps(), StepUnit(job), detail});
}

}  // namespace

absl::StatusOr<v1::Job> FollowJob(
    Connection& connection, const std::string& name, const FollowOptions& options,
    absl::FunctionRef<absl::Status(const v1::WatchJobResponse&)> on_response,
    absl::FunctionRef<void(const absl::Status&)> on_lost) {
  return Follower(connection, name, options).Run(on_response, on_lost);
}

absl::StatusOr<v1::Job> WatchJob(Session& session, Connection& connection,
                                 const std::string& name) {
  const bool is_live =
      session.terminal().out_size != nullptr && !session.wants_json() && !session.is_quiet();
  const absl::StatusOr<v1::Job> job =
      is_live ? WatchLive(session, connection, name) : WatchLines(session, connection, name);
  if (!job.ok()) return WithWhatGoesOn(job.status(), name);
  return job;
}

absl::StatusOr<v1::Job> WaitForJob(Session& session, Connection& connection,
                                   const std::string& name) {
  JobView view;
  const auto job = FollowJob(
      connection, name, {},
      [&](const v1::WatchJobResponse& response) {
        view.Apply(response);
        for (const v1::JobEvent& event : response.events()) {
          const std::string& severity = event.message().severity();
          if (severity == "warning" || severity == "error") {
            session.Note(Printable(DescribeMessage(event.message())));
          }
        }
        ShowProgress(session, view);
        return absl::OkStatus();
      },
      [&](const absl::Status& status) { session.Warn(LostNote(status)); });
  session.progress().Clear();
  if (!job.ok()) return WithWhatGoesOn(job.status(), name);
  LBW_RETURN_IF_ERROR(JobOutcome(*job));
  return job;
}

absl::StatusOr<JobView> ReadHistory(Connection& connection, const v1::Job& job) {
  JobView view;
  v1::WatchJobResponse start;
  *start.mutable_job() = job;
  view.Apply(start);
  if (job.last_cursor() == 0) return view;
  const auto ended = FollowJob(
      connection, job.name(), {0, job.last_cursor()},
      [&](const v1::WatchJobResponse& response) {
        view.Apply(response);
        return absl::OkStatus();
      },
      [](const absl::Status&) {});
  if (!ended.ok()) return ended.status();
  return view;
}

}  // namespace lbw::client

#include "jobs/child_main.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/utf8.h"
#include "jobs/child_link.h"
#include "jobs/log_buffer.h"

namespace lbw::jobs {
namespace {

constexpr size_t kMostErrorBytes = size_t{64} << 10;

// A terminal's Ctrl-C and a service manager's SIGTERM to the whole group are the worker's to hear;
// it tells this process what to do. A write to a dead worker's socket is an error, not a signal.
void IgnoreSignals() {
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM}) ::signal(signal, SIG_IGN);
}

// Third parties below a runner throw; here is the edge of the process.
absl::StatusOr<std::string> RunGuarded(const OpenEnvironment& open, const Assignment& assignment,
                                       JobLink& link) {
  try {
    LBW_ASSIGN_OR_RETURN(const ChildEnvironment environment, open(assignment));
    JobContext context;
    context.job = assignment.job;
    context.kind = assignment.kind;
    context.spec_json = assignment.spec_json;
    context.inputs_json = assignment.inputs_json;
    context.checkpoint = assignment.checkpoint;
    context.attempt = assignment.attempt;
    context.threads = std::max(1, assignment.threads);
    context.scratch_folder = assignment.scratch_folder;
    context.blobs = environment.blobs.get();
    context.link = &link;
    return environment.runner->Run(context);
  } catch (const std::bad_alloc&) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       "the job needs more memory than there is");
  } catch (const std::exception& error) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("the job threw: ", error.what()));
  }
}

ErrorLine ErrorOf(const absl::Status& status) {
  JobError error;
  error.code = status.code();
  error.reason = base::GetErrorDetails(status).reason;
  error.message = CleanUtf8(base::CutUtf8(base::Std(status.message()), kMostErrorBytes));
  return {std::move(error)};
}

Up LastWordOf(const absl::StatusOr<std::string>& result) {
  if (!result.ok()) {
    const std::optional<JobLink::Order> obeyed = ObeyedOrder(result.status());
    if (obeyed == JobLink::Order::kPause) return Obeyed::kPaused;
    if (obeyed == JobLink::Order::kStop) return Obeyed::kStopped;
    if (obeyed == JobLink::Order::kCancel) return Obeyed::kCancelled;
    return ErrorOf(result.status());
  }
  if (result->size() <= kMaxResultBytes && TryEncode(Up(ResultLine{*result})).ok()) {
    return ResultLine{*result};
  }
  return ErrorOf(base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                             base::StrCat("the job's result is too large to be kept: bytes=",
                                          result->size(), " limit=", kMaxResultBytes)));
}

}  // namespace

int RunChild(int socket_fd, const OpenEnvironment& open) {
  IgnoreSignals();
  // A line of the log is seen when it is written, not 4 KiB later.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  ChildLink link(socket_fd);
  const Assignment assignment = link.WaitForAssignment();
  link.Finish(LastWordOf(RunGuarded(open, assignment, link)));
  return 0;
}

}  // namespace lbw::jobs

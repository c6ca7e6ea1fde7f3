#include "app/job_metrics.h"

#include <sys/socket.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"

namespace lbw::app {

void JobLines::JobStarted(std::string_view kind, double waited_seconds) {
  Send(base::StrCat("started ", kind, " ", waited_seconds, "\n"));
}
void JobLines::AttemptEnded(std::string_view kind, std::string_view outcome, double seconds) {
  Send(base::StrCat("ended ", kind, " ", outcome, " ", seconds, "\n"));
}
void JobLines::StepsDone(std::string_view kind, int64_t steps, double seconds) {
  Send(base::StrCat("steps ", kind, " ", steps, " ", seconds, "\n"));
}
void JobLines::CheckpointDone(std::string_view kind, uint64_t bytes, double seconds) {
  Send(base::StrCat("checkpoint ", kind, " ", bytes, " ", seconds, "\n"));
}
void JobLines::RenewalFailed(std::string_view kind) {
  Send(base::StrCat("renewal_failed ", kind, "\n"));
}

// A line is far below the size up to which a local socket takes all or nothing.
void JobLines::Send(std::string_view line) {
  [[maybe_unused]] const ssize_t sent =
      ::send(fd_, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool ReplayLine(std::string_view line, jobs::JobObserver& observer) {
  const std::vector<std::string> words = absl::StrSplit(base::Absl(line), ' ');
  if (words.size() < 2) return false;
  const std::string& what = words[0];
  const std::string& kind = words[1];
  double seconds = 0;
  int64_t count = 0;
  if (what == "renewal_failed" && words.size() == 2) {
    observer.RenewalFailed(kind);
    return true;
  }
  if (words.size() < 3 || !absl::SimpleAtod(words.back(), &seconds)) return false;
  if (what == "started" && words.size() == 3) {
    observer.JobStarted(kind, seconds);
    return true;
  }
  if (words.size() != 4) return false;
  if (what == "ended") {
    observer.AttemptEnded(kind, words[2], seconds);
    return true;
  }
  if (!absl::SimpleAtoi(words[2], &count) || count < 0) return false;
  if (what == "steps") {
    observer.StepsDone(kind, count, seconds);
  } else if (what == "checkpoint") {
    observer.CheckpointDone(kind, static_cast<uint64_t>(count), seconds);
  } else {
    return false;
  }
  return true;
}

}  // namespace lbw::app

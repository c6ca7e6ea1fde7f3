// A job's process's end of the socket: orders in, reports out.
//
// Threads: of its own, one that reads orders and one that tells a heartbeat every second and the
//          newest progress. The end of the socket ends the process at once: its worker is gone.
#ifndef LBW_JOBS_CHILD_LINK_H_
#define LBW_JOBS_CHILD_LINK_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "jobs/protocol.h"
#include "jobs/runner.h"

namespace lbw::jobs {

// Events are bounded by their makers: longer texts are cut, progress keeps 64 values.
inline constexpr size_t kMaxResultBytes = size_t{256} << 10;

// Protojson of JobEvent. Pure. Numbers that are none become "NaN", "Infinity" and "-Infinity".
std::string ProgressEventJson(const JobLink::Progress& progress);
std::string MessageEventJson(JobLink::Severity severity, std::string_view text);

class ChildLink final : public JobLink {
 public:
  // socket_fd is borrowed, blocking, and belongs to this process alone. Says hello.
  explicit ChildLink(int socket_fd);
  // Joins its threads; the socket's directions are closed.
  ~ChildLink() override;

  // Waits for it.
  Assignment WaitForAssignment() ABSL_LOCKS_EXCLUDED(mu_);
  // The last word, behind the newest progress. Nothing may be told after it.
  void Finish(const Up& last_word);

  Order order() override ABSL_LOCKS_EXCLUDED(mu_);
  void Report(const Progress& progress) override ABSL_LOCKS_EXCLUDED(mu_);
  void Say(Severity severity, std::string_view text) override;
  absl::Status Checkpoint(const CheckpointInfo& checkpoint) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void ReadOrders() ABSL_LOCKS_EXCLUDED(mu_);
  void Obey(Down message) ABSL_LOCKS_EXCLUDED(mu_);
  void Beat() ABSL_LOCKS_EXCLUDED(mu_);
  // Sends progress that waits.
  void Flush() ABSL_LOCKS_EXCLUDED(mu_, send_mu_);
  void Send(const Up& message) ABSL_LOCKS_EXCLUDED(send_mu_);
  void SendLocked(const Up& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mu_);

  const int fd_;

  // Held while a line is written, so that lines are whole and in order. Before mu_.
  absl::Mutex send_mu_ ABSL_ACQUIRED_BEFORE(mu_);

  absl::Mutex mu_;
  std::optional<Assignment> assignment_ ABSL_GUARDED_BY(mu_);
  bool checkpoint_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool pause_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool cancel_wanted_ ABSL_GUARDED_BY(mu_) = false;
  std::set<std::string> committed_ ABSL_GUARDED_BY(mu_);
  std::optional<Progress> waiting_ ABSL_GUARDED_BY(mu_);
  int64_t step_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Duration sent_at_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;

  std::thread reader_;
  std::thread beater_;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_CHILD_LINK_H_

// What a worker tells, as metrics; and as lines, for a worker whose server keeps the metrics.
#ifndef LBW_APP_JOB_METRICS_H_
#define LBW_APP_JOB_METRICS_H_

#include <string>
#include <string_view>

#include "jobs/worker.h"
#include "metrics/metrics.h"

namespace lbw::app {

class JobMetrics final : public jobs::JobObserver {
 public:
  explicit JobMetrics(metrics::Metrics& metrics) : metrics_(metrics) {}
  void JobStarted(std::string_view kind, double waited_seconds) override {
    metrics_.JobStarted(kind, waited_seconds);
  }
  void AttemptEnded(std::string_view kind, std::string_view outcome, double seconds) override {
    metrics_.JobAttemptEnded(kind, outcome, seconds);
  }
  void StepsDone(std::string_view kind, int64_t steps, double seconds) override {
    metrics_.JobSteps(kind, steps, seconds);
  }
  void CheckpointDone(std::string_view kind, uint64_t bytes, double seconds) override {
    metrics_.JobCheckpoint(kind, bytes, seconds);
  }
  void RenewalFailed(std::string_view kind) override { metrics_.JobRenewalFailed(kind); }

 private:
  metrics::Metrics& metrics_;
};

// Writes each observation as a line "WHAT KIND NUMBER..." to a socket that does not block: one that
// is full loses observations and delays no job.
class JobLines final : public jobs::JobObserver {
 public:
  explicit JobLines(int fd) : fd_(fd) {}
  void JobStarted(std::string_view kind, double waited_seconds) override;
  void AttemptEnded(std::string_view kind, std::string_view outcome, double seconds) override;
  void StepsDone(std::string_view kind, int64_t steps, double seconds) override;
  void CheckpointDone(std::string_view kind, uint64_t bytes, double seconds) override;
  void RenewalFailed(std::string_view kind) override;

 private:
  void Send(std::string_view line);
  const int fd_;
};

// Passes a line of JobLines on. False where it is none.
bool ReplayLine(std::string_view line, jobs::JobObserver& observer);

}  // namespace lbw::app

#endif  // LBW_APP_JOB_METRICS_H_

// Every metric's name, type, unit and labels; what /metrics prints. Golden:
// tests/golden/metrics_names.txt.
//
// Threads: every method may be called concurrently and never blocks for long.
#ifndef LBW_METRICS_METRICS_H_
#define LBW_METRICS_METRICS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lbw::metrics {

// clang-format off
// name                                          type       labels, meaning
// lbw_rpc_requests_total                        counter    service, method, code (canonical): calls that ended
// lbw_rpc_duration_seconds                      histogram  service, method, code: from arrival to the last byte, failures too
// lbw_rpc_in_flight                             gauge      service
// lbw_detect_stage_seconds                      histogram  model, stage: queue decode preprocess compute postprocess draw
// lbw_detect_pictures_total                     counter    model, result: ok error
// lbw_detect_queue_length                       gauge      model, version: calls that wait
// lbw_model_load_seconds                        histogram  model, result: ok error
// lbw_models_loaded, lbw_models_loaded_bytes    gauge
// lbw_quantize_tensors_total                    counter    scheme
// lbw_quantize_weights_total                    counter
// lbw_quantize_seconds                          histogram  call: artifact version
// lbw_upload_bytes_total                        counter    bytes committed
// lbw_artifacts, lbw_stored_bytes, lbw_unfinished_uploads   gauge   read when scraped
// lbw_jobs                                      gauge      kind, state: jobs that are kept, read when scraped
// lbw_job_checkpoint_age_seconds                gauge      kind: the oldest newest checkpoint of a job that runs, when scraped
// lbw_job_wait_seconds                          histogram  kind: from queued to leased
// lbw_job_run_seconds                           histogram  kind, outcome (the job's state after it): an attempt
// lbw_job_step_seconds                          histogram  kind: a step
// lbw_job_steps_total                           counter    kind
// lbw_job_checkpoints_total, lbw_job_checkpoint_bytes_total   counter   kind
// lbw_job_checkpoint_seconds                    histogram  kind: from a checkpoint's announcement to its record
// lbw_job_lease_renewals_failed_total           counter    kind
// lbw_workers                                   gauge      workers heard of lately, when scraped
// lbw_datasets                                  gauge      when scraped
// lbw_build_info                                gauge      version: always 1
// lbw_ready                                     gauge      1 while /readyz answers 200
// process_start_time_seconds, process_resident_memory_bytes, process_open_fds   gauge
// process_cpu_seconds_total                     counter
// clang-format on
class Metrics {
 public:
  virtual ~Metrics() = default;

  virtual void RpcStarted(std::string_view service) = 0;
  virtual void RpcEnded(std::string_view service, std::string_view method, std::string_view code,
                        double seconds) = 0;

  virtual void StageDone(std::string_view model, std::string_view stage, double seconds) = 0;
  virtual void PictureDone(std::string_view model, bool ok) = 0;
  virtual void QueueLength(std::string_view model, int64_t version, size_t calls) = 0;
  virtual void RemoveVersion(std::string_view model, int64_t version) = 0;
  virtual void LoadDone(std::string_view model, double seconds, bool ok) = 0;
  virtual void LoadedChanged(size_t versions, uint64_t bytes) = 0;

  virtual void TensorQuantized(std::string_view scheme, int64_t weights) = 0;
  virtual void QuantizeDone(std::string_view call, double seconds) = 0;
  virtual void UploadCommitted(uint64_t bytes) = 0;
  virtual void SetReady(bool ready) = 0;

  virtual void JobStarted(std::string_view kind, double waited_seconds) = 0;
  virtual void JobAttemptEnded(std::string_view kind, std::string_view outcome, double seconds) = 0;
  virtual void JobSteps(std::string_view kind, int64_t steps, double seconds) = 0;
  virtual void JobCheckpoint(std::string_view kind, uint64_t bytes, double seconds) = 0;
  virtual void JobRenewalFailed(std::string_view kind) = 0;

  struct StoreNumbers {
    uint64_t artifacts = 0;
    uint64_t stored_bytes = 0;
    uint64_t unfinished_uploads = 0;
    uint64_t datasets = 0;
    uint64_t workers = 0;
    struct Jobs {
      std::string kind;
      std::string state;
      uint64_t count = 0;
    };
    std::vector<Jobs> jobs;
    struct CheckpointAge {
      std::string kind;
      double seconds = 0;
    };
    std::vector<CheckpointAge> checkpoint_ages;
  };
  // Asked at every scrape.
  virtual void SetStoreNumbers(std::function<StoreNumbers()> read) = 0;

  // The text exposition format.
  virtual std::string Scrape() const = 0;
};

// Labels that clients choose (model names) are bounded: beyond max_models distinct names they are
// counted under "other".
struct MetricsOptions {
  std::string version;
  size_t max_models = 1000;
};
std::unique_ptr<Metrics> NewMetrics(const MetricsOptions& options);

}  // namespace lbw::metrics

#endif  // LBW_METRICS_METRICS_H_

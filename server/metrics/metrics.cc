#include "metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "metrics/bounded_names.h"
#include "metrics/process.h"

namespace lbw::metrics {
namespace {

using CounterFamily = prometheus::Family<prometheus::Counter>;
using GaugeFamily = prometheus::Family<prometheus::Gauge>;
using HistogramFamily = prometheus::Family<prometheus::Histogram>;

// Two to three a decade: from a cached answer to a call at the edge of patience.
const std::vector<double>& CallBuckets() {
  static const auto* const buckets =
      new std::vector<double>{100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3,
                              0.1,    0.25,   0.5,    1,    2.5,    5,    10,    30,    60};
  return *buckets;
}

// For what reads or writes a whole model.
const std::vector<double>& WorkBuckets() {
  static const auto* const buckets =
      new std::vector<double>{10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900};
  return *buckets;
}

// For what takes minutes to days.
const std::vector<double>& JobBuckets() {
  static const auto* const buckets = new std::vector<double>{
      0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86400, 4 * 86400};
  return *buckets;
}

// Distinct services, methods and codes, whatever a caller passes.
constexpr size_t kMaxApiNames = 256;

prometheus::MetricFamily Single(std::string name, prometheus::MetricType type, std::string help,
                                double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return prometheus::MetricFamily{std::move(name), std::move(help), type, {std::move(metric)}};
}

void AppendStore(const Metrics::StoreNumbers& numbers,
                 std::vector<prometheus::MetricFamily>& families) {
  constexpr auto kGauge = prometheus::MetricType::Gauge;
  families.push_back(Single("lbw_artifacts", kGauge, "Artifacts in the store",
                            static_cast<double>(numbers.artifacts)));
  families.push_back(Single("lbw_stored_bytes", kGauge, "Bytes of stored blobs",
                            static_cast<double>(numbers.stored_bytes)));
  families.push_back(Single("lbw_unfinished_uploads", kGauge, "Uploads that are not finished",
                            static_cast<double>(numbers.unfinished_uploads)));
  families.push_back(Single("lbw_datasets", kGauge, "Datasets in the registry",
                            static_cast<double>(numbers.datasets)));
  families.push_back(Single("lbw_workers", kGauge, "Workers that were heard of lately",
                            static_cast<double>(numbers.workers)));
}

void AppendJobs(const Metrics::StoreNumbers& numbers,
                std::vector<prometheus::MetricFamily>& families) {
  constexpr auto kGauge = prometheus::MetricType::Gauge;
  prometheus::MetricFamily jobs{"lbw_jobs", "Jobs that are kept, by state", kGauge, {}};
  for (const Metrics::StoreNumbers::Jobs& row : numbers.jobs) {
    prometheus::ClientMetric metric;
    metric.label = {{"kind", row.kind}, {"state", row.state}};
    metric.gauge.value = static_cast<double>(row.count);
    jobs.metric.push_back(std::move(metric));
  }
  prometheus::MetricFamily ages{
      "lbw_job_checkpoint_age_seconds",
      "Age of the newest checkpoint of a running job, or of its start: the largest",
      kGauge,
      {}};
  for (const Metrics::StoreNumbers::CheckpointAge& row : numbers.checkpoint_ages) {
    prometheus::ClientMetric metric;
    metric.label = {{"kind", row.kind}};
    metric.gauge.value = row.seconds;
    ages.metric.push_back(std::move(metric));
  }
  families.push_back(std::move(jobs));
  families.push_back(std::move(ages));
}

void AppendProcess(const ProcessNumbers& numbers, std::vector<prometheus::MetricFamily>& families) {
  constexpr auto kGauge = prometheus::MetricType::Gauge;
  families.push_back(Single("process_start_time_seconds", kGauge,
                            "Start of the process, in seconds since 1970",
                            numbers.start_time_seconds));
  families.push_back(Single("process_resident_memory_bytes", kGauge, "Resident memory",
                            static_cast<double>(numbers.resident_bytes)));
  families.push_back(Single("process_cpu_seconds_total", prometheus::MetricType::Counter,
                            "User and system CPU time", numbers.cpu_seconds));
  families.push_back(Single("process_open_fds", kGauge, "Open file descriptors",
                            static_cast<double>(numbers.open_fds)));
}

class PrometheusMetrics final : public Metrics {
 public:
  explicit PrometheusMetrics(const MetricsOptions& options)
      : models_(options.max_models),
        api_names_(kMaxApiNames),
        rpc_requests_(Counters("lbw_rpc_requests_total", "Calls that ended")),
        rpc_duration_(Histograms("lbw_rpc_duration_seconds",
                                 "From a call's arrival to its last byte, failures included")),
        rpc_in_flight_(Gauges("lbw_rpc_in_flight", "Calls in work")),
        stage_(Histograms("lbw_detect_stage_seconds", "Time of each stage of detection")),
        pictures_(Counters("lbw_detect_pictures_total", "Pictures that were answered")),
        queue_length_(Gauges("lbw_detect_queue_length", "Calls that wait for a version")),
        load_(Histograms("lbw_model_load_seconds", "Time to load a version")),
        loaded_(Gauges("lbw_models_loaded", "Versions that are loaded").Add({})),
        loaded_bytes_(Gauges("lbw_models_loaded_bytes", "Bytes of loaded versions").Add({})),
        tensors_(Counters("lbw_quantize_tensors_total", "Tensors that were quantized")),
        weights_(Counters("lbw_quantize_weights_total", "Weights that were quantized").Add({})),
        quantize_(Histograms("lbw_quantize_seconds", "Time of quantizing calls")),
        upload_bytes_(Counters("lbw_upload_bytes_total", "Bytes of uploads committed").Add({})),
        ready_(Gauges("lbw_ready", "1 while /readyz answers 200").Add({})),
        job_wait_(Histograms("lbw_job_wait_seconds", "From a job's queueing to its lease")),
        job_run_(Histograms("lbw_job_run_seconds", "An attempt, by the job's state after it")),
        job_step_(Histograms("lbw_job_step_seconds", "A step of a job")),
        job_steps_(Counters("lbw_job_steps_total", "Steps that jobs have made")),
        job_checkpoints_(Counters("lbw_job_checkpoints_total", "Checkpoints recorded")),
        job_checkpoint_bytes_(
            Counters("lbw_job_checkpoint_bytes_total", "Bytes of checkpoints recorded")),
        job_checkpoint_(Histograms("lbw_job_checkpoint_seconds",
                                   "From a checkpoint's announcement to its record")),
        job_renewals_failed_(
            Counters("lbw_job_lease_renewals_failed_total", "Renewals of leases that failed")) {
    Gauges("lbw_build_info", "Always 1; the version is a label")
        .Add({{"version", options.version}})
        .Set(1);
  }

  void RpcStarted(std::string_view service) override {
    rpc_in_flight_.Add({{"service", api_names_.Bound(service)}}).Increment();
  }

  void RpcEnded(std::string_view service, std::string_view method, std::string_view code,
                double seconds) override {
    const prometheus::Labels labels = {{"service", api_names_.Bound(service)},
                                       {"method", api_names_.Bound(method)},
                                       {"code", api_names_.Bound(code)}};
    rpc_requests_.Add(labels).Increment();
    rpc_duration_.Add(labels, CallBuckets()).Observe(seconds);
    rpc_in_flight_.Add({{"service", labels.at("service")}}).Decrement();
  }

  void StageDone(std::string_view model, std::string_view stage, double seconds) override {
    stage_.Add({{"model", models_.Bound(model)}, {"stage", std::string(stage)}}, CallBuckets())
        .Observe(seconds);
  }

  void PictureDone(std::string_view model, bool ok) override {
    pictures_.Add({{"model", models_.Bound(model)}, {"result", ok ? "ok" : "error"}}).Increment();
  }

  // Not bounded by name: RemoveVersion takes these away again, so there are as many as loaded
  // versions. The lock keeps a gauge from being removed while it is set.
  void QueueLength(std::string_view model, int64_t version, size_t calls) override
      ABSL_LOCKS_EXCLUDED(queue_mu_) {
    absl::MutexLock lock(&queue_mu_);
    prometheus::Gauge*& gauge = queue_gauges_[{std::string(model), version}];
    if (gauge == nullptr) {
      gauge =
          &queue_length_.Add({{"model", std::string(model)}, {"version", std::to_string(version)}});
    }
    gauge->Set(static_cast<double>(calls));
  }

  void RemoveVersion(std::string_view model, int64_t version) override
      ABSL_LOCKS_EXCLUDED(queue_mu_) {
    absl::MutexLock lock(&queue_mu_);
    const auto found = queue_gauges_.find({std::string(model), version});
    if (found == queue_gauges_.end()) return;
    queue_length_.Remove(found->second);
    queue_gauges_.erase(found);
  }

  void LoadDone(std::string_view model, double seconds, bool ok) override {
    load_.Add({{"model", models_.Bound(model)}, {"result", ok ? "ok" : "error"}}, WorkBuckets())
        .Observe(seconds);
  }

  void LoadedChanged(size_t versions, uint64_t bytes) override {
    loaded_.Set(static_cast<double>(versions));
    loaded_bytes_.Set(static_cast<double>(bytes));
  }

  void TensorQuantized(std::string_view scheme, int64_t weights) override {
    tensors_.Add({{"scheme", api_names_.Bound(scheme)}}).Increment();
    weights_.Increment(static_cast<double>(weights));
  }

  void QuantizeDone(std::string_view call, double seconds) override {
    quantize_.Add({{"call", api_names_.Bound(call)}}, WorkBuckets()).Observe(seconds);
  }

  void UploadCommitted(uint64_t bytes) override {
    upload_bytes_.Increment(static_cast<double>(bytes));
  }

  void SetReady(bool ready) override { ready_.Set(ready ? 1 : 0); }

  void JobStarted(std::string_view kind, double waited_seconds) override {
    job_wait_.Add(Kind(kind), JobBuckets()).Observe(waited_seconds);
  }
  void JobAttemptEnded(std::string_view kind, std::string_view outcome, double seconds) override {
    job_run_
        .Add({{"kind", api_names_.Bound(kind)}, {"outcome", api_names_.Bound(outcome)}},
             JobBuckets())
        .Observe(seconds);
  }
  // A report of several steps counts each with their mean.
  void JobSteps(std::string_view kind, int64_t steps, double seconds) override {
    if (steps <= 0) return;
    constexpr int64_t kMostObserved = 1'000;
    prometheus::Histogram& histogram = job_step_.Add(Kind(kind), WorkBuckets());
    for (int64_t i = 0; i < std::min(steps, kMostObserved); ++i) {
      histogram.Observe(seconds / static_cast<double>(steps));
    }
    job_steps_.Add(Kind(kind)).Increment(static_cast<double>(steps));
  }
  void JobCheckpoint(std::string_view kind, uint64_t bytes, double seconds) override {
    job_checkpoints_.Add(Kind(kind)).Increment();
    job_checkpoint_bytes_.Add(Kind(kind)).Increment(static_cast<double>(bytes));
    job_checkpoint_.Add(Kind(kind), CallBuckets()).Observe(seconds);
  }
  void JobRenewalFailed(std::string_view kind) override {
    job_renewals_failed_.Add(Kind(kind)).Increment();
  }

  void SetStoreNumbers(std::function<StoreNumbers()> read) override ABSL_LOCKS_EXCLUDED(store_mu_) {
    absl::MutexLock lock(&store_mu_);
    read_store_ = std::move(read);
  }

  std::string Scrape() const override ABSL_LOCKS_EXCLUDED(store_mu_) {
    std::function<StoreNumbers()> read;
    {
      absl::MutexLock lock(&store_mu_);
      read = read_store_;
    }
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    const StoreNumbers numbers = read ? read() : StoreNumbers{};
    AppendStore(numbers, families);
    AppendJobs(numbers, families);
    AppendProcess(ReadProcessNumbers(), families);
    return prometheus::TextSerializer().Serialize(families);
  }

 private:
  prometheus::Labels Kind(std::string_view kind) { return {{"kind", api_names_.Bound(kind)}}; }
  CounterFamily& Counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_);
  }
  GaugeFamily& Gauges(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
  }
  HistogramFamily& Histograms(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_);
  }

  // Synchronised by themselves
  prometheus::Registry registry_;
  BoundedNames models_;
  BoundedNames api_names_;
  CounterFamily& rpc_requests_;
  HistogramFamily& rpc_duration_;
  GaugeFamily& rpc_in_flight_;
  HistogramFamily& stage_;
  CounterFamily& pictures_;
  GaugeFamily& queue_length_;
  HistogramFamily& load_;
  prometheus::Gauge& loaded_;
  prometheus::Gauge& loaded_bytes_;
  CounterFamily& tensors_;
  prometheus::Counter& weights_;
  HistogramFamily& quantize_;
  prometheus::Counter& upload_bytes_;
  prometheus::Gauge& ready_;
  HistogramFamily& job_wait_;
  HistogramFamily& job_run_;
  HistogramFamily& job_step_;
  CounterFamily& job_steps_;
  CounterFamily& job_checkpoints_;
  CounterFamily& job_checkpoint_bytes_;
  HistogramFamily& job_checkpoint_;
  CounterFamily& job_renewals_failed_;

  absl::Mutex queue_mu_;
  std::map<std::pair<std::string, int64_t>, prometheus::Gauge*> queue_gauges_
      ABSL_GUARDED_BY(queue_mu_);

  mutable absl::Mutex store_mu_;
  std::function<StoreNumbers()> read_store_ ABSL_GUARDED_BY(store_mu_);
};

}  // namespace

std::unique_ptr<Metrics> NewMetrics(const MetricsOptions& options) {
  return std::make_unique<PrometheusMetrics>(options);
}

}  // namespace lbw::metrics

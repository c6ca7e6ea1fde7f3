#include "app/job_numbers.h"

#include "base/clock.h"
#include "base/log.h"

namespace lbw::app {

metrics::Metrics::StoreNumbers ReadJobNumbers(jobs::Queue& queue, registry::Datasets& datasets) {
  constexpr absl::Duration kLately = absl::Seconds(30);
  metrics::Metrics::StoreNumbers numbers;
  const auto log = [](const absl::Status& status) {
    if (!status.ok()) base::LogWarning("job_numbers_failed", {{"error", status}});
    return status.ok();
  };
  const auto counts = queue.Counts();
  if (log(counts.status())) {
    for (const jobs::JobCount& count : *counts) {
      numbers.jobs.push_back(
          {count.kind, std::string(jobs::Name(count.state)), static_cast<uint64_t>(count.count)});
    }
  }
  const auto ages = queue.CheckpointAges();
  if (log(ages.status())) {
    for (const auto& age : *ages) {
      numbers.checkpoint_ages.push_back({age.kind, absl::ToDoubleSeconds(age.age)});
    }
  }
  const auto workers = queue.Workers();
  if (log(workers.status())) {
    const absl::Time since = base::RealClock().Now() - kLately;
    for (const jobs::WorkerInfo& worker : *workers) {
      if (worker.last_seen_time >= since) ++numbers.workers;
    }
  }
  const auto count = datasets.Count();
  if (log(count.status())) numbers.datasets = static_cast<uint64_t>(*count);
  return numbers;
}

}  // namespace lbw::app

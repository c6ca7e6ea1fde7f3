#include "app/job_rooms.h"

#include <algorithm>

#include "tasks/tasks.h"

namespace lbw::app {
namespace {

jobs::QueueLimits QueueLimitsOf(const config::Config& config) {
  jobs::QueueLimits limits;
  limits.max_active = config.max_active_jobs;
  limits.max_events_per_job = config.max_job_events;
  limits.lease = config.job_lease;
  limits.retention = config.job_retention;
  limits.retry.max_attempts = config.job_max_attempts;
  limits.retry.backoff_base = config.job_backoff;
  limits.retry.backoff_max = std::max(limits.retry.backoff_max, config.job_backoff);
  return limits;
}

}  // namespace

registry::RegistryLimits RegistryLimitsOf(const config::Config& config) {
  registry::RegistryLimits limits;
  limits.max_models = config.max_models;
  return limits;
}

JobRooms BuildJobRooms(const config::Config& config, const JobStores& stores) {
  JobRooms rooms;
  registry::DatasetLimits limits;
  limits.max_datasets = config.max_datasets;
  rooms.datasets = registry::NewDatasets(stores.database, limits);
  rooms.evaluations = registry::NewEvaluations(stores.database);
  rooms.queue = jobs::NewQueue(stores.database, QueueLimitsOf(config));
  tasks::TaskContext context;
  context.registry = &stores.registry;
  context.datasets = rooms.datasets.get();
  context.evaluations = rooms.evaluations.get();
  context.blobs = &stores.blobs;
  rooms.kinds = tasks::NewJobKinds(context);
  return rooms;
}

}  // namespace lbw::app

// What a server and a worker both build to have jobs: the rows of datasets and evaluations, the
// queue, and the kinds.
#ifndef LBW_APP_JOB_ROOMS_H_
#define LBW_APP_JOB_ROOMS_H_

#include <memory>

#include "config/config.h"
#include "jobs/queue.h"
#include "jobs/runner.h"
#include "registry/datasets.h"
#include "registry/evaluations.h"
#include "registry/registry.h"
#include "store/blob_store.h"
#include "store/database.h"

namespace lbw::app {

struct JobRooms {
  std::unique_ptr<registry::Datasets> datasets;
  std::unique_ptr<registry::Evaluations> evaluations;
  std::unique_ptr<jobs::Queue> queue;
  std::unique_ptr<jobs::JobKinds> kinds;
};

struct JobStores {
  store::Database& database;
  store::BlobStore& blobs;
  registry::Registry& registry;
};
// The stores are borrowed and outlive the rooms.
JobRooms BuildJobRooms(const config::Config& config, const JobStores& stores);

registry::RegistryLimits RegistryLimitsOf(const config::Config& config);

}  // namespace lbw::app

#endif  // LBW_APP_JOB_ROOMS_H_

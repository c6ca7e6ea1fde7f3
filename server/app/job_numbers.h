// Jobs, workers and datasets as numbers for /metrics.
#ifndef LBW_APP_JOB_NUMBERS_H_
#define LBW_APP_JOB_NUMBERS_H_

#include "jobs/queue.h"
#include "metrics/metrics.h"
#include "registry/datasets.h"

namespace lbw::app {

// What cannot be read is logged and left out. Artifacts and uploads are not filled in.
metrics::Metrics::StoreNumbers ReadJobNumbers(jobs::Queue& queue, registry::Datasets& datasets);

}  // namespace lbw::app

#endif  // LBW_APP_JOB_NUMBERS_H_

// Pages of jobs by a filter.
#ifndef LBW_JOBS_QUEUE_LIST_H_
#define LBW_JOBS_QUEUE_LIST_H_

#include "absl/status/statusor.h"
#include "jobs/queue.h"
#include "jobs/queue_rows.h"
#include "store/paging.h"

namespace lbw::jobs {

// Inside a transaction of the caller. page_size: 1..1000.
absl::StatusOr<Queue::Page> ListJobs(JobRows& rows, const JobFilter& filter,
                                     const store::TimePlace& place, int page_size);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_LIST_H_

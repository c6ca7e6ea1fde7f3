// Pages of jobs by a filter.
#ifndef LBW_JOBS_QUEUE_LIST_H_
#define LBW_JOBS_QUEUE_LIST_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "jobs/queue.h"
#include "jobs/queue_rows.h"

namespace lbw::jobs {

// Where a page begins: behind a job in the order of List.
struct ListPlace {
  int64_t create_us = 0;
  std::string id;
};
// Errors: kInvalidArgument - not a token of ours.
absl::StatusOr<ListPlace> ParseListToken(std::string_view token);
// 1..1000.
int PageSize(int wanted);

// Inside a transaction of the caller.
absl::StatusOr<Queue::Page> ListJobs(JobRows& rows, const JobFilter& filter, const ListPlace& place,
                                     int page_size);

}  // namespace lbw::jobs

#endif  // LBW_JOBS_QUEUE_LIST_H_

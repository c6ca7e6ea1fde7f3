// Keeps an evaluation's text within what a job's result may have. Pure.
#ifndef LBW_TASKS_REPORT_SIZE_H_
#define LBW_TASKS_REPORT_SIZE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "jobs/child_link.h"
#include "tasks/json.h"

namespace lbw::tasks {

// Room for what wraps it in a result.
inline constexpr size_t kMostReportBytes = jobs::kMaxResultBytes - 8'192;

// Leaves out agreement by class, curves, sizes by class, and then classes from the end, as much as
// it takes; the figures over all classes stay. Answers what was left out, for people.
std::vector<std::string> ShrinkToFit(size_t most_bytes, Json& evaluation);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_REPORT_SIZE_H_

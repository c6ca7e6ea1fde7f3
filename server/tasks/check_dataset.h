// The job `check_dataset`: an uploaded archive becomes a pack, and every defect has a name.
#ifndef LBW_TASKS_CHECK_DATASET_H_
#define LBW_TASKS_CHECK_DATASET_H_

#include <string>

#include "absl/status/statusor.h"
#include "jobs/runner.h"

namespace lbw::tasks {

// {"archive": sha256}. The spec names it itself.
absl::StatusOr<std::string> PrepareCheckDataset(const jobs::Job& job);

// Answers {"dataset": lbw.v1.Dataset, "defects_blob": sha256 of {"defects": [...], "not_kept": n}}:
// defects may be many, and a result is a line. A Dataset that is too long for it is a blob too:
// "summary_blob" instead of "dataset". Steps: thousandths of the unpacking, then pictures.
// Errors: those of UnpackArchive, ReadAnnotations and CheckDataset; what ObeyedStatus makes.
absl::StatusOr<std::string> RunCheckDataset(const jobs::JobContext& context);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CHECK_DATASET_H_

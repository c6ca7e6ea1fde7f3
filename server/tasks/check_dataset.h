// The job `check_dataset`: an uploaded archive becomes a pack, and every defect has a name.
#ifndef LBW_TASKS_CHECK_DATASET_H_
#define LBW_TASKS_CHECK_DATASET_H_

#include <string>

#include "absl/status/statusor.h"
#include "dataset/dataset.h"
#include "dataset/disk_room.h"
#include "jobs/runner.h"

namespace lbw::tasks {

// {"archive": sha256}. The spec names it itself.
absl::StatusOr<std::string> PrepareCheckDataset(const jobs::Job& job);

struct CheckBounds {
  dataset::DatasetLimits limits;
  dataset::SpaceOf space = dataset::SpaceOfFolder;  // asked for the scratch folder
};

// Answers {"dataset": lbw.v1.Dataset, "defects_blob": sha256 of {"defects": [...], "not_kept": n}}:
// defects may be many, and a result is a line. A Dataset that is too long for it is a blob too:
// "summary_blob" instead of "dataset". Steps: thousandths of the unpacking, then
// what was read of the annotations (files, MiB, thousands of items), pictures, and the pack's MiB;
// each rises by what takes well under a second, and asks for orders.
// Scratch folder and blobs stand on one disk: what is written to it leaves the limits' reserve
// free. On an error no blob is left, and nothing in the scratch folder. Precision: the result is
// the same for every number of threads. Errors: those of UnpackArchive, ReadAnnotations and
// CheckDataset; kResourceExhausted, OUT_OF_ROOM
// - names bytes needed and free; what ObeyedStatus makes.
absl::StatusOr<std::string> RunCheckDataset(const jobs::JobContext& context,
                                            const CheckBounds& bounds = {});

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CHECK_DATASET_H_

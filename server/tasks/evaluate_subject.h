// What an evaluation is taken over: the pictures of a split, and what is true of them. Pure.
#ifndef LBW_TASKS_EVALUATE_SUBJECT_H_
#define LBW_TASKS_EVALUATE_SUBJECT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/pack.h"
#include "tasks/evaluate_report.h"
#include "tasks/evaluate_spec.h"

namespace lbw::tasks {

struct Subject {
  std::vector<size_t> pictures;  // indices into the pack, in the order of the split
  std::vector<int32_t> labels;   // classifiers: of pictures, -1 where it has none
  Truth truth;
};

// The split's pictures, the first max_pictures of them where that is set.
// Errors: kFailedPrecondition, BAD_DATASET - no pictures; those of Pack::PicturesOf.
absl::StatusOr<Subject> ReadSubject(const dataset::Pack& pack, const EvaluateSpec& spec);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_EVALUATE_SUBJECT_H_

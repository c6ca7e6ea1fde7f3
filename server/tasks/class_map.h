// Which class of a dataset is which class of a model: by label. Pure.
#ifndef LBW_TASKS_CLASS_MAP_H_
#define LBW_TASKS_CLASS_MAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace lbw::tasks {

struct ClassMap {
  // Model's class -> dataset's class, -1 where the dataset does not have it.
  std::vector<int32_t> to_dataset;
  // What a person should know: labels that fit only in part, classes that only the model has.
  std::vector<std::string> notes;
};

// Every class of the dataset must be one of the model's. Labels are equal, or equal but for case,
// spaces, '_' and '-' (a note says so), where only one of the model's is and no other label of the
// dataset means it. A dataset whose classes are the numbers 0 .. n-1 fits a
// model with n classes by index.
// Errors: kFailedPrecondition, BAD_DATASET - names the dataset's labels that the model lacks, and
// the model's.
absl::StatusOr<ClassMap> MapClasses(const std::vector<std::string>& model,
                                    const std::vector<std::string>& dataset);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CLASS_MAP_H_

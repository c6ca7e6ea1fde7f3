// Which class of a model is which class of a dataset: by their names. Private to the room.
//
// Names:    equal, or equal but for case, spaces, '_' and '-' ("No Mask" and "no_mask"; the note
//           says so). An equal name goes before a similar one; a similar one must be the only one.
// Numbers:  a dataset for classification whose classes are "0" .. "n-1" (its files know no names)
//           goes by index with a model of n classes; the note says so.
// Threads:  pure.
#ifndef LBW_TASKS_CLASS_MAP_H_
#define LBW_TASKS_CLASS_MAP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/dataset.h"

namespace lbw::tasks {

struct ClassMap {
  std::vector<int32_t> to_dataset;  // by the model's class; -1: the dataset does not have it
  std::vector<int32_t> to_model;    // by the dataset's class
  std::vector<std::string> notes;   // what a person should know
};

// Borrowed. names: of the resources, for messages.
struct ClassLists {
  const std::vector<std::string>& model;
  const std::vector<std::string>& dataset;
  std::string_view model_name;
  std::string_view dataset_name;
};
// Every class of the dataset must be one of the model's.
// Errors: kFailedPrecondition, NOT_THE_RIGHT_HEAD - names the classes that have no partner and the
// classes of both sides.
absl::StatusOr<ClassMap> MapClasses(const ClassLists& lists, dataset::Task task);

// For each of `from` its partner in `to` by the rule for names, -1 where there is none.
std::vector<int32_t> MatchLabels(const std::vector<std::string>& from,
                                 const std::vector<std::string>& to);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CLASS_MAP_H_

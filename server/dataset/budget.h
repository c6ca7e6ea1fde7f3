// Counts what the annotations of a check come to in memory, while they are read. Private to the
// room.
//
// What is counted for a picture and a box is everything that the check makes of it (what was read,
// what is checked, the digests), and vectors at twice their size, because they grow by doubling.
//
// Threads: one at a time.
#ifndef LBW_DATASET_BUDGET_H_
#define LBW_DATASET_BUDGET_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "dataset/dataset.h"
#include "dataset/read.h"

namespace lbw::dataset {

class Budget {
 public:
  // limits is borrowed.
  explicit Budget(const DatasetLimits& limits) : limits_(limits) {}

  // Errors, all: kInvalidArgument, LIMIT_EXCEEDED - max_kept_bytes, max_pictures, max_boxes; names
  // the file that goes beyond, the value and the limit.
  absl::Status Keep(uint64_t bytes, std::string_view file);
  // A picture with its names, without its boxes.
  absl::Status KeepPicture(const RawPicture& picture);
  // One more box, whose texts have so many bytes.
  absl::Status KeepBox(uint64_t text_bytes, std::string_view file);

 private:
  const DatasetLimits& limits_;
  uint64_t kept_bytes_ = 0;
  int64_t pictures_ = 0;
  int64_t boxes_ = 0;
};

// Errors: as told, kInvalidArgument, LIMIT_EXCEEDED: "WHAT: FILE brings it to VALUE, limit=LIMIT".
absl::Status BeyondLimit(std::string_view what, std::string_view file, uint64_t value,
                         uint64_t limit);

// Whether a name of a class or a split is short enough. where: file and field. Errors:
// kInvalidArgument, LIMIT_EXCEEDED - names where, the bytes and the limit.
absl::Status CheckNameLength(std::string_view where, std::string_view name,
                             const DatasetLimits& limits);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_BUDGET_H_

// Places of boxes in their list, by class, then picture, then place.
//
// Threads: const after construction. Cost: O(n log n) to build, O(log n) a look-up.
#ifndef LBW_EVAL_GROUPING_H_
#define LBW_EVAL_GROUPING_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eval/boxes.h"

namespace lbw::eval {

class Grouping {
 public:
  struct Entry {
    int32_t class_index = 0;
    int32_t image_index = 0;
    int32_t place = 0;  // in the list
  };

  explicit Grouping(absl::Span<const TruthBox> truths);
  explicit Grouping(absl::Span<const FoundBox> found);

  absl::Span<const Entry> OfClass(int32_t class_index) const;
  absl::Span<const Entry> Of(int32_t class_index, int32_t image_index) const;

 private:
  void Sort();

  std::vector<Entry> entries_;
};

// Errors: kResourceExhausted - more than kMaxTruthsOfClassInImage truths of a class in a picture.
absl::Status CheckCrowding(const Grouping& truths, int32_t class_count);

}  // namespace lbw::eval

#endif  // LBW_EVAL_GROUPING_H_

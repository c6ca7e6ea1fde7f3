// Tells an observer what has changed between two looks at the versions, in an order that leaves
// every gauge right: one reporter, so that no older value overtakes a newer one.
#ifndef LBW_SERVING_GAUGES_H_
#define LBW_SERVING_GAUGES_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "serving/detector.h"

namespace lbw::serving {

// Threads: one at a time.
class Gauges {
 public:
  // observer may be nullptr: nothing is told then.
  explicit Gauges(ServingObserver* observer) : observer_(observer) {}
  // versions: as VersionTable::List gives them; bytes = 0 is not loaded yet.
  void Report(absl::Span<const LoadedInfo> versions);

 private:
  using Name = std::pair<std::string, int64_t>;
  ServingObserver* const observer_;
  std::map<Name, size_t> queue_lengths_;
  size_t loaded_ = 0;
  uint64_t loaded_bytes_ = 0;
};

}  // namespace lbw::serving

#endif  // LBW_SERVING_GAUGES_H_

// Keeps a label that clients choose from growing without end.
#ifndef LBW_METRICS_BOUNDED_NAMES_H_
#define LBW_METRICS_BOUNDED_NAMES_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "base/strings.h"

namespace lbw::metrics {

// The first max_names distinct names are themselves; every other one is "other". Threads: Bound may
// be called concurrently.
class BoundedNames {
 public:
  explicit BoundedNames(size_t max_names) : max_names_(max_names) {}

  std::string Bound(std::string_view name) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    if (names_.contains(base::Absl(name))) return std::string(name);
    if (names_.size() >= max_names_) return "other";
    names_.emplace(name);
    return std::string(name);
  }

 private:
  const size_t max_names_;
  absl::Mutex mu_;
  absl::flat_hash_set<std::string> names_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lbw::metrics

#endif  // LBW_METRICS_BOUNDED_NAMES_H_

// The versions in use, by name: who is loaded, how large, and who makes room for whom.
//
// Threads: every method may be called concurrently.
#ifndef LBW_SERVING_VERSION_TABLE_H_
#define LBW_SERVING_VERSION_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "serving/detector.h"
#include "serving/served_version.h"

namespace lbw::serving {

class VersionTable {
 public:
  using Make = std::function<std::shared_ptr<ServedVersion>(const ServedName& name)>;
  // make: called for a version that is not here yet.
  VersionTable(uint64_t budget_bytes, const base::Clock& clock, Make make);

  struct Acquired {
    VersionUse use;
    bool is_new = false;  // the caller loads it
  };
  // bundle: its sha256. A job's checkpoint that is here with another bundle is an older one: it is
  // taken out, calls that hold it go on.
  Acquired Acquire(const ServedName& name, std::string_view bundle) ABSL_LOCKS_EXCLUDED(mu_);

  // Counts a version that was just compiled, after taking out what has to make room for it (it goes
  // once nobody uses it). A version that was removed meanwhile is not counted.
  // Errors: kResourceExhausted, OUT_OF_ROOM - larger than the budget, or the others are in use
  // (then with a retry delay); names both numbers.
  absl::Status Settle(const ServedVersion& version, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);

  // Takes it out; calls that hold it go on. False when it was not there.
  bool Remove(const ServedName& name) ABSL_LOCKS_EXCLUDED(mu_);
  // Takes out this very object, not a later one of the same name.
  void RemoveExactly(const ServedVersion& version) ABSL_LOCKS_EXCLUDED(mu_);
  void Clear() ABSL_LOCKS_EXCLUDED(mu_);

  // In order of name and number; those that load have bytes = 0.
  std::vector<LoadedInfo> List() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<ServedVersion> version;
    std::string bundle;
    uint64_t bytes = 0;  // 0 until it is settled
    absl::Time last_used;
  };

  const uint64_t budget_bytes_;
  const base::Clock& clock_;
  const Make make_;

  mutable absl::Mutex mu_;
  std::map<ServedName, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lbw::serving

#endif  // LBW_SERVING_VERSION_TABLE_H_

// A mutex for every key: who works on one digest waits only for who works on the same one.
//
// Threads: every method may be called concurrently. Not recursive.
#ifndef LBW_STORE_KEYED_MUTEX_H_
#define LBW_STORE_KEYED_MUTEX_H_

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"

namespace lbw::store {

class KeyedMutex {
 public:
  // Unlocks when it dies; must not outlive the KeyedMutex.
  class Guard {
   public:
    Guard(KeyedMutex& owner, std::string key) : owner_(owner), key_(std::move(key)) {
      const auto is_free = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !owner_.held_.contains(key_);
      };
      absl::MutexLock lock(&owner_.mu_, absl::Condition(&is_free));
      owner_.held_.insert(key_);
    }
    ~Guard() {
      absl::MutexLock lock(&owner_.mu_);
      owner_.held_.erase(key_);
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    KeyedMutex& owner_;
    const std::string key_;
  };

 private:
  absl::Mutex mu_;
  absl::flat_hash_set<std::string> held_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lbw::store

#endif  // LBW_STORE_KEYED_MUTEX_H_

// Looks after the calls in work: ends those that nobody wants any more, delivers refusals, buries
// versions that are no longer used, and has the gauges reported.
//
// One thread. While calls are in work it looks at them every 10 ms (a cancellation can only be
// asked for), otherwise it sleeps until something happens.
//
// Lifetime: outlives every Call and ServedVersion; Stop before it goes.
// Threads: every method may be called concurrently, but Stop.
#ifndef LBW_SERVING_SUPERVISOR_H_
#define LBW_SERVING_SUPERVISOR_H_

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "serving/call.h"
#include "serving/served_version.h"

namespace lbw::serving {

class Supervisor final : public CallSet {
 public:
  // report: called by the thread after every look, never concurrently with itself.
  explicit Supervisor(std::function<void()> report);
  ~Supervisor() override;

  // Takes a call into care. False: draining, and the call is ended by the thread.
  bool Add(const std::shared_ptr<Call>& call) ABSL_LOCKS_EXCLUDED(mu_);
  // Has the thread end the call with this error.
  void Refuse(std::shared_ptr<Call> call, absl::Status error) ABSL_LOCKS_EXCLUDED(mu_);
  void Forget(const Call* call) override ABSL_LOCKS_EXCLUDED(mu_);
  // Ends every call whose client is gone or whose deadline has passed, whatever stage it is in, and
  // sees to it that the places of ended calls are free when this returns.
  void EndUnwanted() ABSL_LOCKS_EXCLUDED(mu_);
  // Something that the gauges show has changed.
  void Touch() ABSL_LOCKS_EXCLUDED(mu_);

  // A new version whose last pointer leads back here.
  std::shared_ptr<ServedVersion> Adopt(std::unique_ptr<ServedVersion> version)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Refuses new calls from now on; returns once every call has ended. Those still in work at the
  // deadline (of the machine's clock) are ended with kUnavailable.
  void Drain(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits until every version is buried and ends the thread. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Refusal = std::pair<std::shared_ptr<Call>, absl::Status>;
  // What one look has to do.
  struct Round {
    std::vector<Refusal> refusals;
    std::vector<std::shared_ptr<Call>> calls;
    std::vector<std::unique_ptr<ServedVersion>> buried;
    bool fail_calls = false;
    bool last = false;
  };

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  Round NextRound() ABSL_LOCKS_EXCLUDED(mu_);
  void Bury(ServedVersion* version) ABSL_LOCKS_EXCLUDED(mu_);
  bool Urgent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Awake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Empty() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::function<void()> report_;

  mutable absl::Mutex mu_;
  absl::flat_hash_map<const Call*, std::shared_ptr<Call>> calls_ ABSL_GUARDED_BY(mu_);
  std::vector<Refusal> refusals_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<ServedVersion>> graveyard_ ABSL_GUARDED_BY(mu_);
  size_t versions_ ABSL_GUARDED_BY(mu_) = 0;  // adopted and not destroyed
  bool touched_ ABSL_GUARDED_BY(mu_) = false;
  bool draining_ ABSL_GUARDED_BY(mu_) = false;
  bool fail_calls_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace lbw::serving

#endif  // LBW_SERVING_SUPERVISOR_H_

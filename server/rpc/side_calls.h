// The calls in work of services that are not the product's: health watches and reflection streams,
// which their clients hold open for as long as the server lives. A drain cancels them, or each
// would take its whole time.
//
// Threads: every method may be called concurrently.
#ifndef LBW_RPC_SIDE_CALLS_H_
#define LBW_RPC_SIDE_CALLS_H_

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace grpc {
class ServerContextBase;
}

namespace lbw::rpc {

class SideCalls {
 public:
  // context is borrowed until Remove.
  void Add(const grpc::ServerContextBase* context) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(const grpc::ServerContextBase* context) ABSL_LOCKS_EXCLUDED(mu_);
  void CancelAll() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::Mutex mu_;
  std::set<const grpc::ServerContextBase*> contexts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_SIDE_CALLS_H_

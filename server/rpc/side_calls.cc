#include "rpc/side_calls.h"

#include "grpcpp/server_context.h"

namespace lbw::rpc {

void SideCalls::Add(const grpc::ServerContextBase* context) {
  absl::MutexLock lock(&mu_);
  contexts_.insert(context);
}

void SideCalls::Remove(const grpc::ServerContextBase* context) {
  absl::MutexLock lock(&mu_);
  contexts_.erase(context);
}

void SideCalls::CancelAll() {
  // Under the lock, which keeps the contexts alive; cancelling only queues the end of the call.
  absl::MutexLock lock(&mu_);
  for (const grpc::ServerContextBase* context : contexts_) context->TryCancel();
}

}  // namespace lbw::rpc

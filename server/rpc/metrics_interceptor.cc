// Counts, times and logs every call: from its arrival to its status, or to its end where the client
// left without one.
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_interceptor.h"
#include "metrics/metrics.h"
#include "rpc/method_name.h"
#include "rpc/services.h"
#include "rpc/side_calls.h"
#include "rpc/status_mapping.h"

namespace lbw::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

constexpr std::string_view kRequestIdKey = "x-request-id";
constexpr size_t kMaxRequestIdBytes = 128;

class MetricsInterceptor final : public Interceptor {
 public:
  MetricsInterceptor(metrics::Metrics& metrics, SideCalls& side_calls, ServerRpcInfo* info)
      : metrics_(metrics), side_calls_(side_calls), context_(info->server_context()) {
    MethodName name = NameOfMethod(info->method());
    service_ = std::move(name.service);
    method_ = std::move(name.method);
    metrics_.RpcStarted(service_);
    is_side_call_ = service_.rfind("lbw.", 0) != 0;
    if (is_side_call_) side_calls_.Add(context_);
  }

  // gRPC destroys the interceptor with the call, also where no status was sent.
  ~MetricsInterceptor() override {
    if (is_side_call_) side_calls_.Remove(context_);
    if (!ended_) End(grpc::StatusCode::CANCELLED, "the call ended without a status");
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      ReadRequestId(methods);
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      End(status.error_code(), status.error_message());
    }
    methods->Proceed();
  }

 private:
  void ReadRequestId(InterceptorBatchMethods* methods) {
    const auto* metadata = methods->GetRecvInitialMetadata();
    if (metadata == nullptr) return;
    const auto found = metadata->find({kRequestIdKey.data(), kRequestIdKey.size()});
    if (found == metadata->end() || found->second.size() > kMaxRequestIdBytes) return;
    request_id_.assign(found->second.data(), found->second.size());
  }

  void End(grpc::StatusCode code, const std::string& message) {
    if (ended_) return;
    ended_ = true;
    const double seconds = watch_.ElapsedSeconds();
    metrics_.RpcEnded(service_, method_, CodeName(code), seconds);
    if (request_id_.empty()) request_id_ = base::NewId();
    if (code == grpc::StatusCode::OK) {
      base::LogDebug(
          "rpc",
          {{"method", method_}, {"code", "OK"}, {"seconds", seconds}, {"request_id", request_id_}});
      return;
    }
    const auto level = code == grpc::StatusCode::INTERNAL || code == grpc::StatusCode::DATA_LOSS
                           ? base::LogLevel::kError
                           : base::LogLevel::kInfo;
    base::Log(level, "rpc_failed",
              {{"method", method_},
               {"code", CodeName(code)},
               {"message", message},
               {"seconds", seconds},
               {"request_id", request_id_}});
  }

  metrics::Metrics& metrics_;
  SideCalls& side_calls_;
  const grpc::ServerContextBase* const context_;
  const base::Stopwatch watch_;
  std::string service_;
  std::string method_;
  std::string request_id_;
  bool ended_ = false;
  bool is_side_call_ = false;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  Factory(metrics::Metrics& metrics, SideCalls& side_calls)
      : metrics_(metrics), side_calls_(side_calls) {}
  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new MetricsInterceptor(metrics_, side_calls_, info);
  }

 private:
  metrics::Metrics& metrics_;
  SideCalls& side_calls_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NewMetricsInterceptorFactory(
    metrics::Metrics& metrics, SideCalls& side_calls) {
  return std::make_unique<Factory>(metrics, side_calls);
}

}  // namespace lbw::rpc

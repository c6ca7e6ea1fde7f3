// absl::Status with our details to grpc::Status and google.rpc.Status.
//
// The canonical code and message stay; the reason becomes google.rpc.ErrorInfo (domain "lbw"),
// fields BadRequest, a delay RetryInfo. A status without a reason gets one from its code, so that
// every error on the wire carries exactly one ErrorInfo.
#ifndef LBW_RPC_STATUS_MAPPING_H_
#define LBW_RPC_STATUS_MAPPING_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace lbw::rpc {

inline constexpr std::string_view kErrorDomain = "lbw";

google::rpc::Status ToRpcStatus(const absl::Status& status);
grpc::Status ToGrpcStatus(const absl::Status& status);
// "INVALID_ARGUMENT", ...; the label of metrics.
std::string_view CodeName(grpc::StatusCode code);

}  // namespace lbw::rpc

#endif  // LBW_RPC_STATUS_MAPPING_H_

#include "rpc/detection_service.h"

#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "serving/detector.h"

namespace lbw::rpc {
namespace {

absl::StatusOr<serving::DetectRequest> ParseRequest(const v1::DetectRequest& request) {
  serving::DetectRequest result;
  LBW_ASSIGN_OR_RETURN(result.model, base::ParseModelRef(request.model(), "model"));
  LBW_ASSIGN_OR_RETURN(result.options, FromProto(request.options()));
  result.images.assign(request.images().begin(), request.images().end());
  return result;
}

}  // namespace

grpc::ServerUnaryReactor* DetectionService::Detect(grpc::CallbackServerContext* context,
                                                   const v1::DetectRequest* request,
                                                   v1::DetectResponse* response) {
  auto* call = new UnaryCall;
  absl::StatusOr<serving::DetectRequest> parsed = ParseRequest(*request);
  if (!parsed.ok()) {
    call->Finish(ToGrpcStatus(parsed.status()));
    return call;
  }
  parsed->cancel = MakeToken(call->cancelled(), *context);
  context_.detector->Detect(*std::move(parsed),
                            [call, response](absl::StatusOr<serving::DetectResponse> result) {
                              if (result.ok()) ToProto(*result, response);
                              call->Finish(ToGrpcStatus(result.status()));
                            });
  return call;
}

}  // namespace lbw::rpc

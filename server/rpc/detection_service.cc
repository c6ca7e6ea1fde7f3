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
  const uint64_t max_bytes = context_.limits.max_message_bytes;
  context_.detector->Detect(
      *std::move(parsed),
      [call, response, max_bytes](absl::StatusOr<serving::DetectResponse> result) {
        absl::Status status = result.status();
        if (status.ok()) {
          ToProto(*result, response);
          status = CheckAnswerSize(response->ByteSizeLong(), max_bytes);
        }
        if (!status.ok()) response->Clear();
        call->Finish(ToGrpcStatus(status));
      });
  return call;
}

}  // namespace lbw::rpc

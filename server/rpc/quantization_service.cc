#include "rpc/quantization_service.h"

#include <string>
#include <utility>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "metrics/metrics.h"
#include "rpc/call.h"
#include "rpc/convert.h"
#include "rpc/observe.h"

namespace lbw::rpc {
namespace {

using QuantizeCall = ProgressCall<v1::QuantizeArtifactResponse>;

// Reports each tensor to the stream, and asks whether the call is still wanted.
template <typename Call>
model::QuantizeProgress StreamProgress(Call& call, const base::CancelToken& cancel,
                                       std::string_view stage) {
  return [&call, cancel, stage](size_t done, size_t total, std::string_view tensor) {
    call.Progress([&](auto& message) {
      v1::Progress* progress = message.mutable_progress();
      progress->set_stage(std::string(stage));
      progress->set_done(done);
      progress->set_total(total);
      progress->set_unit("tensors");
      progress->set_detail(std::string(tensor));
    });
    return cancel.Check();
  };
}

absl::StatusOr<v1::QuantizeArtifactResponse> Quantize(const ServiceContext& context,
                                                      const registry::VersionBuilder& builder,
                                                      const v1::QuantizeArtifactRequest& request,
                                                      QuantizeCall& call,
                                                      const base::CancelToken& cancel) {
  LBW_ASSIGN_OR_RETURN(const std::string sha256,
                       base::ParseArtifactName(request.artifact(), "artifact"));
  LBW_ASSIGN_OR_RETURN(const model::QuantizeOptions options,
                       FromProto(request.options(), "options"));
  const auto mode = request.dry_run() ? model::WriteMode::kDryRun : model::WriteMode::kWrite;
  const base::Stopwatch watch;
  LBW_ASSIGN_OR_RETURN(
      const registry::VersionBuilder::QuantizedArtifact quantized,
      builder.QuantizeArtifact(sha256, options, mode, StreamProgress(call, cancel, "quantize")));
  v1::QuantizeArtifactResponse response;
  v1::QuantizeArtifactResult* result = response.mutable_result();
  if (mode == model::WriteMode::kWrite) {
    ToProto(quantized.artifact, result->mutable_artifact());
    ObserveQuantization(*context.metrics, "artifact", quantized.outcome.outcome, watch);
  }
  ToProto(quantized.outcome.outcome, result->mutable_report());
  RuleMatchesToProto(quantized.outcome.outcome, options.rules, result->mutable_rule_matches());
  for (const std::string& name : quantized.outcome.dropped) result->add_dropped(name);
  return response;
}

}  // namespace

grpc::ServerWriteReactor<v1::QuantizeArtifactResponse>* QuantizationService::QuantizeArtifact(
    grpc::CallbackServerContext* context, const v1::QuantizeArtifactRequest* request) {
  return RunWithProgress<v1::QuantizeArtifactResponse>(
      context, *context_.long_work,
      [this, request](QuantizeCall& call, const base::CancelToken& cancel) {
        return Quantize(context_, builder_, *request, call, cancel);
      });
}

grpc::ServerWriteReactor<v1::DequantizeArtifactResponse>* QuantizationService::DequantizeArtifact(
    grpc::CallbackServerContext* context, const v1::DequantizeArtifactRequest* request) {
  using Call = ProgressCall<v1::DequantizeArtifactResponse>;
  return RunWithProgress<v1::DequantizeArtifactResponse>(
      context, *context_.long_work,
      [this, request](Call& call, const base::CancelToken& cancel)
          -> absl::StatusOr<v1::DequantizeArtifactResponse> {
        LBW_ASSIGN_OR_RETURN(const std::string sha256,
                             base::ParseArtifactName(request->artifact(), "artifact"));
        const auto to =
            request->source_dtype() ? model::DequantizeTo::kSourceDType : model::DequantizeTo::kF32;
        LBW_ASSIGN_OR_RETURN(
            const store::Artifact artifact,
            builder_.DequantizeArtifact(sha256, to, StreamProgress(call, cancel, "dequantize")));
        v1::DequantizeArtifactResponse response;
        ToProto(artifact, response.mutable_artifact());
        return response;
      });
}

}  // namespace lbw::rpc

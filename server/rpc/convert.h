// Between the API's messages and the rooms' values. Pure; what a message gets wrong is named by its
// proto path.
#ifndef LBW_RPC_CONVERT_H_
#define LBW_RPC_CONVERT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lbw/v1/artifact.pb.h"
#include "lbw/v1/common.pb.h"
#include "lbw/v1/detection.pb.h"
#include "lbw/v1/model.pb.h"
#include "model/model.h"
#include "registry/registry.h"
#include "serving/detector.h"
#include "store/artifact_store.h"

namespace lbw::rpc {

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* out);

void ToProto(const store::Artifact& artifact, v1::Artifact* out);
void ToProto(const store::Upload& upload, v1::Upload* out);

// field: the proto path of the options in the request ("options").
// Errors: kInvalidArgument, BAD_OPTIONS - an unknown enum value, bits out of range, mu_ratio out of
// range, a rule that says nothing.
absl::StatusOr<model::QuantizeOptions> FromProto(const v1::QuantizationOptions& options,
                                                 std::string_view field);

void ToProto(const model::QuantizeOutcome& outcome, v1::QuantizationReport* report);
// rules: those of the request; the last match, with rule_index -1, is what none caught.
void RuleMatchesToProto(const model::QuantizeOutcome& outcome,
                        const std::vector<quant::LayerRule>& rules,
                        google::protobuf::RepeatedPtrField<v1::RuleMatch>* out);

// What a version keeps as text: a ModelVersion with only report and rule_matches set, as protojson;
// room tasks writes the same of a version that a job made, with calibration beside them.
std::string ReportToText(const model::QuantizeOutcome& outcome,
                         const std::vector<quant::LayerRule>& rules);
std::string OptionsToText(const v1::QuantizationOptions& options);

enum class Detail { kSummary, kFull };  // kFull: with the report
void ToProto(const registry::Version& version, Detail detail, v1::ModelVersion* out);
void ToProto(const registry::Alias& alias, v1::Alias* out);
void ToProto(const registry::Model& model, v1::Model* out);

// "models/{model}/aliases/job-{id}".
std::string CheckpointName(std::string_view model, std::string_view job);
absl::StatusOr<serving::DetectOptions> FromProto(const v1::DetectOptions& options);
void ToProto(const serving::DetectResponse& response, v1::DetectResponse* out);

// Errors: kInvalidArgument, LIMIT_EXCEEDED - gRPC would not send so large an answer.
absl::Status CheckAnswerSize(uint64_t bytes, uint64_t max_bytes);

// page_size 0 means 100. Errors: kInvalidArgument - not in 0..1000.
absl::StatusOr<int> PageSize(int32_t page_size);

}  // namespace lbw::rpc

#endif  // LBW_RPC_CONVERT_H_

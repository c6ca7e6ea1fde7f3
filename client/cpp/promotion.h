// What an alias requires of a version, as people type it, and which evaluations are missing for it.
// Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_PROMOTION_H_
#define LBW_CLIENT_PROMOTION_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "lbw/v1/evaluation.pb.h"
#include "lbw/v1/model.pb.h"

namespace lbw::client {

// "dataset=faces,min=0.85", "dataset=faces,max-drop=0.01,against=1", both with metric=map_50 and
// split=val, and with score=0.05, iou=0.5 and pictures=500 where evaluations that were asked so are
// wanted. against: a version's number, an alias (of the same model), or a name with its model.
// Errors: kInvalidArgument, BAD_ARGUMENT - names what is wrong and what may stand there.
absl::StatusOr<v1::PromotionRule> ParsePromotionRule(std::string_view model, std::string_view text);

// The evaluation that a rule wants of a version, as a job's spec; what it leaves out, the server
// fills in.
v1::EvaluateSpec WantedBy(const v1::PromotionRule& rule, const std::string& version);
// The newest evaluation that was asked as `wanted` (which is filled in) and whose content is the
// dataset's present one; nullptr: none. list: newest first. pack_artifact: the dataset's.
const v1::Evaluation* NewestFor(const v1::EvaluateSpec& wanted, const std::string& pack_artifact,
                                const google::protobuf::RepeatedPtrField<v1::Evaluation>& list);
// The newest on the same content that was asked the same way as `like`: split and options.
const v1::Evaluation* NewestLike(const v1::Evaluation& like,
                                 const google::protobuf::RepeatedPtrField<v1::Evaluation>& list);

}  // namespace lbw::client

#endif  // LBW_CLIENT_PROMOTION_H_

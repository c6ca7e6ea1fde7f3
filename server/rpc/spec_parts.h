// What the specs of several kinds of job have in common: splits, heads, options of an evaluation,
// the draft around them. Pure.
//
// path, field: where the value stands in the request ("spec.quantize.measure.options").
#ifndef LBW_RPC_SPEC_PARTS_H_
#define LBW_RPC_SPEC_PARTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "jobs/job.h"
#include "lbw/v1/dataset.pb.h"
#include "lbw/v1/evaluation.pb.h"
#include "lbw/v1/job.pb.h"
#include "model/model.h"
#include "registry/registry.h"

namespace lbw::rpc {

absl::Status BadArgument(std::string_view message, std::string_view field);
// OK where low <= value <= high. Names the last part of field in its message.
absl::Status CheckCount(uint64_t value, uint64_t low, uint64_t high, std::string_view field);
// The same code, reason and message, each field as map gives it.
base::Error MapFields(const absl::Status& status,
                      absl::FunctionRef<std::string(std::string_view field)> map);
// The same error with its fields behind `path`: "options.bits" and "rules[0].bits" become
// path.bits and path.rules[0].bits.
absl::Status BelowPath(const absl::Status& status, std::string_view path);

// nullptr where the dataset has none of that name.
const v1::DatasetSplit* FindSplit(const v1::Dataset& dataset, std::string_view name);
// OK for "" too. Errors: kInvalidArgument, BAD_ARGUMENT - names those that there are.
absl::Status CheckSplit(const v1::Dataset& dataset, const std::string& split,
                        std::string_view field);
// What an evaluation takes: the split that is asked for, else "val", else "test", else the only
// one, else "" (all).
absl::StatusOr<std::string> ChooseSplit(const std::string& asked, const v1::Dataset& dataset,
                                        std::string_view field);
// "": all.
uint64_t PicturesIn(const v1::Dataset& dataset, std::string_view split);
// Errors: kFailedPrecondition, BAD_DATASET - the split has no pictures.
absl::Status RequirePictures(const v1::Dataset& dataset, const std::string& split,
                             std::string_view field);

bool IsClassifier(const registry::Version& version);
// Whether what the version finds can be set beside the dataset's labels, or beside none: a
// classifier takes labels a picture, or a dataset without boxes; a detector a dataset for
// detectors. Errors: kFailedPrecondition, NOT_THE_RIGHT_HEAD.
absl::Status CheckTask(const registry::Version& version, const v1::Dataset& dataset,
                       std::string_view field);

// Whether the split ("": the dataset) has what the version's head learns from and is judged by.
bool HasLabels(const registry::Version& version, const v1::Dataset& dataset,
               std::string_view split);

struct EvaluateDefaults {
  const detect::NmsSpec* nms = nullptr;  // the model's own; borrowed
  std::string_view pixel_rule;           // the dataset's
  int threads = 1;
};
// Every field set but max_pictures and checkpoint_pictures, whose 0 has a meaning. Errors:
// kInvalidArgument, BAD_ARGUMENT - an option out of range.
absl::StatusOr<v1::EvaluateOptions> FillInOptions(const v1::EvaluateOptions& asked,
                                                  const EvaluateDefaults& defaults,
                                                  std::string_view path);
// Where another message says how many pictures, and checkpoints are the job's own. Errors:
// kInvalidArgument, BAD_ARGUMENT - max_pictures or checkpoint_pictures is set.
absl::Status RefusePictureCounts(const v1::EvaluateOptions& asked, std::string_view path);

// Everything of the draft that the request says about any kind of job. Errors: kInvalidArgument,
// BAD_ARGUMENT, field `field` - the spec is too long for a job.
absl::StatusOr<jobs::JobDraft> DraftAround(const v1::CreateJobRequest& request,
                                           std::string_view kind, std::string spec_json,
                                           std::string_view field);
// Adds what the job uses or holds, once.
void AddOnce(std::string_view name, std::vector<std::string>& names);

}  // namespace lbw::rpc

#endif  // LBW_RPC_SPEC_PARTS_H_

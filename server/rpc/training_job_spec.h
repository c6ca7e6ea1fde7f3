// What a caller asks of a training, in float or on the grid, checked and filled in. Pure: a
// function of the request and of facts that the caller read.
//
// Fields in errors are the request's proto paths ("spec.fine_tune.training.rate").
#ifndef LBW_RPC_TRAINING_JOB_SPEC_H_
#define LBW_RPC_TRAINING_JOB_SPEC_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "lbw/v1/dataset.pb.h"
#include "lbw/v1/job.pb.h"
#include "lbw/v1/training.pb.h"
#include "model/model.h"
#include "registry/registry.h"

namespace lbw::rpc {

struct TrainingFacts {
  registry::Version version;               // READY, float
  model::Model outline;                    // its bundle's (bundle_outline.h)
  std::vector<std::string_view> heads;     // that can be trained
  v1::Dataset dataset;                     // READY
  std::optional<v1::Dataset> eval;         // READY; set where the request names it
  std::optional<v1::Dataset> calibration;  // the same
  int threads = 1;                         // where the spec does not say
};

// Every field set but those whose 0 or "" has a meaning (data.split: everything that is not
// evaluated on; calibration.split beside it: the same; max_pictures; steps_an_epoch;
// checkpoint_steps; step_at). data.eval_split "none": eval_dataset and evaluate are left out.
// FineTuneSpec: labels and rates are those of two bits with a real scale where options.bits is 2
// and calibration.scale REAL, whatever rules say of single layers.
// Errors: kInvalidArgument, UNSUPPORTED_HEAD - lists the heads that can be trained;
// kInvalidArgument, BAD_ARGUMENT or BAD_OPTIONS - an option that is missing, out of range or that
// excludes another, an unknown split, no layer that would be trained; those of quantize_job_spec.h
// for options and calibration; kFailedPrecondition, NOT_THE_RIGHT_HEAD - a dataset that does not
// fit the head; kFailedPrecondition, BAD_DATASET - a split without pictures or without the labels
// that it is learned from, classes that the model does not have (names them).
absl::StatusOr<v1::TrainSpec> FillIn(const v1::TrainSpec& asked, const TrainingFacts& facts);
absl::StatusOr<v1::FineTuneSpec> FillIn(const v1::FineTuneSpec& asked, const TrainingFacts& facts);

// Of a filled spec. Pictures that are trained on, of which every epoch takes whole batches; that
// one evaluation looks at.
uint64_t TrainingPicturesOf(const v1::TrainingData& data, const TrainingFacts& facts);
uint64_t EvaluatedPicturesOf(const v1::TrainingData& data, const v1::EvaluateOptions& evaluate,
                             const TrainingFacts& facts);

// The drafts without their estimates. Errors: kInvalidArgument, BAD_ARGUMENT - too long for a job.
absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::TrainSpec& filled, const TrainingFacts& facts);
absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::FineTuneSpec& filled, const TrainingFacts& facts);

}  // namespace lbw::rpc

#endif  // LBW_RPC_TRAINING_JOB_SPEC_H_

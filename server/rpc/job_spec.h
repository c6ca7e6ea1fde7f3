// What a caller asks of a job, checked and filled in: names become versions, what is left out is
// chosen, so that the stored spec says everything. Pure: a function of the request and of facts
// that the caller read.
//
// Fields in errors are the request's proto paths ("spec.evaluate.options.score_threshold").
#ifndef LBW_RPC_JOB_SPEC_H_
#define LBW_RPC_JOB_SPEC_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "lbw/v1/dataset.pb.h"
#include "lbw/v1/job.pb.h"
#include "model/model.h"
#include "registry/registry.h"
#include "tasks/estimate.h"

namespace lbw::rpc {

// What can be judged without the database. Errors: kInvalidArgument, BAD_ARGUMENT - no kind, a kind
// that is not for callers, fields that this server does not know (at any depth of the spec),
// request_id or submitter above 64 bytes, priority outside -100..100, more than 16 labels, a
// label's key that does not match [A-Za-z0-9]([A-Za-z0-9_./-]{0,63}), a value above 64 bytes.
absl::Status CheckCreateRequest(const v1::CreateJobRequest& request);

struct EvaluateFacts {
  registry::Version version;                 // READY
  std::optional<registry::Version> against;  // READY; set where the request names one
  model::ModelSpec model_spec;               // the version's
  v1::Dataset dataset;                       // READY
  int threads = 1;                           // where the spec does not say
};

// Every field set but max_pictures and checkpoint_pictures, whose 0 has a meaning. split stays ""
// where the dataset has several and neither "val" nor "test": everything.
// Errors: kInvalidArgument, BAD_ARGUMENT - an option out of range, an unknown split (names those
// that there are), against that is the version itself; kFailedPrecondition, NOT_THE_RIGHT_HEAD - a
// classifier on a dataset of boxes or the reverse, against of another kind; kFailedPrecondition,
// BAD_DATASET - a split without pictures.
absl::StatusOr<v1::EvaluateSpec> FillIn(const v1::EvaluateSpec& asked, const EvaluateFacts& facts);

// Pictures that the job will look at.
uint64_t PicturesOf(const v1::EvaluateSpec& filled, const v1::Dataset& dataset);

// The draft without its estimate. Errors: kInvalidArgument, BAD_ARGUMENT - too long for a job.
absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::EvaluateSpec& filled, const EvaluateFacts& facts);

v1::JobEstimate ToProto(const tasks::Estimate& estimate);

}  // namespace lbw::rpc

#endif  // LBW_RPC_JOB_SPEC_H_

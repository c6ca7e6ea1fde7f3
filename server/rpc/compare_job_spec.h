// What a caller asks of a comparison of two versions, checked and filled in. Pure: a function of
// the request and of facts that the caller read.
//
// Fields in errors are the request's proto paths ("spec.compare.reference").
#ifndef LBW_RPC_COMPARE_JOB_SPEC_H_
#define LBW_RPC_COMPARE_JOB_SPEC_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "lbw/v1/calibration.pb.h"
#include "lbw/v1/dataset.pb.h"
#include "lbw/v1/job.pb.h"
#include "model/model.h"
#include "registry/registry.h"

namespace lbw::rpc {

struct CompareFacts {
  registry::Version version;    // READY
  registry::Version reference;  // READY
  model::ModelSpec model_spec;  // the version's
  v1::Dataset dataset;          // READY
  int threads = 1;              // where the spec does not say
};

// Every field set; split stays "" where the dataset has several and neither "val" nor "test":
// everything. Errors: kInvalidArgument, BAD_ARGUMENT - an option out of range, an unknown split, a
// reference that is the version itself or of another model; kFailedPrecondition,
// NOT_THE_RIGHT_HEAD; kFailedPrecondition, BAD_DATASET - a split without pictures.
absl::StatusOr<v1::CompareSpec> FillIn(const v1::CompareSpec& asked, const CompareFacts& facts);

// Pictures that the job will look at.
uint64_t PicturesOf(const v1::CompareSpec& filled, const v1::Dataset& dataset);

// The draft without its estimate. Errors: kInvalidArgument, BAD_ARGUMENT - too long for a job.
absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::CompareSpec& filled, const CompareFacts& facts);

}  // namespace lbw::rpc

#endif  // LBW_RPC_COMPARE_JOB_SPEC_H_

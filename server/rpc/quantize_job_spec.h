// What a caller asks of a calibrated quantization, checked and filled in. Pure: a function of the
// request and of facts that the caller read.
//
// Fields in errors are the request's proto paths ("spec.quantize.widths.budget_bytes").
#ifndef LBW_RPC_QUANTIZE_JOB_SPEC_H_
#define LBW_RPC_QUANTIZE_JOB_SPEC_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "jobs/job.h"
#include "lbw/v1/calibration.pb.h"
#include "lbw/v1/dataset.pb.h"
#include "lbw/v1/job.pb.h"
#include "model/model.h"
#include "registry/registry.h"

namespace lbw::rpc {

struct QuantizeFacts {
  registry::Version version;           // READY, float
  model::Model outline;                // its bundle's (bundle_outline.h)
  v1::Dataset dataset;                 // READY; that is calibrated on
  std::optional<v1::Dataset> measure;  // READY; that is measured on; unset: nothing is measured
  int threads = 1;                     // of measuring, where the spec does not say
};

// Every field set but those whose 0 or "" has a meaning (options.bits where widths are searched,
// both splits, budget_bytes or max_drop, max_pictures, calibration.threads), options.mu_ratio where
// it is searched, and widths and mu where they are not asked for.
// Errors: kInvalidArgument, BAD_ARGUMENT or BAD_OPTIONS - an option that is missing, out of range
// or that excludes another, pictures that would not fit in memory, an unknown split, a budget below
// the smallest size that the widths allow; kInvalidArgument, NOTHING_TO_QUANTIZE;
// kFailedPrecondition, NOT_THE_RIGHT_HEAD - what is measured on does not fit the head;
// kFailedPrecondition, BAD_DATASET - a split without pictures, or without labels where max_drop
// needs them.
absl::StatusOr<v1::QuantizeSpec> FillIn(const v1::QuantizeSpec& asked, const QuantizeFacts& facts);

// Pictures that the filled spec calibrates on, and that it measures on (at most).
uint64_t CalibrationPicturesOf(const v1::QuantizeSpec& filled, const QuantizeFacts& facts);
uint64_t MeasuredPicturesOf(const v1::QuantizeSpec& filled, const QuantizeFacts& facts);

// The draft without its estimate. Errors: kInvalidArgument, BAD_ARGUMENT - too long for a job.
absl::StatusOr<jobs::JobDraft> DraftOf(const v1::CreateJobRequest& request,
                                       const v1::QuantizeSpec& filled, const QuantizeFacts& facts);

}  // namespace lbw::rpc

#endif  // LBW_RPC_QUANTIZE_JOB_SPEC_H_

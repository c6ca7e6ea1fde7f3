// The stable reasons of errors (google.rpc.ErrorInfo.reason, domain "lbw"). Append-only; golden:
// tests/golden/error_reasons.txt.
#ifndef LBW_BASE_REASON_H_
#define LBW_BASE_REASON_H_

#include <array>
#include <string_view>

namespace lbw::base {

struct Reason {
  std::string_view text;
};

namespace reason {

// Arguments
inline constexpr Reason kBadArgument{"BAD_ARGUMENT"};      // a field's value, whatever the state
inline constexpr Reason kBadName{"BAD_NAME"};              // a resource name that does not parse
inline constexpr Reason kBadOptions{"BAD_OPTIONS"};        // quantization options or layer rules
inline constexpr Reason kBadSpec{"BAD_SPEC"};              // the model spec
inline constexpr Reason kLimitExceeded{"LIMIT_EXCEEDED"};  // larger than a limit allows
// Files
inline constexpr Reason kBadFile{"BAD_FILE"};  // does not parse as what it should be
inline constexpr Reason kUnsupportedFormat{
    "UNSUPPORTED_FORMAT"};  // a file of a kind that this call does not read
inline constexpr Reason kUnsupportedOperator{"UNSUPPORTED_OPERATOR"};
inline constexpr Reason kBadGraph{"BAD_GRAPH"};    // cycle, missing value, shapes that contradict
inline constexpr Reason kNonFinite{"NON_FINITE"};  // NaN or Inf among weights
inline constexpr Reason kAlreadyQuantized{"ALREADY_QUANTIZED"};
inline constexpr Reason kNothingToQuantize{"NOTHING_TO_QUANTIZE"};
// Pictures
inline constexpr Reason kBadImage{"BAD_IMAGE"};  // not a JPEG or PNG, or cut short
inline constexpr Reason kImageTooLarge{"IMAGE_TOO_LARGE"};
// Uploads
inline constexpr Reason kUploadGap{"UPLOAD_GAP"};
inline constexpr Reason kUploadOverlapDiffers{"UPLOAD_OVERLAP_DIFFERS"};
inline constexpr Reason kUploadTakenOver{"UPLOAD_TAKEN_OVER"};
inline constexpr Reason kUploadIncomplete{"UPLOAD_INCOMPLETE"};
inline constexpr Reason kChecksumMismatch{"CHECKSUM_MISMATCH"};  // crc32c of a chunk
inline constexpr Reason kDigestMismatch{"DIGEST_MISMATCH"};      // SHA-256 of the whole
// Resources
inline constexpr Reason kNotFound{"NOT_FOUND"};
inline constexpr Reason kAlreadyExists{"ALREADY_EXISTS"};
inline constexpr Reason kInUse{"IN_USE"};
inline constexpr Reason kReserved{"RESERVED"};
inline constexpr Reason kVersionNotReady{"VERSION_NOT_READY"};
inline constexpr Reason kModelNotLoaded{"MODEL_NOT_LOADED"};
inline constexpr Reason kNotTheRightHead{"NOT_THE_RIGHT_HEAD"};
inline constexpr Reason kDatasetNotReady{"DATASET_NOT_READY"};
inline constexpr Reason kEvaluationMissing{"EVALUATION_MISSING"};  // a promotion rule needs one
inline constexpr Reason kEvaluationFailed{"EVALUATION_FAILED"};    // a promotion rule is not met
inline constexpr Reason kNoPrevious{"NO_PREVIOUS"};  // nothing to roll an alias back to
// Jobs
inline constexpr Reason kWrongState{"WRONG_STATE"};  // the job's state allows no such thing
inline constexpr Reason kRequestIdReused{"REQUEST_ID_REUSED"};  // for another request
inline constexpr Reason kLeaseLost{"LEASE_LOST"};  // a write of a worker that was replaced
inline constexpr Reason kAttemptsExhausted{"ATTEMPTS_EXHAUSTED"};  // crashed or stalled too often
// Datasets
inline constexpr Reason kBadArchive{"BAD_ARCHIVE"};  // no zip or tar, unsafe names, links, a bomb
inline constexpr Reason kBadDataset{"BAD_DATASET"};  // nothing usable in it, or an unknown format
// Training
inline constexpr Reason kNoCudaBuild{"NO_CUDA_BUILD"};    // this program knows no CUDA
inline constexpr Reason kNoCudaDevice{"NO_CUDA_DEVICE"};  // the machine has none, or not that one
inline constexpr Reason kUnsupportedHead{"UNSUPPORTED_HEAD"};    // it cannot be trained
inline constexpr Reason kTrainingDiverged{"TRAINING_DIVERGED"};  // a loss that is not finite
// Load
inline constexpr Reason kQueueFull{"QUEUE_FULL"};
inline constexpr Reason kOutOfRoom{"OUT_OF_ROOM"};  // disk or memory budget
inline constexpr Reason kDraining{"DRAINING"};
inline constexpr Reason kDeadline{"DEADLINE"};
inline constexpr Reason kCancelled{"CANCELLED"};
// Ours
inline constexpr Reason kStoreFailed{"STORE_FAILED"};
inline constexpr Reason kDataLoss{"DATA_LOSS"};  // stored bytes do not match their digest
inline constexpr Reason kBlobGone{"BLOB_GONE"};  // unlinked before it had a row; make it again
inline constexpr Reason kInternal{"INTERNAL"};
inline constexpr Reason kUnimplemented{"UNIMPLEMENTED"};

}  // namespace reason

inline constexpr std::array kAllReasons = {
    reason::kBadArgument,
    reason::kBadName,
    reason::kBadOptions,
    reason::kBadSpec,
    reason::kLimitExceeded,
    reason::kBadFile,
    reason::kUnsupportedFormat,
    reason::kUnsupportedOperator,
    reason::kBadGraph,
    reason::kNonFinite,
    reason::kAlreadyQuantized,
    reason::kNothingToQuantize,
    reason::kBadImage,
    reason::kImageTooLarge,
    reason::kUploadGap,
    reason::kUploadOverlapDiffers,
    reason::kUploadTakenOver,
    reason::kUploadIncomplete,
    reason::kChecksumMismatch,
    reason::kDigestMismatch,
    reason::kNotFound,
    reason::kAlreadyExists,
    reason::kInUse,
    reason::kReserved,
    reason::kVersionNotReady,
    reason::kModelNotLoaded,
    reason::kNotTheRightHead,
    reason::kQueueFull,
    reason::kOutOfRoom,
    reason::kDraining,
    reason::kDeadline,
    reason::kCancelled,
    reason::kStoreFailed,
    reason::kDataLoss,
    reason::kInternal,
    reason::kUnimplemented,
    reason::kDatasetNotReady,
    reason::kEvaluationMissing,
    reason::kEvaluationFailed,
    reason::kNoPrevious,
    reason::kWrongState,
    reason::kRequestIdReused,
    reason::kLeaseLost,
    reason::kAttemptsExhausted,
    reason::kBadArchive,
    reason::kBadDataset,
    reason::kBlobGone,
    reason::kNoCudaBuild,
    reason::kNoCudaDevice,
    reason::kUnsupportedHead,
    reason::kTrainingDiverged,
};

}  // namespace lbw::base

#endif  // LBW_BASE_REASON_H_

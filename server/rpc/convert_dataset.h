// Between the API's messages and the datasets' rows. Pure.
#ifndef LBW_RPC_CONVERT_DATASET_H_
#define LBW_RPC_CONVERT_DATASET_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dataset/sheet.h"
#include "lbw/v1/dataset.pb.h"
#include "registry/datasets.h"

namespace lbw::rpc {

// What the check found, with the row's own facts over it.
void ToProto(const registry::Dataset& dataset, v1::Dataset* out);

// What CreateDataset asks, as the spec of the job that checks it. Whether the artifact is stored is
// the caller's to ask.
// Errors: kInvalidArgument, BAD_NAME or BAD_ARGUMENT, each with its field - dataset_id, artifact,
// an unknown format, classes (empty, twice, too long, too many), class_map (an empty name, a class
// that is not among classes), both together too large for a job, submitter.
absl::StatusOr<v1::CheckDatasetSpec> CheckSpecOf(const v1::CreateDatasetRequest& request);

// One page of what the row keeps; kind "": all. The token is a place in the list. A page ends early
// where a message has no room for more.
struct DefectPage {
  int size = 100;
  uint64_t max_message_bytes = uint64_t{48} << 20;
};
// Errors: kInvalidArgument, BAD_ARGUMENT, field "page_token" - not one of this dataset.
absl::Status DefectsToProto(const registry::Dataset& dataset, const v1::ListDefectsRequest& request,
                            const DefectPage& page, v1::ListDefectsResponse* out);

// Errors: kInvalidArgument, BAD_ARGUMENT - columns or rows above 12.
absl::StatusOr<dataset::SheetOptions> FromProto(const v1::RenderDatasetRequest& request);

}  // namespace lbw::rpc

#endif  // LBW_RPC_CONVERT_DATASET_H_

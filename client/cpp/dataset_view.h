// Datasets as text. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_DATASET_VIEW_H_
#define LBW_CLIENT_DATASET_VIEW_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "lbw/v1/dataset.pb.h"

namespace lbw::client {

// voc, coco, yolo, folders, csv, cifar, pictures; "" is UNSPECIFIED: found out from the files.
// Errors: kInvalidArgument, BAD_ARGUMENT - names the allowed words.
absl::StatusOr<v1::DatasetFormat> ParseDatasetFormat(std::string_view text);
// "-" for UNSPECIFIED.
std::string DatasetFormatWord(v1::DatasetFormat format);
std::string DatasetStateWord(v1::DatasetState state);

// State, counts, splits, classes and defects.
std::string RenderDataset(const v1::Dataset& dataset);
// One line a dataset.
std::string RenderDatasetList(const google::protobuf::RepeatedPtrField<v1::Dataset>& list);

}  // namespace lbw::client

#endif  // LBW_CLIENT_DATASET_VIEW_H_

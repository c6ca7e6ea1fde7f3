// The index of a pack: a Dataset without its pictures' bytes, as JSON in columns. Private to the
// room.
//
// One object of flat arrays, keys in this order and no white space:
//   "v":1, "task", "format", "pixel_rule": names
//   "classes", "splits":                   strings
//   "names", "widths", "heights", "bytes": one a picture, by name; offsets follow from the bytes
//   "in":                                  a bit a split, lowest first
//   "labels":                              one a picture, -1: none
//   "boxes":                               how many a picture has; the columns below hold one a box
//   "x0", "y0", "x1", "y1":                float32, shortest decimal that reads back to its bits
//   "class", "flags":                      1: difficult, 2: crowd
//   "areas":                               float64 or null; [] where no box has one
// Columns because they are read without a tree of values: memory is that of the Dataset.
//
// Threads: pure.
#ifndef LBW_DATASET_PACK_INDEX_H_
#define LBW_DATASET_PACK_INDEX_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dataset/dataset.h"
#include "dataset/ticker.h"

namespace lbw::dataset {

inline constexpr uint64_t kMaxIndexBytes = uint64_t{1} << 30;
inline constexpr size_t kMaxPackSplits = 64;

// What a pack may hold: names unique, in order and UTF-8; splits and classes that are there; sides
// above 0; finite numbers. OK, or what is wrong; the ticker's error.
absl::Status ValidateDataset(const Dataset& dataset, Ticker& ticker);

// Errors: kInvalidArgument, BAD_DATASET - ValidateDataset's; LIMIT_EXCEEDED - larger than
// kMaxIndexBytes; the ticker's.
absl::StatusOr<std::string> EncodeIndex(const Dataset& dataset, Ticker& ticker);

// Offsets count from the end of the index. Errors: kInvalidArgument, BAD_FILE.
absl::StatusOr<Dataset> DecodeIndex(std::string_view json);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_PACK_INDEX_H_

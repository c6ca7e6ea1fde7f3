// The pack: a dataset as one immutable file that jobs read pictures from by offset.
//
// Layout, little-endian:  "LBWPACK1" | u64 index bytes | u64 CRC-32C of the index | index JSON,
//                         padded with spaces to 64 bytes | pictures' encoded bytes, end to end in
//                         the order of their names.
// Canonical: equal datasets and pictures give equal bytes, so equal content has one SHA-256.
// Bounds:    the index is at most 1 GiB; every offset and size is checked against the file's size.
#ifndef LBW_DATASET_PACK_H_
#define LBW_DATASET_PACK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "dataset/dataset.h"
#include "dataset/ticker.h"

namespace lbw::dataset {

// Writes a pack. `pictures` are in a file whose offsets are those of dataset.pictures (as a check
// gathered them); the pack gets offsets of its own. Errors: sink's, reader's; kInvalidArgument -
// names not unique or not in order, an index too large; the tick's.
absl::Status WritePack(const Dataset& dataset, const base::RandomAccessReader& pictures,
                       base::ByteSink& sink, const Tick& tick = {});

// Threads: every const method may be called concurrently.
class Pack {
 public:
  // Takes the reader. Errors: kInvalidArgument, BAD_FILE - magic, CRC, JSON, offsets; reader's.
  static absl::StatusOr<Pack> Open(std::shared_ptr<const base::RandomAccessReader> reader);
  const Dataset& dataset() const { return dataset_; }
  // The encoded bytes of pictures[index]. Errors: reader's.
  absl::StatusOr<std::string> ReadPicture(size_t index) const;
  // Indices of the split's pictures, in order; "" means all. Errors: kInvalidArgument,
  // BAD_ARGUMENT, field "split" - names those that there are.
  absl::StatusOr<std::vector<size_t>> PicturesOf(std::string_view split) const;
  // What an evaluation takes when no split is told: "val", else "test", else "" (all).
  std::string DefaultSplit() const;

 private:
  Pack(std::shared_ptr<const base::RandomAccessReader> reader, Dataset dataset)
      : reader_(std::move(reader)), dataset_(std::move(dataset)) {}
  std::shared_ptr<const base::RandomAccessReader> reader_;
  Dataset dataset_;  // offsets are the file's
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_PACK_H_

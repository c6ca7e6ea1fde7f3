// Keeps a check from filling the disk: asked before every write.
//
//   A write of n bytes may be made where free - n >= reserve;
//   share   = min(reserve_percent of the disk, max_share_bytes)
//   reserve = min(max(reserve_bytes, share), a quarter of the disk).
//
// Threads: one at a time.
#ifndef LBW_DATASET_DISK_ROOM_H_
#define LBW_DATASET_DISK_ROOM_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "dataset/dataset.h"

namespace lbw::dataset {

struct DiskSpace {
  uint64_t free_bytes = 0;  // for who is not root
  uint64_t total_bytes = 0;
};
using SpaceOf = std::function<absl::StatusOr<DiskSpace>(const std::string& folder)>;

// What the file system of a folder tells. Errors: kInternal, STORE_FAILED.
absl::StatusOr<DiskSpace> SpaceOfFolder(const std::string& folder);

class DiskRoom {
 public:
  // At most so much is written between two looks at the disk: others write on it too.
  static constexpr uint64_t kBetweenLooks = uint64_t{16} << 20;

  // folder stands on the disk that is written to.
  DiskRoom(std::string folder, const DatasetLimits& limits, SpaceOf space = SpaceOfFolder);

  // Whether so many bytes may be written; takes nothing. what: that needs them, for the message.
  // Errors: kResourceExhausted, OUT_OF_ROOM - names bytes needed, free and kept in reserve; the
  // disk's.
  absl::Status Check(uint64_t bytes, std::string_view what);
  // Before so many bytes are written. Errors: as Check.
  absl::Status Take(uint64_t bytes, std::string_view what);

 private:
  // What may be written above the reserve; an error where it is less than bytes.
  absl::StatusOr<uint64_t> Look(uint64_t bytes, std::string_view what) const;

  const std::string folder_;
  const uint64_t reserve_bytes_;
  const uint64_t reserve_percent_;
  const uint64_t max_share_bytes_;
  const SpaceOf space_;
  uint64_t allowed_ = 0;  // without another look
};

}  // namespace lbw::dataset

#endif  // LBW_DATASET_DISK_ROOM_H_

#include "dataset/disk_room.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::dataset {

absl::StatusOr<DiskSpace> SpaceOfFolder(const std::string& folder) {
  struct statvfs found {};
  int failed = 0;
  do {
    failed = statvfs(folder.c_str(), &found);
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) {
    return base::Error(
        absl::StatusCode::kInternal, base::reason::kStoreFailed,
        base::StrCat("cannot ask for the free space of ", folder, ": ", std::strerror(errno)));
  }
  const auto bytes = [&](uint64_t blocks) {
    return base::CheckedMul<uint64_t>(blocks, found.f_frsize).value_or(UINT64_MAX);
  };
  return DiskSpace{bytes(found.f_bavail), bytes(found.f_blocks)};
}

DiskRoom::DiskRoom(std::string folder, const DatasetLimits& limits, SpaceOf space)
    : folder_(std::move(folder)),
      reserve_bytes_(limits.reserve_bytes),
      reserve_percent_(limits.reserve_percent),
      max_share_bytes_(limits.max_share_bytes),
      space_(std::move(space)) {}

absl::StatusOr<uint64_t> DiskRoom::Look(uint64_t bytes, std::string_view what) const {
  LBW_ASSIGN_OR_RETURN(const DiskSpace space, space_(folder_));
  const uint64_t share = std::min(
      space.total_bytes / 100 * std::min<uint64_t>(reserve_percent_, 100), max_share_bytes_);
  const uint64_t reserve = std::min(std::max(reserve_bytes_, share), space.total_bytes / 4);
  const uint64_t left = space.free_bytes - std::min(space.free_bytes, reserve);
  if (bytes <= left) return left;
  return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                     base::StrCat("not enough room on the disk for ", what, ": needed=", bytes,
                                  " bytes, free=", space.free_bytes, " bytes, of which ", reserve,
                                  " stay in reserve"));
}

absl::Status DiskRoom::Check(uint64_t bytes, std::string_view what) {
  if (bytes <= allowed_) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const uint64_t left, Look(bytes, what));
  allowed_ = std::min(left, kBetweenLooks);
  return absl::OkStatus();
}

absl::Status DiskRoom::Take(uint64_t bytes, std::string_view what) {
  if (bytes <= allowed_) {
    allowed_ -= bytes;
    return absl::OkStatus();
  }
  LBW_ASSIGN_OR_RETURN(const uint64_t left, Look(bytes, what));
  allowed_ = std::min(left - bytes, kBetweenLooks);
  return absl::OkStatus();
}

}  // namespace lbw::dataset

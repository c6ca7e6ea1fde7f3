#include "dataset/disk_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "dataset/file_tree.h"
#include "support/temp_dir.h"
#include "unit/dataset/archive_maker.h"

namespace lbw::dataset {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

absl::Status Check(DiskSpace space, uint64_t bytes, const DatasetLimits& limits = {}) {
  DiskRoom room("/x", limits, [&](const std::string&) { return space; });
  return room.Check(bytes, "the pack");
}

TEST(DiskRoom, KeepsTheReserveFree) {
  EXPECT_TRUE(Check({2 * kGiB, 10 * kGiB}, kGiB).ok());
  const absl::Status status = Check({2 * kGiB, 10 * kGiB}, kGiB + 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(base::GetErrorDetails(status).reason, "OUT_OF_ROOM");
  EXPECT_EQ(std::string(status.message()),
            "not enough room on the disk for the pack: needed=1073741825 bytes, free=2147483648 "
            "bytes, of which 1073741824 stay in reserve");
  // 5 % of 100 GiB is more; of a disk of 2 GiB a quarter is less.
  EXPECT_TRUE(Check({6 * kGiB, 100 * kGiB}, kGiB).ok());
  EXPECT_FALSE(Check({6 * kGiB, 100 * kGiB}, kGiB + 100).ok());
  EXPECT_TRUE(Check({kGiB, 2 * kGiB}, kGiB / 2).ok());
  EXPECT_FALSE(Check({kGiB, 2 * kGiB}, kGiB / 2 + 1).ok());
  EXPECT_FALSE(Check({0, 2 * kGiB}, 1).ok());
  DatasetLimits limits;
  limits.reserve_bytes = 0;
  limits.reserve_percent = 0;
  EXPECT_TRUE(Check({7, 100}, 7, limits).ok());
  EXPECT_FALSE(Check({7, 100}, 8, limits).ok());
}

// 5 % of 20 TB are 1 TB: a disk with 900 GB free would refuse everything.
TEST(DiskRoom, ALargeDiskWithNineHundredGigabytesFreeHasRoom) {
  const DiskSpace large{900 * kGiB, 20'000 * kGiB};
  EXPECT_TRUE(Check(large, 890 * kGiB).ok());
  EXPECT_FALSE(Check(large, 890 * kGiB + 1).ok());
  DatasetLimits limits;
  limits.max_share_bytes = 2 * kGiB;
  EXPECT_TRUE(Check(large, 898 * kGiB, limits).ok());
  EXPECT_FALSE(Check(large, 898 * kGiB + 1, limits).ok());
  limits.reserve_bytes = 3 * kGiB;
  EXPECT_FALSE(Check(large, 898 * kGiB, limits).ok()) << "the larger of both";
}

// Another program fills the disk meanwhile.
TEST(DiskRoom, LooksAgainBeforeMuchIsWritten) {
  uint64_t free_bytes = 100 * kMiB;
  int looks = 0;
  DatasetLimits limits;
  limits.reserve_bytes = limits.reserve_percent = 0;
  DiskRoom room("/x", limits, [&](const std::string& folder) -> absl::StatusOr<DiskSpace> {
    EXPECT_EQ(folder, "/x");
    ++looks;
    return DiskSpace{free_bytes, 1000 * kMiB};
  });
  for (uint64_t i = 0; i < 33; ++i) ASSERT_TRUE(room.Take(kMiB, "a").ok());
  EXPECT_EQ(looks, 2) << "each allows what it was asked for and 16 MiB";
  EXPECT_TRUE(room.Check(50 * kMiB, "a").ok());
  EXPECT_TRUE(room.Take(50 * kMiB, "a").ok());
  free_bytes = 0;
  uint64_t more = 0;
  while (room.Take(kMiB, "a").ok()) ++more;
  EXPECT_LE(more * kMiB, DiskRoom::kBetweenLooks);
}

TEST(DiskRoom, AsksTheFileSystem) {
  const testing::TempDir folder;
  const auto space = SpaceOfFolder(folder.path());
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->free_bytes, space->total_bytes);
  EXPECT_EQ(SpaceOfFolder(folder.File("none")).status().code(), absl::StatusCode::kInternal);
  DiskRoom room(folder.File("none"), {});
  EXPECT_EQ(room.Take(1, "a").code(), absl::StatusCode::kInternal);
}

TEST(UnpackArchive, StopsBeforeTheDiskIsFull) {
  const std::string bytes = MakeArchive({{.name = "a.jpg", .content = std::string(1000, 'a')},
                                         {.name = "b.jpg", .content = std::string(2000, 'b')}},
                                        {});
  const auto unpack = [&](uint64_t free_bytes) {
    const testing::TempDir folder;
    DatasetLimits limits;
    limits.reserve_bytes = limits.reserve_percent = 0;
    // The second look is for the second entry: the first is written by then.
    uint64_t written = 0;
    DiskRoom room(folder.path(), limits, [&](const std::string&) -> absl::StatusOr<DiskSpace> {
      const DiskSpace space{free_bytes - written, 1 << 20};
      written = 1000;
      return space;
    });
    return UnpackArchive(base::StringReader(bytes), folder.File("scratch"), limits, nullptr, &room)
        .status();
  };
  EXPECT_TRUE(unpack(3000).ok()) << unpack(3000);
  const absl::Status status = unpack(2999);
  EXPECT_EQ(base::GetErrorDetails(status).reason, "OUT_OF_ROOM") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("entry 'b.jpg': needed=2000"));
}

}  // namespace
}  // namespace lbw::dataset

// What an archive may call a file. Private to the room.
//
// Threads: pure.
#ifndef LBW_DATASET_ENTRY_NAME_H_
#define LBW_DATASET_ENTRY_NAME_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lbw::dataset {

inline constexpr size_t kMaxEntryNameBytes = 4'096;

// The path with '/' between folders, without "." and empty parts; "" for the archive's own folder
// ("./"). Errors: kInvalidArgument, BAD_ARCHIVE - longer than kMaxEntryNameBytes, not UTF-8,
// control characters, a backslash, absolute ("/a", "C:/a"), a part "..".
absl::StatusOr<std::string> NormalizeEntryName(std::string_view name);

// What operating systems leave behind and a dataset does not mean: hidden files and everything in
// hidden folders (".DS_Store", ".git/"), "__MACOSX/", "Thumbs.db", "desktop.ini".
bool IsLitter(std::string_view normalized);

// Errors: as told, kInvalidArgument, BAD_ARCHIVE.
absl::Status BadArchive(std::string_view message);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_ENTRY_NAME_H_

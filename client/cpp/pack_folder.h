// A folder as one tar file with the same bytes wherever and whenever it is made, so that an upload
// of it goes on, or costs nothing, when it is made again.
//
// Entries:  regular files only, by their path inside the folder with '/' between, in byte order;
//           mode 0644, owner and times zero. ustar, with pax headers where a name or size needs
//           them; names are stored as the bytes they are.
// Left out: silently what begins with "." and "__MACOSX"; as `skipped` a link that does not lead to
//           a regular file inside the folder, and devices, pipes and sockets.
#ifndef LBW_CLIENT_PACK_FOLDER_H_
#define LBW_CLIENT_PACK_FOLDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/canceller.h"
#include "client/cpp/progress.h"

namespace lbw::client {

struct PackLimits {
  uint64_t max_files = 5'000'000;
};

struct PackedFolder {
  uint64_t files = 0;
  uint64_t bytes = 0;  // of the files
  // "FILE: why", the first 100.
  std::vector<std::string> skipped;
  uint64_t skipped_count = 0;
};

// Writes the tar to `archive`, which is truncated. Stage "pack".
// Errors: kNotFound - no such folder; kInvalidArgument - not a folder, nothing in it that is
//         packed, more than limits.max_files (BAD_DATASET, LIMIT_EXCEEDED); kFailedPrecondition - a
//         file changed its size meanwhile; kResourceExhausted - no room for the archive;
//         kInternal - a file cannot be read; kCancelled.
absl::StatusOr<PackedFolder> PackFolder(const std::string& folder, const std::string& archive,
                                        const PackLimits& limits, Canceller& canceller,
                                        ProgressSink& progress);

// A file with a name of its own in the system's folder for temporary files, removed with the
// object.
class TemporaryFile {
 public:
  // Errors: kResourceExhausted, kInternal - it cannot be made (names the folder).
  static absl::StatusOr<TemporaryFile> Create();
  ~TemporaryFile();
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_PACK_FOLDER_H_

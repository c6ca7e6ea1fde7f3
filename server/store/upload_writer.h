// A stream of bytes into an upload's file, committed to its row as it goes.
#ifndef LBW_STORE_UPLOAD_WRITER_H_
#define LBW_STORE_UPLOAD_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "store/active_upload.h"
#include "store/artifact_store.h"
#include "store/database.h"

namespace lbw::store {

class FileUploadWriter final : public UploadWriter {
 public:
  struct Target {
    std::string id;
    uint64_t size_bytes = 0;
    int64_t writer = 0;  // its number in the row; a commit of another number changes nothing
    std::shared_ptr<ActiveUpload> active;
  };
  // database is borrowed; active->file is open and truncated to what is committed.
  FileUploadWriter(Database& database, const UploadLimits& limits, Target target);
  ~FileUploadWriter() override;

  absl::Status Write(uint64_t offset, absl::Span<const std::byte> data, uint32_t crc32c) override;
  absl::StatusOr<uint64_t> Close() override;

 private:
  absl::Status CheckMine() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(active_.mu);
  absl::Status CheckPlace(uint64_t offset, size_t size) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(active_.mu);
  absl::Status CompareWritten(uint64_t offset, absl::Span<const std::byte> data) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(active_.mu);
  // Ends this writer after a failed write and gives back what is not committed.
  absl::Status Fail(const absl::Status& failed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(active_.mu);
  absl::Status Commit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(active_.mu);

  Database& database_;
  const UploadLimits limits_;
  const Target target_;
  ActiveUpload& active_;  // *target_.active
};

}  // namespace lbw::store

#endif  // LBW_STORE_UPLOAD_WRITER_H_

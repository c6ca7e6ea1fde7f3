#include "store/upload_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/upload_errors.h"

namespace lbw::store {
FileUploadWriter::FileUploadWriter(Database& database, const UploadLimits& limits, Target target)
    : database_(database), limits_(limits), target_(std::move(target)), active_(*target_.active) {}

FileUploadWriter::~FileUploadWriter() {
  absl::MutexLock lock(&active_.mu);
  if (active_.writer == target_.writer) active_.file.reset();
}

absl::Status FileUploadWriter::Write(uint64_t offset, absl::Span<const std::byte> data,
                                     uint32_t crc32c) {
  if (data.size() > limits_.max_chunk_bytes) {
    base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                      base::StrCat("data is larger than a chunk may be: bytes=", data.size(),
                                   " limit=", limits_.max_chunk_bytes));
    error.Field("data");
    return error;
  }
  if (base::Crc32c(data) != crc32c) {
    base::Error error(
        absl::StatusCode::kDataLoss, base::reason::kChecksumMismatch,
        base::StrCat("crc32c does not match the chunk at offset=", offset, "; send it again"));
    error.Field("crc32c");
    return error;
  }
  absl::MutexLock lock(&active_.mu);
  LBW_RETURN_IF_ERROR(CheckMine());
  LBW_RETURN_IF_ERROR(CheckPlace(offset, data.size()));
  const auto known = static_cast<size_t>(std::min<uint64_t>(active_.written - offset, data.size()));
  LBW_RETURN_IF_ERROR(CompareWritten(offset, data.subspan(0, known)));
  const absl::Span<const std::byte> fresh = data.subspan(known);
  if (fresh.empty()) return absl::OkStatus();
  const absl::Status put = active_.file->WriteAt(active_.written, fresh);
  if (!put.ok()) return Fail(put);
  if (active_.running) active_.running->Update(fresh);
  active_.written += fresh.size();
  if (active_.written - active_.committed >= limits_.commit_every_bytes) return Commit();
  return absl::OkStatus();
}

// On a full disk the bytes that are not committed are the room that the database needs for any row,
// also for the one that deletes this upload.
absl::Status FileUploadWriter::Fail(const absl::Status& failed) {
  active_.broken = failed;
  active_.running.reset();
  active_.file->Truncate(active_.committed).IgnoreError();  // the next writer does it again
  active_.written = active_.committed;
  return failed;
}

absl::StatusOr<uint64_t> FileUploadWriter::Close() {
  absl::MutexLock lock(&active_.mu);
  LBW_RETURN_IF_ERROR(CheckMine());
  if (active_.written > active_.committed) LBW_RETURN_IF_ERROR(Commit());
  active_.file.reset();
  return active_.committed;
}

absl::Status FileUploadWriter::CheckMine() const {
  if (active_.gone) {
    return base::Error(
        absl::StatusCode::kNotFound, base::reason::kNotFound,
        base::StrCat(base::UploadName(target_.id), " is finished, deleted or expired"));
  }
  if (active_.writer != target_.writer) return TakenOver(target_.id);
  return active_.broken;
}

absl::Status FileUploadWriter::CheckPlace(uint64_t offset, size_t size) const {
  std::string problem;
  if (active_.file == nullptr) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kInternal,
                       "the writer is closed");
  }
  if (offset > active_.written) {
    problem = base::StrCat("offset leaves a gap: offset=", offset, " next=", active_.written);
  } else if (size > target_.size_bytes - offset) {
    problem = base::StrCat("data reaches past size_bytes: offset=", offset, " bytes=", size,
                           " size_bytes=", target_.size_bytes);
  } else {
    return absl::OkStatus();
  }
  base::Error error(absl::StatusCode::kOutOfRange, base::reason::kUploadGap, problem);
  error.Field("offset");
  return std::move(error).Metadata("committed_bytes", base::StrCat(active_.committed));
}

absl::Status FileUploadWriter::CompareWritten(uint64_t offset,
                                              absl::Span<const std::byte> data) const {
  if (data.empty()) return absl::OkStatus();
  std::vector<std::byte> stored(data.size());
  LBW_RETURN_IF_ERROR(active_.file->ReadAt(offset, absl::MakeSpan(stored)));
  const auto differs = std::mismatch(data.begin(), data.end(), stored.begin()).first;
  if (differs == data.end()) return absl::OkStatus();
  const uint64_t at = offset + static_cast<uint64_t>(differs - data.begin());
  base::Error error(absl::StatusCode::kFailedPrecondition, base::reason::kUploadOverlapDiffers,
                    base::StrCat("the chunk differs from what is stored: byte=", at,
                                 "; is it another file? begin again with restart"));
  error.Field("data");
  return error;
}

absl::Status FileUploadWriter::Commit() {
  const absl::Status synced = active_.file->Sync();
  if (!synced.ok()) {
    active_.broken = synced;
    return synced;
  }
  const auto written = static_cast<int64_t>(active_.written);
  bool mine = false;
  LBW_RETURN_IF_ERROR(database_.Transaction([&](Session& session) -> absl::Status {
    const int64_t now_us = session.NowUs();
    LBW_RETURN_IF_ERROR(
        session
            .Execute("UPDATE uploads SET committed_bytes = $3, expire_us = $4 WHERE id = $1 AND "
                     "writer = $2 AND artifact_sha256 = '' AND expire_us > $5",
                     {target_.id, target_.writer, written,
                      now_us + absl::ToInt64Microseconds(limits_.lifetime), now_us})
            .status());
    mine = session.changes() == 1;
    return absl::OkStatus();
  }));
  if (!mine) return TakenOver(target_.id);  // by another process, or expired
  active_.committed = active_.written;
  return absl::OkStatus();
}

}  // namespace lbw::store

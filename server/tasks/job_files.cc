#include "tasks/job_files.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/digest.h"
#include "base/status.h"
#include "base/strings.h"
#include "tasks/report_size.h"

namespace lbw::tasks {

absl::StatusOr<std::unique_ptr<dataset::Pack>> OpenPack(store::BlobStore& blobs,
                                                        const std::string& sha256) {
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<base::RandomAccessReader> reader, blobs.Open(sha256));
  LBW_ASSIGN_OR_RETURN(dataset::Pack pack, dataset::Pack::Open(std::move(reader)));
  return std::make_unique<dataset::Pack>(std::move(pack));
}

int ThreadsOf(int64_t asked, const jobs::JobContext& context) {
  if (asked > 0) return static_cast<int>(asked);
  if (context.threads > 0) return context.threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::string OriginOf(const jobs::JobContext& context) {
  return base::Sha256Hex(base::AsBytes(base::StrCat(context.spec_json, "\n", context.inputs_json)));
}

absl::Status WriteCheckpoint(const jobs::JobContext& context, int64_t step,
                             const WriteBytes& write) {
  jobs::CheckpointInfo told;
  told.step = step;
  return WriteCheckpoint(context, std::move(told), write);
}

absl::Status WriteCheckpoint(const jobs::JobContext& context, jobs::CheckpointInfo told,
                             const WriteBytes& write) {
  LBW_ASSIGN_OR_RETURN(const auto hold, context.blobs->Acquire(store::BlobStore::Access::kName));
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<store::BlobWriter> blob, context.blobs->NewBlob());
  LBW_RETURN_IF_ERROR(write(*blob));
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo info, blob->Commit());
  told.sha256 = info.sha256;
  told.size_bytes = info.size_bytes;
  return context.link->Checkpoint(told);
}

absl::StatusOr<std::string> WriteText(store::BlobStore& blobs, std::string_view text) {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<store::BlobWriter> blob, blobs.NewBlob());
  LBW_RETURN_IF_ERROR(blob->Append(base::AsBytes(text)));
  LBW_ASSIGN_OR_RETURN(store::BlobInfo info, blob->Commit());
  return std::move(info.sha256);
}

absl::StatusOr<std::string> ResultText(store::BlobStore& blobs, const char* key, Json result) {
  std::string text = Dump(result);
  if (text.size() <= kMostReportBytes) return text;
  LBW_ASSIGN_OR_RETURN(const auto hold, blobs.Acquire(store::BlobStore::Access::kName));
  Json aside = std::move(result[key]);
  result.erase(key);
  if (result.contains("rule_matches")) {
    aside["rule_matches"] = std::move(result["rule_matches"]);
    result.erase("rule_matches");
  }
  LBW_ASSIGN_OR_RETURN(result["report_blob"], WriteText(blobs, Dump(aside)));
  return Dump(result);
}

absl::StatusOr<store::BlobInfo> CommitBundle(store::BlobStore& blobs, const model::Model& model) {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<store::BlobWriter> blob, blobs.NewBlob());
  LBW_RETURN_IF_ERROR(model::WriteBundle(model, *blob));
  return blob->Commit();
}

base::CancelToken UntilOrdered(jobs::JobLink& link, std::function<void()> beat) {
  using Order = jobs::JobLink::Order;
  const auto ordered = [&link, beat = std::move(beat)] {
    beat();
    const Order order = link.order();
    return order != Order::kGoOn && order != Order::kCheckpoint;
  };
  return base::CancelToken(ordered, absl::InfiniteFuture());
}

}  // namespace lbw::tasks

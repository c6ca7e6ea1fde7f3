// What every job of this room does with its context: opens the pack that it is given, counts its
// threads, tells a checkpoint's origin and writes it, writes a text beside its result.
//
// Threads: one at a time.
#ifndef LBW_TASKS_JOB_FILES_H_
#define LBW_TASKS_JOB_FILES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "base/io.h"
#include "dataset/pack.h"
#include "jobs/runner.h"
#include "model/model.h"
#include "store/blob_store.h"
#include "tasks/json.h"

namespace lbw::tasks {

// Errors: the store's; those of Pack::Open.
absl::StatusOr<std::unique_ptr<dataset::Pack>> OpenPack(store::BlobStore& blobs,
                                                        const std::string& sha256);

// asked where it is above 0, else the context's, else the machine's.
int ThreadsOf(int64_t asked, const jobs::JobContext& context);

// What a checkpoint belongs to: names may mean other content by now, digests do not.
std::string OriginOf(const jobs::JobContext& context);

// Writes a checkpoint's blob and waits until the worker has it. Errors: write's, the store's.
using WriteBytes = std::function<absl::Status(base::ByteSink&)>;
absl::Status WriteCheckpoint(const jobs::JobContext& context, int64_t step,
                             const WriteBytes& write);
// The same; told: step, epoch, best and metric, the rest is filled in.
absl::Status WriteCheckpoint(const jobs::JobContext& context, jobs::CheckpointInfo told,
                             const WriteBytes& write);

// A durable blob with that text; the caller holds BlobStore::Access::kName. Returns its SHA-256.
absl::StatusOr<std::string> WriteText(store::BlobStore& blobs, std::string_view text);

// What a child answers: the result as text, or, where that is too long for a line of the protocol,
// "report_blob" in the place of the message under the key and of "rule_matches", which the blob
// then has as a member. Holds BlobStore::Access::kName itself. Errors: the store's.
absl::StatusOr<std::string> ResultText(store::BlobStore& blobs, const char* key, Json result);

// A durable blob with the model's bundle; the caller holds BlobStore::Access::kName.
absl::StatusOr<store::BlobInfo> CommitBundle(store::BlobStore& blobs, const model::Model& model);

// True once an order that ends the job is there; beat: called each time it is asked.
base::CancelToken UntilOrdered(jobs::JobLink& link, std::function<void()> beat);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_JOB_FILES_H_

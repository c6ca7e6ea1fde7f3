// The worker's side of the jobs `quantize` and `compare`: names to digests before an attempt, the
// result into rows after it.
#ifndef LBW_TASKS_QUANTIZE_PUBLISH_H_
#define LBW_TASKS_QUANTIZE_PUBLISH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "jobs/runner.h"
#include "registry/datasets.h"
#include "registry/registry.h"
#include "store/blob_store.h"
#include "store/database.h"
#include "tasks/json.h"

namespace lbw::tasks {

// {"bundle", "pack", "measure_pack"}, digests; the last is left out where nothing is measured.
// Errors: kNotFound, kFailedPrecondition.
absl::StatusOr<std::string> PrepareQuantize(const jobs::Job& job, registry::Registry& registry,
                                            registry::Datasets& datasets);
// {"bundle", "reference_bundle", "pack"}. Errors: as above.
absl::StatusOr<std::string> PrepareCompare(const jobs::Job& job, registry::Registry& registry,
                                           registry::Datasets& datasets);

// Inside the transaction that ends the job: the bundle becomes an artifact and the next version of
// the model, READY. `result` is RunQuantize's and becomes lbw.v1.JobResult with the version's name;
// long lists may be missing there, the version has them. Errors: kNotFound, kFailedPrecondition -
// the parent was deleted meanwhile; kUnavailable, BLOB_GONE - the bundle was swept;
// Registry::AddReadyVersion's.
absl::Status ApplyQuantize(store::Session& session, const jobs::Job& job,
                           registry::Registry& registry, store::BlobStore& blobs, Json& result);
// `result` is RunCompare's and becomes lbw.v1.JobResult.
absl::Status ApplyCompare(const jobs::Job& job, store::BlobStore& blobs, Json& result);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_PUBLISH_H_

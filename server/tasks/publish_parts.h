// What the worker's side of several jobs does: names to digests, a child's answer to rows.
//
// Threads: one.
#ifndef LBW_TASKS_PUBLISH_PARTS_H_
#define LBW_TASKS_PUBLISH_PARTS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "jobs/job.h"
#include "registry/datasets.h"
#include "registry/evaluations.h"
#include "registry/registry.h"
#include "store/blob_store.h"
#include "store/database.h"
#include "tasks/json.h"

namespace lbw::tasks {

// Digests. Errors: kNotFound, kFailedPrecondition.
absl::StatusOr<std::string> BundleOf(registry::Registry& registry, const base::ModelRef& ref);
absl::StatusOr<std::string> PackOf(registry::Datasets& datasets, const std::string& name);

// Errors: kInternal - there is no object under the key.
absl::Status RequireObject(const Json& object, const char* key);
// The message under the key, also where the blob "report_blob" stands for it. Errors: as above; the
// store's.
absl::StatusOr<Json> TakeMessage(store::BlobStore& blobs, const char* key, const Json& result);
// The digest and the bytes of what the child made. Errors: kUnavailable, BLOB_GONE; kDataLoss -
// other bytes than it told.
absl::Status TakeBundle(store::BlobStore& blobs, const Json& result, registry::MadeVersion& made);

// The row of an evaluation that the job made; report: lbw.v1.Evaluation, which gets its name, job
// and time.
struct EvaluatedAs {
  base::ModelRef version;
  std::string dataset;
  std::string split;
  std::optional<base::ModelRef> against;
  Json options_json;
};
absl::Status InsertEvaluation(store::Session& session, const jobs::Job& job,
                              registry::Evaluations& evaluations, const EvaluatedAs& as,
                              Json& report);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_PUBLISH_PARTS_H_

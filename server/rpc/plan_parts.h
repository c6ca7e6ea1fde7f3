// What the plans of several kinds of job have in common: reading what a spec names.
//
// Threads: every function blocks on the database or the disk; safe to call concurrently.
#ifndef LBW_RPC_PLAN_PARTS_H_
#define LBW_RPC_PLAN_PARTS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lbw/v1/dataset.pb.h"
#include "model/model.h"
#include "registry/registry.h"
#include "rpc/job_plan.h"
#include "rpc/services.h"

namespace lbw::rpc {

// field: where the name stands in the request. Errors: BAD_NAME; those of Registry::Resolve.
absl::StatusOr<registry::Version> ResolveVersion(registry::Registry& registry,
                                                 const std::string& name, std::string_view field);
// Errors: BAD_NAME; those of Datasets::RequireReady.
absl::StatusOr<v1::Dataset> ReadDataset(const ServiceContext& context, const std::string& name,
                                        std::string_view field);
// What a plan remembers of a dataset that was read. Pure.
absl::StatusOr<JobPlan::Dataset> PlannedDataset(const v1::Dataset& dataset);
// bundle: its sha256. Errors: the store's; those of ReadBundleOutline.
absl::StatusOr<model::Model> ReadOutline(store::ArtifactStore& artifacts,
                                         const std::string& bundle);

}  // namespace lbw::rpc

#endif  // LBW_RPC_PLAN_PARTS_H_

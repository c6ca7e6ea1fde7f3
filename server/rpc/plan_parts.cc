#include "rpc/plan_parts.h"

#include "base/ids.h"
#include "base/status.h"
#include "registry/datasets.h"
#include "rpc/bundle_outline.h"
#include "rpc/convert_dataset.h"
#include "store/artifact_store.h"

namespace lbw::rpc {

absl::StatusOr<registry::Version> ResolveVersion(registry::Registry& registry,
                                                 const std::string& name, std::string_view field) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, base::ParseModelRef(name, field));
  return registry.Resolve(ref);
}

absl::StatusOr<v1::Dataset> ReadDataset(const ServiceContext& context, const std::string& name,
                                        std::string_view field) {
  LBW_ASSIGN_OR_RETURN(const std::string id, base::ParseDatasetName(name, field));
  LBW_ASSIGN_OR_RETURN(const registry::Dataset row, context.datasets->RequireReady(id));
  v1::Dataset dataset;
  ToProto(row, &dataset);
  return dataset;
}

absl::StatusOr<JobPlan::Dataset> PlannedDataset(const v1::Dataset& dataset) {
  JobPlan::Dataset planned;
  LBW_ASSIGN_OR_RETURN(planned.name, base::ParseDatasetName(dataset.name(), "dataset"));
  LBW_ASSIGN_OR_RETURN(planned.pack,
                       base::ParseArtifactName(dataset.pack_artifact(), "pack_artifact"));
  return planned;
}

absl::StatusOr<model::Model> ReadOutline(store::ArtifactStore& artifacts,
                                         const std::string& bundle) {
  LBW_ASSIGN_OR_RETURN(const auto reader, artifacts.OpenArtifact(bundle));
  return ReadBundleOutline(*reader);
}

}  // namespace lbw::rpc

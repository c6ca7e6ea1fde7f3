// Adds a version that is made already: what a job does in the transaction that ends it. And the
// steps that it shares with versions that are drafted first.
//
// Every function runs inside a transaction of its caller.
#ifndef LBW_REGISTRY_READY_VERSION_H_
#define LBW_REGISTRY_READY_VERSION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "registry/registry.h"
#include "registry/resolve.h"
#include "store/artifact_store.h"
#include "store/database.h"

namespace lbw::registry {

// As Registry::AddReadyVersion.
absl::StatusOr<Version> AddReadyVersionRow(store::Session& session, const RegistryLimits& limits,
                                           const MadeVersion& made);

// The model's next number, which is taken. Errors: kResourceExhausted, LIMIT_EXCEEDED.
absl::StatusOr<int64_t> TakeNumber(store::Session& session, const RegistryLimits& limits,
                                   const ModelFacts& facts);
// What the artifact of a version's bundle is called, and is.
std::string BundleDisplayName(const Version& version);
store::ArtifactFormat BundleFormat(const Version& version);
// Errors: kInvalidArgument, LIMIT_EXCEEDED - the version's texts together.
absl::Status CheckTexts(const RegistryLimits& limits, const Version& version);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_READY_VERSION_H_

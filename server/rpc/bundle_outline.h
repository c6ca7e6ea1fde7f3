// What a bundle's network looks like, without its weights: enough for shapes and for an estimate of
// cost.
#ifndef LBW_RPC_BUNDLE_OUTLINE_H_
#define LBW_RPC_BUNDLE_OUTLINE_H_

#include "absl/status/statusor.h"
#include "base/io.h"
#include "model/model.h"

namespace lbw::rpc {

// Graph, spec and constants. Constants that shape arithmetic reads (integers of at most 8,192
// elements, floats of at most 256) have their values; of the others only the shape is right, their
// values must not be looked at.
// Errors: kInvalidArgument - BAD_FILE, BAD_GRAPH, BAD_SPEC; LIMIT_EXCEEDED - a header above
// tensorfile::ReadLimits; the reader's.
// Threads: safe to call concurrently.
// Cost: reads the header and at most 1 MiB of tensors, however large the bundle is.
absl::StatusOr<model::Model> ReadBundleOutline(const base::RandomAccessReader& reader);

}  // namespace lbw::rpc

#endif  // LBW_RPC_BUNDLE_OUTLINE_H_

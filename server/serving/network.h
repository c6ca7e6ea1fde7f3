// A version's bundle, compiled: what a loaded version consists of.
#ifndef LBW_SERVING_NETWORK_H_
#define LBW_SERVING_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "detect/decoder.h"
#include "detect/spec.h"
#include "engine/executor.h"
#include "registry/registry.h"
#include "store/artifact_store.h"

namespace lbw::serving {

// Immutable but for the executor, which only the instance's thread runs.
struct Network {
  detect::InputSpec input;
  std::shared_ptr<const std::vector<std::string>> labels;
  std::unique_ptr<detect::Decoder> decoder;
  std::unique_ptr<engine::Executor> executor;  // fetches decoder->inputs(), in this order
  size_t pictures_per_run = 1;
  uint64_t bytes = 0;

  size_t input_elements() const {  // of one picture
    return static_cast<size_t>(input.channels() * input.height * input.width);
  }
};

struct LoadContext {
  registry::Registry* registry = nullptr;
  store::ArtifactStore* artifacts = nullptr;
  engine::ExecutorFactory* engine = nullptr;
  int threads = 1;
};

// Reads the bundle and compiles it. Takes seconds on a large model; works on the calling thread.
// Errors: kDataLoss - the bundle is gone or damaged; kNotFound - the version was deleted meanwhile;
// kUnavailable, BLOB_GONE - the checkpoint (number 0) was replaced meanwhile;
// kFailedPrecondition - the engine or the decoder cannot run it (with their reason);
// kResourceExhausted; kInternal. The message names the version.
absl::StatusOr<std::unique_ptr<Network>> LoadNetwork(const LoadContext& context,
                                                     const registry::Version& version);

}  // namespace lbw::serving

#endif  // LBW_SERVING_NETWORK_H_

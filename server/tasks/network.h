// A version's bundle, compiled for a job: as serving compiles it, without serving's queues.
// Private to the room.
#ifndef LBW_TASKS_NETWORK_H_
#define LBW_TASKS_NETWORK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "detect/decoder.h"
#include "detect/spec.h"
#include "engine/executor.h"
#include "store/blob_store.h"

namespace lbw::tasks {

struct Network {
  std::string name;  // "models/m/versions/3"
  detect::InputSpec input;
  std::vector<std::string> labels;
  detect::NmsSpec nms;
  bool classifies = false;  // one label a picture, no boxes
  std::unique_ptr<detect::Decoder> decoder;
  std::unique_ptr<engine::Executor> executor;  // fetches decoder->inputs(), in this order
  int64_t max_batch = 0;                       // 0: any

  size_t input_elements() const {  // of one picture
    return static_cast<size_t>(input.channels() * input.height * input.width);
  }
};

struct NetworkSource {
  const store::BlobStore& blobs;
  engine::ExecutorFactory& engine;
  std::string_view name;    // of the version, for messages
  std::string_view bundle;  // sha256
  // That one run of the network may use.
  int threads = 1;
};
// Works on the calling thread, which is the one that runs the executor afterwards.
// Errors: kNotFound - the bundle is gone; kDataLoss - it is damaged; kFailedPrecondition - the
// engine or the decoder cannot run it (with their reason); the store's, the engine's.
absl::StatusOr<Network> LoadNetwork(const NetworkSource& source);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_NETWORK_H_

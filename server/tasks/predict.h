// A version's network over the pictures of a pack: decoded by threads ahead, run in batches on the
// calling thread, decoded into boxes or classes in the picture's pixels. The same path as serving.
#ifndef LBW_TASKS_PREDICT_H_
#define LBW_TASKS_PREDICT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/cancel.h"
#include "dataset/pack.h"
#include "detect/decoder.h"
#include "engine/executor.h"
#include "model/model.h"
#include "store/blob_store.h"

namespace lbw::tasks {

// Seconds of each stage, summed over pictures.
struct StageSeconds {
  double decode = 0;
  double preprocess = 0;
  double compute = 0;
  double postprocess = 0;
};

// Of one picture.
struct Predicted {
  absl::Status status;  // its own failure; the rest is empty then
  std::vector<detect::Detection> detections;
  std::vector<detect::ClassScore> classes;
};

// A pack's picture as a network's input. The inputs of two versions are often the same.
struct PreparedPicture {
  absl::Status status;
  std::vector<float> values;  // [channels, height, width]
  detect::Placement placement;
  double decode_seconds = 0;
  double preprocess_seconds = 0;
};

// Decodes a picture and lays it out as a network wants it. From any thread.
PreparedPicture PreparePicture(const detect::InputSpec& input, const std::string& encoded);
// The same for a picture of a pack; one that cannot be read has the reason as its status.
PreparedPicture ReadPicture(const dataset::Pack& pack, size_t index,
                            const detect::InputSpec& input);
// The same for several, on at most so many threads.
std::vector<PreparedPicture> ReadPictures(const dataset::Pack& pack,
                                          absl::Span<const size_t> indices,
                                          const detect::InputSpec& input, int threads);

inline bool IsClassifier(const model::ModelSpec& spec) { return spec.head.kind == "logits"; }

class Network {
 public:
  // bundle: SHA-256. engine is borrowed. Errors: kDataLoss - the bundle is gone or damaged; those
  // of the engine.
  static absl::StatusOr<std::unique_ptr<Network>> Load(store::BlobStore& blobs,
                                                       const std::string& bundle,
                                                       engine::ExecutorFactory& engine,
                                                       int threads);
  // Of a model that is not stored. emulated: rounds activations as model.activations says. Errors:
  // those of the engine.
  enum class Activations : uint8_t { kFloat, kEmulated };
  static absl::StatusOr<std::unique_ptr<Network>> Make(model::Model model,
                                                       engine::ExecutorFactory& engine, int threads,
                                                       Activations activations);
  const model::ModelSpec& spec() const { return model_.spec; }
  bool is_classifier() const { return IsClassifier(model_.spec); }
  // At most so many pictures at a time.
  int64_t batch() const { return batch_; }
  // From any thread.
  PreparedPicture Prepare(const std::string& encoded) const;
  // From one thread, always the same. At most batch() pictures; those that failed are passed
  // through.
  absl::StatusOr<std::vector<Predicted>> Run(absl::Span<const PreparedPicture> pictures,
                                             const detect::DecodeOptions& options,
                                             StageSeconds& seconds);

 private:
  Network() = default;
  model::Model model_;
  std::unique_ptr<detect::Decoder> decoder_;
  std::unique_ptr<engine::Executor> executor_;
  int64_t batch_ = 1;
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_PREDICT_H_

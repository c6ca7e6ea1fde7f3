// Detection with the versions of the registry: load on first use, queue, decode, run, decode boxes,
// draw.
//
// A version is loaded when it is first asked for and stays until room is needed (least recently
// used first, by bytes; one in use stays). Each loaded version has one instance: one thread that
// runs its executor, behind a bounded queue. Pictures are decoded by their own pool. A call that is
// cancelled or past its deadline leaves the queue at once and its slot is free. Threads: every
// method may be called concurrently; Detect never blocks on compute.
#ifndef LBW_SERVING_DETECTOR_H_
#define LBW_SERVING_DETECTOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/tensor.h"
#include "detect/decoder.h"
#include "detect/image/image.h"
#include "engine/executor.h"
#include "registry/registry.h"
#include "store/artifact_store.h"

namespace lbw::serving {

struct ServingLimits {
  uint64_t loaded_bytes = uint64_t{4} << 30;   // of all loaded versions
  size_t queue_calls = 256;                    // that wait, a version
  uint64_t queue_bytes = uint64_t{512} << 20;  // of pictures that wait, a version
  size_t images_per_call = 64;
  detect::ImageLimits image;
  int threads = 0;            // that one Run may use; 0 = the machine's cores
  size_t decode_threads = 0;  // 0 = the machine's cores
};

struct DetectOptions {
  detect::DecodeOptions decode;          // `classes` is filled from class_names
  std::vector<std::string> class_names;  // wanted labels; empty: all
  std::optional<detect::ImageFormat> annotate;
  bool include_outputs = false;
};

struct DetectRequest {
  // An alias "job-{id}" is the newest checkpoint of a job that trains the model.
  base::ModelRef model;
  std::vector<std::string> images;  // encoded; owned
  DetectOptions options;
  base::CancelToken cancel;
};

struct Timings {
  uint32_t queue_us = 0;
  uint32_t decode_us = 0;
  uint32_t preprocess_us = 0;
  uint32_t compute_us = 0;
  uint32_t postprocess_us = 0;
  uint32_t draw_us = 0;
};

struct NamedTensor {
  std::string name;
  base::Tensor tensor;  // of one picture, without the batch dimension
};

struct PictureResult {
  absl::Status status;  // this picture's own failure; the rest is empty then
  int64_t width = 0;
  int64_t height = 0;
  std::vector<detect::Detection> detections;  // in the picture's pixels
  std::vector<detect::ClassScore> classes;
  std::vector<NamedTensor> outputs;
  std::string annotated;
  Timings timings;
};

struct DetectResponse {
  std::string model;
  int64_t version = 0;                                     // 0: a checkpoint
  std::string job;                                         // whose checkpoint it is; "": a version
  std::string bundle;                                      // sha256 of what answered
  std::shared_ptr<const std::vector<std::string>> labels;  // of the version's classes
  std::vector<PictureResult> pictures;                     // in the order sent
  uint32_t queue_us = 0;
};

// What metrics wants to hear of. Called from many threads; must not block.
class ServingObserver {
 public:
  virtual ~ServingObserver() = default;
  enum class Stage : uint8_t { kQueue, kDecode, kPreprocess, kCompute, kPostprocess, kDraw };
  virtual void StageDone(std::string_view model, Stage stage, double seconds) = 0;
  virtual void PictureDone(std::string_view model, bool ok) = 0;
  virtual void QueueLength(std::string_view model, int64_t version, size_t calls) = 0;
  virtual void LoadDone(std::string_view model, double seconds, bool ok) = 0;
  virtual void LoadedChanged(size_t versions, uint64_t bytes) = 0;
  // The version is loaded no longer: its gauges go away.
  virtual void Unloaded(std::string_view model, int64_t version) = 0;
};

struct LoadedInfo {
  std::string model;
  int64_t version = 0;  // 0: a checkpoint
  std::string job;      // whose checkpoint it is; "": a version
  uint64_t bytes = 0;
  size_t queue_length = 0;
  uint64_t pictures = 0;
  absl::Time last_used;
};

class Detector {
 public:
  virtual ~Detector() = default;
  // Answers through done, exactly once, from a thread of the detector's. Never blocks.
  // Errors (the whole call): kInvalidArgument - no or too many pictures, an option out of range
  // (field names as in the API), an unknown class; kNotFound; kFailedPrecondition,
  // VERSION_NOT_READY, or WRONG_STATE - a job without a checkpoint to detect with;
  // kResourceExhausted, QUEUE_FULL (with a retry delay), OUT_OF_ROOM;
  // kUnavailable, DRAINING; kCancelled, kDeadlineExceeded; kDataLoss - the bundle is damaged;
  // kUnavailable, BLOB_GONE - newer checkpoints have replaced the one that was to be loaded.
  virtual void Detect(DetectRequest request,
                      absl::AnyInvocable<void(absl::StatusOr<DetectResponse>)> done) = 0;
  // Forgets a version (deleted, or to make room); calls in work finish.
  virtual void Unload(std::string_view model, int64_t version) = 0;
  virtual std::vector<LoadedInfo> Loaded() const = 0;
  // Takes no new calls, finishes those it has, or fails them when the deadline passes. Idempotent.
  virtual void Drain(absl::Time deadline) = 0;
};

struct DetectorContext {
  registry::Registry* registry = nullptr;  // all borrowed, must outlive the detector
  store::ArtifactStore* artifacts = nullptr;
  engine::ExecutorFactory* engine = nullptr;
  ServingObserver* observer = nullptr;  // may be nullptr
  const base::Clock* clock = nullptr;   // nullptr: the real one
};

std::unique_ptr<Detector> NewDetector(const DetectorContext& context, const ServingLimits& limits);

}  // namespace lbw::serving

#endif  // LBW_SERVING_DETECTOR_H_

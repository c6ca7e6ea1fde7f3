// A detector over the fakes, with two small networks: a classifier of three colours and a box
// finder.
#ifndef LBW_TESTS_UNIT_SERVING_DETECTOR_FIXTURE_H_
#define LBW_TESTS_UNIT_SERVING_DETECTOR_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "base/status.h"
#include "detect/image/image.h"
#include "model/model.h"
#include "serving/detector.h"
#include "unit/serving/fakes.h"

namespace lbw::serving {

using Color = std::array<uint8_t, 3>;

inline std::string Png(int64_t width, int64_t height, Color color) {
  detect::Image image;
  image.width = width;
  image.height = height;
  for (int64_t i = 0; i < width * height; ++i) {
    image.rgb.insert(image.rgb.end(), color.begin(), color.end());
  }
  return detect::EncodeImage(image, detect::ImageFormat::kPng).value();
}

inline graph::Node MakeNode(const std::string& op, std::vector<std::string> inputs,
                            const std::string& output) {
  graph::Node node;
  node.name = output;
  node.op_type = op;
  node.inputs = std::move(inputs);
  node.outputs = {output};
  return node;
}

inline graph::ValueInfo Value(const std::string& name, base::Shape shape) {
  graph::ValueInfo value;
  value.name = name;
  value.shape = std::move(shape);
  return value;
}

inline detect::InputSpec SmallInput() {
  detect::InputSpec input;
  input.height = 4;
  input.width = 4;
  input.scale = {1.0F / 255, 1.0F / 255, 1.0F / 255};
  return input;
}

inline detect::Role RoleOf(const std::string& value) {
  detect::Role role;
  role.values = {detect::ValueSlice{value, std::nullopt, std::nullopt}};
  return role;
}

// [N, 3, 4, 4] -> mean of each channel [N, 3].
inline std::string ClassifierBundle(int64_t max_batch) {
  graph::Graph graph;
  graph.name = "colours";
  graph.nodes = {MakeNode("GlobalAveragePool", {"x"}, "pooled"),
                 MakeNode("Flatten", {"pooled"}, "scores")};
  graph.inputs = {Value("x", {graph::kBatch, 3, 4, 4})};
  graph.outputs = {Value("scores", {graph::kBatch, 3})};
  graph.max_batch = max_batch;
  model::ModelSpec spec;
  spec.input = SmallInput();
  spec.classes = {"red", "green", "blue"};
  spec.head.kind = "logits";
  spec.head.scores = RoleOf("scores");
  base::StringSink sink;
  const auto model = model::MakeModel(graph, {}, spec);
  LBW_CHECK(model.ok());
  LBW_CHECK(model::WriteBundle(*model, sink).ok());
  return sink.Take();
}

// One box a picture, the middle half of it; its score is the picture's redness.
inline std::string BoxBundle() {
  graph::Graph graph;
  graph.name = "boxes";
  graph.nodes = {MakeNode("Flatten", {"x"}, "flat"), MakeNode("Gemm", {"flat", "w_boxes"}, "boxes"),
                 MakeNode("Gemm", {"flat", "w_scores"}, "scores")};
  graph.inputs = {Value("x", {graph::kBatch, 3, 4, 4})};
  graph.outputs = {Value("boxes", {graph::kBatch, 4}), Value("scores", {graph::kBatch, 1})};
  graph::Constants constants;
  constants["w_boxes"] = base::Tensor(base::DType::kF32, {48, 4});
  constants["w_scores"] = base::Tensor(base::DType::kF32, {48, 1});
  model::ModelSpec spec;
  spec.input = SmallInput();
  spec.classes = {"thing"};
  spec.head.kind = "ssd";
  spec.head.boxes = RoleOf("boxes");
  spec.head.scores = RoleOf("scores");
  spec.head.box.variances = {1, 1};
  base::StringSink sink;
  const auto model = model::MakeModel(graph, constants, spec);
  LBW_CHECK(model.ok());
  LBW_CHECK(model::WriteBundle(*model, sink).ok());
  return sink.Take();
}

// One call and its answer.
class Pending {
 public:
  // Returns once it is answered.
  const absl::StatusOr<DetectResponse>& Get() {
    answered_.WaitForNotification();
    return result_;
  }
  bool answered() const { return answered_.HasBeenNotified(); }
  void Cancel() { cancelled_ = true; }
  base::CancelToken Token(absl::Time deadline) {
    return base::CancelToken([this] { return cancelled_.load(); }, deadline);
  }
  void Answer(absl::StatusOr<DetectResponse> result) {
    ASSERT_FALSE(answered_.HasBeenNotified()) << "answered twice";
    result_ = std::move(result);
    answered_.Notify();
  }

 private:
  std::atomic<bool> cancelled_{false};
  absl::StatusOr<DetectResponse> result_ = absl::UnknownError("not answered");
  absl::Notification answered_;
};

class DetectorTest : public ::testing::Test {
 protected:
  DetectorTest() : engine_(probe_) {
    artifacts_.Put("colours", ClassifierBundle(0));
    artifacts_.Put("boxes", BoxBundle());
    PutVersion("colours", 1, "colours");
    PutVersion("boxes", 1, "boxes");
    limits_.decode_threads = 2;
    limits_.threads = 1;
  }
  ~DetectorTest() override {
    probe_.compile_door.Open();
    probe_.run_door.Open();
    registry_.door.Open();
    artifacts_.door.Open();
    detector_.reset();
  }

  void PutVersion(const std::string& model, int64_t number, const std::string& bundle) {
    registry::Version version;
    version.model = model;
    version.number = number;
    version.state = registry::VersionState::kReady;
    version.bundle = bundle;
    registry_.Put(version);
  }

  // The newest checkpoint of a job that trains the model.
  void PutCheckpoint(const std::string& model, const std::string& job, const std::string& bundle) {
    registry::Version version;
    version.model = model;
    version.job = job;
    version.state = registry::VersionState::kReady;
    version.bundle = bundle;
    registry_.Put(version);
  }

  // Made at the first use, so that a test can set limits_ first.
  Detector& detector() {
    if (detector_ == nullptr) {
      DetectorContext context;
      context.registry = &registry_;
      context.artifacts = &artifacts_;
      context.engine = &engine_;
      context.observer = &observer_;
      detector_ = NewDetector(context, limits_);
    }
    return *detector_;
  }

  std::unique_ptr<Pending> Start(const std::string& model, std::vector<std::string> images,
                                 DetectOptions options = {},
                                 absl::Time deadline = absl::InfiniteFuture()) {
    auto pending = std::make_unique<Pending>();
    DetectRequest request;
    request.model.model = model;
    request.images = std::move(images);
    request.options = std::move(options);
    request.cancel = pending->Token(deadline);
    detector().Detect(std::move(request),
                      [raw = pending.get()](auto result) { raw->Answer(std::move(result)); });
    return pending;
  }

  std::unique_ptr<Pending> StartRedAtJob(const std::string& model, const std::string& job) {
    auto pending = std::make_unique<Pending>();
    DetectRequest request;
    request.model = {model, std::nullopt, "job-" + job};
    request.images = {Png(4, 4, {255, 0, 0})};
    request.cancel = pending->Token(absl::InfiniteFuture());
    detector().Detect(std::move(request),
                      [raw = pending.get()](auto result) { raw->Answer(std::move(result)); });
    return pending;
  }

  std::unique_ptr<Pending> StartRed(const std::string& model = "colours") {
    return Start(model, {Png(4, 4, {255, 0, 0})});
  }

  // Returns once as many calls wait for version 1 of the model. The gauge would not do: it comes a
  // moment after what it shows.
  void AwaitWaiting(const std::string& model, size_t calls) {
    const base::Stopwatch watch;
    constexpr int64_t kPatienceNs = 20'000'000'000;
    while (watch.ElapsedNs() < kPatienceNs) {
      for (const LoadedInfo& info : detector().Loaded()) {
        if (info.model == model && info.queue_length == calls) return;
      }
      std::this_thread::yield();
    }
    ADD_FAILURE() << "never " << calls << " calls wait for " << model;
  }

  static std::string ReasonOf(const absl::Status& status) {
    return base::GetErrorDetails(status).reason;
  }

  FakeRegistry registry_;
  FakeArtifacts artifacts_;
  EngineProbe probe_;
  FakeEngine engine_;
  FakeObserver observer_;
  ServingLimits limits_;
  std::unique_ptr<Detector> detector_;
};

}  // namespace lbw::serving

#endif  // LBW_TESTS_UNIT_SERVING_DETECTOR_FIXTURE_H_

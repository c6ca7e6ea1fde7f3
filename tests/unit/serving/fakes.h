// A registry, an artifact store and an engine that live in memory and stop where a test wants them
// to.
#ifndef LBW_TESTS_UNIT_SERVING_FAKES_H_
#define LBW_TESTS_UNIT_SERVING_FAKES_H_

#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "base/io.h"
#include "base/status.h"
#include "engine/executor.h"
#include "registry/registry.h"
#include "serving/detector.h"
#include "store/artifact_store.h"

namespace lbw::serving {

// A door: open from the start; while it is closed, who passes waits.
class Door {
 public:
  void Close() {
    absl::MutexLock lock(&mu_);
    open_ = false;
  }
  void Open() {
    absl::MutexLock lock(&mu_);
    open_ = true;
  }
  void Pass() {
    absl::MutexLock lock(&mu_);
    ++arrived_;
    mu_.Await(absl::Condition(&open_));
  }
  // Returns once n in all have come to the door.
  void AwaitArrivals(int n) {
    absl::MutexLock lock(&mu_);
    const auto enough = [this, n]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return arrived_ >= n; };
    mu_.Await(absl::Condition(&enough));
  }
  int arrivals() {
    absl::MutexLock lock(&mu_);
    return arrived_;
  }

 private:
  absl::Mutex mu_;
  bool open_ ABSL_GUARDED_BY(mu_) = true;
  int arrived_ ABSL_GUARDED_BY(mu_) = 0;
};

inline absl::Status NotHere() { return absl::UnimplementedError("not in this fake"); }

class FakeRegistry final : public registry::Registry {
 public:
  using Version = registry::Version;
  using Alias = registry::Alias;
  using AliasChange = registry::AliasChange;
  using Model = registry::Model;

  void Put(const Version& version) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    versions_[{version.model, version.number}] = version;
  }
  void Erase(const std::string& model, int64_t number) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    versions_.erase({model, number});
  }

  absl::StatusOr<Version> Resolve(const base::ModelRef& ref) override {
    door.Pass();
    return GetVersion(ref.model, ref.version.value_or(1));
  }
  // The checkpoint that Put was told of as version 0, with its job.
  absl::StatusOr<Version> ResolveCheckpoint(std::string_view model, std::string_view job) override {
    LBW_ASSIGN_OR_RETURN(const Version version, GetVersion(model, 0));
    if (version.job == job) return version;
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound, "another job");
  }
  absl::StatusOr<Version> GetVersion(std::string_view model, int64_t number) override
      ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    const auto found = versions_.find({std::string(model), number});
    if (found != versions_.end()) return found->second;
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("no version ", base::VersionName(model, number)));
  }

  absl::StatusOr<Version> CreateModel(const registry::VersionDraft&) override { return NotHere(); }
  absl::StatusOr<Version> CreateVersion(const registry::VersionDraft&) override {
    return NotHere();
  }
  absl::StatusOr<Version> PublishVersion(const Version&) override { return NotHere(); }
  absl::Status AbandonVersion(std::string_view, int64_t) override { return NotHere(); }
  absl::StatusOr<Version> AddReadyVersion(store::Session&, const registry::MadeVersion&) override {
    return NotHere();
  }
  absl::StatusOr<Model> GetModel(std::string_view) override { return NotHere(); }
  absl::StatusOr<ModelPage> ListModels(int, std::string_view) override { return NotHere(); }
  absl::StatusOr<Version> ResolveFloat(const base::ModelRef&) override { return NotHere(); }
  absl::StatusOr<Alias> SetAlias(std::string_view, std::string_view, int64_t,
                                 const AliasChange&) override {
    return NotHere();
  }
  absl::StatusOr<Alias> RollbackAlias(std::string_view, std::string_view,
                                      const AliasChange&) override {
    return NotHere();
  }
  absl::StatusOr<AliasMoves> ListAliasMoves(std::string_view, std::string_view, int,
                                            std::string_view) override {
    return NotHere();
  }
  absl::Status DeleteAlias(std::string_view, std::string_view, const AliasChange&) override {
    return NotHere();
  }
  absl::Status DeleteVersion(std::string_view, int64_t, Force) override { return NotHere(); }
  absl::Status DeleteModel(std::string_view, Force) override { return NotHere(); }
  absl::StatusOr<int64_t> CountModels() override { return NotHere(); }

  Door door;  // in front of Resolve

 private:
  absl::Mutex mu_;
  std::map<std::pair<std::string, int64_t>, Version> versions_ ABSL_GUARDED_BY(mu_);
};

class FakeArtifacts final : public store::ArtifactStore {
 public:
  using Artifact = store::Artifact;
  using Upload = store::Upload;

  void Put(const std::string& sha256, std::string bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    blobs_[sha256] = std::move(bytes);
  }
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> OpenArtifact(
      std::string_view sha256) override ABSL_LOCKS_EXCLUDED(mu_) {
    door.Pass();
    absl::MutexLock lock(&mu_);
    const auto found = blobs_.find(std::string(sha256));
    if (found != blobs_.end()) return std::make_unique<base::StringReader>(found->second);
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound, "no such artifact");
  }

  absl::StatusOr<Upload> CreateUpload(std::string_view, uint64_t, std::string_view,
                                      std::string_view) override {
    return NotHere();
  }
  absl::StatusOr<Upload> GetUpload(std::string_view) override { return NotHere(); }
  absl::Status DeleteUpload(std::string_view) override { return NotHere(); }
  absl::StatusOr<std::unique_ptr<store::UploadWriter>> OpenWriter(std::string_view,
                                                                  Start) override {
    return NotHere();
  }
  absl::StatusOr<Artifact> FinishUpload(std::string_view, std::string_view,
                                        const base::CancelToken&) override {
    return NotHere();
  }
  absl::StatusOr<Artifact> AddArtifact(std::unique_ptr<store::BlobWriter>, store::ArtifactFormat,
                                       std::string_view, store::ArtifactOrigin) override {
    return NotHere();
  }
  absl::StatusOr<std::unique_ptr<store::BlobWriter>> NewBlob() override { return NotHere(); }
  absl::StatusOr<Artifact> GetArtifact(std::string_view) override { return NotHere(); }
  absl::StatusOr<Page> ListArtifacts(int, std::string_view) override { return NotHere(); }
  absl::Status DeleteArtifact(std::string_view) override { return NotHere(); }
  absl::Status Sweep() override { return NotHere(); }
  absl::StatusOr<Stats> GetStats() override { return NotHere(); }

  Door door;  // in front of OpenArtifact

 private:
  absl::Mutex mu_;
  std::map<std::string, std::string> blobs_ ABSL_GUARDED_BY(mu_);
};

// What tests tell the engine and learn from it. Threads: all members may be used concurrently.
class EngineProbe {
 public:
  Door compile_door;
  Door run_door;

  void SetCompileStatus(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    compile_status_ = std::move(status);
  }
  absl::Status compile_status() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return compile_status_;
  }
  void SetRunStatus(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    run_status_ = std::move(status);
  }
  absl::Status run_status() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return run_status_;
  }
  void SetBytes(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    bytes_ = bytes;
  }
  uint64_t bytes() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return bytes_;
  }
  void NoteRun(int64_t pictures) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    batches_.push_back(pictures);
    run_threads_.insert(std::this_thread::get_id());
  }
  std::vector<int64_t> batches() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return batches_;
  }
  size_t run_threads() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return run_threads_.size();
  }

 private:
  absl::Mutex mu_;
  absl::Status compile_status_ ABSL_GUARDED_BY(mu_);
  absl::Status run_status_ ABSL_GUARDED_BY(mu_);
  uint64_t bytes_ ABSL_GUARDED_BY(mu_) = 1000;
  std::vector<int64_t> batches_ ABSL_GUARDED_BY(mu_);
  std::set<std::thread::id> run_threads_ ABSL_GUARDED_BY(mu_);
};

// Fetches the mean of each channel of the input, whatever the graph says: [N, C] a fetched value of
// C columns; a value of four columns gets a fixed box.
class FakeExecutor final : public engine::Executor {
 public:
  FakeExecutor(EngineProbe& probe, std::vector<graph::ValueInfo> outputs)
      : probe_(probe), bytes_(probe.bytes()), outputs_(std::move(outputs)) {}

  absl::StatusOr<std::vector<base::Tensor>> Run(const base::TensorView& input,
                                                const base::CancelToken& cancel) override {
    probe_.NoteRun(input.shape.at(0));
    probe_.run_door.Pass();
    LBW_RETURN_IF_ERROR(cancel.Check());
    LBW_RETURN_IF_ERROR(probe_.run_status());
    std::vector<base::Tensor> results;
    for (const graph::ValueInfo& output : outputs_) results.push_back(Make(input, output));
    return results;
  }
  uint64_t resident_bytes() const override { return bytes_; }
  const std::vector<graph::ValueInfo>& outputs() const override { return outputs_; }

 private:
  static base::Tensor Make(const base::TensorView& input, const graph::ValueInfo& output) {
    const int64_t pictures = input.shape.at(0);
    const int64_t channels = input.shape.at(1);
    const int64_t area = input.shape.at(2) * input.shape.at(3);
    base::Shape shape = output.shape;
    shape.at(0) = pictures;
    base::Tensor result(base::DType::kF32, shape);
    const int64_t columns = result.elements() / pictures;
    const base::Tensor copy(input);
    const absl::Span<const float> from = copy.as<float>();
    const absl::Span<float> to = result.mutable_as<float>();
    for (int64_t n = 0; n < pictures; ++n) {
      for (int64_t c = 0; c < columns; ++c) {
        float sum = 0;
        for (int64_t i = 0; c < channels && i < area; ++i) {
          sum += from.at(static_cast<size_t>((n * channels + c) * area + i));
        }
        constexpr float kBox[] = {0.5F, 0.5F, 0.5F, 0.25F};  // centre and size
        to.at(static_cast<size_t>(n * columns + c)) =
            columns == 4 ? kBox[c] : sum / static_cast<float>(area);
      }
    }
    return result;
  }

  EngineProbe& probe_;
  const uint64_t bytes_;
  const std::vector<graph::ValueInfo> outputs_;
};

class FakeEngine final : public engine::ExecutorFactory {
 public:
  explicit FakeEngine(EngineProbe& probe) : probe_(probe) {}
  absl::StatusOr<std::unique_ptr<engine::Executor>> Compile(
      const graph::Graph& graph, const graph::Constants& constants,
      const engine::CompileOptions& options) override {
    probe_.compile_door.Pass();
    LBW_RETURN_IF_ERROR(probe_.compile_status());
    LBW_ASSIGN_OR_RETURN(
        const graph::InferredShapes shapes,
        graph::InferShapes(graph, constants,
                           {{graph.inputs.at(0).name, {1, 3, options.height, options.width}}}));
    std::vector<graph::ValueInfo> outputs;
    for (const std::string& name : options.fetch) {
      graph::ValueInfo value = shapes.values.at(name);
      value.shape.at(0) = graph::kBatch;
      outputs.push_back(value);
    }
    return std::make_unique<FakeExecutor>(probe_, std::move(outputs));
  }
  absl::StatusOr<std::unique_ptr<engine::PieceCompiler>> OpenPieces(
      const graph::Graph&, const graph::Constants&, const engine::CompileOptions&) override {
    return absl::UnimplementedError("serving runs whole graphs");
  }

 private:
  EngineProbe& probe_;
};

// Counts what a detector tells.
class FakeObserver final : public ServingObserver {
 public:
  void StageDone(std::string_view, Stage stage, double) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    ++stages_[stage];
  }
  void PictureDone(std::string_view, bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    ++(ok ? good_ : bad_);
  }
  void QueueLength(std::string_view model, int64_t version, size_t calls) override
      ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    queues_[{std::string(model), version}] = calls;
  }
  void LoadDone(std::string_view, double, bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    ++(ok ? loads_ : failed_loads_);
  }
  void LoadedChanged(size_t versions, uint64_t bytes) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    loaded_ = versions;
    loaded_bytes_ = bytes;
  }
  void Unloaded(std::string_view model, int64_t version) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    queues_.erase({std::string(model), version});
  }

  struct Seen {
    std::map<Stage, int> stages;
    std::map<std::pair<std::string, int64_t>, size_t> queues;
    int good = 0, bad = 0, loads = 0, failed_loads = 0;
    size_t loaded = 0;
    uint64_t loaded_bytes = 0;
  };
  Seen seen() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return Locked();
  }
  // Returns once what was told fits; the gauges come a moment after what they show.
  template <typename Fits>
  Seen Await(Fits fits) ABSL_LOCKS_EXCLUDED(mu_) {
    const auto condition = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return fits(Locked()); };
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithTimeout(absl::Condition(&condition), absl::Seconds(20));
    return Locked();
  }

 private:
  Seen Locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return Seen{stages_, queues_, good_, bad_, loads_, failed_loads_, loaded_, loaded_bytes_};
  }

  absl::Mutex mu_;
  std::map<Stage, int> stages_ ABSL_GUARDED_BY(mu_);
  std::map<std::pair<std::string, int64_t>, size_t> queues_ ABSL_GUARDED_BY(mu_);
  int good_ ABSL_GUARDED_BY(mu_) = 0;
  int bad_ ABSL_GUARDED_BY(mu_) = 0;
  int loads_ ABSL_GUARDED_BY(mu_) = 0;
  int failed_loads_ ABSL_GUARDED_BY(mu_) = 0;
  size_t loaded_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t loaded_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace lbw::serving

#endif  // LBW_TESTS_UNIT_SERVING_FAKES_H_

// A calibrated quantization at work: its inputs, its orders and checkpoints, and what it can do:
// calibrate the network as some options say, and measure what came of it. What is tried, and in
// which order, is quantize_search.h's.
//
// Threads: one; uses up to Threads() itself.
#ifndef LBW_TASKS_QUANTIZE_BENCH_H_
#define LBW_TASKS_QUANTIZE_BENCH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "dataset/pack.h"
#include "engine/executor.h"
#include "jobs/runner.h"
#include "model/model.h"
#include "tasks/calibrate_network.h"
#include "tasks/calibration_pictures.h"
#include "tasks/evaluate_state.h"
#include "tasks/job_files.h"
#include "tasks/predict.h"
#include "tasks/quantize_measure.h"
#include "tasks/quantize_pace.h"
#include "tasks/quantize_spec.h"
#include "tasks/quantize_state.h"

namespace lbw::tasks {

struct QuantizeSeconds {
  double prepare = 0, forward = 0, gram = 0, solve = 0, measure = 0;
};

// Calibrations that the search for the fewest bytes makes at most; the widest may follow.
inline constexpr int kMostDropAttempts = 5;

// A calibration that is tried.
struct Trial {
  // Projected: nearest codes, the biases corrected all the same.
  enum class Codes : uint8_t { kCalibrated, kProjected };

  std::string key;   // tells it from the job's others
  std::string name;  // for people; empty where there is but one
  ChoiceOptions options;
  Codes codes = Codes::kCalibrated;
};

// A network that is measured beside the float one.
struct Candidate {
  std::string key;  // tells it from the job's others
  std::string what;
  model::Model model;
  Network::Activations activations = Network::Activations::kFloat;
};

class QuantizeBench {
 public:
  // context and engine are borrowed.
  QuantizeBench(const jobs::JobContext& context, engine::ExecutorFactory& engine, QuantizeSpec spec)
      : context_(context), link_(*context.link), engine_(engine), spec_(std::move(spec)) {}

  // Goes on from the context's checkpoint, where it can be used. The first call.
  absl::Status Resume();
  // Reads version and datasets. Errors: kFailedPrecondition, kInvalidArgument - they do not fit the
  // spec; those of Obey.
  absl::Status Open();

  // Asked within every loop: a checkpoint where one is due, the status of an order that ends the
  // job.
  absl::Status Obey();
  base::CancelToken UntilOrdered();
  void Report(std::string_view stage, std::map<std::string, double> values = {});
  StepCount& steps() { return steps_; }
  // Something was put into the state.
  absl::Status Keep() {
    dirty_ = true;
    return Obey();
  }

  // What the spec says, without what a search chooses.
  ChoiceOptions Choices() const;
  absl::StatusOr<std::unique_ptr<LayerWalk>> Walk(Trial::Codes codes);
  // Makes the trial the standing calibration; goes on from its layers where the state holds some.
  absl::Status Calibrate(const Trial& trial);
  // The same, unless it stands.
  absl::Status Settle(const Trial& trial);
  // The float network's figures, then the candidates'; those that the state holds are not found
  // again. measure() must be there.
  absl::StatusOr<std::vector<Measured>> MeasureAll(std::string_view stage,
                                                   std::vector<Candidate> candidates);
  // The standing calibration as a candidate of the trial's key.
  Candidate Standing(const Trial& trial) const;
  // Of the float network (kFloatKey) or a candidate; nothing where they are not in the state.
  static constexpr char kFloatKey[] = "float";
  absl::StatusOr<std::optional<Measured>> KnownFigures(const std::string& key) const;
  // Units of steps() of a trial that is calibrated, and of so many candidates.
  int64_t UnitsOfTrial() const { return static_cast<int64_t>(layers_.size()); }
  int64_t UnitsOfMeasuring(size_t candidates) const;

  int Threads() const { return ThreadsOf(spec_.calibration.threads, context_); }
  const jobs::JobContext& context() const { return context_; }
  engine::ExecutorFactory& engine() { return engine_; }
  const QuantizeSpec& spec() const { return spec_; }
  const model::Model& model() const { return model_; }
  const std::vector<WalkLayer>& layers() const { return layers_; }
  const CalibrationPictures& pictures() const { return pictures_; }
  const std::string& pack_sha256() const { return pack_sha256_; }
  const std::vector<std::string>& notes() const { return notes_; }
  Measure* measure() { return measure_.get(); }
  const Measure* measure() const { return measure_.get(); }
  bool measures_labels() const { return measure_ != nullptr && measure_->labelled(); }
  QuantizeState& state() { return state_; }
  const CalibratedNetwork& network() const { return network_; }
  const ChoiceOptions& standing_options() const { return standing_options_; }
  QuantizeSeconds& seconds() { return seconds_; }
  double ElapsedSeconds() const { return watch_.ElapsedSeconds(); }

 private:
  absl::Status Checkpoint();
  absl::Status ReadPictures();
  absl::Status RunOver(std::string_view stage, const std::vector<Candidate*>& open);
  absl::StatusOr<Measured> FindFigures(std::string_view stage, const std::string& key,
                                       const std::string& what);
  void Plan();

  const jobs::JobContext& context_;
  jobs::JobLink& link_;
  engine::ExecutorFactory& engine_;
  const QuantizeSpec spec_;
  std::string pack_sha256_;
  model::Model model_;
  std::unique_ptr<dataset::Pack> pack_, measure_pack_;
  CalibrationPictures pictures_;
  std::unique_ptr<Measure> measure_;
  std::vector<WalkLayer> layers_;
  std::vector<std::string> notes_;

  QuantizeState state_;
  bool dirty_ = false;  // something stands in the state that no checkpoint has
  CheckpointPace pace_;
  StepCount steps_;
  std::string stage_;  // as it was reported last

  std::string standing_;
  ChoiceOptions standing_options_;
  CalibratedNetwork network_;
  QuantizeSeconds seconds_;
  base::Stopwatch watch_;
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_BENCH_H_

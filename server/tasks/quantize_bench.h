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
#include "tasks/quantize_measure.h"
#include "tasks/quantize_spec.h"
#include "tasks/quantize_state.h"

namespace lbw::tasks {

struct QuantizeSeconds {
  double prepare = 0, forward = 0, gram = 0, solve = 0, measure = 0;
};

class QuantizeBench {
 public:
  // context and engine are borrowed.
  QuantizeBench(const jobs::JobContext& context, engine::ExecutorFactory& engine, QuantizeSpec spec)
      : context_(context), link_(*context.link), engine_(engine), spec_(std::move(spec)) {}

  // Reads version and datasets. Errors: kFailedPrecondition, kInvalidArgument - they do not fit the
  // spec; those of Obey.
  absl::Status Open();
  // Goes on from the context's checkpoint, where it can be used.
  absl::Status Resume();

  // Asked within every loop: a checkpoint where one is due, the status of an order that ends the
  // job.
  absl::Status Obey();
  base::CancelToken UntilOrdered();
  void Report(std::string_view stage, std::map<std::string, double> values = {});
  // Something was put into the state.
  absl::Status Keep() {
    dirty_ = true;
    return Obey();
  }

  // What the spec says, without what a search chooses.
  ChoiceOptions Choices() const;
  absl::StatusOr<std::unique_ptr<LayerWalk>> Walk();
  // Makes the calibration of that key the standing one; goes on from its layers where the state
  // holds some.
  absl::Status Calibrate(const std::string& key, const ChoiceOptions& options);
  // The same, unless it stands.
  absl::Status Settle(const std::string& key, const ChoiceOptions& options);
  // The standing one, beside the float network. measure() must be there.
  absl::StatusOr<Measured> MeasureStanding(const std::string& what);

  int Threads() const;
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
  QuantizeState& state() { return state_; }
  const CalibratedNetwork& network() const { return network_; }
  const ChoiceOptions& standing_options() const { return standing_options_; }
  QuantizeSeconds& seconds() { return seconds_; }
  double ElapsedSeconds() const { return watch_.ElapsedSeconds(); }

 private:
  absl::Status Checkpoint();
  std::string Origin() const;

  const jobs::JobContext& context_;
  jobs::JobLink& link_;
  engine::ExecutorFactory& engine_;
  const QuantizeSpec spec_;
  std::string pack_sha256_;
  model::Model model_;
  std::unique_ptr<dataset::Pack> pack_, measure_pack_;
  CalibrationPictures pictures_;
  std::unique_ptr<Measure> measure_;
  std::optional<RunState> float_run_;
  std::vector<WalkLayer> layers_;
  std::vector<std::string> notes_;

  QuantizeState state_;
  bool dirty_ = false;  // something stands in the state that no checkpoint has
  base::Stopwatch since_checkpoint_;
  int64_t total_steps_ = 0;

  std::string standing_;
  ChoiceOptions standing_options_;
  CalibratedNetwork network_;
  QuantizeSeconds seconds_;
  base::Stopwatch watch_;
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_QUANTIZE_BENCH_H_

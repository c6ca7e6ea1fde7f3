// A training at work: its inputs, its orders and checkpoints, its evaluations.
//
// Order:   Open, Start, Train, Finish.
// Threads: one; uses up to options().threads itself.
#ifndef LBW_TASKS_TRAIN_BENCH_H_
#define LBW_TASKS_TRAIN_BENCH_H_

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
#include "dataset/batches.h"
#include "dataset/pack.h"
#include "engine/executor.h"
#include "jobs/runner.h"
#include "model/model.h"
#include "tasks/calibration_pictures.h"
#include "tasks/quantize_measure.h"
#include "tasks/quantize_pace.h"
#include "tasks/train_spec.h"
#include "tasks/train_state.h"
#include "train/trainer.h"

namespace lbw::tasks {

class TrainBench {
 public:
  // context and engine are borrowed.
  TrainBench(const jobs::JobContext& context, engine::ExecutorFactory& engine, TrainJobSpec spec);

  // Reads version, datasets and the checkpoint.
  absl::Status Open();
  // Calibrates where that is asked and was not done, evaluates what training begins with.
  absl::Status Start();
  absl::Status Train();
  // Chooses the weights, writes the bundle, evaluates it. Returns RunTrain's answer.
  absl::StatusOr<std::string> Finish();

 private:
  using Weights = train::Trainer::Weights;

  bool on_grid() const { return spec_.fine_tune.has_value(); }
  int64_t StepsAnEpoch() const;
  int64_t TotalSteps() const { return spec_.options.epochs * StepsAnEpoch(); }
  Json& told() { return state_.told; }

  // train_bench.cc
  absl::Status OpenPacks();
  absl::Status ChoosePictures();
  absl::Status MapTruth();
  absl::Status Resume();
  absl::Status OpenBatches();
  void Plan();
  absl::Status ReadCalibrationPictures();
  absl::Status MakeTrainer(model::Model model, std::vector<train::LayerStart> layers);
  absl::Status Calibrate(model::Model& model, std::vector<train::LayerStart>& layers);
  absl::Status EvaluateStart(const model::Model& model);
  absl::Status StartAnew();
  absl::Status GoOn();
  absl::StatusOr<std::vector<train::LayerStart>> KeptStarts() const;

  // train_loop.cc
  absl::Status Obey();
  absl::Status Checkpoint();
  void Report(std::string_view stage, std::map<std::string, double> values = {});
  void ReportStep(const train::StepFacts& facts, double seconds);
  absl::Status TakeStep();
  absl::Status EndEpoch();
  void EndSums(Json& epoch, double seconds);
  absl::Status TellFacts(Json& epoch);
  train::BatchTruth TruthOf(const dataset::Batch& batch) const;
  void TellFailures();
  // The figure that decides: of the labels, else agreement with the float version; unset where
  // nothing is evaluated on.
  absl::StatusOr<std::optional<double>> Evaluate(std::string_view stage, model::Model model);
  absl::StatusOr<const RunState*> FloatRun();
  std::string Metric() const;
  absl::Status ReestimateBatchNorm(Weights weights);
  // For figures: they end where an order ends the job, and beat.
  base::CancelToken UntilOrdered();
  void AddSeconds(const char* key, double seconds);

  // train_finish.cc
  absl::StatusOr<model::Model> Choose();
  absl::Status TellLayers(const model::Model& chosen);
  absl::StatusOr<Json> FullEvaluation(const std::string& bundle);
  Json TrainingJson() const;
  absl::StatusOr<Json> ResultJson(const model::Model& chosen);
  absl::StatusOr<store::BlobInfo> WriteVersion(const model::Model& chosen);

  const jobs::JobContext& context_;
  jobs::JobLink& link_;
  engine::ExecutorFactory& engine_;
  TrainJobSpec spec_;
  model::Model float_;
  std::string pack_sha256_, eval_sha256_, calibration_sha256_;
  std::unique_ptr<dataset::Pack> pack_, eval_pack_, calibration_pack_;
  std::vector<size_t> pictures_;      // trained on
  std::vector<int32_t> to_model_;     // the dataset's class -> the model's; -1: none
  std::unique_ptr<Measure> measure_;  // nullptr: nothing is evaluated on
  std::optional<RunState> float_run_;
  CalibrationPictures calibration_;  // fine tuning
  std::unique_ptr<dataset::Batches> batches_;
  std::unique_ptr<train::Trainer> trainer_;
  std::optional<model::Model> resumed_;

  TrainState state_;
  StepCount steps_;
  CheckpointPace pace_;
  bool dirty_ = false;            // something stands in the state that no checkpoint has
  bool best_ = false;             // the next checkpoint is the best so far
  std::optional<double> judged_;  // figure of the weights as they are now
  int64_t at_checkpoint_ = 0;
  std::string stage_;
  base::Stopwatch watch_;        // of this attempt
  double earlier_seconds_ = 0;   // of the attempts before it, up to their last checkpoint
  base::Stopwatch epoch_watch_;  // of the epoch in work, in this attempt
  int64_t epoch_pictures_ = 0;   // in this attempt
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_TRAIN_BENCH_H_

// Trainer through LibTorch. Private to the room; free of torch's headers.
#ifndef LBW_TRAIN_TORCH_TRAINER_H_
#define LBW_TRAIN_TORCH_TRAINER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/torch/device.h"
#include "engine/torch/trainable.h"
#include "train/averages.h"
#include "train/named_tensors.h"
#include "train/optimizer.h"
#include "train/plain_parameters.h"
#include "train/schedule.h"
#include "train/trainer.h"
#include "train/training_graph.h"

namespace lbw::train {

using engine::Trainable;
using Outputs = std::vector<at::Tensor>;
using Tensors = NamedTensors;

class TorchTrainer final : public Trainer {
 public:
  TorchTrainer(TrainerInputs inputs, const TrainOptions& options, int64_t total_steps);
  ~TorchTrainer() override;

  absl::Status Prepare(const model::Model* teacher, std::vector<LayerStart> starts);

  int64_t step() const override { return step_; }
  std::string device() const override { return engine::DescribeDevice(options_.device); }
  absl::StatusOr<StepFacts> Step(const TrainBatch& batch) override;
  absl::Status ObserveBatchNorm(const TrainBatch& batch, Weights weights) override;
  absl::StatusOr<std::map<std::string, LowBitLayer::Facts>> TakeFacts() override;
  absl::StatusOr<model::Model> Snapshot(Weights weights) const override;
  absl::StatusOr<Tensors> State() const override;
  absl::Status Restore(const Tensors& state, int64_t step) override;

 private:
  Trainable::BatchNormRun BatchNormKind() const {
    return options_.batch_norm == BatchNorm::kTrain ? Trainable::BatchNormRun::kTraining
                                                    : Trainable::BatchNormRun::kFrozen;
  }
  absl::StatusOr<std::unique_ptr<Trainable>> Compile(const graph::Graph& graph,
                                                     const graph::Constants& constants,
                                                     std::vector<std::string> fetch) const;
  absl::Status MakeLayers(std::vector<LayerStart> starts);
  at::Tensor Pictures(const TrainBatch& batch) const;
  absl::StatusOr<Trainable::Values> StudentValues(double& seconds);
  absl::StatusOr<Trainable::Values> ValuesOf(Weights weights) const;
  absl::StatusOr<Outputs> RunTeacher(const at::Tensor& pictures);
  absl::StatusOr<LossValue> RunStudent(const at::Tensor& pictures, const TrainBatch& batch,
                                       const Trainable::Values& values);
  absl::Status TakeStep(StepFacts& facts);
  absl::Status FixCodes();
  absl::Status Diverged(const at::Tensor& pictures, const Trainable::Values& values) const;
  void SaveRunning();
  void PutRunningBack();

  const TrainOptions options_;
  const int64_t total_;
  const int64_t codes_end_;
  const model::Model model_;
  TrainingGraph graph_;
  std::unique_ptr<Trainable> network_;
  std::unique_ptr<Trainable> teacher_;
  std::unique_ptr<HeadLoss> loss_;
  std::vector<std::unique_ptr<LowBitLayer>> layers_;
  std::unique_ptr<PlainParameters> plain_;
  std::vector<Parameter> all_;  // of the layers in their order, then the plain ones
  std::unique_ptr<ParameterOptimizer> optimizer_;
  std::unique_ptr<Averages> averages_;
  std::map<std::string, at::Tensor> saved_running_;
  bool codes_are_fixed_ = false;
  int64_t step_ = 0;
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_TORCH_TRAINER_H_

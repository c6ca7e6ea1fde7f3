// A graph for given input shapes as a flat list of steps over numbered slots. Internal to the room;
// free of torch's headers.
//
// Integer values that follow from shapes are constants of the plan; steps whose results nothing
// needs are left out; a slot is freed after its last use; an element-wise step overwrites its input
// where nothing else can see it. Constants may be left open and be given with every run: then
// nothing is overwritten and gradients flow.
#ifndef LBW_ENGINE_TORCH_PLAN_H_
#define LBW_ENGINE_TORCH_PLAN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/cancel.h"
#include "base/tensor.h"
#include "engine/torch/kernels.h"
#include "engine/torch/layout.h"
#include "graph/graph.h"
#include "graph/rounding_points.h"

namespace lbw::engine {

// What a plan is built from. constants must outlive the plan: large ones are borrowed.
struct PlanSource {
  const graph::Graph& graph;
  const graph::Constants& constants;
  const LaidOut& laid_out;
  bool channels_last = false;  // order of pictures
  const std::vector<std::string>& fetch;
  // Values that are rounded as soon as they are made; keys that the graph lacks are not looked at.
  const graph::Activations* emulate = nullptr;
  // f32 constants that RunTensors is given; a plan with such runs in no other way. nullptr: none.
  const std::set<std::string, std::less<>>* given = nullptr;
  double batch_norm_momentum = 0;  // of RunTensors with kBatch
  std::string device = "cpu";      // torch's word
};

// Which statistics a batch normalization divides by: its running ones, or those of its batch, which
// are then mixed into the running ones. One whose running values are not given has only the first.
enum class NormStatistics : uint8_t { kRunning, kBatch };

class Plan {
 public:
  // inputs: the shape of every input of the graph.
  // Errors: those of graph::InferShapes; UNSUPPORTED_OPERATOR; BAD_ARGUMENT - a key of emulate that
  // is no f32 value of the graph's inputs or steps.
  static absl::StatusOr<std::unique_ptr<Plan>> Build(
      const PlanSource& source, const std::map<std::string, base::Shape>& inputs);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // Runs every step. inputs: one an input of the graph, of the plan's shapes, borrowed.
  // Errors: cancel's; kResourceExhausted; kInternal. Threads: may be called concurrently.
  absl::StatusOr<std::vector<base::Tensor>> Run(absl::Span<const base::TensorView> inputs,
                                                const base::CancelToken& cancel) const;
  // The same with tensors on the plan's device, where the answers (f32, any strides) stay. given: a
  // tensor of the constant's shape for each of PlanSource::given, and perhaps more. Errors:
  // kInvalidArgument, BAD_ARGUMENT - kBatch where a normalization has one value a channel;
  // kResourceExhausted; kInternal. Throws what torch throws between steps.
  absl::StatusOr<std::vector<at::Tensor>> RunTensors(
      const std::vector<at::Tensor>& inputs,
      const std::map<std::string, at::Tensor, std::less<>>& given, NormStatistics statistics) const;
  // Of the fetched values, with the plan's batch.
  const std::vector<graph::ValueInfo>& outputs() const { return outputs_; }

 private:
  friend class PlanBuilder;
  struct Step {
    std::string where;  // "node NAME (OP)", for messages
    KernelFunction run;
    KernelFunction run_with_batch;  // where NormStatistics make a difference; else empty
    std::vector<int> in;            // slots, -1 where an input is left out
    std::vector<int> out;
    std::vector<int> release;  // slots that no later step reads
  };

  Plan();
  absl::Status RunStep(const Step& step, const KernelFunction& run,
                       std::vector<at::Tensor>& slots) const;

  std::vector<Step> steps_;
  std::vector<at::Tensor> initial_;  // one a slot; constants are set
  std::vector<int> fetch_;
  std::vector<graph::ValueInfo> outputs_;
  std::vector<int> input_slots_;
  std::vector<std::pair<std::string, int>> given_slots_;
  std::string lone_norm_;  // a normalization with one value a channel, if any
  bool channels_last_ = false;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_PLAN_H_

// The plans of a graph by batch size, and what everyone who runs one checks first. Internal to the
// room; free of torch's headers.
#ifndef LBW_ENGINE_TORCH_BATCH_PLANS_H_
#define LBW_ENGINE_TORCH_BATCH_PLANS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tensor.h"
#include "engine/torch/plan.h"
#include "graph/graph.h"

namespace lbw::engine {

// The input's shape for one picture, open sizes filled in. Errors: kInvalidArgument, BAD_GRAPH -
// not one input; a picture of height x width does not fit.
absl::StatusOr<base::Shape> PictureShape(const graph::Graph& graph, int64_t height, int64_t width);

// Those that a node reads or that are fetched.
graph::Constants UsedConstants(const graph::Graph& graph, const graph::Constants& constants,
                               const std::vector<std::string>& fetch);

// Threads: one at a time.
class BatchPlans {
 public:
  // What source refers to must outlive the plans. picture: PictureShape's.
  BatchPlans(const PlanSource& source, base::Shape picture)
      : source_(source), picture_(std::move(picture)) {}

  // Builds the plan of one picture, so that what cannot run is refused when compiling, and that of
  // two where there may be. Errors: Plan::Build's; BAD_GRAPH - a fetched value does not have the
  // batch in front.
  absl::Status Prepare();
  // [N = kBatch, ...] of each fetched value, behind Prepare.
  const std::vector<graph::ValueInfo>& outputs() const { return outputs_; }

  // Errors: kInvalidArgument, BAD_ARGUMENT - not N >= 1 times one f32 picture, N at most the
  // graph's max_batch; names input, shape and type.
  absl::Status CheckInput(const base::Shape& shape, base::DType dtype) const;
  // Of N pictures; made once, the latest few are kept. The pointer is good until the next call.
  // Errors: Plan::Build's.
  absl::StatusOr<const Plan*> For(int64_t batch);

 private:
  const PlanSource source_;
  const base::Shape picture_;  // [1, C, H, W]
  std::vector<graph::ValueInfo> outputs_;
  std::map<int64_t, std::unique_ptr<Plan>> plans_;
};

}  // namespace lbw::engine

#endif  // LBW_ENGINE_TORCH_BATCH_PLANS_H_

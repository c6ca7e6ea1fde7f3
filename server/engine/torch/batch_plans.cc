#include "engine/torch/batch_plans.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::engine {
namespace {

// Plans kept for different batch sizes.
constexpr size_t kMaxPlans = 32;

base::Error BadGraph(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph, message);
}

}  // namespace

absl::StatusOr<base::Shape> PictureShape(const graph::Graph& graph, int64_t height, int64_t width) {
  if (graph.inputs.size() != 1) {
    return BadGraph(base::StrCat("an executor takes graphs with one input: ", graph.inputs.size()));
  }
  const graph::ValueInfo& input = graph.inputs[0];
  base::Shape shape = input.shape;
  if (shape.empty()) return BadGraph(base::StrCat("input ", input.name, " has no dimensions"));
  shape[0] = 1;
  for (size_t i = 1; i < shape.size(); ++i) {
    const int64_t wanted = shape.size() != 4 || i < 2 ? 0 : i == 2 ? height : width;
    if (shape[i] == graph::kUnknownSize) shape[i] = wanted;
    if (shape[i] < 1 || (wanted > 0 && shape[i] != wanted)) {
      return BadGraph(base::StrCat("input ", input.name, " is ", base::ShapeToString(input.shape),
                                   "; a picture of ", height, "x", width,
                                   " (height x width) does not fit"));
    }
  }
  return shape;
}

graph::Constants UsedConstants(const graph::Graph& graph, const graph::Constants& constants,
                               const std::vector<std::string>& fetch) {
  std::set<std::string, std::less<>> used(fetch.begin(), fetch.end());
  for (const graph::Node& node : graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
  graph::Constants kept;
  for (const std::string& name : used) {
    if (const auto it = constants.find(name); it != constants.end()) kept.insert(*it);
  }
  return kept;
}

absl::Status BatchPlans::Prepare() {
  LBW_ASSIGN_OR_RETURN(const Plan* one, For(1));
  outputs_ = one->outputs();
  if (source_.graph.max_batch == 1) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const Plan* two, For(2));
  for (size_t i = 0; i < outputs_.size(); ++i) {
    base::Shape& shape = outputs_[i].shape;
    const base::Shape& other = two->outputs()[i].shape;
    const bool in_front = !shape.empty() && shape[0] == 1 && other[0] == 2 &&
                          std::equal(shape.begin() + 1, shape.end(), other.begin() + 1);
    if (!in_front) {
      return BadGraph(
          base::StrCat("value ", outputs_[i].name,
                       " does not have the batch in front: shape=", base::ShapeToString(shape)));
    }
    shape[0] = graph::kBatch;
  }
  return absl::OkStatus();
}

absl::Status BatchPlans::CheckInput(const base::Shape& shape, base::DType dtype) const {
  const auto bad = [&](std::string_view what) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("input ", source_.graph.inputs[0].name, " ", what, ": shape=",
                                    base::ShapeToString(shape), " type=", base::Name(dtype)));
  };
  if (dtype != base::DType::kF32) return bad("must be F32");
  const bool fits = shape.size() == picture_.size() && shape[0] >= 1 &&
                    std::equal(picture_.begin() + 1, picture_.end(), shape.begin() + 1);
  if (!fits) {
    return bad(base::StrCat("must be N times one picture of ", base::ShapeToString(picture_)));
  }
  const int64_t limit = source_.graph.max_batch;
  if (limit != 0 && shape[0] > limit) return bad(base::StrCat("may hold ", limit, " pictures"));
  return absl::OkStatus();
}

absl::StatusOr<const Plan*> BatchPlans::For(int64_t batch) {
  if (const auto it = plans_.find(batch); it != plans_.end()) return it->second.get();
  base::Shape shape = picture_;
  shape[0] = batch;
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<Plan> plan,
                       Plan::Build(source_, {{source_.graph.inputs[0].name, shape}}));
  if (plans_.size() >= kMaxPlans) plans_.clear();
  return plans_.emplace(batch, std::move(plan)).first->second.get();
}

}  // namespace lbw::engine

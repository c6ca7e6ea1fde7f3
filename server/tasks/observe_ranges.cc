#include "tasks/observe_ranges.h"

#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/status.h"
#include "engine/pieces.h"
#include "quant/parallel.h"

namespace lbw::tasks {
namespace {

std::vector<std::string> HeadNames(const model::Model& model) {
  std::vector<std::string> names = model::RoleValues(model.spec);
  for (const detect::Role* role : {&model.spec.head.boxes, &model.spec.head.scores}) {
    for (const detect::ValueSlice& slice : role->logits) names.push_back(slice.value);
  }
  return names;
}

using ExtremesByValue = std::map<std::string, graph::Extremes, std::less<>>;

struct Watched {
  const engine::Piece& network;
  const std::vector<std::string>& values;
  const detect::InputSpec& input;
};

// Of every value of one picture; one that has no elements is left out.
absl::StatusOr<ExtremesByValue> ExtremesOf(const Watched& watched,
                                           const std::vector<float>& picture) {
  const detect::InputSpec& input = watched.input;
  const base::Tensor batch =
      base::Tensor::FromF32({1, input.channels(), input.height, input.width}, picture);
  std::vector<base::TensorView> views(watched.network.inputs().size(), batch.view());
  LBW_ASSIGN_OR_RETURN(const std::vector<base::Tensor> made, watched.network.Run(views));
  ExtremesByValue extremes;
  for (size_t i = 0; i < made.size(); ++i) {
    const absl::Span<const float> floats = made[i].as<float>();
    if (floats.empty()) continue;
    const auto [low, high] = std::minmax_element(floats.begin(), floats.end());
    extremes.emplace(watched.values[i], graph::Extremes{*low, *high});
  }
  return extremes;
}

// A picture runs on one thread: the same bits for every number of them.
absl::StatusOr<ExtremesByValue> Extremes(const Watched& watched,
                                         const std::vector<std::vector<float>>& pictures,
                                         int threads, const VisitPicture& visit) {
  ExtremesByValue all;
  const auto step = static_cast<size_t>(std::max(1, threads));
  for (size_t first = 0; first < pictures.size(); first += step) {
    if (visit) LBW_RETURN_IF_ERROR(visit(first));
    const size_t count = std::min(step, pictures.size() - first);
    std::vector<absl::StatusOr<ExtremesByValue>> found(count, ExtremesByValue());
    quant::ParallelFor(static_cast<int64_t>(count), threads, [&](int64_t i) {
      const auto one = static_cast<size_t>(i);
      found[one] = ExtremesOf(watched, pictures[first + one]);
    });
    for (const absl::StatusOr<ExtremesByValue>& one : found) {
      if (!one.ok()) return one.status();
      for (const auto& [value, range] : *one) {
        graph::Extremes& known = all.emplace(value, range).first->second;
        known.low = std::min(known.low, range.low);
        known.high = std::max(known.high, range.high);
      }
    }
  }
  return all;
}

}  // namespace

absl::StatusOr<graph::Activations> ObserveRanges(const model::Model& model,
                                                 engine::ExecutorFactory& engine,
                                                 const std::vector<std::vector<float>>& pictures,
                                                 int threads, const VisitPicture& visit) {
  const std::vector<graph::RoundingPoint> points =
      graph::FindRoundingPoints(model.graph, model.constants, HeadNames(model));
  if (points.empty()) return graph::Activations();
  std::vector<std::string> values;
  for (const graph::RoundingPoint& point : points) {
    if (!point.is_input) values.push_back(point.value);
  }
  const detect::InputSpec& input = model.spec.input;
  ExtremesByValue extremes;
  if (!values.empty()) {
    engine::CompileOptions options;
    options.height = input.height;
    options.width = input.width;
    LBW_ASSIGN_OR_RETURN(const std::unique_ptr<engine::PieceCompiler> compiler,
                         engine.OpenPieces(model.graph, model.constants, options));
    LBW_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Piece> network,
                         compiler->Compile(model.constants, {0, model.graph.nodes.size(), values}));
    LBW_ASSIGN_OR_RETURN(extremes, Extremes({*network, values, input}, pictures, threads, visit));
  }
  return graph::ChooseActivations(points, extremes, graph::PictureRange(input.mean, input.scale));
}

uint64_t PeakMemoryBytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace lbw::tasks

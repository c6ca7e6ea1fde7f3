// How far the editions of a walk lie apart.
#include <algorithm>
#include <utility>

#include "base/status.h"
#include "tasks/layer_walk.h"

namespace lbw::tasks {
namespace {

// Squared differences and the reference's own sums.
struct Difference {
  double error2 = 0;
  double sum = 0;
  double sum2 = 0;
  double count = 0;
  void Add(absl::Span<const float> reference, absl::Span<const float> other) {
    for (size_t i = 0; i < reference.size(); ++i) {
      const auto x = static_cast<double>(reference[i]);
      const double d = x - static_cast<double>(other[i]);
      error2 += d * d;
      sum += x;
      sum2 += x * x;
    }
    count += static_cast<double>(reference.size());
  }
  double Relative() const {
    const double variance = sum2 - sum * sum / std::max(count, 1.0);
    if (variance > 0) return error2 / variance;
    return error2 > 0 ? 1 : 0;
  }
};

}  // namespace

absl::StatusOr<double> LayerWalk::OutputError() const {
  LBW_CHECK(at_ == layers_.size());
  double total = 0;
  for (const std::string& value : fetch_) {
    if (tainted_.count(value) == 0) continue;
    Difference difference;
    for (size_t picture = 0; picture < pictures_; ++picture) {
      base::Tensor rooms[2];
      LBW_ASSIGN_OR_RETURN(const base::TensorView floating,
                           cache_.View(KeyOf(Edition::kFloat, value), picture, rooms[0]));
      LBW_ASSIGN_OR_RETURN(const base::TensorView changed,
                           cache_.View(KeyOf(Edition::kChanged, value), picture, rooms[1]));
      difference.Add(Floats(floating), Floats(changed));
    }
    total += difference.Relative();
  }
  return fetch_.empty() ? 0 : total / static_cast<double>(fetch_.size());
}

absl::StatusOr<double> LayerWalk::ErrorOf(const graph::Constants& constants, size_t pictures) {
  const size_t cut = at_ < layers_.size() ? layers_[at_].cut : model_.graph.nodes.size();
  const engine::PieceRange rest{cut, model_.graph.nodes.size(), fetch_};
  const size_t count = std::min(pictures, pictures_);
  const auto run = [&](const graph::Constants& with, const Visit& take,
                       std::vector<std::vector<base::Tensor>>& out) -> absl::Status {
    LBW_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Piece> piece,
                         compiler_->Compile(with, rest));
    out.resize(count);
    return ForPictures(count, {}, [&](size_t picture) {
      absl::StatusOr<std::vector<base::Tensor>> values = RunPiece(*piece, Edition::kFloat, picture);
      if (!values.ok()) return values.status();
      out[picture] = *std::move(values);
      return take ? take(picture) : absl::OkStatus();
    });
  };
  if (reference_.empty()) LBW_RETURN_IF_ERROR(run(model_.constants, {}, reference_));
  LBW_CHECK(reference_.size() >= count);
  std::vector<std::vector<base::Tensor>> values;
  LBW_RETURN_IF_ERROR(run(constants, {}, values));
  double total = 0;
  for (size_t i = 0; i < fetch_.size(); ++i) {
    Difference difference;
    for (size_t picture = 0; picture < count; ++picture) {
      difference.Add(reference_[picture][i].as<float>(), values[picture][i].as<float>());
    }
    total += difference.Relative();
  }
  return fetch_.empty() ? 0 : total / static_cast<double>(fetch_.size());
}

}  // namespace lbw::tasks

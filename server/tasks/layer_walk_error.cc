// How far the editions of a walk lie apart.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "tasks/layer_walk.h"

namespace lbw::tasks {
namespace {

// Squared differences, and the spread of the reference.
class Difference {
 public:
  // One picture more.
  void Add(absl::Span<const float> reference, absl::Span<const float> other) {
    if (pictures_ == 0) {
      first_.assign(reference.begin(), reference.end());
      sum_.assign(first_.size(), 0.0);
      squares_.assign(first_.size(), 0.0);
    }
    ++pictures_;
    for (size_t i = 0; i < first_.size(); ++i) {
      const auto x = static_cast<double>(reference[i]);
      const double difference = x - static_cast<double>(other[i]);
      error_ += difference * difference;
      // About the first picture's: what never changes has no variance, however it is rounded.
      const double moved = x - static_cast<double>(first_[i]);
      sum_[i] += moved;
      squares_[i] += moved * moved;
      all_ += x;
      all_squares_ += x * x;
    }
  }
  double Relative() const {
    if (error_ == 0) return 0;
    const double mean = error_ / (static_cast<double>(pictures_) * Elements());
    const double relative = mean / Variance();
    // Of outputs that are not finite, or do not vary, nothing can be said but that they differ.
    return std::isfinite(relative) && relative > 0 ? relative : 1;
  }

 private:
  double Elements() const { return static_cast<double>(first_.size()); }
  // An element's.
  double Variance() const {
    const auto n = static_cast<double>(pictures_);
    double own = 0;
    for (size_t i = 0; i < sum_.size(); ++i) {
      own += std::max(0.0, squares_[i] - sum_[i] * sum_[i] / n);
    }
    if (own > 0) return own / ((n - 1) * Elements());
    const double mean = all_ / (n * Elements());
    return all_squares_ / (n * Elements()) - mean * mean;
  }

  int64_t pictures_ = 0;
  std::vector<float> first_;
  std::vector<double> sum_, squares_;  // an element, of what differs from the first picture's
  double error_ = 0;
  double all_ = 0;
  double all_squares_ = 0;
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

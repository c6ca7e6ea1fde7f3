// What a layer reads, summed up.
#include <algorithm>
#include <numeric>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "quant/parallel.h"
#include "tasks/layer_readers.h"
#include "tasks/layer_walk.h"

namespace lbw::tasks {
namespace {

// Pictures whose inputs are laid out at a time, for each thread.
constexpr size_t kPicturesAThread = 2;
// Fewer where they would take more.
constexpr size_t kMaxInputBytes = size_t{512} << 20;

// Pictures a block: what is added up does not depend on it.
size_t PicturesABlock(const engine::WeightUse& use, int threads, int64_t most_positions) {
  const auto positions = static_cast<size_t>(std::min(use.positions, most_positions));
  const size_t bytes = 2 * sizeof(float) * positions * static_cast<size_t>(use.groups) *
                       static_cast<size_t>(use.columns);
  const size_t wanted = static_cast<size_t>(std::max(1, threads)) * kPicturesAThread;
  return std::clamp<size_t>(kMaxInputBytes / std::max<size_t>(bytes, 1), 1, wanted);
}

// Sums of the outputs of one use, [sum, sum of squares] a row, to those of all, without its bias:
// several uses differ by theirs, which is no power.
void AddPower(const std::vector<double>& own, const std::vector<double>& bias, int64_t samples,
              std::vector<double>& all) {
  const auto count = static_cast<double>(samples);
  for (size_t r = 0; r < all.size() / 2; ++r) {
    const double b = bias.empty() ? 0 : bias[r];
    all[2 * r] += own[2 * r] - count * b;
    all[2 * r + 1] += own[2 * r + 1] - 2 * b * own[2 * r] + count * b * b;
  }
}

}  // namespace

std::vector<int32_t> LayerWalk::Positions(const engine::WeightUse& use, size_t index,
                                          size_t picture) const {
  std::vector<int32_t> all(static_cast<size_t>(use.positions));
  std::iota(all.begin(), all.end(), 0);
  const auto want = static_cast<size_t>(options_.positions);
  if (all.size() <= want) return all;
  // The beginning of a shuffle, the same for both editions and any order of pictures.
  uint64_t seed = base::MixBits(options_.seed + 1);
  for (const uint64_t part : {uint64_t{at_}, uint64_t{index}, uint64_t{picture}}) {
    seed = base::MixBits(seed ^ (part + 0x9E3779B97F4A7C15U));
  }
  base::Random random(seed);
  for (size_t i = 0; i < want; ++i) std::swap(all[i], all[i + random.Below(all.size() - i)]);
  all.resize(want);
  std::sort(all.begin(), all.end());
  return all;
}

int64_t LayerWalk::SamplesOf(const engine::WeightUse& use) const {
  return std::min(use.positions, options_.positions) * static_cast<int64_t>(pictures_);
}

absl::Status LayerWalk::AddUse(const engine::WeightUse& use, size_t index, const Source& source,
                               GroupSums& sums, const KeepGoing& keep_going) {
  const bool same = tainted_.count(use.input) == 0;
  const size_t block = PicturesABlock(use, options_.threads, options_.positions);
  const base::Stopwatch watch;
  for (size_t first = 0; first < pictures_; first += block) {
    if (keep_going) LBW_RETURN_IF_ERROR(keep_going());
    std::vector<Inputs> inputs(std::min(block, pictures_ - first));
    LBW_RETURN_IF_ERROR(ForPictures(inputs.size(), {}, [&](size_t i) {
      const std::vector<int32_t> positions = Positions(use, index, first + i);
      const size_t size = static_cast<size_t>(use.groups * use.columns) * positions.size();
      for (const Edition edition : {Edition::kFloat, Edition::kChanged}) {
        if (edition == Edition::kChanged && same) continue;
        base::Tensor room;
        const absl::StatusOr<base::TensorView> view = source(edition, first + i, room);
        if (!view.ok()) return view.status();
        std::vector<float>& out =
            edition == Edition::kFloat ? inputs[i].floating : inputs[i].changed;
        out.resize(size);
        engine::GatherInputs(use, Floats(*view), positions, absl::MakeSpan(out));
      }
      return absl::OkStatus();
    }));
    const auto add = [&](int64_t group, int threads) {
      for (const Inputs& one : inputs) {
        const size_t size = one.floating.size() / static_cast<size_t>(use.groups);
        const size_t at = static_cast<size_t>(group) * size;
        const auto floating = absl::MakeConstSpan(one.floating).subspan(at, size);
        const auto changed = same ? floating : absl::MakeConstSpan(one.changed).subspan(at, size);
        sums[static_cast<size_t>(group)]->Add(changed, floating, threads);
      }
    };
    if (use.groups == 1) {
      add(0, options_.threads);
    } else {
      quant::ParallelFor(use.groups, options_.threads, [&](int64_t group) { add(group, 1); });
    }
  }
  seconds_.gram += watch.ElapsedSeconds();
  return absl::OkStatus();
}

// A use that lies behind other layers: both editions run ahead to it.
absl::Status LayerWalk::AddFarUse(const engine::WeightUse& use, size_t index, GroupSums& sums,
                                  std::vector<double>& power, const KeepGoing& keep_going) {
  const base::Stopwatch watch;
  const size_t cut = layers_[at_].cut;
  const std::vector<std::string> both = {use.input, use.output};
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Piece> floating,
                       compiler_->Compile(model_.constants, {cut, use.node + 1, both}));
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Piece> changed,
                       compiler_->Compile(constants_, {cut, use.node, {use.input}}));
  const bool same = tainted_.empty();
  const base::Shape& shape = compiler_->shapes().values.at(use.input).shape;
  ValueCache ahead({pictures_, options_.max_cache_bytes / 4, options_.scratch_folder});
  LBW_RETURN_IF_ERROR(ahead.Declare("float", shape));
  if (!same) LBW_RETURN_IF_ERROR(ahead.Declare("changed", shape));
  std::vector<std::vector<double>> parts(pictures_);
  LBW_RETURN_IF_ERROR(ForPictures(pictures_, keep_going, [&](size_t picture) {
    absl::StatusOr<std::vector<base::Tensor>> values =
        RunPiece(*floating, Edition::kFloat, picture);
    if (!values.ok()) return values.status();
    parts[picture].resize(power.size());
    engine::AddOutputSums(use, (*values)[1].as<float>(), Positions(use, index, picture),
                          absl::MakeSpan(parts[picture]));
    LBW_RETURN_IF_ERROR(ahead.Put("float", picture, std::move((*values)[0])));
    if (same) return absl::OkStatus();
    values = RunPiece(*changed, Edition::kChanged, picture);
    if (!values.ok()) return values.status();
    return ahead.Put("changed", picture, std::move((*values)[0]));
  }));
  std::vector<double> own(power.size(), 0.0);
  for (const std::vector<double>& part : parts) {
    for (size_t i = 0; i < own.size(); ++i) own[i] += part[i];
  }
  AddPower(own, ConstantBias(model_.graph, model_.constants, use), SamplesOf(use), power);
  seconds_.forward += watch.ElapsedSeconds();
  // Whatever it was made of, it may differ.
  const bool fresh = !same && tainted_.insert(use.input).second;
  const absl::Status added = AddUse(
      use, index,
      [&](Edition edition, size_t picture, base::Tensor& room) {
        return ahead.View(edition == Edition::kFloat ? "float" : "changed", picture, room);
      },
      sums, keep_going);
  if (fresh) tainted_.erase(use.input);
  return added;
}

absl::StatusOr<LayerSums> LayerWalk::Sums(const KeepGoing& keep_going) {
  const WalkLayer& layer = layers_[at_];
  LBW_CHECK(!layer.uses.empty() && !float_is_over_);
  const engine::WeightUse& first = layer.uses[0];
  const auto moments = layer.limited.empty() ? quant::Moments::kAll : quant::Moments::kDiagonal;
  GroupSums sums;
  for (int64_t g = 0; g < first.groups; ++g) {
    sums.push_back(std::make_unique<quant::GramSums>(first.columns, quant::BestIsa(), moments));
  }
  std::vector<double> power(static_cast<size_t>(2 * first.groups * first.rows), 0.0);
  LBW_RETURN_IF_ERROR(AddUse(
      first, 0,
      [&](Edition edition, size_t picture, base::Tensor& room) {
        return cache_.View(KeyOf(edition, first.input), picture, room);
      },
      sums, keep_going));
  for (size_t i = 1; i < layer.uses.size(); ++i) {
    LBW_RETURN_IF_ERROR(AddFarUse(layer.uses[i], i, sums, power, keep_going));
  }
  const size_t end = EndOf(at_);
  std::vector<double> own(power.size(), 0.0);
  LBW_RETURN_IF_ERROR(RunOver(Edition::kFloat, MadeAndAlive(layer.cut, end), keep_going, &own));
  float_is_over_ = true;
  // A single use's bias moves its mean alone.
  AddPower(own,
           layer.uses.size() == 1 ? std::vector<double>()
                                  : ConstantBias(model_.graph, model_.constants, first),
           SamplesOf(first), power);
  LayerSums out;
  out.samples = sums[0]->samples();
  const auto count = static_cast<double>(std::max<int64_t>(out.samples, 1));
  for (size_t r = 0; r < power.size() / 2; ++r) {
    const double mean = power[2 * r] / count;
    out.output_power.push_back(std::max(0.0, power[2 * r + 1] / count - mean * mean));
  }
  for (std::unique_ptr<quant::GramSums>& group : sums) {
    out.groups.push_back(std::move(*group).Finish());
    group.reset();
  }
  return out;
}

}  // namespace lbw::tasks

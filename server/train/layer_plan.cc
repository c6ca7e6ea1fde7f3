#include "train/layer_plan.h"

#include <cmath>
#include <cstddef>

#include "base/status.h"
#include "base/strings.h"
#include "quant/grid.h"
#include "train/schedule.h"

namespace lbw::train {
namespace {

constexpr double kGridAlone = 1e4;  // of lambda

}  // namespace

absl::Status CheckStages(const LowBitOptions& options, int own_bits) {
  for (const int bits : options.stages) {
    if (bits >= own_bits && bits <= quant::kMaxBits) continue;
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions,
                       base::StrCat("stages of a layer of ", own_bits, " bits must be ", own_bits,
                                    "..", quant::kMaxBits, ": ", bits))
        .Field("low_bit.stages");
  }
  return absl::OkStatus();
}

int StageBits(const LowBitOptions& options, int own_bits, int64_t t, int64_t total) {
  const auto stages = static_cast<int64_t>(options.stages.size());
  const int64_t end = CodesEnd(options.codes_until, total);
  if (stages == 0 || t >= end) return own_bits;
  const int64_t stage = t * (stages + 1) / end;
  return stage < stages ? options.stages[static_cast<size_t>(stage)] : own_bits;
}

GridShape StageGrid(int bits, const quant::TensorOptions& codes) {
  const quant::CodeBook book =
      codes.bits == quant::kMinBits ? quant::CodeBook::kFull : codes.code_book;
  return {bits, quant::MagnitudeCount(bits, book)};
}

double BlendShare(const LowBitOptions& options, int64_t steps_an_epoch, int64_t t, int64_t total) {
  if (options.blend_start <= 0) return 1;
  const int64_t end = CodesEnd(options.codes_until, total);
  if (t >= end - end / 10) return 1;
  const int64_t epoch = steps_an_epoch > 0 ? t / steps_an_epoch : 0;
  const double lambda =
      options.blend_start * std::pow(options.blend_growth, static_cast<double>(epoch));
  return lambda > kGridAlone ? 1 : lambda / (1 + lambda);
}

}  // namespace lbw::train

#include "quant/projection.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "base/status.h"
#include "quant/grid.h"
#include "quant/wide_int.h"

namespace lbw::quant {
namespace {

using Int128 = __int128;

constexpr uint32_t kMagnitudeMask = 0x7fffffff;
constexpr uint32_t kInfinityBits = 0x7f800000;
constexpr uint32_t kLeastNormalBits = 0x00800000;
constexpr uint32_t kFractionMask = 0x007fffff;
constexpr int kBias = 127;
constexpr int kLeastExponent = -149;

// A block's bin is one word: count in the high 24 bits, sum of 24-bit significands in the low 40.
constexpr int kCountShift = 40;
constexpr size_t kBlock = size_t{1} << 16;
constexpr uint64_t kSumMask = (uint64_t{1} << kCountShift) - 1;
static_assert(kBlock * (uint64_t{1} << 24) <= kSumMask + 1, "a block's sum fits its 40 bits");
// Shorter blocks note the bins that they touch; for longer ones looking at every bin is cheaper.
constexpr size_t kTrackBelow = 1024;

constexpr uint64_t kMaxWeights = uint64_t{1} << 39;

uint32_t MagnitudeBits(float weight) { return std::bit_cast<uint32_t>(weight) & kMagnitudeMask; }

// An integer sum in a built-in type with the interface of WideInt.
template <typename Int>
class NativeInt {
 public:
  void AddShifted(uint64_t value, int shift) { value_ += static_cast<Int>(value) << shift; }
  void SubtractShifted(uint64_t value, int shift) { value_ -= static_cast<Int>(value) << shift; }
  friend bool operator<(const NativeInt& a, const NativeInt& b) { return a.value_ < b.value_; }

 private:
  Int value_ = 0;
};

// A grid without its lower end: every weight below 2^s keeps its nearest power of two.
constexpr int kEndless = 1 << 20;

// err(s) - sum w^2 = sum 4^k count - 2^(k+1) L1, in units of 2^(2 * base - 23). s >= base = the
// least bin's exponent, so that every k and every bin exponent is at least base and no shift is
// negative.
template <typename Sum>
Sum ScaledError(absl::Span<const Histogram::Bin> bins, int magnitudes, int s) {
  const int base = bins.front().exponent;
  Sum sum;
  for (const Histogram::Bin& bin : bins) {
    if (bin.exponent < s - magnitudes) continue;
    const int k = std::clamp(bin.exponent + (bin.upper ? 1 : 0), s - magnitudes + 1, s);
    sum.AddShifted(bin.count, 2 * (k - base) + 23);
    sum.SubtractShifted(bin.significand_sum, (k - base) + (bin.exponent - base) + 1);
  }
  return sum;
}

// Walks s downwards. Below the least bin's exponent every weight is above 1.5 * 2^s, so that s + 1
// is better: no need to look. err is not unimodal; but the error on the endless grid is a lower
// bound of err(s) that only grows as s falls, so the walk may end where that bound alone is above
// the best.
template <typename Sum>
int Search(absl::Span<const Histogram::Bin> bins, int magnitudes, const ExponentRange& range) {
  const int least = std::max(range.first, bins.front().exponent);
  if (range.last <= least) return range.last;
  int best_s = range.last;
  Sum best = ScaledError<Sum>(bins, magnitudes, best_s);
  for (int s = range.last - 1; s >= least; --s) {
    const Sum sum = ScaledError<Sum>(bins, magnitudes, s);
    if (!(best < sum)) {
      best = sum;
      best_s = s;
    } else if (best < ScaledError<Sum>(bins, kEndless, s)) {
      break;
    }
  }
  return best_s;
}

// floor(log2|w|) and whether |w| >= 1.5 * 2^that, for a finite weight that is not zero.
struct HalfOctave {
  int exponent;
  bool upper;
};
HalfOctave HalfOctaveOf(uint32_t magnitude_bits) {
  if (magnitude_bits >= kLeastNormalBits) {
    return {static_cast<int>(magnitude_bits >> 23) - kBias, ((magnitude_bits >> 22) & 1) != 0};
  }
  const int top = std::bit_width(magnitude_bits) - 1;
  return {top + kLeastExponent, top > 0 && ((magnitude_bits >> (top - 1)) & 1) != 0};
}

}  // namespace

void Histogram::Add(absl::Span<const float> weights) {
  LBW_CHECK(weights.size() <= kMaxWeights && total_ <= kMaxWeights - weights.size());
  for (size_t i = 0; i < weights.size(); i += kBlock) {
    const absl::Span<const float> block = weights.subspan(i, kBlock);
    if (block.size() < kTrackBelow) {
      AddBlock<true>(block);
    } else {
      AddBlock<false>(block);
    }
  }
  total_ += weights.size();
}

template <bool kTrack>
void Histogram::AddBlock(absl::Span<const float> block) {
  uint32_t max_bits = 0;
  size_t bank = 0;
  for (const float weight : block) {
    const uint32_t magnitude_bits = MagnitudeBits(weight);
    max_bits = std::max(max_bits, magnitude_bits);
    if (magnitude_bits < kLeastNormalBits) {
      if (magnitude_bits != 0) AddDenormal(magnitude_bits);
      continue;
    }
    const size_t bin = kDenormalBins + (magnitude_bits >> 22);
    const uint64_t significand = (magnitude_bits & kFractionMask) | kLeastNormalBits;
    block_[bank + bin] += (uint64_t{1} << kCountShift) | significand;
    bank ^= kAllBins;
    if constexpr (kTrack) MarkTouched(bin);
  }
  max_abs_ = std::max(max_abs_, std::bit_cast<float>(max_bits));
  if constexpr (kTrack) {
    for (size_t word = 0; word < touched_.size(); ++word) {
      for (uint64_t left = touched_[word]; left != 0; left &= left - 1) {
        Spill(word * 64 + static_cast<size_t>(std::countr_zero(left)));
      }
    }
  } else {
    for (size_t bin = kDenormalBins; bin < kAllBins; ++bin) {
      if ((block_[bin] | block_[kAllBins + bin]) == 0) continue;
      MarkTouched(bin);
      Spill(bin);
    }
  }
}

void Histogram::AddDenormal(uint32_t magnitude_bits) {
  const HalfOctave half = HalfOctaveOf(magnitude_bits);
  const int top = half.exponent - kLeastExponent;
  const size_t bin = static_cast<size_t>(2 * top + (half.upper ? 1 : 0));
  count_[bin] += 1;
  sum_[bin] += uint64_t{magnitude_bits} << (23 - top);
  MarkTouched(bin);
}

void Histogram::Spill(size_t bin) {
  for (const size_t i : {bin, bin + kAllBins}) {
    count_[bin] += block_[i] >> kCountShift;
    sum_[bin] += block_[i] & kSumMask;
    block_[i] = 0;
  }
}

void Histogram::Merge(const Histogram& other) {
  LBW_CHECK(total_ <= kMaxWeights - other.total_);
  for (size_t bin = 0; bin < kAllBins; ++bin) {
    count_[bin] += other.count_[bin];
    sum_[bin] += other.sum_[bin];
  }
  for (size_t word = 0; word < touched_.size(); ++word) touched_[word] |= other.touched_[word];
  total_ += other.total_;
  max_abs_ = std::max(max_abs_, other.max_abs_);
}

void Histogram::Clear() {
  for (size_t word = 0; word < touched_.size(); ++word) {
    for (uint64_t left = touched_[word]; left != 0; left &= left - 1) {
      const size_t bin = word * 64 + static_cast<size_t>(std::countr_zero(left));
      count_[bin] = 0;
      sum_[bin] = 0;
    }
    touched_[word] = 0;
  }
  total_ = 0;
  max_abs_ = 0;
}

absl::Span<const Histogram::Bin> Histogram::Bins(std::array<Bin, kAllBins>& storage) const {
  size_t filled = 0;
  for (size_t word = 0; word < touched_.size(); ++word) {
    for (uint64_t left = touched_[word]; left != 0; left &= left - 1) {
      const size_t bin = word * 64 + static_cast<size_t>(std::countr_zero(left));
      const bool denormal = bin < kDenormalBins;
      const int half_octave = static_cast<int>(denormal ? bin : bin - kDenormalBins);
      storage[filled++] = Bin{.exponent = half_octave / 2 + (denormal ? kLeastExponent : -kBias),
                              .upper = half_octave % 2 != 0,
                              .count = count_[bin],
                              .significand_sum = sum_[bin]};
    }
  }
  return {storage.data(), filled};
}

int ExactExponent(const Histogram& histogram, int magnitudes) {
  std::array<Histogram::Bin, Histogram::kAllBins> storage;
  return ExactExponent(histogram.Bins(storage), magnitudes);
}

int ExactExponent(absl::Span<const Histogram::Bin> bins, int magnitudes) {
  LBW_CHECK(magnitudes >= 1);
  if (bins.empty()) return 0;
  return ExactExponent(
      bins, magnitudes,
      {.first = kMinExponent, .last = std::min(bins.back().exponent + 1, kMaxExponent)});
}

int ExactExponent(absl::Span<const Histogram::Bin> bins, int magnitudes,
                  const ExponentRange& range) {
  LBW_CHECK(magnitudes >= 1);
  LBW_CHECK(kMinExponent <= range.first && range.first <= range.last && range.last <= kMaxExponent);
  if (bins.empty()) return std::clamp(0, range.first, range.last);
  uint64_t total = 0;
  for (const Histogram::Bin& bin : bins) total += bin.count;
  // With R octaves between the least and the largest bin, every partial sum is below total * 2^(2R
  // + 26).
  const int octaves = bins.back().exponent - bins.front().exponent;
  const int bits = static_cast<int>(std::bit_width(total)) + 2 * octaves + 26;
  if (bits <= 62) return Search<NativeInt<int64_t>>(bins, magnitudes, range);
  if (bits <= 126) return Search<NativeInt<Int128>>(bins, magnitudes, range);
  return Search<WideInt>(bins, magnitudes, range);
}

double ProjectionError(const Histogram& histogram, double sum_w2, int magnitudes, int exponent) {
  std::array<Histogram::Bin, Histogram::kAllBins> storage;
  double error = sum_w2;
  for (const Histogram::Bin& bin : histogram.Bins(storage)) {
    if (bin.exponent < exponent - magnitudes) continue;
    const int k =
        std::clamp(bin.exponent + (bin.upper ? 1 : 0), exponent - magnitudes + 1, exponent);
    const double l1 = std::ldexp(static_cast<double>(bin.significand_sum), bin.exponent - 23);
    error += std::ldexp(static_cast<double>(bin.count), 2 * k) - std::ldexp(l1, k + 1);
  }
  return std::max(error, 0.0);
}

void NearestCodes(absl::Span<const float> weights, int bits, int magnitudes, int exponent,
                  absl::Span<uint8_t> codes) {
  LBW_CHECK(codes.size() >= weights.size());
  const int sign_shift = bits - 1;
  // Biased exponents: below `zero_below` a weight is zero, else it is clamped to lowest..highest.
  const int zero_below = exponent - magnitudes + kBias;
  const int lowest = zero_below + 1;
  const int highest = exponent + kBias;
  // With zero_below >= 1 every denormal is zero, and exponent field and top fraction bit tell all.
  if (zero_below >= 1) {
    for (size_t i = 0; i < weights.size(); ++i) {
      const uint32_t word = std::bit_cast<uint32_t>(weights[i]);
      const int half_octave = static_cast<int>((word & kMagnitudeMask) >> 22);
      const int k = std::min(std::max((half_octave + 1) >> 1, lowest), highest);
      const int code = (highest - k + 1) | (static_cast<int>(word >> 31) << sign_shift);
      codes[i] = static_cast<uint8_t>((half_octave >> 1) < zero_below ? 0 : code);
    }
    return;
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint32_t word = std::bit_cast<uint32_t>(weights[i]);
    codes[i] = 0;
    if ((word & kMagnitudeMask) == 0) continue;
    const HalfOctave half = HalfOctaveOf(word & kMagnitudeMask);
    if (half.exponent + kBias < zero_below) continue;
    const int k = std::clamp(half.exponent + (half.upper ? 1 : 0) + kBias, lowest, highest);
    codes[i] =
        static_cast<uint8_t>((highest - k + 1) | (static_cast<int>(word >> 31) << sign_shift));
  }
}

int64_t FirstNonFinite(absl::Span<const float> weights) {
  for (size_t i = 0; i < weights.size(); ++i) {
    if (MagnitudeBits(weights[i]) >= kInfinityBits) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace lbw::quant

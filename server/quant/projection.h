// The exact projection of a row of weights onto G(s, n): choose the exponent, then the codes.
//
// Math:      err(s) = sum w^2 - 2 sum_bin 2^k L1_bin + sum_bin 4^k count_bin over half-octave bins,
//            k the bin's nearest exponent under s; the least err wins, on an exact tie the smaller
//            s. Ours; the decision boundaries are all 2^k or 1.5 * 2^k.
// Precision: errors are compared as integers (a common power of two taken out) and never rounded:
//            the exponent is that of the true optimum for every finite input, also where errors
//            differ by less than a floating type can tell, and the same whatever the platform, the
//            order of the weights and the chunking.
// Threads:   pure.
#ifndef LBW_QUANT_PROJECTION_H_
#define LBW_QUANT_PROJECTION_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace lbw::quant {

// Counts and exact sums of |w| by half-octave. The same whatever the order in which weights were
// added or histograms merged.
//
// Bin = (bits & 0x7fffffff) >> 22 of the float. Within a bin all |w| share their exponent, so their
// 24-bit significands are added as integers. Denormals (exponent field 0) are multiplied by 2^24
// first and counted in bins of their own.
class Histogram {
 public:
  static constexpr int kBins = 512;
  static constexpr int kDenormalBins = 64;
  static constexpr int kAllBins = kBins + kDenormalBins;

  // weights must be finite. Adding more than 2^39 weights aborts.
  void Add(absl::Span<const float> weights);
  void Merge(const Histogram& other);
  // Back to empty. Costs as much as there are bins with weights, so that one object serves many
  // short rows.
  void Clear();

  // count and sum of |w| of a bin that is not empty.
  struct Bin {
    int exponent = 0;    // floor(log2|w|) of every weight in the bin
    bool upper = false;  // |w| >= 1.5 * 2^exponent
    uint64_t count = 0;
    uint64_t significand_sum = 0;  // in units of 2^(exponent - 23)
  };
  // Every bin with weights, in rising order of magnitude. Zeros are in none. Points into storage.
  absl::Span<const Bin> Bins(std::array<Bin, kAllBins>& storage) const;

  // Weights added, zeros included.
  uint64_t total() const { return total_; }
  double max_abs() const { return max_abs_; }

 private:
  template <bool kTrack>
  void AddBlock(absl::Span<const float> block);
  void AddDenormal(uint32_t magnitude_bits);
  void Spill(size_t bin);
  void MarkTouched(size_t bin) { touched_[bin / 64] |= uint64_t{1} << (bin % 64); }

  // Bins of denormals first, then the normal ones: index order is order of magnitude.
  std::array<uint64_t, kAllBins> count_{};
  std::array<uint64_t, kAllBins> sum_{};
  // Bit i: bin i has, or may have, weights. What is not marked is zero.
  std::array<uint64_t, kAllBins / 64> touched_{};
  // Working room of AddBlock, two banks so that neighbours do not wait for each other; zero between
  // calls.
  std::array<uint64_t, 2 * kAllBins> block_{};
  uint64_t total_ = 0;
  float max_abs_ = 0;
};

// The exponent s of the exact optimum in kMinExponent..kMaxExponent; 0 for an empty or all-zero
// histogram. magnitudes = n >= 1.
int ExactExponent(const Histogram& histogram, int magnitudes);
// The same from Histogram::Bins, for callers that keep the storage.
int ExactExponent(absl::Span<const Histogram::Bin> bins, int magnitudes);
// The best of the exponents first..last, both in kMinExponent..kMaxExponent; the one nearest to 0
// where there are no bins.
struct ExponentRange {
  int first = 0;
  int last = 0;
};
int ExactExponent(absl::Span<const Histogram::Bin> bins, int magnitudes,
                  const ExponentRange& range);

// The least error for a given s from the histogram and sum_w2 = sum w^2 (for sweeps). At least 0.
// Precision: within 1e-12 * sum_w2 of the true error; to choose an exponent use ExactExponent.
double ProjectionError(const Histogram& histogram, double sum_w2, int magnitudes, int exponent);

// Nearest codes for a fixed s, one byte a weight: sign << (bits-1) | m. A tie goes to the larger
// magnitude. codes has room for as many as there are weights.
void NearestCodes(absl::Span<const float> weights, int bits, int magnitudes, int exponent,
                  absl::Span<uint8_t> codes);

// The first weight that is NaN or infinite, or -1.
int64_t FirstNonFinite(absl::Span<const float> weights);

}  // namespace lbw::quant

#endif  // LBW_QUANT_PROJECTION_H_

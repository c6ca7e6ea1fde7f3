// The exact projection of a row of weights onto G(s, n), and the paper's threshold scheme: choose
// the exponent, then the codes.
//
// Math:      err(s) = sum w^2 - 2 sum_bin 2^k L1_bin + sum_bin 4^k count_bin over half-octave bins,
// k the bin's nearest exponent
//            under s; the least err wins, on an exact tie the smaller s. Ours; the decision
//            boundaries are all 2^k or 1.5 * 2^k.
// Threads:   pure.
#ifndef LBW_QUANT_PROJECTION_H_
#define LBW_QUANT_PROJECTION_H_

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
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

  // weights must be finite. Adding more than 2^39 weights aborts.
  void Add(absl::Span<const float> weights);
  void Merge(const Histogram& other);

  // count and sum of |w| (value = significand_sum * 2^shift) of each bin that is not empty, largest
  // magnitudes last.
  struct Bin {
    int exponent = 0;    // floor(log2|w|) of every weight in the bin
    bool upper = false;  // |w| >= 1.5 * 2^exponent
    uint64_t count = 0;
    uint64_t significand_sum = 0;  // in units of 2^(exponent - 23)
  };
  // Every bin with weights, in rising order of magnitude. Zeros are in none.
  absl::Span<const Bin> Bins(std::array<Bin, kBins + kDenormalBins>& storage) const;

  uint64_t total() const { return total_; }
  double max_abs() const { return max_abs_; }

 private:
  std::array<uint64_t, kBins> count_{};
  std::array<uint64_t, kBins> sum_{};
  std::array<uint64_t, kDenormalBins> denormal_count_{};
  std::array<uint64_t, kDenormalBins> denormal_sum_{};
  uint64_t total_ = 0;
  float max_abs_ = 0;
};

// The exponent s of the exact optimum; 0 for an empty or all-zero histogram. magnitudes = n >= 1.
int ExactExponent(const Histogram& histogram, int magnitudes);

// The least error for a given s, from the histogram alone (for sweeps and oracles).
double ProjectionError(const Histogram& histogram, int magnitudes, int exponent);

// Nearest codes for a fixed s, one byte a weight: sign << (bits-1) | m. A tie goes to the larger
// magnitude.
void NearestCodes(absl::Span<const float> weights, int bits, int magnitudes, int exponent,
                  absl::Span<uint8_t> codes);

// The paper's thresholds with mu > 0 (absolute), and s* for that pattern. Returns s (0 where every
// code is zero).
int ThresholdCodes(absl::Span<const float> weights, int bits, int magnitudes, double mu,
                   absl::Span<uint8_t> codes);

// The first weight that is NaN or infinite, or -1.
int64_t FirstNonFinite(absl::Span<const float> weights);

}  // namespace lbw::quant

#endif  // LBW_QUANT_PROJECTION_H_

#include "quant/nearest_values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/status.h"
#include "quant/grid.h"
#include "quant/projection.h"

namespace lbw::quant {
namespace {

constexpr uint32_t kMagnitudeMask = 0x7fffffff;
constexpr uint32_t kSignMask = 0x80000000;
constexpr int32_t kHalfOctave = 0x00400000;
constexpr int32_t kExponentMask = 0x7f800000;
constexpr int kBias = 127;
constexpr int kMostMagnitudes = (1 << (kMaxBits - 1)) - 1;
// Codes at a time where the fast path does not hold.
constexpr size_t kCodeBlock = 256;
// A fixed number of words in an array of their own: neither their count nor an overlap has to be
// looked at, so that GCC vectorises at -O2. Larger blocks leave more of a short row to single
// words.
constexpr size_t kBlock = 8;

// Bits of floats that are not negative order as integers do.
int32_t BitsOf(float value) { return std::bit_cast<int32_t>(value); }

struct NearestWord {
  int32_t half;  // below it lies zero
  int32_t least;
  int32_t greatest;

  uint32_t operator()(uint32_t word) const {
    const auto magnitude = static_cast<int32_t>(word & kMagnitudeMask);
    const int32_t clipped = magnitude < greatest ? magnitude : greatest;
    const int32_t nearest = (clipped + kHalfOctave) & kExponentMask;
    const int32_t value = nearest > least ? nearest : least;
    const uint32_t keep = magnitude < half ? 0 : ~uint32_t{0};
    return (static_cast<uint32_t>(value) | (word & kSignMask)) & keep;
  }
};

struct TernaryWord {
  int32_t threshold;
  uint32_t value;

  uint32_t operator()(uint32_t word) const {
    const auto magnitude = static_cast<int32_t>(word & kMagnitudeMask);
    const uint32_t keep = magnitude < threshold ? 0 : ~uint32_t{0};
    return (value | (word & kSignMask)) & keep;
  }
};

template <typename Word>
void Each(absl::Span<const float> weights, const Word& of, absl::Span<float> values) {
  size_t i = 0;
  for (; i + kBlock <= weights.size(); i += kBlock) {
    uint32_t words[kBlock];
    std::memcpy(words, weights.data() + i, sizeof(words));
    for (uint32_t& word : words) word = of(word);
    std::memcpy(values.data() + i, words, sizeof(words));
  }
  for (; i < weights.size(); ++i) {
    values[i] = std::bit_cast<float>(of(std::bit_cast<uint32_t>(weights[i])));
  }
}

void ThroughCodes(absl::Span<const float> weights, int magnitudes, int exponent,
                  absl::Span<float> values) {
  std::array<uint8_t, kCodeBlock> codes;
  for (size_t i = 0; i < weights.size(); i += kCodeBlock) {
    const absl::Span<const float> block = weights.subspan(i, kCodeBlock);
    NearestCodes(block, kMaxBits, magnitudes, exponent, absl::MakeSpan(codes));
    for (size_t j = 0; j < block.size(); ++j) {
      values[i + j] = DecodeValue(codes[j], kMaxBits, exponent);
    }
  }
}

}  // namespace

void NearestValues(absl::Span<const float> weights, int magnitudes, int exponent,
                   absl::Span<float> values) {
  LBW_CHECK(values.size() >= weights.size() && magnitudes >= 1 && magnitudes <= kMostMagnitudes);
  // Half of the least magnitude must be a normal number: denormals are zeros then.
  if (exponent - magnitudes + kBias < 1) {
    ThroughCodes(weights, magnitudes, exponent, values);
    return;
  }
  Each(weights,
       NearestWord{.half = BitsOf(PowerOfTwo(exponent - magnitudes)),
                   .least = BitsOf(PowerOfTwo(exponent - magnitudes + 1)),
                   .greatest = BitsOf(PowerOfTwo(exponent))},
       values);
}

void TernaryValues(absl::Span<const float> weights, const Ternary& ternary,
                   absl::Span<float> values) {
  LBW_CHECK(values.size() >= weights.size() && ternary.threshold >= 0 && ternary.value >= 0);
  Each(weights,
       TernaryWord{.threshold = BitsOf(ternary.threshold),
                   .value = std::bit_cast<uint32_t>(ternary.value)},
       values);
}

}  // namespace lbw::quant

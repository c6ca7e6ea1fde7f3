#include "tools/quant_oracle/brute_force.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace lbw::oracle {
namespace {

constexpr int kLowest = -149;
constexpr int kHighest = 127;

struct Magnitude {
  double value;
  int exponent;  // floor(log2(value))
};

std::array<double, 512> PowersOfTwo() {
  std::array<double, 512> powers{};
  for (int i = 0; i < 512; ++i) powers[static_cast<size_t>(i)] = std::ldexp(1.0, i - 256);
  return powers;
}

double Power(int exponent) {
  static const std::array<double, 512> kPowers = PowersOfTwo();
  return kPowers[static_cast<size_t>(exponent + 256)];
}

struct Errors {
  double all;
  double clipped;  // of weights above 2^s alone
};

// The nearest grid value is zero, or one of the two powers around the weight, held within the grid.
Errors ErrorsAt(const std::vector<Magnitude>& weights, int magnitudes, int s) {
  const int least = s - magnitudes + 1;
  long double all = 0;
  long double clipped = 0;
  for (const Magnitude& weight : weights) {
    const double below = std::fabs(weight.value - Power(std::clamp(weight.exponent, least, s)));
    const double above = std::fabs(weight.value - Power(std::clamp(weight.exponent + 1, least, s)));
    const double distance = std::min({weight.value, below, above});
    const double square = distance * distance;
    all += square;
    if (weight.value > Power(s)) clipped += square;
  }
  return {static_cast<double>(all), static_cast<double>(clipped)};
}

}  // namespace

Optimum BruteForce(absl::Span<const float> weights, int magnitudes) {
  std::vector<Magnitude> nonzero;
  nonzero.reserve(weights.size());
  int top = kLowest;
  for (const float weight : weights) {
    if (weight == 0) continue;
    const double value = std::fabs(static_cast<double>(weight));
    nonzero.push_back({value, std::ilogb(value)});
    top = std::max(top, nonzero.back().exponent);
  }
  Optimum optimum;
  if (nonzero.empty()) return optimum;
  optimum.error = optimum.runner_up = std::numeric_limits<double>::infinity();
  for (int s = std::min(top + 3, kHighest); s >= kLowest; --s) {
    const Errors errors = ErrorsAt(nonzero, magnitudes, s);
    if (errors.all <= optimum.error) {
      optimum.runner_up = optimum.error;
      optimum.error = errors.all;
      optimum.exponent = s;
    } else {
      optimum.runner_up = std::min(optimum.runner_up, errors.all);
    }
    // Clipping only grows as s falls; past the runner-up too, nothing below can matter.
    if (errors.clipped > optimum.error && errors.clipped > optimum.runner_up) break;
  }
  return optimum;
}

double ErrorOfCodes(absl::Span<const float> weights, absl::Span<const uint8_t> packed, int bits,
                    int exponent) {
  long double error = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    int code = 0;
    for (int bit = 0; bit < bits; ++bit) {
      const size_t at = i * static_cast<size_t>(bits) + static_cast<size_t>(bit);
      code |= (packed[at / 8] >> (at % 8) & 1) << bit;
    }
    const int m = code & ((1 << (bits - 1)) - 1);
    const int k = exponent - m + 1;
    double value = m == 0 || k < kLowest ? 0 : Power(k);
    if ((code >> (bits - 1)) != 0) value = -value;
    const double distance = static_cast<double>(weights[i]) - value;
    error += distance * distance;
  }
  return static_cast<double>(error);
}

std::vector<std::vector<float>> SplitRows(absl::Span<const float> tensor,
                                          absl::Span<const int64_t> shape, int axis, int groups) {
  if (shape.size() < 2) return {std::vector<float>(tensor.begin(), tensor.end())};
  const size_t axis_size = static_cast<size_t>(shape[static_cast<size_t>(axis)]);
  const size_t group_count = static_cast<size_t>(groups);
  std::vector<std::vector<float>> rows(axis_size * group_count);
  size_t stride = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < shape.size(); ++d)
    stride *= static_cast<size_t>(shape[d]);
  for (size_t flat = 0; flat < tensor.size(); ++flat) {
    const size_t group = flat / (tensor.size() / group_count);
    rows[group * axis_size + flat / stride % axis_size].push_back(tensor[flat]);
  }
  return rows;
}

}  // namespace lbw::oracle

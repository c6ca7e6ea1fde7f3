// How far the numbers of a training may go: one table for whoever takes them in.
//
// Threads: pure.
#ifndef LBW_TRAIN_LIMITS_H_
#define LBW_TRAIN_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lbw::train {

// A range; which of its ends belong to it.
struct Limits {
  enum class Ends : uint8_t { kBoth, kHighOnly, kLowOnly };
  double low = 0;
  double high = 0;
  Ends ends = Ends::kBoth;

  // False for NaN and infinities: every limit is finite.
  bool Hold(double value) const;
  // "1..64", "above 0 and at most 1", "at least 0 and below 1".
  std::string ToText() const;
};

// Of a number of TrainOptions or a part of it, by its name there; names are unique. Another name
// aborts.
const Limits& LimitsOf(std::string_view name);

// Whole numbers as such: a limit of a million is not "1e+06".
std::string NumberText(double value);

// Rates of a stepped schedule.
inline constexpr size_t kMaxRateSteps = 64;

// "auto", "cpu", "cuda" or "cuda:N", N of at most three digits.
bool IsDeviceWord(std::string_view device);

}  // namespace lbw::train

#endif  // LBW_TRAIN_LIMITS_H_

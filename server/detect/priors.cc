#include <algorithm>
#include <cmath>

#include "detect/decoder.h"

namespace lbw::detect {
namespace {

BoxCxcywhNorm ClipToUnit(const BoxCxcywhNorm& box) {
  const float x_min = std::clamp(box.cx - box.w / 2, 0.0F, 1.0F);
  const float y_min = std::clamp(box.cy - box.h / 2, 0.0F, 1.0F);
  const float x_max = std::clamp(box.cx + box.w / 2, 0.0F, 1.0F);
  const float y_max = std::clamp(box.cy + box.h / 2, 0.0F, 1.0F);
  return {(x_min + x_max) / 2, (y_min + y_max) / 2, x_max - x_min, y_max - y_min};
}

}  // namespace

std::vector<BoxCxcywhNorm> MakePriors(absl::Span<const PriorLevel> levels, const InputSpec& input) {
  std::vector<BoxCxcywhNorm> priors;
  for (const PriorLevel& level : levels) {
    double step_x = 1.0 / static_cast<double>(level.cols);
    double step_y = 1.0 / static_cast<double>(level.rows);
    if (level.step_px) {
      step_x = static_cast<double>(*level.step_px) / static_cast<double>(input.width);
      step_y = static_cast<double>(*level.step_px) / static_cast<double>(input.height);
    }
    for (int64_t row = 0; row < level.rows; ++row) {
      for (int64_t col = 0; col < level.cols; ++col) {
        for (const std::array<float, 2>& wh : level.wh) {
          const BoxCxcywhNorm prior{static_cast<float>((static_cast<double>(col) + 0.5) * step_x),
                                    static_cast<float>((static_cast<double>(row) + 0.5) * step_y),
                                    wh[0], wh[1]};
          priors.push_back(level.clip ? ClipToUnit(prior) : prior);
        }
      }
    }
  }
  return priors;
}

}  // namespace lbw::detect

// Short ways to write boxes down.
#ifndef LBW_TESTS_UNIT_EVAL_MAKE_H_
#define LBW_TESTS_UNIT_EVAL_MAKE_H_

#include <cstdint>
#include <vector>

#include "eval/boxes.h"

namespace lbw::eval {

// The place of a box; class 0.
struct At {
  int32_t image_index = 0;
  detect::BoxXyxyPx box;
};

inline TruthBox Truth(const At& at, int32_t class_index = 0) {
  TruthBox truth;
  truth.image_index = at.image_index;
  truth.box = at.box;
  truth.class_index = class_index;
  return truth;
}

inline TruthBox Difficult(const At& at) {
  TruthBox truth = Truth(at);
  truth.difficult = true;
  return truth;
}

inline FoundBox Found(const At& at, float score, int32_t class_index = 0) {
  return {at.image_index, {at.box, class_index, score}};
}

// Owns lists that a BoxSet borrows.
struct Lists {
  std::vector<TruthBox> truths;
  std::vector<FoundBox> found;
  int32_t image_count = 1;
  int32_t class_count = 1;
  BoxSet Set() const { return {truths, found, image_count, class_count}; }
};

// Boxes and scores from few values, so that ties and equal boxes are common. splitmix64.
class FewValues {
 public:
  explicit FewValues(uint64_t seed) : state_(seed) {}
  int32_t Below(int32_t count) {
    state_ += 0x9E3779B97F4A7C15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return static_cast<int32_t>((z ^ (z >> 31)) % static_cast<uint64_t>(count));
  }
  detect::BoxXyxyPx Box(float unit) {
    const float x = static_cast<float>(Below(5)) * unit;
    const float y = static_cast<float>(Below(5)) * unit;
    return {x, y, x + static_cast<float>(1 + Below(6)) * unit,
            y + static_cast<float>(1 + Below(6)) * unit};
  }

 private:
  uint64_t state_;
};

}  // namespace lbw::eval

#endif  // LBW_TESTS_UNIT_EVAL_MAKE_H_

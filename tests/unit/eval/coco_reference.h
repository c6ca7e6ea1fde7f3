// COCO's definition written straight down, slow and without sharing code with what it judges.
#ifndef LBW_TESTS_UNIT_EVAL_COCO_REFERENCE_H_
#define LBW_TESTS_UNIT_EVAL_COCO_REFERENCE_H_

#include <array>

#include "eval/boxes.h"

namespace lbw::eval {

// The twelve numbers in COCO's order; -1 where there is nothing to average. At most 100 detections.
std::array<double, 12> CocoReference(const BoxSet& set);

}  // namespace lbw::eval

#endif  // LBW_TESTS_UNIT_EVAL_COCO_REFERENCE_H_

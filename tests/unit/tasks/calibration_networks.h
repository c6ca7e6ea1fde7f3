// Networks with what layers of detectors look like, for pictures of 6 by 6.
#ifndef LBW_TESTS_UNIT_TASKS_CALIBRATION_NETWORKS_H_
#define LBW_TESTS_UNIT_TASKS_CALIBRATION_NETWORKS_H_

#include <cstdint>

#include "model/model.h"

namespace lbw::tasks {

inline constexpr int64_t kNetworkSize = 6;

model::Model Residual();
// Branches that are joined; one of them is a head too.
model::Model Concat();
// Groups with strides, dilations and uneven padding; depthwise; a transposed convolution in groups.
model::Model Grouped();
// Gemm with alpha and beta behind Flatten; MatMul.
model::Model Products();
// One weight that three levels read, the last ones far behind the first and through other layers;
// two of the inputs are there before the first.
model::Model Shared();
// Batch normalization that is not folded.
model::Model Normalized();

}  // namespace lbw::tasks

#endif  // LBW_TESTS_UNIT_TASKS_CALIBRATION_NETWORKS_H_

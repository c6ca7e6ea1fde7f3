// What a calibration is asked, as the options of what carries it out. Pure.
#ifndef LBW_TASKS_CALIBRATION_OPTIONS_H_
#define LBW_TASKS_CALIBRATION_OPTIONS_H_

#include <string>

#include "model/model.h"
#include "tasks/calibrate_network.h"
#include "tasks/layer_walk.h"
#include "tasks/quantize_spec.h"

namespace lbw::tasks {

ChoiceOptions ChoicesOf(const model::QuantizeOptions& options, const CalibrationAsked& asked);

// kMeans: they alone are summed up, which is enough to correct the bias of a projection.
enum class WalkFor : uint8_t { kCodes, kMeans };
WalkOptions WalkOptionsOf(const CalibrationAsked& asked, int threads, std::string scratch_folder,
                          WalkFor purpose);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CALIBRATION_OPTIONS_H_

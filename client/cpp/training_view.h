// What a training found, as tables and as a plot. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_TRAINING_VIEW_H_
#define LBW_CLIENT_TRAINING_VIEW_H_

#include <string>

#include "client/cpp/plot.h"
#include "lbw/v1/training.pb.h"

namespace lbw::client {

// kShort: data, values, what was chosen, time. kWhole: every epoch (of many: the first, the last
// and an even choice between) and every trained layer too.
enum class TrainingDetail { kShort, kWhole };
std::string RenderTraining(const v1::TrainingReport& report, TrainingDetail detail);

// The loss by epoch; the value by epoch, as the weights are and their average, beside those of the
// float version and of the start; where codes are trained, their changes. title: the version.
plot::Figure TrainingFigure(const std::string& title, const v1::TrainingReport& report);

// "face/3, map_50 0.8912".
std::string TrainingWord(const v1::TrainingResult& result);

}  // namespace lbw::client

#endif  // LBW_CLIENT_TRAINING_VIEW_H_

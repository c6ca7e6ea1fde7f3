// What a calibrated quantization found, as tables and as a plot. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_CALIBRATION_VIEW_H_
#define LBW_CLIENT_CALIBRATION_VIEW_H_

#include <cstddef>
#include <string>
#include <vector>

#include "base/reason.h"
#include "client/cpp/plot.h"
#include "lbw/v1/calibration.pb.h"

namespace lbw::client {

// kShort: pictures, measurements, the five layers that hurt most, the verdict on widths.
// kWhole: every layer in graph order with the worst marked, each layer's error at each width, the
// curve of widths, mu, timings.
enum class CalibrationDetail { kShort, kWhole };
std::string RenderCalibration(const v1::CalibrationReport& report, CalibrationDetail detail);

// Places in report.layers of those with the largest error shares, largest first: at most `most`,
// at most every third layer, and none whose share is not above zero.
std::vector<int> WorstLayers(const v1::CalibrationReport& report, size_t most);

// Widths were chosen: value, and output error in dB, against bytes, uniform widths beside plans.
// mu was chosen: value against mu, with the nearest projection's as a line. Otherwise: output SQNR
// of every layer, nearest and calibrated. title: the version.
plot::Figure CalibrationFigure(const std::string& title, const v1::CalibrationReport& report);

// A drop was asked for, and the version has a larger one. A command says so with this reason, and
// the program with an exit status of its own (cli.h).
bool DropMissed(const v1::WidthPlan& plan);
inline constexpr base::Reason kDropMissed{"DROP_MISSED"};

// "face/3, map_50 0.8912".
std::string QuantizationWord(const v1::QuantizationResult& result);

}  // namespace lbw::client

#endif  // LBW_CLIENT_CALIBRATION_VIEW_H_

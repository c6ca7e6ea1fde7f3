// What the views of evaluations, calibrations and comparisons have in common. Pure.
#ifndef LBW_CLIENT_VIEW_PARTS_H_
#define LBW_CLIENT_VIEW_PARTS_H_

#include <optional>
#include <string>

#include "base/strings.h"
#include "client/cpp/names.h"
#include "lbw/v1/calibration.pb.h"

// An optional proto field of a message as a value.
#define LBW_OPTIONAL(message, field) \
  ((message).has_##field() ? std::optional<double>((message).field()) : std::nullopt)

namespace lbw::client {

// Beside what a reader should look at.
inline constexpr char kMark[] = "◀";

// "faces (val)"; without a split "faces".
inline std::string OnWhat(const std::string& dataset, const std::string& split) {
  if (split.empty()) return ShortName(dataset);
  return base::StrCat(ShortName(dataset), " (", split, ")");
}

// What the report's values are called.
inline std::string MetricWord(const v1::CalibrationReport& report) {
  return report.metric().empty() ? "value" : report.metric();
}

}  // namespace lbw::client

#endif  // LBW_CLIENT_VIEW_PARTS_H_

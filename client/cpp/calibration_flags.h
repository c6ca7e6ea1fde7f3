// What a person says on the command line of a calibrated quantization -> QuantizeSpec. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_CALIBRATION_FLAGS_H_
#define LBW_CLIENT_CALIBRATION_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/rules.h"
#include "lbw/v1/calibration.pb.h"

namespace lbw::client {

// Whole bytes: "65536", "64k", "1.5M", "2GiB"; k, M and G are powers of 1,024, with or without B or
// iB behind them, in either case. Errors: kInvalidArgument, BAD_ARGUMENT - no such number, or zero,
// or not below 2^63; names `what` and the text.
absl::StatusOr<uint64_t> ParseBytes(std::string_view text, std::string_view what);

// "auto" or RATIO[,RATIO...].
struct MuArgument {
  bool is_auto = false;
  std::vector<double> ratios = {};
};
// Errors: kInvalidArgument, BAD_OPTIONS - a ratio that is no number above 0 and at most 16, more
// than 32 of them.
absl::StatusOr<MuArgument> ParseMu(std::string_view text);

// "DATASET" or "DATASET:SPLIT".
struct MeasureArgument {
  std::string dataset = {};  // "datasets/D"
  std::string split = {};
};
// Errors: kInvalidArgument, BAD_NAME; BAD_ARGUMENT - nothing behind the colon.
absl::StatusOr<MeasureArgument> ParseMeasure(std::string_view text);

// Empty and unset: the server's default.
struct CalibrationFlags {
  std::string calibrate = {};  // DATASET or FOLDER
  std::string split = {};
  std::optional<uint32_t> images = {};
  uint64_t seed = 0;
  std::optional<uint32_t> positions = {};
  std::string scale = {};   // "pow2" or "real"
  std::string budget = {};  // bytes, as ParseBytes reads them
  std::optional<double> max_drop = {};
  std::vector<uint32_t> widths = {};
  std::string mu = {};
  std::string measure = {};
  uint32_t measure_pictures = 0;
  bool no_measure = false;
  uint32_t threads = 0;

  bool searches_widths() const { return !budget.empty() || max_drop.has_value(); }
};

// The spec without its version and calibration.dataset. A single ratio of mu is options.mu_ratio;
// "auto" and several are a search. grid.mu is not looked at.
// Errors: kInvalidArgument, BAD_ARGUMENT or BAD_OPTIONS - an option out of range, or one that
//         excludes another; names the options and their values.
absl::StatusOr<v1::QuantizeSpec> BuildQuantizeSpec(const CalibrationFlags& flags,
                                                   QuantizeFlags grid);

}  // namespace lbw::client

#endif  // LBW_CLIENT_CALIBRATION_FLAGS_H_

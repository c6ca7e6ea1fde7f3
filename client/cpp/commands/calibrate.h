// `lbw model quantize --calibrate`: the job, its waiting and its result.
#ifndef LBW_CLIENT_COMMANDS_CALIBRATE_H_
#define LBW_CLIENT_COMMANDS_CALIBRATE_H_

#include <string>

#include "absl/status/status.h"
#include "client/cpp/calibration_flags.h"
#include "client/cpp/commands/job_flags.h"
#include "client/cpp/rules.h"
#include "client/cpp/session.h"

namespace CLI {
class App;
}

namespace lbw::client {

struct CalibrateArguments {
  std::string model;
  QuantizeFlags grid;
  CalibrationFlags flags;
  JobFlags job;
  std::string plot;
  std::string report;
};

// --calibrate and every option that needs it; without it they are refused.
void AddCalibrateFlags(CLI::App& app, CalibrateArguments& arguments);
absl::Status Calibrate(Session& session, const CalibrateArguments& arguments);

}  // namespace lbw::client

#endif  // LBW_CLIENT_COMMANDS_CALIBRATE_H_

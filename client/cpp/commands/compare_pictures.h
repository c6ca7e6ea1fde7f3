// The pictures of a comparison drawn with the boxes of both versions, side by side.
#ifndef LBW_CLIENT_COMMANDS_COMPARE_PICTURES_H_
#define LBW_CLIENT_COMMANDS_COMPARE_PICTURES_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/connection.h"
#include "client/cpp/session.h"
#include "lbw/v1/calibration.pb.h"

namespace lbw::client {

struct DrawRequest {
  std::string folder;          // where the pictures lie
  std::string out;             // a PNG file, by its ending, or a folder
  std::optional<float> score;  // unset: the models' own
};

// Creates the folder, or sees that the file can be written. Errors: kInvalidArgument.
absl::Status PrepareDrawings(const std::string& out);

// Asks both versions for the boxes of at most 16 of the worst pictures, drawn as `lbw detect` has
// them, and writes them beside each other, the reference left. A picture that is not in the folder
// any more or that fails is a warning. Errors: those of the calls and of writing; kNotFound - none
// could be drawn.
absl::Status DrawWorst(Session& session, Connection& connection, const v1::Comparison& comparison,
                       const DrawRequest& request);

}  // namespace lbw::client

#endif  // LBW_CLIENT_COMMANDS_COMPARE_PICTURES_H_

// What a worker and a job's process say to each other: one JSON object a line, both ways, at most
// kMaxLineBytes. Pure.
//
//   down (worker to child)   assignment, checkpoint, pause, cancel, committed{sha256}, stop
//   up   (child to worker)   hello, event{json}, heartbeat{step}, checkpoint{...}, result{json},
//                            error{...}, paused, stopped, cancelled
//
// Unknown keys are skipped (a child and a worker are the same program, but a log may not be); an
// unknown type is an error. Big data never travels: it is a blob's digest.
#ifndef LBW_JOBS_PROTOCOL_H_
#define LBW_JOBS_PROTOCOL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "jobs/job.h"

namespace lbw::jobs {

inline constexpr size_t kMaxLineBytes = size_t{1} << 20;

// Down
struct Assignment {
  std::string job;
  std::string kind;
  std::string spec_json;
  std::string inputs_json;  // what Prepare resolved: digests of blobs
  std::string checkpoint;   // sha256, "" at the beginning
  int64_t checkpoint_step = 0;
  int64_t attempt = 1;
  std::string data_dir;
  std::string scratch_folder;  // exists, empty
  int threads = 0;
};
struct Committed {
  std::string sha256;
};
enum class Command : uint8_t { kCheckpoint, kPause, kCancel, kStop };
using Down = std::variant<Assignment, Command, Committed>;

// Up
struct Hello {
  int64_t pid = 0;
};
struct EventLine {
  std::string json;  // {"progress": {...}} or {"message": {...}}
  std::optional<int64_t> step;
  std::optional<int64_t> total_steps;
};
struct Heartbeat {
  int64_t step = 0;
};
struct CheckpointLine {
  CheckpointInfo info;
};
struct ResultLine {
  std::string json;
};
struct ErrorLine {
  JobError error;
};
enum class Obeyed : uint8_t { kPaused, kStopped, kCancelled };
using Up = std::variant<Hello, EventLine, Heartbeat, CheckpointLine, ResultLine, ErrorLine, Obeyed>;

// One line without its newline; bytes that are not UTF-8 become U+FFFD. Encode aborts where the
// line would be too long: for messages that their makers bound. TryEncode tells instead:
// kInvalidArgument, LIMIT_EXCEEDED.
std::string Encode(const Down& message);
std::string Encode(const Up& message);
absl::StatusOr<std::string> TryEncode(const Down& message);
absl::StatusOr<std::string> TryEncode(const Up& message);
// Errors: kInvalidArgument, BAD_FILE - no JSON, a type or key that is missing or of another kind.
absl::StatusOr<Down> DecodeDown(std::string_view line);
absl::StatusOr<Up> DecodeUp(std::string_view line);

// Cuts a stream of bytes into lines. Errors: kInvalidArgument, LIMIT_EXCEEDED - a line too long;
// the lines before it are given, nothing behind it is.
class LineSplitter {
 public:
  // Appends bytes; gives every line that they complete.
  absl::Status Feed(std::string_view bytes, std::vector<std::string>& lines);

 private:
  std::string pending_;  // at most kMaxLineBytes
  bool failed_ = false;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_PROTOCOL_H_

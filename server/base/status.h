// Errors: an absl::Status with one canonical code, a message that names field, value and limit, and
// a stable reason.
//
// The reason travels as a payload of the status, so that rooms need neither proto nor rpc; room rpc
// turns it into google.rpc.ErrorInfo, the fields into BadRequest, and the delay into RetryInfo.
// Every reason stands in base/reason.h.
//
//   return base::Error(absl::StatusCode::kInvalidArgument, reason::kBadBits, "bits must be 2..6:
//   bits=9").Field("options.bits");
#ifndef LBW_BASE_STATUS_H_
#define LBW_BASE_STATUS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/reason.h"
#include "base/strings.h"

namespace lbw::base {

// Builds a Status with details; converts to absl::Status and to any absl::StatusOr<T>.
class Error {
 public:
  Error(absl::StatusCode code, Reason reason, std::string_view message);
  // The request field that is wrong, as a proto path ("options.bits", "images[3]").
  Error& Field(std::string_view path) &;
  Error&& Field(std::string_view path) &&;
  // When to try again.
  Error&& RetryAfterMs(int64_t delay_ms) &&;
  // A value that a client can act on, e.g. ("committed_bytes", "8388608").
  Error&& Metadata(std::string_view key, std::string_view value) &&;

  operator absl::Status() const { return status_; }  // NOLINT(google-explicit-constructor)
  template <typename T>
  operator absl::StatusOr<T>() const {  // NOLINT(google-explicit-constructor)
    return absl::StatusOr<T>(status_);
  }

 private:
  absl::Status status_;
};

struct ErrorDetails {
  std::string reason;               // empty: the status carries none
  std::vector<std::string> fields;  // proto paths
  std::optional<int64_t> retry_after_ms;
  std::vector<std::pair<std::string, std::string>> metadata;
};

// What Error attached; everything empty for a plain status.
ErrorDetails GetErrorDetails(const absl::Status& status);

// The same status with its message behind "context: "; payloads stay.
absl::Status WithContext(const absl::Status& status, std::string_view context);

}  // namespace lbw::base

#define LBW_CONCAT_INNER_(a, b) a##b
#define LBW_CONCAT_(a, b) LBW_CONCAT_INNER_(a, b)

// Names that differ in every expansion: these macros nest, in lambdas inside their own argument.
// Returns from the enclosing function when the expression's status is not OK.
#define LBW_RETURN_IF_ERROR(expression) \
  LBW_RETURN_IF_ERROR_(LBW_CONCAT_(lbw_status_, __COUNTER__), expression)
#define LBW_RETURN_IF_ERROR_(status, expression)                         \
  do {                                                                   \
    if (absl::Status status = (expression); !status.ok()) return status; \
  } while (false)

// LBW_ASSIGN_OR_RETURN(auto x, F()): assigns the value, or returns the status.
#define LBW_ASSIGN_OR_RETURN(left, expression) \
  LBW_ASSIGN_OR_RETURN_(LBW_CONCAT_(lbw_result_, __COUNTER__), left, expression)
#define LBW_ASSIGN_OR_RETURN_(result, left, expression) \
  auto result = (expression);                           \
  if (!result.ok()) return result.status();             \
  left = std::move(result).value()

// A broken invariant of our own: prints the place and aborts. Never for input.
#define LBW_CHECK(condition)              \
  (static_cast<bool>(condition) ? void(0) \
                                : ::lbw::base::CheckFailed(#condition, __FILE__, __LINE__))

namespace lbw::base {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace lbw::base

#endif  // LBW_BASE_STATUS_H_

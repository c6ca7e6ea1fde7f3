// What every command works with: the global options, the terminal, and the connection, made on
// first use.
#ifndef LBW_CLIENT_SESSION_H_
#define LBW_CLIENT_SESSION_H_

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/canceller.h"
#include "client/cpp/connection.h"
#include "client/cpp/progress.h"
#include "google/protobuf/message.h"

namespace lbw::client {

struct GlobalOptions {
  std::string server = "127.0.0.1:8500";
  std::string token_file;
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  double timeout_s = 0.0;  // 0: none
  bool json = false;
  bool quiet = false;
  std::string submitter;  // empty: the user's name on this machine
};

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};

// Where a program writes. Streams are borrowed.
struct Terminal {
  std::ostream& out;
  std::ostream& err;
  bool err_is_terminal = false;
  int err_columns = 80;
  // The size of the terminal that `out` is, asked again for every frame; empty: it is none.
  std::function<TerminalSize()> out_size = {};
};

// Threads: one at a time; the canceller may be used from any.
class Session {
 public:
  // The three are borrowed for the object's life.
  Session(const GlobalOptions& options, const Terminal& terminal, Canceller& canceller);
  ~Session();

  // Errors: those of Connection::Connect; kNotFound, kInternal - a token or PEM file.
  absl::StatusOr<Connection*> Connect();
  Canceller& canceller() { return canceller_; }
  // A bar where standard error is a terminal and neither --quiet nor --json forbids it.
  ProgressSink& progress() { return *progress_; }
  bool wants_json() const { return options_.json; }
  bool is_quiet() const { return options_.quiet; }
  const Terminal& terminal() const { return terminal_; }
  // Who asks for jobs and moves aliases, at most 64 characters.
  std::string submitter() const;

  // The command's result, on standard output.
  std::ostream& out();
  absl::Status PrintJson(const google::protobuf::Message& message);
  // Beside the result, on standard error; nothing with --quiet.
  void Note(const std::string& line);
  void Warn(const std::string& line);

 private:
  const GlobalOptions& options_;
  const Terminal& terminal_;
  Canceller& canceller_;
  const std::unique_ptr<ProgressSink> progress_;
  std::unique_ptr<Connection> connection_;
};

// A command, ready to run once its arguments are parsed.
using Command = std::function<absl::Status(Session&)>;

// A whole small text file (token, PEM, rules, spec).
// Errors: kNotFound, kInternal; kInvalidArgument - larger than max_bytes. Names `what` and the
// path.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, const std::string& what,
                                         uint64_t max_bytes = uint64_t{16} << 20);
// Asked before work is spent on what would be written there.
// Errors: kInvalidArgument - path's folder does not exist or may not be written to, or path is a
// folder. Names `what` and the path.
absl::Status CheckOutFile(const std::string& path, const std::string& what);
// Writes to a temporary name beside path and renames: path is whole or untouched, and on an error
// the temporary file is gone. Errors: kInternal, kResourceExhausted.
absl::Status WriteFile(const std::string& path, const std::string& bytes);

}  // namespace lbw::client

#endif  // LBW_CLIENT_SESSION_H_

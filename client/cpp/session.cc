#include "client/cpp/session.h"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/json.h"

namespace lbw::client {
namespace {

std::unique_ptr<ProgressSink> MakeProgress(const GlobalOptions& options, const Terminal& terminal) {
  if (!terminal.err_is_terminal || options.quiet || options.json) {
    return std::make_unique<NoProgress>();
  }
  return std::make_unique<TerminalProgress>(terminal.err, terminal.err_columns);
}

absl::StatusOr<std::string> ReadOptional(const std::string& path, const std::string& what) {
  if (path.empty()) return std::string();
  return ReadTextFile(path, what);
}

}  // namespace

Session::Session(const GlobalOptions& options, const Terminal& terminal, Canceller& canceller)
    : options_(options),
      terminal_(terminal),
      canceller_(canceller),
      progress_(MakeProgress(options, terminal)) {}

Session::~Session() = default;

std::string Session::submitter() const {
  if (!options_.submitter.empty()) return options_.submitter;
  passwd entry = {};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  const uid_t user = ::geteuid();
  if (::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return base::StrCat("uid-", user);
  }
  return std::string(found->pw_name).substr(0, 64);
}

absl::StatusOr<Connection*> Session::Connect() {
  if (connection_ != nullptr) return connection_.get();
  ConnectionOptions connection;
  connection.server = options_.server;
  LBW_ASSIGN_OR_RETURN(const std::string token, ReadOptional(options_.token_file, "--token-file"));
  connection.token = std::string(absl::StripAsciiWhitespace(token));
  LBW_ASSIGN_OR_RETURN(connection.tls_ca_pem, ReadOptional(options_.tls_ca, "--tls-ca"));
  LBW_ASSIGN_OR_RETURN(connection.tls_cert_pem, ReadOptional(options_.tls_cert, "--tls-cert"));
  LBW_ASSIGN_OR_RETURN(connection.tls_key_pem, ReadOptional(options_.tls_key, "--tls-key"));
  if (options_.timeout_s > 0) connection.timeout = absl::Seconds(options_.timeout_s);
  LBW_ASSIGN_OR_RETURN(connection_, Connection::Connect(std::move(connection), canceller_));
  return connection_.get();
}

std::ostream& Session::out() {
  progress_->Clear();
  return terminal_.out;
}

absl::Status Session::PrintJson(const google::protobuf::Message& message) {
  LBW_ASSIGN_OR_RETURN(const std::string json, ToJson(message));
  out() << json;
  return absl::OkStatus();
}

void Session::Note(const std::string& line) {
  if (options_.quiet) return;
  progress_->Clear();
  terminal_.err << line << "\n";
}

void Session::Warn(const std::string& line) { Note("warning: " + line); }

absl::StatusOr<std::string> ReadTextFile(const std::string& path, const std::string& what,
                                         uint64_t max_bytes) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat(what, ": ", path, " is a folder; a file is wanted"));
  }
  const auto reader = base::OpenFileReader(path);
  if (!reader.ok()) return base::WithContext(reader.status(), what);
  auto text = base::ReadAll(**reader, max_bytes);
  if (!text.ok()) return base::WithContext(text.status(), base::StrCat(what, " ", path));
  return text;
}

absl::Status CheckOutFile(const std::string& path, const std::string& what) {
  const auto bad = [&](const std::string& why) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat(what, ": ", path, ": ", why));
  };
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return bad("is a folder; name the file to write");
  }
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  if (!std::filesystem::is_directory(folder, error)) {
    return bad(base::StrCat("there is no folder ", folder));
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return bad(base::StrCat("the folder ", folder, " cannot be written to"));
  }
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, const std::string& bytes) {
  const std::string temporary = path + ".part";
  const auto fail = [&](const std::string& what) {
    const int error = errno;
    ::unlink(temporary.c_str());
    const auto code =
        error == ENOSPC ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
    return base::Error(code, base::reason::kStoreFailed,
                       base::StrCat("cannot ", what, " ", path, ": ", std::strerror(error)));
  };
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    if (!file) return fail("write");
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return fail("rename to");
  return absl::OkStatus();
}

}  // namespace lbw::client

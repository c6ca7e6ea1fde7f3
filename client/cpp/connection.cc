#include "client/cpp/connection.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "base/strings.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace lbw::client {
namespace {

constexpr int kMaxReceiveBytes = 512 << 20;
constexpr int kMaxBrokenStreams = 5;

bool IsLoopback(const std::string& server) {
  return server.starts_with("127.") || server.starts_with("localhost:") ||
         server.starts_with("[::1]:");
}

absl::Status CheckOptions(const ConnectionOptions& options) {
  const auto bad = [](const std::string& message) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
  };
  const std::string& server = options.server;
  if (server.starts_with("http://") || server.starts_with("https://")) {
    return bad(base::StrCat("--server is HOST:PORT without http:// or https://: ", server));
  }
  if (server.find(':') == std::string::npos) {
    return bad(base::StrCat("--server needs a port, as in 127.0.0.1:8500: '", server, "'"));
  }
  if (options.tls_cert_pem.empty() != options.tls_key_pem.empty()) {
    return bad("--tls-cert and --tls-key go together");
  }
  return absl::OkStatus();
}

grpc::ChannelArguments Arguments(const ConnectionOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // A server that restarts is found again within a second.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // This one is, against its name, how long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  // Two sessions of one process do not share a connection's back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (IsLoopback(options.server)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Connect(ConnectionOptions options,
                                                                Canceller& canceller) {
  LBW_RETURN_IF_ERROR(CheckOptions(options));
  const bool is_tls = !options.tls_ca_pem.empty() || !options.tls_cert_pem.empty();
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (is_tls) {
    credentials =
        grpc::SslCredentials({options.tls_ca_pem, options.tls_key_pem, options.tls_cert_pem});
  }
  auto channel = grpc::CreateCustomChannel(options.server, credentials, Arguments(options));
  return std::unique_ptr<Connection>(
      new Connection(std::move(options), std::move(channel), canceller));
}

Connection::Connection(ConnectionOptions options, std::shared_ptr<grpc::Channel> channel,
                       Canceller& canceller)
    : options_(std::move(options)),
      channel_(std::move(channel)),
      canceller_(canceller),
      deadline_(base::RealClock().Now() + options_.timeout) {}

Connection::Call::Call(Connection& connection, Kind kind)
    : connection_(connection), scope_(connection.canceller_, context_) {
  absl::Time deadline = connection.deadline_;
  if (kind == Kind::kUnary) {
    deadline = std::min(deadline, base::RealClock().Now() + connection.options_.unary_timeout);
  }
  if (deadline != absl::InfiniteFuture()) context_.set_deadline(absl::ToChronoTime(deadline));
  if (!connection.options_.token.empty()) {
    context_.AddMetadata("authorization", "Bearer " + connection.options_.token);
  }
}

absl::Status Connection::Call::Finish(const grpc::Status& grpc_status) {
  const absl::Status status = FromGrpc(grpc_status);
  const bool is_ours = status.code() == absl::StatusCode::kUnavailable ||
                       status.code() == absl::StatusCode::kCancelled ||
                       status.code() == absl::StatusCode::kDeadlineExceeded;
  if (!is_ours) connection_.has_contact_ = true;
  if (status.ok()) return status;
  LBW_RETURN_IF_ERROR(connection_.canceller_.Check());
  if (status.code() == absl::StatusCode::kCancelled && GetCallDetails(status).reason.empty()) {
    return absl::UnavailableError("the server cancelled the call; it may be stopping");
  }
  return status;
}

absl::Status Connection::Run(Patience patience,
                             absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call) {
  RetryLimits limits = options_.retry;
  if (patience == Patience::kAnswer) {
    limits.first_contact = absl::ZeroDuration();
    limits.no_progress = std::min(limits.no_progress, absl::Seconds(30));
  }
  RetryState retry(limits);
  for (;;) {
    absl::Status status;
    {
      Call one(*this, Call::Kind::kUnary);
      status = one.Finish(call(&one.context()));
    }
    if (status.ok() || patience == Patience::kNone || !IsPassing(status)) return status;
    const auto delay = retry.NextDelay(status, has_contact());
    if (!delay) return status;
    LBW_RETURN_IF_ERROR(Wait(*delay));
  }
}

absl::Status Connection::RunStream(
    absl::FunctionRef<grpc::Status(grpc::ClientContext*, bool&)> call) {
  RetryState retry(options_.retry);
  // A server that dies of this very call comes back each time; the count ends that.
  int broken = 0;
  for (;;) {
    absl::Status status;
    bool has_moved = false;
    {
      Call one(*this, Call::Kind::kStream);
      status = one.Finish(call(&one.context(), has_moved));
    }
    if (status.ok() || !IsPassing(status)) return status;
    if (has_moved) {
      has_contact_ = true;
      retry.Progress();
      if (++broken == kMaxBrokenStreams) return status;
    }
    const auto delay = retry.NextDelay(status, has_contact());
    if (!delay) return status;
    LBW_RETURN_IF_ERROR(Wait(*delay));
  }
}

absl::Status Connection::Wait(absl::Duration delay) {
  const absl::Duration left = deadline_ - base::RealClock().Now();
  if (canceller_.WaitFor(std::min(delay, left))) return canceller_.Check();
  if (delay < left) return absl::OkStatus();
  return base::Error(absl::StatusCode::kDeadlineExceeded, base::reason::kDeadline,
                     "the time given with --timeout is over");
}

}  // namespace lbw::client

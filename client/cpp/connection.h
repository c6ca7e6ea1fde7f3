// A channel to a server, and calls over it that carry token and deadline, can be cancelled, and are
// sent again where that is safe.
#ifndef LBW_CLIENT_CONNECTION_H_
#define LBW_CLIENT_CONNECTION_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "client/cpp/canceller.h"
#include "client/cpp/errors.h"
#include "client/cpp/retry.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"

namespace lbw::client {

struct ConnectionOptions {
  // HOST:PORT, or any target gRPC knows ("unix:/run/lbw.sock", "dns:///...").
  std::string server = "127.0.0.1:8500";
  // Sent as "authorization: Bearer TOKEN"; empty: none.
  std::string token = {};
  // PEM. Any of them set: TLS. Certificate and key go together (mutual TLS).
  std::string tls_ca_pem = {};
  std::string tls_cert_pem = {};
  std::string tls_key_pem = {};
  // Of the whole session, from Connect on.
  absl::Duration timeout = absl::InfiniteDuration();
  // Of one unary call where the session's timeout does not end earlier.
  absl::Duration unary_timeout = absl::Minutes(10);
  // A stream that does not move for this long is cancelled and sent again.
  absl::Duration stall_timeout = absl::Minutes(2);
  RetryLimits retry = {};
};

// What happens to a call that fails with a cause that passes by itself.
enum class Patience {
  kNone,    // it is the answer
  kAnswer,  // sent again for up to 30 s, if the server has ever answered
  kRide,    // sent again until RetryLimits run out: the server may restart meanwhile
};

// Threads: every method may be called concurrently.
class Connection {
 public:
  // Does not wait for the server. canceller is borrowed for the object's life.
  // Errors: kInvalidArgument - an address with http:// or without a port; a certificate without its
  //         key, or the other way round.
  static absl::StatusOr<std::unique_ptr<Connection>> Connect(ConnectionOptions options,
                                                             Canceller& canceller);

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const ConnectionOptions& options() const { return options_; }
  Canceller& canceller() { return canceller_; }
  // The server has answered something in this session.
  bool has_contact() const { return has_contact_.load(); }

  // What one call needs, ready to use; registered with the canceller for its lifetime.
  class Call {
   public:
    enum class Kind { kUnary, kStream };
    Call(Connection& connection, Kind kind);
    grpc::ClientContext& context() { return context_; }
    // Takes note of the outcome: kCancelled where the canceller ended it, kUnavailable where the
    // server did (one that stops cancels its calls), else what gRPC says.
    absl::Status Finish(const grpc::Status& status);

   private:
    Connection& connection_;
    grpc::ClientContext context_;
    const Canceller::Scope scope_;
  };

  // Runs a unary call, again where patience allows it.
  absl::Status Run(Patience patience, absl::FunctionRef<grpc::Status(grpc::ClientContext*)> call);

  // The same for `call(context, &response)`.
  template <typename Response, typename F>
  absl::StatusOr<Response> Unary(Patience patience, F&& call) {
    Response response;
    const absl::Status status = Run(patience, [&](grpc::ClientContext* context) {
      response.Clear();
      return call(context, &response);
    });
    if (!status.ok()) return status;
    return response;
  }

  // Reads a server stream to its end; `open(context)` starts it, on_message gets each message. Sent
  // again from its beginning where the connection breaks, so only for calls whose repetition
  // changes nothing; a call that breaks five times after it had begun to answer is given up.
  template <typename Response, typename Open, typename OnMessage>
  absl::Status ReadStream(Open&& open, OnMessage&& on_message) {
    return RunStream([&](grpc::ClientContext* context, bool& has_moved) {
      std::unique_ptr<grpc::ClientReader<Response>> reader = open(context);
      Response response;
      while (reader->Read(&response)) {
        has_moved = true;
        on_message(response);
      }
      return reader->Finish();
    });
  }

  // Waits; kCancelled, or kDeadlineExceeded where the session's time is over.
  absl::Status Wait(absl::Duration delay);

 private:
  Connection(ConnectionOptions options, std::shared_ptr<grpc::Channel> channel,
             Canceller& canceller);

  // call sets its second argument once it has read a message.
  absl::Status RunStream(absl::FunctionRef<grpc::Status(grpc::ClientContext*, bool&)> call);

  const ConnectionOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  Canceller& canceller_;
  const absl::Time deadline_;
  std::atomic<bool> has_contact_ = false;
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_CONNECTION_H_

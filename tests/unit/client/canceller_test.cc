#include "client/cpp/canceller.h"

#include <thread>

#include "absl/synchronization/notification.h"
#include "base/digest.h"
#include "base/io.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

TEST(Canceller, WakesAWaitAtOnce) {
  Canceller canceller;
  EXPECT_FALSE(canceller.WaitFor(absl::Milliseconds(1)));
  EXPECT_TRUE(canceller.Check().ok());
  absl::Notification done;
  std::thread waiter([&] {
    EXPECT_TRUE(canceller.WaitFor(absl::Minutes(5)));
    done.Notify();
  });
  canceller.Cancel();
  EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(30)));
  waiter.join();
  EXPECT_EQ(canceller.Check().code(), absl::StatusCode::kCancelled);
}

TEST(Canceller, ACallThatComesLateIsCancelledToo) {
  FakeServer server;
  Canceller canceller;
  canceller.Cancel();
  ConnectionOptions options;
  options.server = server.address();
  const auto connection = Connection::Connect(options, canceller);
  ASSERT_TRUE(connection.ok());
  const auto stub = v1::ServerService::NewStub((*connection)->channel());
  const auto status =
      (*connection)->Unary<v1::ServerStatus>(Patience::kRide, [&](auto* context, auto* out) {
        return stub->GetServerStatus(context, {}, out);
      });
  EXPECT_EQ(status.status().code(), absl::StatusCode::kCancelled);
}

// A client stream to a server that reads nothing more: the guard ends it.
TEST(StallGuard, EndsACallThatDoesNotMove) {
  FakeServer server;
  absl::Notification release;
  server.artifacts.on_chunk = [&release](uint64_t) {
    release.WaitForNotificationWithTimeout(absl::Seconds(60));
  };
  v1::CreateUploadRequest create;
  create.set_size_bytes(1 << 30);
  v1::Upload upload;
  server.artifacts.CreateUpload(nullptr, &create, &upload);
  auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::ArtifactService::NewStub(channel);
  grpc::ClientContext context;
  bool is_stalled = false;
  {
    StallGuard guard(context, absl::Milliseconds(200));
    v1::WriteUploadResponse response;
    const auto writer = stub->WriteUpload(&context, &response);
    v1::WriteUploadRequest chunk;
    chunk.set_name(upload.name());
    const std::string bytes(1 << 20, 'x');
    chunk.set_data(bytes);
    chunk.set_crc32c(base::Crc32c(base::AsBytes(bytes)));
    while (writer->Write(chunk)) {
      guard.Feed();
      chunk.set_offset(chunk.offset() + bytes.size());
    }
    release.Notify();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
    is_stalled = guard.is_stalled();
  }
  EXPECT_TRUE(is_stalled);
}

}  // namespace
}  // namespace lbw::client

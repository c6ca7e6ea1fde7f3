// The server as a process sees it: ports, probes, health, limits, TLS, one server a folder.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "app/app.h"
#include "base/clock.h"
#include "base/status.h"
#include "component/server_fixture.h"
#include "support/temp_dir.h"

namespace lbw {
namespace {

using ::testing::HasSubstr;

config::Config SmallConfig(const testing::TempDir& dir) {
  config::Config config;
  config.data_dir = dir.File("data");
  config.listen = "127.0.0.1:0";
  config.admin = "127.0.0.1:0";
  config.drain_timeout = absl::Seconds(5);
  config.workers = 0;  // they would be this program again
  return config;
}

// A TCP connection to this machine that says what it is given and reads to the end.
std::string Exchange(int port, const std::string& text) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(socket, buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(got));
    }
  }
  ::close(socket);
  return answer;
}

std::string Get(int port, const std::string& path) {
  return Exchange(port, "GET " + path + " HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
}

// grpc.health.v1.Health/Check for one service, by hand: the answer's status (1 SERVING, 2
// NOT_SERVING), or -1 - the code.
int HealthOf(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  std::string request;
  if (!service.empty()) {
    request = "\x0a";  // field 1, a string
    request += static_cast<char>(service.size());
    request += service;
  }
  grpc::Slice slice(request);
  grpc::ByteBuffer in(&slice, 1);
  grpc::ByteBuffer out;
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", in, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&out, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return -1 - static_cast<int>(status.error_code());
  std::vector<grpc::Slice> slices;
  if (!out.Dump(&slices).ok() || slices.empty() || slices[0].size() < 2) return 0;
  return slices[0].begin()[1];
}

TEST(AppServer, AnswersProbesMetricsAndHealth) {
  testing::ServerFixture server;
  EXPECT_THAT(Get(server.admin_port(), "/livez"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(server.admin_port(), "/readyz"), HasSubstr("ready"));
  EXPECT_THAT(Get(server.admin_port(), "/nothing"), HasSubstr("404"));
  EXPECT_EQ(HealthOf(server.channel(), ""), 1);
  EXPECT_EQ(HealthOf(server.channel(), "lbw.v1.DetectionService"), 1);
  EXPECT_EQ(HealthOf(server.channel(), "lbw.v1.NoSuchService"),
            -1 - static_cast<int>(grpc::StatusCode::NOT_FOUND));
  v1::GetServerStatusRequest request;
  v1::ServerStatus status;
  grpc::ClientContext context;
  ASSERT_TRUE(server.server().GetServerStatus(&context, request, &status).ok());
  EXPECT_EQ(status.state(), "ready");
  EXPECT_FALSE(status.version().empty());
  const std::string metrics = Get(server.admin_port(), "/metrics");
  EXPECT_THAT(metrics, HasSubstr("lbw_ready 1\n"));
  EXPECT_THAT(metrics, HasSubstr("lbw_artifacts 0\n"));
  EXPECT_THAT(metrics, HasSubstr("lbw_rpc_requests_total{code=\"OK\",method=\"GetServerStatus\""));
}

TEST(AppServer, AnAdminClientThatSaysNothingOrRubbishHoldsNobodyUp) {
  testing::ServerFixture server;
  EXPECT_THAT(Exchange(server.admin_port(), "rubbish\r\n\r\n"), HasSubstr("400"));
  EXPECT_THAT(Get(server.admin_port(), "/livez"), HasSubstr("200 OK"));
}

TEST(AppServer, WritesThePortFileOnceReady) {
  const testing::TempDir dir;
  config::Config config = SmallConfig(dir);
  config.port_file = dir.File("ports.json");
  const auto app = app::App::Start(config);
  ASSERT_TRUE(app.ok()) << app.status();
  std::ifstream file(config.port_file);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), "{\"grpc\": " + std::to_string((*app)->grpc_port()) +
                            ", \"admin\": " + std::to_string((*app)->admin_port()) + "}\n");
}

TEST(AppServer, ASecondServerOnTheFolderIsRefusedAndNamesTheFirst) {
  const testing::TempDir dir;
  const auto first = app::App::Start(SmallConfig(dir));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = app::App::Start(SmallConfig(dir));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(base::GetErrorDetails(second.status()).reason, "IN_USE");
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(std::to_string(::getpid())));
  (*first)->Shutdown();
}

TEST(AppServer, APortInUseIsOneClearErrorForEitherPort) {
  testing::ServerFixture other;
  const testing::TempDir dir;
  for (const char* key : {"listen", "admin"}) {
    config::Config config = SmallConfig(dir);
    const std::string taken = "127.0.0.1:" + std::to_string(other.admin_port());
    (std::string(key) == "listen" ? config.listen : config.admin) = taken;
    const auto app = app::App::Start(config);
    ASSERT_FALSE(app.ok()) << key;
    EXPECT_EQ(app.status().code(), absl::StatusCode::kFailedPrecondition) << app.status();
    EXPECT_EQ(base::GetErrorDetails(app.status()).reason, "IN_USE");
    EXPECT_THAT(std::string(app.status().message()),
                HasSubstr("cannot listen on " + taken + " (" + key + ")"));
  }
  // What could not start left the folder free.
  EXPECT_TRUE(app::App::Start(SmallConfig(dir)).ok());
}

TEST(AppServer, AFolderThatCannotBeMadeIsNamed) {
  const testing::TempDir dir;
  std::ofstream(dir.File("file")) << "x";
  config::Config config = SmallConfig(dir);
  config.data_dir = dir.File("file/data");
  const auto app = app::App::Start(config);
  ASSERT_FALSE(app.ok());
  EXPECT_THAT(std::string(app.status().message()), HasSubstr(config.data_dir));
}

TEST(AppServer, AMessageOverTheLimitIsRefusedAndOneAtItIsNot) {
  constexpr int64_t kLimit = int64_t{1} << 20;
  testing::ServerFixture server(
      [](config::Config& config) { config.max_message_bytes = int64_t{1} << 20; });
  const auto code_of = [&server](int64_t message_bytes) {
    v1::DetectRequest request;
    request.set_model("models/none");
    request.add_images("");
    const auto empty = static_cast<int64_t>(request.ByteSizeLong());
    request.set_images(0, std::string(static_cast<size_t>(message_bytes - empty - 3), 'x'));
    // A length of three bytes instead of one: two more than counted, and one to spare.
    while (static_cast<int64_t>(request.ByteSizeLong()) < message_bytes) {
      request.mutable_images(0)->push_back('x');
    }
    EXPECT_EQ(static_cast<int64_t>(request.ByteSizeLong()), message_bytes);
    v1::DetectResponse response;
    grpc::ClientContext context;
    return server.detection().Detect(&context, request, &response).error_code();
  };
  EXPECT_EQ(code_of(kLimit), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(code_of(kLimit + 1), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(AppServer, ReflectionIsASwitch) {
  const auto code_of = [](bool reflection) {
    testing::ServerFixture server(
        [reflection](config::Config& config) { config.reflection = reflection; });
    grpc::GenericStub stub(server.channel());
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(
        &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
    void* tag = nullptr;
    bool ok = false;
    call->StartCall(nullptr);
    queue.Next(&tag, &ok);
    call->WritesDone(nullptr);
    queue.Next(&tag, &ok);
    grpc::Status status;
    call->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    return status.error_code();
  };
  EXPECT_EQ(code_of(true), grpc::StatusCode::OK);
  EXPECT_EQ(code_of(false), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(AppServer, AfterShutdownNothingAnswersAndItMayBeAskedAgain) {
  const testing::TempDir dir;
  auto app = app::App::Start(SmallConfig(dir));
  ASSERT_TRUE(app.ok()) << app.status();
  const int admin = (*app)->admin_port();
  const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string((*app)->grpc_port()),
                                           grpc::InsecureChannelCredentials());
  EXPECT_EQ(HealthOf(channel, ""), 1);
  (*app)->Shutdown();
  (*app)->Shutdown();
  EXPECT_EQ(Get(admin, "/livez"), "");
  EXPECT_EQ(HealthOf(channel, ""), -1 - static_cast<int>(grpc::StatusCode::UNAVAILABLE));
}

// Scenario: a client holds a reflection stream open, as others hold a health watch. The drain does
// not wait for it.
TEST(AppServer, AnOpenStreamOfASideServiceDoesNotHoldADrain) {
  const testing::TempDir dir;
  config::Config config = SmallConfig(dir);
  config.drain_timeout = absl::Minutes(10);
  auto app = app::App::Start(config);
  ASSERT_TRUE(app.ok()) << app.status();
  const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string((*app)->grpc_port()),
                                           grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  ASSERT_TRUE(ok);
  const base::Stopwatch patience;
  while (Get((*app)->admin_port(), "/metrics")
             .find("lbw_rpc_in_flight{service=\"grpc.reflection.v1alpha.ServerReflection\"} 1") ==
         std::string::npos) {
    ASSERT_LT(patience.ElapsedNs(), int64_t{20'000'000'000}) << "the stream did not arrive";
  }
  const base::Stopwatch drain;
  (*app)->Shutdown();
  EXPECT_LT(drain.ElapsedNs(), int64_t{60'000'000'000});
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  EXPECT_FALSE(status.ok());
}

// A server that drains while an upload of 8 bytes has sent 4.
class AppDrain : public ::testing::Test {
 protected:
  void Begin(absl::Duration drain_timeout) {
    config::Config config = SmallConfig(dir_);
    config.drain_timeout = drain_timeout;
    auto app = app::App::Start(config);
    ASSERT_TRUE(app.ok()) << app.status();
    app_ = *std::move(app);
    stub_ = v1::ArtifactService::NewStub(grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(app_->grpc_port()), grpc::InsecureChannelCredentials()));
    v1::CreateUploadRequest create;
    create.set_size_bytes(8);
    v1::Upload upload;
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->CreateUpload(&context, create, &upload).ok());
    name_ = upload.name();
    stream_ = stub_->WriteUpload(&stream_context_, &response_);
    ASSERT_TRUE(stream_->Write(testing::Chunk(name_, 0, "some")));
    // A write that left the client may not have begun on the server.
    const std::string in_work = "lbw_rpc_in_flight{service=\"lbw.v1.ArtifactService\"} 1\n";
    AwaitAdmin("/metrics", in_work);
    watch_ = base::Stopwatch();
    drain_ = std::thread([this] { app_->Shutdown(); });
    AwaitAdmin("/readyz", "draining");
  }
  void TearDown() override {
    if (drain_.joinable()) drain_.join();
  }

  void AwaitAdmin(const std::string& path, const std::string& wanted) {
    const base::Stopwatch patience;
    while (Get(app_->admin_port(), path).find(wanted) == std::string::npos) {
      ASSERT_LT(patience.ElapsedNs(), 20'000'000'000) << path << " never says " << wanted;
    }
  }

  testing::TempDir dir_;
  std::unique_ptr<app::App> app_;
  std::unique_ptr<v1::ArtifactService::Stub> stub_;
  std::string name_;
  grpc::ClientContext stream_context_;
  v1::WriteUploadResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::WriteUploadRequest>> stream_;
  base::Stopwatch watch_;
  std::thread drain_;
};

TEST_F(AppDrain, LetsACallInWorkFinishAndThenEnds) {
  ASSERT_NO_FATAL_FAILURE(Begin(absl::Seconds(60)));
  EXPECT_THAT(Get(app_->admin_port(), "/livez"), HasSubstr("200 OK"));
  EXPECT_TRUE(stream_->Write(testing::Chunk(name_, 4, "more")));
  stream_->WritesDone();
  const grpc::Status status = stream_->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response_.committed_bytes(), 8U);
  drain_.join();
  EXPECT_LT(watch_.ElapsedNs(), 30'000'000'000);
}

TEST_F(AppDrain, CancelsWhatIsStillInWorkAtItsDeadline) {
  ASSERT_NO_FATAL_FAILURE(Begin(absl::Milliseconds(500)));
  drain_.join();
  EXPECT_GE(watch_.ElapsedNs(), 450'000'000);
  EXPECT_LT(watch_.ElapsedNs(), 30'000'000'000);
  EXPECT_FALSE(stream_->Finish().ok());
}

// Certificates made for the test; needs the openssl program.
class AppTls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("openssl version >/dev/null 2>&1") != 0) {
      GTEST_SKIP() << "there is no openssl program to make certificates with";
    }
    const std::string quiet = " >/dev/null 2>&1";
    const std::string folder = "cd " + dir_.path() + " && ";
    const std::string made =
        folder +
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days "
        "2" +
        quiet + " && " +
        "openssl req -newkey rsa:2048 -nodes -keyout key.pem -out c.csr -subj /CN=localhost" +
        quiet + " && printf 'subjectAltName=DNS:localhost' > ext && " +
        "openssl x509 -req -in c.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext "
        "-out cert.pem" +
        quiet;
    ASSERT_EQ(std::system(made.c_str()), 0);
  }

  std::string Read(const std::string& name) const {
    std::ifstream file(dir_.File(name));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::shared_ptr<grpc::Channel> Channel(const app::App& app, bool with_certificate) const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Read("ca.pem");
    if (with_certificate) {
      options.pem_cert_chain = Read("cert.pem");
      options.pem_private_key = Read("key.pem");
    }
    return grpc::CreateChannel("localhost:" + std::to_string(app.grpc_port()),
                               grpc::SslCredentials(options));
  }

  config::Config TlsConfig() const {
    config::Config config = SmallConfig(dir_);
    config.listen = "localhost:0";
    config.tls_cert = dir_.File("cert.pem");
    config.tls_key = dir_.File("key.pem");
    return config;
  }

  testing::TempDir dir_;
};

TEST_F(AppTls, ServesTlsAndNoPlainText) {
  const auto app = app::App::Start(TlsConfig());
  ASSERT_TRUE(app.ok()) << app.status();
  EXPECT_EQ(HealthOf(Channel(**app, false), ""), 1);
  const auto plain = grpc::CreateChannel("localhost:" + std::to_string((*app)->grpc_port()),
                                         grpc::InsecureChannelCredentials());
  EXPECT_EQ(HealthOf(plain, ""), -1 - static_cast<int>(grpc::StatusCode::UNAVAILABLE));
}

TEST_F(AppTls, WithAClientCaAClientMustShowACertificate) {
  config::Config config = TlsConfig();
  config.tls_client_ca = dir_.File("ca.pem");
  const auto app = app::App::Start(config);
  ASSERT_TRUE(app.ok()) << app.status();
  EXPECT_EQ(HealthOf(Channel(**app, true), ""), 1);
  EXPECT_EQ(HealthOf(Channel(**app, false), ""),
            -1 - static_cast<int>(grpc::StatusCode::UNAVAILABLE));
}

TEST_F(AppTls, AFileThatIsMissingOrNoPemIsNamed) {
  config::Config config = TlsConfig();
  config.tls_key = dir_.File("nowhere.pem");
  absl::Status status = app::App::Start(config).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tls.key"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("nowhere.pem"));
  config = TlsConfig();
  config.tls_cert = dir_.File("ext");
  status = app::App::Start(config).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("not a PEM file"));
}

}  // namespace
}  // namespace lbw

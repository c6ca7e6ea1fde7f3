// `lbw model create` of an ONNX file and of a built-in architecture, against the server in memory.
#include <sstream>

#include "base/digest.h"
#include "base/io.h"
#include "client/cpp/cli.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class CliCreate : public ::testing::Test {
 protected:
  CliCreate() {
    WriteText(spec, "classes: [disc, ring]\n");
    WriteText(onnx, "network");
    server.models.model.set_name("models/scenes");
    v1::ModelVersion& version = *server.models.model.add_versions();
    version.set_name("models/scenes/versions/1");
    version.set_state(v1::VERSION_STATE_READY);
    version.set_head_kind("ssd");
    version.add_classes("disc");
    version.add_classes("ring");
    version.add_import_notes("built-in architecture ssd_tiny, width multiplier 0.5, seed 7");
  }
  int Run(std::vector<std::string> arguments) {
    out.str("");
    err.str("");
    arguments.insert(arguments.begin(), {"--server", server.address()});
    return RunCli(arguments, {out, err}, canceller);
  }

  lbw::testing::TempDir dir;
  const std::string spec = dir.File("scenes.yaml");
  const std::string onnx = dir.File("scenes.onnx");
  FakeServer server;
  Canceller canceller;
  std::ostringstream out;
  std::ostringstream err;
};

TEST_F(CliCreate, AnArchitectureUploadsNothingAndTellsHowItWasBuilt) {
  EXPECT_EQ(Run({"model", "create", "scenes", "--arch", "ssd_tiny", "--width-multiplier", "0.5",
                 "--seed", "7", "--spec", spec}),
            0)
      << err.str();
  EXPECT_EQ(out.str(),
            "created scenes/1: head ssd, 2 classes\n"
            "  note: built-in architecture ssd_tiny, width multiplier 0.5, seed 7\n");
  const v1::CreateModelRequest& request = server.models.last_create;
  EXPECT_EQ(request.model_id(), "scenes");
  EXPECT_EQ(request.spec(), "classes: [disc, ring]\n");
  EXPECT_EQ(request.artifact(), "");
  EXPECT_EQ(request.architecture().name(), "ssd_tiny");
  EXPECT_EQ(request.architecture().width_multiplier(), 0.5);
  EXPECT_EQ(request.architecture().seed(), 7U);
  EXPECT_FALSE(request.validate_only());
  EXPECT_EQ(server.artifacts.bytes_received(), 0U);
}

TEST_F(CliCreate, WhatIsLeftOutOfAnArchitectureIsTheServersToFillIn) {
  EXPECT_EQ(Run({"model", "create", "scenes", "--arch", "ssd_tiny", "--spec", spec, "--dry-run",
                 "--json"}),
            0)
      << err.str();
  v1::Model parsed;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &parsed).ok());
  EXPECT_FALSE(server.models.last_create.architecture().has_width_multiplier());
  EXPECT_EQ(server.models.last_create.architecture().seed(), 0U);
  EXPECT_TRUE(server.models.last_create.validate_only());
}

TEST_F(CliCreate, AnOnnxFileIsUploadedAndSentWithoutAnArchitecture) {
  EXPECT_EQ(Run({"model", "create", "scenes", "--onnx", onnx, "--spec", spec}), 0) << err.str();
  EXPECT_EQ(server.models.last_create.artifact(),
            "artifacts/" + base::Sha256Hex(base::AsBytes("network")));
  EXPECT_FALSE(server.models.last_create.has_architecture());
}

TEST_F(CliCreate, ArgumentsThatDoNotGoTogetherAreToldBeforeAnythingIsSent) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--spec", spec}, "one of --onnx FILE and --arch NAME"},
      {{"--spec", spec, "--onnx", onnx, "--arch", "ssd_tiny"}, "exclude each other"},
      {{"--spec", spec, "--onnx", onnx, "--seed", "1"}, "--seed go with --arch"},
      {{"--spec", spec, "--onnx", onnx, "--width-multiplier", "2"}, "go with --arch"},
      {{"--arch", "ssd_tiny", "--add-version"}, "--add-version goes with --onnx"},
      {{"--onnx", onnx, "--add-version", "--dry-run"}, "--dry-run"},
      {{"--arch", "ssd_tiny"}, "--spec SPEC.yaml is required"},
      {{"--onnx", onnx}, "--spec SPEC.yaml is required"},
      {{"--spec", spec, "--arch", "ssd_tiny", "--seed", "-1"}, "--seed"},
      {{"--spec", spec, "--arch", "ssd_tiny", "--width-multiplier", "wide"}, "--width-multiplier"}};
  for (const auto& [more, message] : cases) {
    std::vector<std::string> arguments = {"model", "create", "scenes"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(Run(arguments), 1) << message;
    EXPECT_THAT(err.str(), AllOf(StartsWith("INVALID_ARGUMENT: "), HasSubstr(message)));
    EXPECT_THAT(out.str(), IsEmpty());
  }
  EXPECT_EQ(server.models.last_create.model_id(), "");
  EXPECT_EQ(server.artifacts.bytes_received(), 0U);
}

TEST_F(CliCreate, ANameThatIsTakenOffersAVersionOnlyToAFile) {
  const FakeError taken = {
      .code = grpc::StatusCode::ALREADY_EXISTS, .message = "it exists", .reason = "ALREADY_EXISTS"};
  server.models.create_errors = {taken, taken};
  EXPECT_EQ(Run({"model", "create", "scenes", "--onnx", onnx, "--spec", spec}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("ALREADY_EXISTS: "), HasSubstr("--add-version")));
  EXPECT_EQ(Run({"model", "create", "scenes", "--arch", "ssd_tiny", "--spec", spec}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("ALREADY_EXISTS: "), Not(HasSubstr("--add-version"))));
}

}  // namespace
}  // namespace lbw::client

#include "client/cpp/cli.h"

#include <filesystem>
#include <sstream>

#include "base/digest.h"
#include "base/io.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class Cli : public ::testing::Test {
 protected:
  int Run(std::vector<std::string> arguments) {
    out.str("");
    err.str("");
    arguments.insert(arguments.begin(), {"--server", server.address()});
    return RunCli(arguments, {out, err}, canceller);
  }
  std::string MakeFile(const std::string& name, const std::string& bytes) {
    WriteText(dir.File(name), bytes);
    return dir.File(name);
  }

  lbw::testing::TempDir dir;
  FakeServer server;
  Canceller canceller;
  std::ostringstream out;
  std::ostringstream err;
};

TEST_F(Cli, EveryCommandHasHelpWithExamples) {
  const std::vector<std::vector<std::string>> commands = {{},
                                                          {"quantize"},
                                                          {"dequantize"},
                                                          {"artifact"},
                                                          {"artifact", "upload"},
                                                          {"artifact", "list"},
                                                          {"artifact", "get"},
                                                          {"artifact", "tensors"},
                                                          {"artifact", "download"},
                                                          {"artifact", "delete"},
                                                          {"model"},
                                                          {"model", "create"},
                                                          {"model", "quantize"},
                                                          {"model", "list"},
                                                          {"model", "get"},
                                                          {"model", "alias"},
                                                          {"model", "delete"},
                                                          {"model", "export"},
                                                          {"detect"},
                                                          {"status"},
                                                          {"version"}};
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    EXPECT_EQ(Run(command), 0) << err.str();
    EXPECT_THAT(out.str(), HasSubstr("Examples:\n  lbw ")) << command.front();
    EXPECT_THAT(err.str(), IsEmpty());
  }
}

TEST_F(Cli, UsageErrorsAreInvalidArgument) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"model"},
                                             {"quantize", "a"},
                                             {"quantize", "a", "--bits", "x", "--out", "b"},
                                             {"status", "--bogus"},
                                             {"status", "--timeout", "-1"},
                                             {"detect", "face"}}) {
    EXPECT_EQ(Run(arguments), 1);
    EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: "));
    EXPECT_THAT(err.str(), HasSubstr("--help"));
    EXPECT_THAT(out.str(), IsEmpty());
  }
}

TEST_F(Cli, StatusAsTableAndAsJsonWithZeroes) {
  server.status.status.set_version("9.9");
  server.status.status.set_state("ready");
  EXPECT_EQ(Run({"status"}), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("version 9.9, ready"));
  EXPECT_EQ(Run({"status", "--json"}), 0);
  v1::ServerStatus parsed;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &parsed).ok());
  EXPECT_THAT(out.str(), HasSubstr("\"unfinished_uploads\": \"0\""));
  EXPECT_THAT(err.str(), IsEmpty());
}

TEST_F(Cli, NoServerSaysHowToStartOne) {
  server.Stop();
  EXPECT_EQ(Run({"status", "--json"}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("UNAVAILABLE: "), HasSubstr("lbw-server serve")));
  EXPECT_THAT(out.str(), IsEmpty());
}

TEST_F(Cli, UploadThenFindByPrefixNameAndFile) {
  const std::string file = MakeFile("weights.bin", "some weights");
  EXPECT_EQ(Run({"artifact", "upload", file, "--json"}), 0) << err.str();
  const std::string sha = base::Sha256Hex(base::AsBytes("some weights"));
  EXPECT_THAT(out.str(), HasSubstr("\"name\": \"artifacts/" + sha + "\""));
  server.artifacts.Put("others", "others.bin");
  for (const std::string& reference :
       {sha, sha.substr(0, 6), "artifacts/" + sha, file, std::string("weights.bin")}) {
    EXPECT_EQ(Run({"artifact", "get", reference}), 0) << reference << err.str();
    EXPECT_THAT(out.str(), HasSubstr(sha));
  }
  EXPECT_EQ(Run({"artifact", "get", "nothing.bin"}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: "));
  server.artifacts.Put("others still", "others.bin");
  EXPECT_EQ(Run({"artifact", "get", "others.bin"}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("INVALID_ARGUMENT: "), HasSubstr("2 artifacts")));
  EXPECT_EQ(Run({"artifact", "list", "--json"}), 0);
  v1::ListArtifactsResponse list;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &list).ok());
  EXPECT_EQ(list.artifacts_size(), 3);
  EXPECT_EQ(Run({"artifact", "delete", sha, "--json"}), 0);
  EXPECT_EQ(out.str(), "{}\n");
}

TEST_F(Cli, QuantizeUploadsDownloadsAndReports) {
  const std::string file = MakeFile("w.safetensors", "weights");
  const std::string rules = MakeFile("rules.yaml", "- {match: fc, bits: 6}\n");
  const std::string packed = dir.File("packed");
  const std::string report = dir.File("report.json");
  EXPECT_EQ(Run({"quantize", file, "--bits", "4", "--code-book", "paper", "--keep-float", "a*",
                 "--layers", rules, "--out", packed, "--report", report}),
            0)
      << err.str();
  EXPECT_EQ(ReadText(packed), "packed:weights");
  EXPECT_EQ(server.quantization.last_request.options().ShortDebugString(),
            "bits: 4 code_book: CODE_BOOK_PAPER rules { match: \"a*\" keep_float: true } "
            "rules { match: \"fc\" bits: 6 }");
  EXPECT_THAT(out.str(), HasSubstr("conv1.weight"));
  EXPECT_THAT(err.str(), HasSubstr("warning: rule 1 'fc' 6 bits caught nothing"));
  v1::QuantizationReport parsed;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(ReadText(report), &parsed).ok());
  EXPECT_EQ(parsed.tensors(0).bits(), 4);

  EXPECT_EQ(Run({"dequantize", packed, "--out", dir.File("float"), "--json"}), 0) << err.str();
  EXPECT_EQ(ReadText(dir.File("float")), "weights");
}

TEST_F(Cli, QuantizeJsonIsTheResultAndADryRunWritesNothing) {
  const std::string file = MakeFile("w.safetensors", "weights");
  EXPECT_EQ(Run({"quantize", file, "--bits", "4", "--dry-run", "--json"}), 0) << err.str();
  v1::QuantizeArtifactResult result;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &result).ok()) << out.str();
  EXPECT_FALSE(result.has_artifact());
  EXPECT_TRUE(server.quantization.last_request.dry_run());
}

TEST_F(Cli, BadFlagsCostNoUpload) {
  const std::string file = MakeFile("w.safetensors", "weights");
  EXPECT_EQ(Run({"quantize", file, "--bits", "9", "--out", "x"}), 1);
  EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: --bits must be 2..6"));
  EXPECT_EQ(Run({"quantize", file, "--bits", "4"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("--out"));
  EXPECT_EQ(server.artifacts.bytes_received(), 0);
  EXPECT_EQ(Run({"quantize", dir.File("none"), "--bits", "4", "--out", "x"}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: no such file: "));
}

TEST_F(Cli, DetectOf130PicturesIsOneObjectInTheirOrder) {
  std::vector<std::string> arguments = {"detect", "face@canary", "--json", "--score",
                                        "0.25",   "--classes",   "a,b"};
  for (int i = 0; i < 130; ++i) {
    arguments.push_back(MakeFile(std::to_string(i) + ".jpg", "picture " + std::to_string(i)));
  }
  EXPECT_EQ(Run(arguments), 0) << err.str();
  v1::DetectResponse response;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(out.str(), &response).ok());
  ASSERT_EQ(response.results_size(), 130);
  for (int i = 0; i < 130; ++i) {
    EXPECT_EQ(response.results(i).detections(0).label(), "picture " + std::to_string(i));
  }
  EXPECT_THAT(server.detection.pictures, ElementsAre(64, 64, 2));
  EXPECT_EQ(server.detection.requests[0].model(), "models/face/aliases/canary");
  EXPECT_EQ(server.detection.requests[2].model(), "models/face/versions/7");
  EXPECT_EQ(server.detection.requests[0].options().score_threshold(), 0.25F);
  EXPECT_THAT(server.detection.requests[0].options().classes(), ElementsAre("a", "b"));
  EXPECT_EQ(response.queue_us(), 9);
}

TEST_F(Cli, DetectSavesAnnotatedPicturesAndKeepsThemOutOfTheJson) {
  const std::string picture = MakeFile("one.png", "1");
  EXPECT_EQ(Run({"detect", "face", picture, "--out", dir.File("drawn/deep"), "--json"}), 0)
      << err.str();
  EXPECT_EQ(ReadText(dir.File("drawn/deep/one.jpg")), "drawn 1");
  EXPECT_THAT(out.str(), HasSubstr("\"annotated_image\": \"\""));
}

// `--out .` replaced the picture by its drawing.
TEST_F(Cli, DetectNeverDrawsOverAPictureItWasGiven) {
  const std::string picture = MakeFile("one.jpg", "1");
  EXPECT_EQ(Run({"detect", "face", picture, "--out", dir.path()}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("INVALID_ARGUMENT: --out would overwrite the picture "),
                               HasSubstr("one.jpg")));
  EXPECT_EQ(ReadText(picture), "1");
  EXPECT_THAT(server.detection.pictures, IsEmpty());
}

// The folder's absence was told after upload and quantization, as INTERNAL.
TEST_F(Cli, AnOutFileThatCannotBeCostsNoUpload) {
  const std::string file = MakeFile("w.safetensors", "weights");
  const std::string lost = dir.File("none/x");
  const std::string fine = dir.File("x");
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"quantize", file, "--bits", "4", "--out", lost},
           {"quantize", file, "--bits", "4", "--out", fine, "--report", lost},
           {"quantize", file, "--bits", "4", "--out", dir.path()},
           {"dequantize", file, "--out", lost},
           {"artifact", "download", file, "--out", lost},
           {"model", "export", "face", "--format", "packed", "--out", lost}}) {
    EXPECT_EQ(Run(arguments), 1);
    EXPECT_THAT(err.str(), AllOf(StartsWith("INVALID_ARGUMENT: --"), HasSubstr("folder")));
  }
  EXPECT_EQ(server.artifacts.bytes_received(), 0);
}

TEST_F(Cli, APictureThatFailsDoesNotHideItsNeighbours) {
  const std::string good = MakeFile("good.jpg", "good");
  const std::string bad = MakeFile("bad.jpg", "bad");
  EXPECT_EQ(Run({"detect", "face", bad, good}), 1);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("not a picture"), HasSubstr("good.jpg  640x480")));
  EXPECT_THAT(err.str(), HasSubstr("INVALID_ARGUMENT: " + bad + ": not a picture"));
}

TEST_F(Cli, DetectNamesAMissingPictureBeforeAnythingIsSent) {
  EXPECT_EQ(Run({"detect", "face", dir.File("none.jpg")}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("NOT_FOUND: "), HasSubstr("none.jpg")));
  EXPECT_EQ(Run({"detect", "face", dir.path()}), 1);
  EXPECT_THAT(err.str(), AllOf(StartsWith("INVALID_ARGUMENT: "), HasSubstr("folder")));
  EXPECT_THAT(server.detection.pictures, IsEmpty());
}

TEST_F(Cli, ServerErrorsKeepTheirCodeFieldsAndDelay) {
  const std::string picture = MakeFile("one.jpg", "1");
  FakeError error = {grpc::StatusCode::INVALID_ARGUMENT, "score_threshold must be 0..1",
                     "BAD_ARGUMENT"};
  error.violations = {{"options.score_threshold", ""}};
  server.detection.errors = {error};
  EXPECT_EQ(Run({"detect", "face", picture, "--score", "2"}), 1);
  EXPECT_EQ(err.str(),
            "INVALID_ARGUMENT: score_threshold must be 0..1\n  field options.score_threshold\n");
  // A full queue that says when to come back is waited for.
  FakeError full = {grpc::StatusCode::RESOURCE_EXHAUSTED, "full", "QUEUE_FULL"};
  server.detection.errors = {full};
  EXPECT_EQ(Run({"detect", "face", picture}), 1);
  full.retry_after_s = 1;
  server.detection.errors = {full};
  EXPECT_EQ(Run({"detect", "face", picture}), 0) << err.str();
}

TEST_F(Cli, TheTokenGoesAlong) {
  const std::string picture = MakeFile("one.jpg", "1");
  const std::string token = MakeFile("token", "secret\n");
  EXPECT_EQ(Run({"detect", "face", picture, "--token-file", token}), 0) << err.str();
  EXPECT_EQ(server.detection.last_authorization, "Bearer secret");
  EXPECT_EQ(Run({"status", "--token-file", dir.File("none")}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: --token-file"));
}

TEST_F(Cli, ModelsByEveryName) {
  v1::Model& model = server.models.model;
  model.set_name("models/face");
  v1::ModelVersion& low = *model.add_versions();
  low.set_name("models/face/versions/2");
  low.set_state(v1::VERSION_STATE_READY);
  low.set_parent_version("models/face/versions/1");
  low.mutable_quantization()->set_bits(4);
  v1::ModelVersion& first = *model.add_versions();
  first.set_name("models/face/versions/1");
  first.set_source_artifact("artifacts/" + std::string(64, 'c'));
  EXPECT_EQ(Run({"model", "get", "face"}), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("face/2   READY  4 bits, full, per channel, exact  face/1"));
  EXPECT_THAT(out.str(), HasSubstr("artifact cccccccccccc"));
  EXPECT_EQ(Run({"model", "alias", "face", "stable", "2"}), 0) << err.str();
  EXPECT_EQ(out.str(), "face@stable is face/2\n");
  EXPECT_EQ(server.models.last_alias.version(), "models/face/versions/2");
  EXPECT_EQ(Run({"model", "get", "body"}), 1);
  EXPECT_THAT(err.str(), StartsWith("NOT_FOUND: no model 'models/body'"));
  EXPECT_EQ(Run({"model", "alias", "face", "stable"}), 1);
  EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: give either a VERSION or --delete"));
  EXPECT_EQ(Run({"model", "export", "face", "--format", "zip", "--out", "x"}), 1);
  EXPECT_THAT(err.str(), StartsWith("INVALID_ARGUMENT: --format must be packed or safetensors"));
}

TEST_F(Cli, CancelledIsAnError) {
  canceller.Cancel();
  EXPECT_EQ(Run({"status"}), 1);
  EXPECT_THAT(err.str(), StartsWith("CANCELLED: interrupted"));
}

TEST_F(Cli, AddressesThatCannotBeMeant) {
  EXPECT_EQ(RunCli({"--server", "http://a:1", "status"}, {out, err}, canceller), 1);
  EXPECT_THAT(err.str(), HasSubstr("without http://"));
}

TEST_F(Cli, VersionNeedsNoServer) {
  server.Stop();
  EXPECT_EQ(Run({"version"}), 0);
  EXPECT_THAT(out.str(), StartsWith("lbw "));
}

}  // namespace
}  // namespace lbw::client

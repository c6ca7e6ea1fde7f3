#include "client/cpp/names.h"

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;

std::string Resource(const std::string& text) {
  const auto ref = ParseModelArgument(text);
  return ref.ok() ? ResourceName(*ref) : "error";
}

TEST(ParseModelArgument, EveryWayToNameAModel) {
  EXPECT_EQ(Resource("face"), "models/face");
  EXPECT_EQ(Resource("face/3"), "models/face/versions/3");
  EXPECT_EQ(Resource("face@stable"), "models/face/aliases/stable");
  EXPECT_EQ(Resource("face@job-01h"), "models/face/aliases/job-01h");
  EXPECT_EQ(Resource("models/face"), "models/face");
  EXPECT_EQ(Resource("models/face/versions/12"), "models/face/versions/12");
  EXPECT_EQ(Resource("models/face/aliases/canary"), "models/face/aliases/canary");
}

TEST(ParseModelArgument, RefusesWhatIsNoName) {
  for (const char* text : {"", "Face", "face/", "face/0", "face/-1", "face/x", "face/1/2", "face@",
                           "face@a@b", "/face", "face/99999999999999999999"}) {
    const auto ref = ParseModelArgument(text);
    EXPECT_EQ(ref.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(std::string(ParseModelArgument("face/x").status().message()), HasSubstr("face/x"));
}

TEST(ParseVersionOf, NumbersAndNamesOfTheSameModel) {
  EXPECT_EQ(*ParseVersionOf("face", "3"), 3);
  EXPECT_EQ(*ParseVersionOf("face", "v3"), 3);
  EXPECT_EQ(*ParseVersionOf("face", "face/3"), 3);
  EXPECT_EQ(*ParseVersionOf("face", "models/face/versions/3"), 3);
  EXPECT_FALSE(ParseVersionOf("face", "body/3").ok());
  EXPECT_FALSE(ParseVersionOf("face", "latest").ok());
}

v1::Model MakeModel() {
  v1::Model model;
  model.set_name("models/face");
  const auto add = [&](const char* name, v1::VersionState state, const char* parent) {
    v1::ModelVersion& version = *model.add_versions();
    version.set_name(name);
    version.set_state(state);
    version.set_parent_version(parent);
    if (*parent != '\0') version.mutable_quantization()->set_bits(4);
  };
  add("models/face/versions/4", v1::VERSION_STATE_FAILED, "");
  add("models/face/versions/3", v1::VERSION_STATE_READY, "models/face/versions/2");
  add("models/face/versions/2", v1::VERSION_STATE_READY, "");
  add("models/face/versions/1", v1::VERSION_STATE_READY, "");
  return model;
}

TEST(ResolveVersion, NameAloneIsStableElseTheNewestReadyFloatVersion) {
  v1::Model model = MakeModel();
  EXPECT_EQ(*ResolveVersion(model, {"face", {}, {}}), "models/face/versions/2");
  v1::Alias& alias = *model.add_aliases();
  alias.set_name("models/face/aliases/stable");
  alias.set_version("models/face/versions/3");
  EXPECT_EQ(*ResolveVersion(model, {"face", {}, {}}), "models/face/versions/3");
  EXPECT_EQ(*ResolveVersion(model, {"face", {}, "stable"}), "models/face/versions/3");
  EXPECT_EQ(*ResolveVersion(model, {"face", 1, {}}), "models/face/versions/1");
}

TEST(ResolveVersion, WhatIsMissingIsNamedWithWhatIsThere) {
  const auto alias = ResolveVersion(MakeModel(), {"face", {}, "canary"});
  EXPECT_EQ(alias.status().code(), absl::StatusCode::kNotFound);
  const auto version = ResolveVersion(MakeModel(), {"face", 9, {}});
  EXPECT_EQ(version.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(version.status().message()), HasSubstr("face/4, face/3"));
}

TEST(ShortName, IsWhatAPersonWouldType) {
  EXPECT_EQ(ShortName("models/face/versions/3"), "face/3");
  EXPECT_EQ(ShortName("models/face/aliases/stable"), "face@stable");
  EXPECT_EQ(ShortName("models/face"), "face");
  EXPECT_EQ(ShortName("artifacts/" + std::string(64, 'a')), std::string(12, 'a'));
  EXPECT_EQ(ShortName("datasets/faces"), "faces");
  EXPECT_EQ(ShortName("jobs/01hz"), "01hz");
  EXPECT_EQ(ShortName("something/else"), "something/else");
}

TEST(ParseDatasetArgument, NameOrResourceName) {
  EXPECT_EQ(*ParseDatasetArgument("faces"), "datasets/faces");
  EXPECT_EQ(*ParseDatasetArgument("datasets/faces"), "datasets/faces");
  for (const char* text : {"", "Faces", "datasets/", "a/b", "models/faces"}) {
    EXPECT_EQ(ParseDatasetArgument(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ParseJobArgument, IdPieceOrLatest) {
  const std::string id = "01hzzzzzzzzzzzzzzzzzzzzz01";
  EXPECT_EQ(ParseJobArgument(id)->name, "jobs/" + id);
  EXPECT_EQ(ParseJobArgument("jobs/" + id)->name, "jobs/" + id);
  EXPECT_EQ(ParseJobArgument("zz01")->piece, "zz01");
  EXPECT_EQ(ParseJobArgument("jobs/01hzz")->piece, "01hzz");
  EXPECT_TRUE(ParseJobArgument("latest")->is_latest);
  for (const std::string& text :
       {std::string(), std::string("z01"), std::string("Latest"), id + "1", std::string("01h/z")}) {
    EXPECT_EQ(ParseJobArgument(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ParseResourceArgument, EverythingWithALineage) {
  const std::string id = "01hzzzzzzzzzzzzzzzzzzzzz01";
  EXPECT_EQ(*ParseResourceArgument("face/2"), "models/face/versions/2");
  for (const std::string& name : {"jobs/" + id, "evaluations/" + id, std::string("datasets/faces"),
                                  "artifacts/" + std::string(64, 'a')}) {
    EXPECT_EQ(*ParseResourceArgument(name), name);
  }
  for (const char* text : {"jobs/x", "artifacts/x", "uploads/x", "datasets/"}) {
    EXPECT_FALSE(ParseResourceArgument(text).ok()) << text;
  }
}

TEST(ParseArtifactArgument, DigestPrefixOrFile) {
  const std::string sha(64, 'b');
  EXPECT_EQ(ParseArtifactArgument(sha)->sha256, sha);
  EXPECT_EQ(ParseArtifactArgument("artifacts/" + sha)->sha256, sha);
  EXPECT_EQ(ParseArtifactArgument("0123ab")->hex_prefix, "0123ab");
  EXPECT_EQ(ParseArtifactArgument("artifacts/0123ab")->hex_prefix, "0123ab");
  const auto file = ParseArtifactArgument("face.onnx");
  EXPECT_TRUE(file->sha256.empty() && file->hex_prefix.empty());
  EXPECT_TRUE(ParseArtifactArgument("0123a")->hex_prefix.empty());
  EXPECT_FALSE(ParseArtifactArgument("artifacts/face.onnx").ok());
}

}  // namespace
}  // namespace lbw::client

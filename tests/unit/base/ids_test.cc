#include "base/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/time/clock.h"
#include "base/status.h"

namespace lbw::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";

TEST(NewId, HoldsTheTimeAndIsParsedAgain) {
  const int64_t before_ms = absl::ToUnixMillis(absl::Now());
  const std::string id = NewId();
  const int64_t after_ms = absl::ToUnixMillis(absl::Now());
  ASSERT_EQ(id.size(), 26u);
  int64_t time_ms = 0;
  for (size_t i = 0; i < 10; ++i)
    time_ms = time_ms * 32 + static_cast<int64_t>(kDigits.find(id[i]));
  EXPECT_GE(time_ms, before_ms);
  EXPECT_LE(time_ms, after_ms);
  EXPECT_EQ(ParseUploadName(UploadName(id), "name").value(), id);
}

TEST(NewId, IsNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(seen.insert(NewId()).second);
}

TEST(IsValidName, FollowsThePattern) {
  for (const std::string_view good : {"a", "0", "ssd", "face-mask_v1.2", "a.", "9-"})
    EXPECT_TRUE(IsValidName(good));
  EXPECT_TRUE(IsValidName(std::string(63, 'a')));
  EXPECT_FALSE(IsValidName(std::string(64, 'a')));
  for (const std::string_view bad : {"", "A", ".a", "-a", "_a", "a b", "a/b", "a@b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsValidName(bad)) << bad;
  }
  EXPECT_FALSE(IsValidName(std::string_view("a\0", 2)));
}

TEST(ParseModelRef, TakesTheThreeForms) {
  EXPECT_EQ(ParseModelRef("models/ssd", "name").value(),
            (ModelRef{"ssd", std::nullopt, std::nullopt}));
  EXPECT_EQ(ParseModelRef("models/ssd/versions/12", "name").value(),
            (ModelRef{"ssd", 12, std::nullopt}));
  EXPECT_EQ(ParseModelRef("models/ssd/aliases/stable", "name").value(),
            (ModelRef{"ssd", std::nullopt, "stable"}));
  EXPECT_EQ(ParseModelRef("models/m/versions/9223372036854775807", "name").value().version,
            INT64_MAX);
}

TEST(ParseModelRef, RefusesEverythingElse) {
  for (const std::string_view bad : {"",
                                     "ssd",
                                     "models",
                                     "models/",
                                     "models//",
                                     "models/SSD",
                                     "models/ssd/",
                                     "models/ssd/versions",
                                     "models/ssd/versions/",
                                     "models/ssd/versions/0",
                                     "models/ssd/versions/01",
                                     "models/ssd/versions/-1",
                                     "models/ssd/versions/+1",
                                     "models/ssd/versions/1x",
                                     "models/ssd/versions/ 1",
                                     "models/ssd/versions/9223372036854775808",
                                     "models/ssd/versions/99999999999999999999",
                                     "models/ssd/aliases/",
                                     "models/ssd/aliases/No",
                                     "models/ssd/other/1",
                                     "models/ssd/versions/1/",
                                     "models/ssd/versions/1/x",
                                     "/models/ssd",
                                     "Models/ssd",
                                     "models/ssd@stable"}) {
    const absl::Status status = ParseModelRef(bad, "model.version").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(GetErrorDetails(status).reason, "BAD_NAME");
    EXPECT_THAT(GetErrorDetails(status).fields, ElementsAre("model.version"));
  }
}

TEST(ParseModelRef, QuotesWhatWasGivenSafely) {
  const absl::Status odd = ParseModelRef("models/\n\xff\"", "name").status();
  EXPECT_THAT(std::string(odd.message()), HasSubstr("\\n\\xff\\\""));
  const absl::Status longer = ParseModelRef(std::string(1'000'000, '/'), "name").status();
  EXPECT_LT(longer.message().size(), 500u);
}

TEST(ParseUploadName, TakesOnlyIds) {
  EXPECT_TRUE(ParseUploadName("uploads/7zzzzzzzzzzzzzzzzzzzzzzzzz", "name").ok());
  for (const std::string_view bad :
       {"uploads/", "uploads/8zzzzzzzzzzzzzzzzzzzzzzzzz", "uploads/0123456789012345678901234",
        "uploads/../../etc/passwd", "uploads/0123456789012345678901234I",
        "uploads/0123456789012345678901234u", "0123456789abcdefghjkmnpqrs"}) {
    EXPECT_EQ(ParseUploadName(bad, "name").status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

TEST(ParseArtifactName, TakesOnlyDigests) {
  const std::string digest(64, 'c');
  EXPECT_EQ(ParseArtifactName(ArtifactName(digest), "artifact").value(), digest);
  EXPECT_FALSE(ParseArtifactName("artifacts/" + digest.substr(1), "artifact").ok());
  EXPECT_FALSE(ParseArtifactName(digest, "artifact").ok());
  EXPECT_FALSE(ParseArtifactName("artifacts/" + digest + "/x", "artifact").ok());
}

TEST(ParseDatasetName, TakesOnlyNames) {
  EXPECT_EQ(ParseDatasetName("datasets/face-mask_v1.2", "dataset").value(), "face-mask_v1.2");
  EXPECT_EQ(ParseDatasetName(DatasetName(std::string(63, 'a')), "dataset").value(),
            std::string(63, 'a'));
  for (const std::string& bad :
       {std::string(), std::string("faces"), std::string("datasets"), std::string("datasets/"),
        std::string("datasets/Faces"), std::string("datasets/a/b"), std::string("datasets//a"),
        std::string("dataset/a"), std::string("Datasets/a"), std::string("datasets/.."),
        "datasets/" + std::string(64, 'a')}) {
    const absl::Status status = ParseDatasetName(bad, "spec.dataset").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(GetErrorDetails(status).reason, "BAD_NAME");
    EXPECT_THAT(GetErrorDetails(status).fields, ElementsAre("spec.dataset"));
  }
}

TEST(ParseJobName, TakesOnlyIds) {
  const std::string id = NewId();
  EXPECT_EQ(ParseJobName(JobName(id), "name").value(), id);
  EXPECT_TRUE(ParseJobName("jobs/7zzzzzzzzzzzzzzzzzzzzzzzzz", "name").ok());
  for (const std::string& bad :
       {std::string(), id, std::string("jobs/"), "uploads/" + id, "evaluations/" + id,
        "jobs/" + id + "/", "jobs/" + id.substr(1), "jobs/8" + id.substr(1),
        "jobs/" + id.substr(0, 25) + "I", std::string("jobs/../x")}) {
    const absl::Status status = ParseJobName(bad, "name").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(GetErrorDetails(status).reason, "BAD_NAME");
    EXPECT_THAT(GetErrorDetails(status).fields, ElementsAre("name"));
  }
}

TEST(ParseEvaluationName, TakesOnlyIds) {
  const std::string id = NewId();
  EXPECT_EQ(ParseEvaluationName(EvaluationName(id), "name").value(), id);
  for (const std::string& bad : {std::string(), id, "jobs/" + id, std::string("evaluations/"),
                                 "evaluations/" + id + "0", std::string("evaluations/faces")}) {
    const absl::Status status = ParseEvaluationName(bad, "name").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(GetErrorDetails(status).reason, "BAD_NAME");
  }
}

TEST(Names, AreWhatTheParsersRead) {
  EXPECT_EQ(DatasetName("faces"), "datasets/faces");
  EXPECT_EQ(JobName("01h"), "jobs/01h");
  EXPECT_EQ(EvaluationName("01h"), "evaluations/01h");
  EXPECT_EQ(ModelName("m"), "models/m");
  EXPECT_EQ(VersionName("m", 3), "models/m/versions/3");
  EXPECT_EQ(AliasName("m", "stable"), "models/m/aliases/stable");
}

}  // namespace
}  // namespace lbw::base

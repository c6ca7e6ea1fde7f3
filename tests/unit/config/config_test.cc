#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "support/temp_dir.h"

namespace lbw::config {
namespace {

using ::testing::HasSubstr;

std::string Write(const testing::TempDir& dir, std::string_view text) {
  const std::string path = dir.File("lbw.yaml");
  std::ofstream(path) << text;
  return path;
}

Provenance Of(const Loaded& loaded, std::string_view key) {
  for (const Provenance& entry : loaded.values) {
    if (entry.key == key) return entry;
  }
  ADD_FAILURE() << "no key " << key;
  return {};
}

TEST(Load, DefaultsAloneGiveEveryKeyOnce) {
  const auto loaded = Load({});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->values.size(), Keys().size());
  for (const Provenance& entry : loaded->values) EXPECT_EQ(entry.source, "default");
  EXPECT_EQ(loaded->config.listen, "127.0.0.1:8500");
}

TEST(Load, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  const testing::TempDir dir;
  Sources sources;
  sources.file = Write(dir, "serving:\n  queue_calls: 1\n  queue_bytes: 2MiB\nlisten: 0.0.0.0:3\n");
  sources.environment = {{"LBW_SERVING_QUEUE_CALLS", "10"}, {"LBW_SERVING_QUEUE_BYTES", "20MiB"}};
  sources.flags = {{"serving.queue_calls", "100"}};
  const auto loaded = Load(sources);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->config.queue_calls, 100);
  EXPECT_EQ(loaded->config.queue_bytes, int64_t{20} << 20);
  EXPECT_EQ(loaded->config.listen, "0.0.0.0:3");
  EXPECT_EQ(Of(*loaded, "serving.queue_calls").source, "flag --serving-queue-calls");
  EXPECT_EQ(Of(*loaded, "serving.queue_bytes").source, "environment LBW_SERVING_QUEUE_BYTES");
  EXPECT_EQ(Of(*loaded, "serving.queue_bytes").value, "20MiB");
  EXPECT_EQ(Of(*loaded, "listen").source, "file " + sources.file + ":4");
  EXPECT_EQ(Of(*loaded, "admin").source, "default");
}

TEST(Load, AnUnknownNameIsAnErrorThatHintsAtTheNearest) {
  const testing::TempDir dir;
  Sources file;
  file.file = Write(dir, "a: 1\nserving:\n  queue_call: 5\n");
  EXPECT_THAT(std::string(Load(file).status().message()), HasSubstr("unknown key a"));
  file.file = Write(dir, "listen: 127.0.0.1:1\nserving:\n  queue_call: 5\n");
  const std::string message(Load(file).status().message());
  EXPECT_THAT(message, HasSubstr("unknown key serving.queue_call"));
  EXPECT_THAT(message, HasSubstr(":3)"));
  EXPECT_THAT(message, HasSubstr("did you mean serving.queue_calls?"));
  Sources environment;
  environment.environment = {{"LBW_LITSEN", "x"}};
  EXPECT_THAT(std::string(Load(environment).status().message()),
              HasSubstr("unknown variable LBW_LITSEN (environment); did you mean LBW_LISTEN?"));
  Sources flags;
  flags.flags = {{"admn", "x"}};
  EXPECT_THAT(std::string(Load(flags).status().message()), HasSubstr("did you mean admin?"));
}

TEST(Load, AMissingFileIsNotFoundAndNamed) {
  Sources sources;
  sources.file = "/nonexistent/lbw.yaml";
  const absl::Status status = Load(sources).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/lbw.yaml"));
}

TEST(Load, AFileAboveTheLimitIsRefused) {
  const testing::TempDir dir;
  Sources sources;
  sources.file = Write(dir, std::string((1 << 20) + 1, '#'));
  EXPECT_EQ(Load(sources).status().code(), absl::StatusCode::kInvalidArgument);
  sources.file = Write(dir, std::string(1 << 20, '#'));
  EXPECT_TRUE(Load(sources).ok());
}

TEST(Load, TlsFilesGoTogether) {
  Sources sources;
  sources.flags = {{"tls.cert", "cert.pem"}};
  EXPECT_THAT(std::string(Load(sources).status().message()), HasSubstr("tls.key=(empty)"));
  sources.flags = {{"tls.client_ca", "ca.pem"}};
  EXPECT_THAT(std::string(Load(sources).status().message()), HasSubstr("needs tls.cert"));
  sources.flags = {{"tls.cert", "c"}, {"tls.key", "k"}, {"tls.client_ca", "a"}};
  EXPECT_TRUE(Load(sources).ok());
}

TEST(Load, AnEmptyDataFolderIsRefused) {
  Sources sources;
  sources.flags = {{"data_dir", ""}};
  EXPECT_THAT(std::string(Load(sources).status().message()), HasSubstr("data_dir"));
}

// People write these names into files and charts: what stands here stays.
TEST(Keys, EqualTheGoldenList) {
  std::ostringstream now;
  for (const KeyDoc& doc : Keys()) {
    now << doc.key << ' ' << doc.flag << ' '
        << (doc.default_value.empty() ? "\"\"" : doc.default_value) << '\n';
  }
  std::ifstream file(LBW_SOURCE_DIR "/tests/golden/config_keys.txt");
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(now.str(), golden.str());
}

}  // namespace
}  // namespace lbw::config

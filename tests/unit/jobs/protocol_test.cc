#include "jobs/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/status.h"

namespace lbw::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kDigest(64, 'a');

std::vector<Down> EveryDown() {
  Assignment full;
  full.job = "01hx";
  full.kind = "evaluate";
  full.spec_json = R"({"model":"m \"quoted\" \\ \u0001"})";
  full.inputs_json = "{\"pack\":\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"}";
  full.checkpoint = kDigest;
  full.checkpoint_step = std::numeric_limits<int64_t>::max();
  full.attempt = 7;
  full.data_dir = "/data with spaces\n";
  full.scratch_folder = "/data/scratch";
  full.threads = 64;
  return {
      full,           Assignment{},      Command::kCheckpoint, Command::kPause, Command::kCancel,
      Command::kStop, Committed{kDigest}};
}

std::vector<Up> EveryUp() {
  CheckpointLine checkpoint;
  checkpoint.info.sha256 = kDigest;
  checkpoint.info.size_bytes = std::numeric_limits<uint64_t>::max();
  checkpoint.info.step = 12;
  checkpoint.info.epoch = 3;
  checkpoint.info.create_time = absl::FromUnixMicros(1'700'000'000'123'456);
  checkpoint.info.best = true;
  checkpoint.info.metric = 0.1;
  CheckpointLine plain = checkpoint;
  plain.info.metric.reset();
  plain.info.best = false;
  return {Hello{4711},
          EventLine{R"({"message":{"text":"a"}})", std::nullopt, std::nullopt},
          EventLine{"", 5, 10},
          Heartbeat{0},
          Heartbeat{std::numeric_limits<int64_t>::max()},
          checkpoint,
          plain,
          ResultLine{"{}"},
          ErrorLine{{absl::StatusCode::kNotFound, "NOT_FOUND", "no dataset d"}},
          ErrorLine{{absl::StatusCode::kUnauthenticated, "", ""}},
          Obeyed::kPaused,
          Obeyed::kStopped,
          Obeyed::kCancelled};
}

// Equal lines are equal messages: a line holds every field.
TEST(Protocol, EveryMessageComesBackAsItWas) {
  for (const Down& message : EveryDown()) {
    const std::string line = Encode(message);
    const absl::StatusOr<Down> decoded = DecodeDown(line);
    ASSERT_TRUE(decoded.ok()) << decoded.status() << "\n" << line;
    EXPECT_EQ(decoded->index(), message.index());
    EXPECT_EQ(Encode(*decoded), line);
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
  for (const Up& message : EveryUp()) {
    const std::string line = Encode(message);
    const absl::StatusOr<Up> decoded = DecodeUp(line);
    ASSERT_TRUE(decoded.ok()) << decoded.status() << "\n" << line;
    EXPECT_EQ(decoded->index(), message.index());
    EXPECT_EQ(Encode(*decoded), line);
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
}

TEST(Protocol, FieldsComeBackWithTheirValues) {
  const auto assignment = std::get<Assignment>(*DecodeDown(Encode(EveryDown()[0])));
  EXPECT_EQ(assignment.job, "01hx");
  EXPECT_EQ(assignment.kind, "evaluate");
  EXPECT_EQ(assignment.spec_json, R"({"model":"m \"quoted\" \\ \u0001"})");
  EXPECT_EQ(assignment.inputs_json, "{\"pack\":\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"}");
  EXPECT_EQ(assignment.checkpoint, kDigest);
  EXPECT_EQ(assignment.checkpoint_step, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(assignment.attempt, 7);
  EXPECT_EQ(assignment.data_dir, "/data with spaces\n");
  EXPECT_EQ(assignment.scratch_folder, "/data/scratch");
  EXPECT_EQ(assignment.threads, 64);
  const auto checkpoint = std::get<CheckpointLine>(*DecodeUp(Encode(EveryUp()[5]))).info;
  EXPECT_EQ(checkpoint.size_bytes, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(checkpoint.step, 12);
  EXPECT_EQ(checkpoint.epoch, 3);
  EXPECT_EQ(checkpoint.create_time, absl::FromUnixMicros(1'700'000'000'123'456));
  EXPECT_TRUE(checkpoint.best);
  EXPECT_EQ(checkpoint.metric, 0.1);
  const auto event = std::get<EventLine>(*DecodeUp(Encode(EveryUp()[2])));
  EXPECT_EQ(event.step, 5);
  EXPECT_EQ(event.total_steps, 10);
  const auto error = std::get<ErrorLine>(*DecodeUp(Encode(EveryUp()[8]))).error;
  EXPECT_EQ(error.code, absl::StatusCode::kNotFound);
  EXPECT_EQ(error.reason, "NOT_FOUND");
  EXPECT_EQ(error.message, "no dataset d");
  EXPECT_EQ(std::get<Command>(*DecodeDown(Encode(Down(Command::kStop)))), Command::kStop);
  EXPECT_EQ(std::get<Obeyed>(*DecodeUp(Encode(Up(Obeyed::kPaused)))), Obeyed::kPaused);
}

TEST(Protocol, EveryTruncationIsAnError) {
  for (const Down& message : EveryDown()) {
    const std::string line = Encode(message);
    for (size_t size = 0; size < line.size(); ++size) {
      EXPECT_FALSE(DecodeDown(line.substr(0, size)).ok()) << line.substr(0, size);
    }
  }
  for (const Up& message : EveryUp()) {
    const std::string line = Encode(message);
    for (size_t size = 0; size < line.size(); ++size) {
      EXPECT_FALSE(DecodeUp(line.substr(0, size)).ok()) << line.substr(0, size);
    }
  }
}

// Every byte becomes every value: a status or a message that can be written again, never a crash.
template <typename Message, typename Decode>
void FlipEveryByte(const std::vector<Message>& messages, Decode decode) {
  for (const Message& message : messages) {
    const std::string line = Encode(message);
    for (size_t at = 0; at < line.size(); ++at) {
      std::string broken = line;
      for (int value = 0; value < 256; ++value) {
        broken[at] = static_cast<char>(value);
        const absl::StatusOr<Message> decoded = decode(broken);
        if (decoded.ok()) {
          EXPECT_TRUE(TryEncode(*decoded).ok());
        } else {
          EXPECT_EQ(decoded.status().code(), absl::StatusCode::kInvalidArgument);
        }
      }
    }
  }
}
TEST(Protocol, EveryFlippedByteGivesAStatusOrAMessage) {
  FlipEveryByte(EveryDown(), [](std::string_view line) { return DecodeDown(line); });
  FlipEveryByte(EveryUp(), [](std::string_view line) { return DecodeUp(line); });
}

TEST(Protocol, UnknownKeysAreSkippedAndUnknownTypesAreNot) {
  EXPECT_TRUE(DecodeUp(R"({"type":"heartbeat","step":1,"later":[{}]})").ok());
  const absl::Status status = DecodeUp(R"({"type":"hearbeat","step":1})").status();
  EXPECT_EQ(base::GetErrorDetails(status).reason, base::reason::kBadFile.text);
  EXPECT_THAT(std::string(status.message()), HasSubstr("hearbeat"));
  // A word of the other direction is none.
  EXPECT_FALSE(DecodeUp(R"({"type":"cancel"})").ok());
  EXPECT_FALSE(DecodeDown(R"({"type":"cancelled"})").ok());
}

TEST(Protocol, AWrongKeyIsNamed) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"type":"heartbeat"})", "step"},
      {R"({"type":"heartbeat","step":-1})", "step"},
      {R"({"type":"heartbeat","step":1.5})", "step"},
      {R"({"type":"heartbeat","step":"1"})", "step"},
      {R"({"type":"heartbeat","step":18446744073709551615})", "step"},
      {R"({"type":"result","json":{}})", "json"},
      {R"({"type":"error","code":0,"reason":"","message":""})", "code"},
      {R"({"type":"error","code":17,"reason":"","message":""})", "code"},
      {R"({"type":"checkpoint","sha256":"ABC","size_bytes":1,"step":1,"epoch":0,"create_us":0,)"
       R"("best":false})",
       "sha256"},
      {R"({"type":1})", "type"},
      {R"([])", "object"},
      {R"(nonsense)", "object"},
      {"", "object"},
  };
  for (const auto& [line, named] : cases) {
    const absl::Status status = DecodeUp(line).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr(named)) << line;
  }
}

TEST(Protocol, AMeasureThatIsNoNumberIsLeftOut) {
  CheckpointLine line;
  line.info.sha256 = kDigest;
  line.info.metric = std::numeric_limits<double>::quiet_NaN();
  const absl::StatusOr<Up> decoded = DecodeUp(Encode(Up(line)));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<CheckpointLine>(*decoded).info.metric, std::nullopt);
}

TEST(Protocol, BytesThatAreNotUtf8BecomeReplacementCharacters) {
  const absl::StatusOr<Up> decoded = DecodeUp(Encode(Up(ResultLine{"a\xFFz"})));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(std::get<ResultLine>(*decoded).json, "a\xEF\xBF\xBDz");
}

TEST(Protocol, ALineAtTheLimitIsTakenAndOneByteMoreIsNot) {
  const size_t overhead = Encode(Up(ResultLine{""})).size();
  const std::string fits(kMaxLineBytes - overhead, 'x');
  const absl::StatusOr<std::string> line = TryEncode(Up(ResultLine{fits}));
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->size(), kMaxLineBytes);
  EXPECT_TRUE(DecodeUp(*line).ok());
  const absl::Status too_long = TryEncode(Up(ResultLine{fits + "x"})).status();
  EXPECT_EQ(base::GetErrorDetails(too_long).reason, base::reason::kLimitExceeded.text);
  EXPECT_THAT(std::string(too_long.message()), HasSubstr("result"));
  EXPECT_EQ(base::GetErrorDetails(DecodeUp(*line + " ").status()).reason,
            base::reason::kLimitExceeded.text);
}

TEST(Protocol, DeepNestingIsNoDanger) {
  EXPECT_FALSE(DecodeUp(std::string(kMaxLineBytes, '[')).ok());
  const std::string deep = std::string(400'000, '[') + std::string(400'000, ']');
  EXPECT_TRUE(DecodeUp("{\"type\":\"paused\",\"x\":" + deep + "}").ok());
}

TEST(LineSplitter, CutsWhereverTheBytesAreCut) {
  const std::string text = "one\n\ntwo\nthree";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    LineSplitter splitter;
    std::vector<std::string> lines;
    for (size_t at = 0; at < text.size(); at += piece) {
      ASSERT_TRUE(splitter.Feed(std::string_view(text).substr(at, piece), lines).ok());
    }
    EXPECT_THAT(lines, ElementsAre("one", "", "two")) << piece;
    ASSERT_TRUE(splitter.Feed("!\n", lines).ok());
    EXPECT_EQ(lines.back(), "three!");
  }
}

TEST(LineSplitter, RefusesALineOverTheLimitAndEverythingBehindIt) {
  const std::string longest(kMaxLineBytes, 'x');
  LineSplitter splitter;
  std::vector<std::string> lines;
  ASSERT_TRUE(splitter.Feed(longest, lines).ok());
  EXPECT_THAT(lines, IsEmpty());
  ASSERT_TRUE(splitter.Feed("\n", lines).ok());
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0].size(), kMaxLineBytes);
  const absl::Status status = splitter.Feed("fine\n" + longest + "x", lines);
  EXPECT_EQ(base::GetErrorDetails(status).reason, base::reason::kLimitExceeded.text);
  EXPECT_THAT(lines, SizeIs(2));
  EXPECT_FALSE(splitter.Feed("\nafter\n", lines).ok());
  EXPECT_THAT(lines, SizeIs(2));
}

}  // namespace
}  // namespace lbw::jobs

#include "base/io.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "base/status.h"
#include "support/temp_dir.h"

namespace lbw::base {
namespace {

std::string ReadText(const RandomAccessReader& reader, uint64_t offset, size_t length) {
  std::string text(length, '?');
  EXPECT_TRUE(reader.ReadAt(offset, {reinterpret_cast<std::byte*>(text.data()), length}).ok());
  return text;
}

void ExpectReadsLike(const RandomAccessReader& reader, const std::string& content) {
  ASSERT_EQ(reader.size(), content.size());
  for (size_t offset = 0; offset <= content.size(); ++offset) {
    for (size_t length = 0; offset + length <= content.size(); ++length) {
      ASSERT_EQ(ReadText(reader, offset, length), content.substr(offset, length));
    }
  }
  std::array<std::byte, 2> out{};
  EXPECT_EQ(reader.ReadAt(content.size() - 1, absl::MakeSpan(out)).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reader.ReadAt(content.size() + 1, {}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reader.ReadAt(std::numeric_limits<uint64_t>::max(), absl::MakeSpan(out)).code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReadAll(reader, content.size()).value(), content);
  EXPECT_EQ(ReadAll(reader, content.size() - 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(StringReader, ReadsEveryRange) {
  ExpectReadsLike(StringReader("hello, bytes"), "hello, bytes");
}

TEST(FileReader, ReadsEveryRange) {
  const testing::TempDir folder;
  std::ofstream(folder.File("f")) << "hello, bytes";
  ExpectReadsLike(*OpenFileReader(folder.File("f")).value(), "hello, bytes");
}

TEST(FileReader, TellsWhyItCannotOpen) {
  const testing::TempDir folder;
  const absl::Status missing = OpenFileReader(folder.File("none")).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenFileReader(folder.path()).status().code(), absl::StatusCode::kInternal);
}

TEST(FileReader, AFileThatShrinksIsDataLoss) {
  const testing::TempDir folder;
  std::ofstream(folder.File("f")) << "0123456789";
  const auto reader = OpenFileReader(folder.File("f")).value();
  std::filesystem::resize_file(folder.File("f"), 4);
  std::array<std::byte, 8> out{};
  EXPECT_EQ(reader->ReadAt(0, absl::MakeSpan(out)).code(), absl::StatusCode::kDataLoss);
}

TEST(StringSink, CollectsWhatIsAppended) {
  StringSink sink;
  ASSERT_TRUE(sink.Append(AsBytes("ab")).ok());
  ASSERT_TRUE(sink.Append({}).ok());
  ASSERT_TRUE(sink.Append(AsBytes(std::string_view("\0c", 2))).ok());
  EXPECT_EQ(sink.bytes(), std::string("ab\0c", 4));
}

}  // namespace
}  // namespace lbw::base

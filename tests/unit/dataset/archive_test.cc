#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "base/random.h"
#include "base/status.h"
#include "dataset/file_tree.h"
#include "support/temp_dir.h"
#include "unit/dataset/archive_maker.h"

namespace lbw::dataset {
namespace {

using ::testing::HasSubstr;

const UnpackProgress kNoProgress;

absl::StatusOr<FileTree> Unpack(const std::string& bytes, const DatasetLimits& limits = {},
                                const UnpackProgress& progress = kNoProgress) {
  static const testing::TempDir folder;
  const std::string scratch = folder.File("scratch");
  auto tree = UnpackArchive(base::StringReader(bytes), scratch, limits, progress);
  EXPECT_NE(access(scratch.c_str(), F_OK), 0) << "the scratch file is still there";
  return tree;
}

std::map<std::string, std::string> ContentOf(const FileTree& tree) {
  std::map<std::string, std::string> result;
  for (const auto& [path, entry] : tree.files()) result[path] = *tree.Read(path, UINT64_MAX);
  return result;
}

void ExpectRefused(const std::string& bytes, const std::vector<std::string>& words,
                   const DatasetLimits& limits = {}) {
  const absl::Status status = Unpack(bytes, limits).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_ARCHIVE") << status;
  for (const std::string& word : words) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(word));
  }
}

std::vector<Item> Sample() {
  std::string long_text;
  for (int i = 0; i < 20'000; ++i) long_text += static_cast<char>(i * i % 251);
  return {{"set/", "", Kind::kFolder},
          {"set/a.txt", "alpha"},
          {"set/empty.txt", ""},
          {"set/J\xC3\xBCrgen \xE5\x9B\xBE.txt", "umlaut"},
          {"./set/sub//b.bin", long_text}};
}

std::map<std::string, std::string> SampleContent() {
  return {{"set/a.txt", "alpha"},
          {"set/empty.txt", ""},
          {"set/J\xC3\xBCrgen \xE5\x9B\xBE.txt", "umlaut"},
          {"set/sub/b.bin", Sample()[4].content}};
}

std::vector<Shape> AllShapes() {
  std::vector<Shape> shapes = {{"zip", "none"}};
  for (const char* format : {"ustar", "pax", "gnutar"}) {
    for (const char* filter : {"none", "gzip", "bzip2", "xz", "zstd"}) {
      shapes.push_back({format, filter});
    }
  }
  return shapes;
}

TEST(UnpackArchive, ReadsEveryFormatAndFilter) {
  for (const Shape& shape : AllShapes()) {
    SCOPED_TRACE(shape.format + " " + shape.filter);
    const auto tree = Unpack(MakeArchive(Sample(), shape));
    ASSERT_TRUE(tree.ok()) << tree.status();
    EXPECT_EQ(ContentOf(*tree), SampleContent());
  }
}

TEST(UnpackArchive, SkipsWhatSystemsLeaveBehind) {
  const auto tree = Unpack(MakeArchive({{"a.txt", "a"},
                                        {".DS_Store", "x"},
                                        {"__MACOSX/._a.txt", "x"},
                                        {"sub/Thumbs.db", "x"},
                                        {".git/config", "x"},
                                        {"sub/b.txt", "b"}},
                                       {"zip"}));
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ(ContentOf(*tree),
            (std::map<std::string, std::string>{{"a.txt", "a"}, {"sub/b.txt", "b"}}));
}

TEST(UnpackArchive, RefusesUnsafeNamesAndNamesThem) {
  struct Case {
    std::string name;
    std::string shown;
    std::string why;
  };
  const std::vector<Case> cases = {
      {"/etc/passwd", "'/etc/passwd'", "absolute"},
      {"C:/windows", "'C:/windows'", "absolute"},
      {"a/../../b", "'a/../../b'", "'..'"},
      {"..", "'..'", "'..'"},
      {"a\\b.jpg", "a\\b.jpg", "backslash"},
      {"a\nb.jpg", "a\\x0ab.jpg", "control"},
      {"a\xC2\x85.jpg", "a\\xc2\\x85.jpg", "control"},
      {"a\xFF.jpg", "a\\xff.jpg", "UTF-8"},
      {"\xC0\xAE\xC0\xAE/b", "\\xc0\\xae", "UTF-8"},
      {".git/../../b", "'.git/../../b'", "'..'"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.shown);
    // By hand: a writer may mend a name.
    const std::string end(1024, '\0');
    ExpectRefused(TarHeader("good", 0) + TarHeader(c.name, 0) + end, {c.shown, c.why});
  }
}

TEST(UnpackArchive, RefusesUnsafeNamesInZip) {
  ExpectRefused(MakeArchive({{"ok", "1"}, {"../b", "2"}}, {"zip"}), {"'../b'", "'..'"});
  ExpectRefused(MakeArchive({{"ok", "1"}, {"/b", "2"}}, {"zip"}), {"'/b'", "absolute"});
}

TEST(UnpackArchive, RefusesLinksDevicesAndFifos) {
  for (const char* format : {"ustar", "pax", "gnutar"}) {
    SCOPED_TRACE(format);
    ExpectRefused(MakeArchive({{"a", "1"}, {"l", "/etc/passwd", Kind::kSymlink}}, {format}),
                  {"'l'", "symbolic link"});
    ExpectRefused(MakeArchive({{"a", "1"}, {"h", "a", Kind::kHardLink}}, {format}),
                  {"'h'", "hard link"});
    ExpectRefused(MakeArchive({{"a", "1"}, {"d", "", Kind::kDevice}}, {format}), {"'d'", "device"});
    ExpectRefused(MakeArchive({{"a", "1"}, {"f", "", Kind::kFifo}}, {format}), {"'f'", "FIFO"});
  }
  ExpectRefused(MakeArchive({{"a", "1"}, {"l", "/etc/passwd", Kind::kSymlink}}, {"zip"}),
                {"'l'", "symbolic link"});
}

TEST(UnpackArchive, RefusesEncryptedEntries) {
  ExpectRefused(MakeArchive({{"secret.txt", "text"}}, {"zip", "none", true}),
                {"'secret.txt'", "encrypted"});
}

TEST(UnpackArchive, RefusesTwoEntriesOfOneName) {
  for (const char* format : {"ustar", "zip"}) {
    ExpectRefused(MakeArchive({{"a/b", "1"}, {"a//b", "2"}}, {format}), {"two entries", "a/b"});
  }
}

TEST(UnpackArchive, RefusesArchivesWithoutFiles) {
  for (const char* format : {"ustar", "zip"}) {
    ExpectRefused(MakeArchive({{"a/", "", Kind::kFolder}}, {format}), {"no files"});
    ExpectRefused(MakeArchive({{".DS_Store", "x"}}, {format}), {"no files"});
  }
  ExpectRefused(MakeArchive({}, {"ustar"}), {});
  ExpectRefused("", {});
}

TEST(UnpackArchive, RefusesWhatIsNoArchive) {
  ExpectRefused("hello", {"not a zip or tar"});
  ExpectRefused(std::string(5000, 'x'), {"not a zip or tar"});
  ExpectRefused(Compress("hello", "gzip"), {"not a zip or tar"});
  // Formats that libarchive would read too.
  ExpectRefused(MakeArchive({{"a", "1"}}, {"cpio"}), {"not a zip or tar"});
  ExpectRefused(MakeArchive({{"a", "1"}}, {"7zip"}), {"not a zip or tar"});
  ExpectRefused(MakeArchive({{"a", "1"}}, {"ustar", "lz4"}), {"not a zip or tar"});
}

TEST(UnpackArchive, RefusesRepeatedCompression) {
  const std::string once = MakeArchive({{"a", "1"}}, {"ustar", "gzip"});
  ExpectRefused(Compress(once, "gzip"), {"repeatedly"});
}

TEST(UnpackArchive, HoldsTheLimitOfEntries) {
  const std::string bytes = MakeArchive({{"a", "1"}, {"b", "2"}, {"c", "3"}}, {"ustar"});
  DatasetLimits limits;
  limits.max_files = 3;
  EXPECT_TRUE(Unpack(bytes, limits).ok());
  limits.max_files = 2;
  ExpectRefused(bytes, {"'c'", "limit=2"}, limits);
}

TEST(UnpackArchive, HoldsTheLimitOfBytes) {
  const std::string bytes =
      MakeArchive({{"a", std::string(600, 'x')}, {"b", std::string(400, 'y')}}, {"zip"});
  DatasetLimits limits;
  limits.max_unpacked_bytes = 1000;
  EXPECT_TRUE(Unpack(bytes, limits).ok());
  limits.max_unpacked_bytes = 999;
  ExpectRefused(bytes, {"'b'", "limit=999"}, limits);
}

// 10 GB of zeros that would compress to 10 MB: refused from the header, nothing is unpacked.
TEST(UnpackArchive, RefusesABombFromItsHeader) {
  constexpr uint64_t kTenGigabytes = 10'000'000'000;
  for (const char* filter : {"none", "gzip", "xz", "zstd"}) {
    SCOPED_TRACE(filter);
    const std::string tar = TarHeader("zeros", kTenGigabytes) + std::string(1 << 20, '\0');
    ExpectRefused(filter == std::string("none") ? tar : Compress(tar, filter),
                  {"'zeros'", "10000000000", "limit=1073741824"});
  }
}

TEST(UnpackArchive, RefusesABombAmongWhatItSkips) {
  const std::string tar = TarHeader(".hidden", 10'000'000'000) + std::string(1 << 20, '\0');
  ExpectRefused(Compress(tar, "gzip"), {".hidden", "limit="});
}

// Whose sizes are small one by one: 1.1 GiB of zeros before bytes that do not compress, so that the
// whole archive would be allowed more. Refused as soon as 1 GiB is passed.
TEST(UnpackArchive, RefusesABombWhileItGrows) {
  constexpr size_t kPiece = size_t{110} << 20;
  // Members of gzip that stand behind each other are one stream.
  const std::string zeros = Compress(std::string(kPiece, '\0'), "gzip");
  std::string bytes;
  for (int i = 0; i < 10; ++i) {
    bytes += Compress(TarHeader("z" + std::to_string(i), kPiece), "gzip") + zeros;
  }
  base::Random random(5);
  std::string noise;
  while (noise.size() < 8 << 20) noise += static_cast<char>(random.Next());
  bytes += Compress(TarHeader("noise", noise.size()) + noise + std::string(1024, '\0'), "gzip");
  const size_t unpacked_bytes = 10 * kPiece + noise.size();
  ASSERT_GT(bytes.size() * 200, unpacked_bytes);
  ExpectRefused(bytes, {"'z9'", "limit=1073741824"});
}

// Sizes that sum to more than 64 bits hold.
TEST(UnpackArchive, RefusesSizesThatOverflow) {
  DatasetLimits limits;
  limits.max_unpacked_bytes = UINT64_MAX;
  limits.max_expansion = UINT64_MAX;
  std::string tar = TarHeader("first", uint64_t{1} << 62);
  ExpectRefused(tar, {"first"}, limits);
}

TEST(UnpackArchive, CountsSparseEntriesByTheirFullSize) {
  const Item sparse{"holes", "headtail", Kind::kFile, {{0, 4}, {2'000'000, 4}}, 3'000'000};
  const std::string bytes = MakeArchive({sparse, {"z", "end"}}, {"pax"});
  EXPECT_LT(bytes.size(), 100'000U);
  DatasetLimits limits;
  limits.max_unpacked_bytes = 3'000'003;
  const auto tree = Unpack(bytes, limits);
  ASSERT_TRUE(tree.ok()) << tree.status();
  std::string expected(3'000'000, '\0');
  expected.replace(0, 4, "head").replace(2'000'000, 4, "tail");
  EXPECT_TRUE(*tree->Read("holes", UINT64_MAX) == expected);
  EXPECT_EQ(*tree->Read("z", 3), "end");
  limits.max_unpacked_bytes = 3'000'002;
  ExpectRefused(bytes, {"limit=3000002"}, limits);
}

void PutU32(uint32_t value, size_t at, std::string& bytes) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i) & 0xFF);
}

// The inflated bytes are what counts, not what the zip says of them.
TEST(UnpackArchive, RefusesAZipThatLiesAboutASize) {
  const std::string honest = MakeArchive({{"zeros", std::string(4 << 20, '\0')}}, {"zip"});
  const size_t directory = honest.rfind(std::string("PK\x01\x02", 4));
  ASSERT_NE(directory, std::string::npos);
  for (const uint32_t claimed : {100U, 5U << 20}) {
    std::string contradicting = honest;
    PutU32(claimed, directory + 24, contradicting);
    ExpectRefused(contradicting, {"zeros", "ncompressed size"});
    std::string lying = contradicting;
    PutU32(claimed, 22, lying);
    ExpectRefused(lying, {"zeros"});
  }
}

TEST(UnpackArchive, RefusesAWrongChecksum) {
  std::string bytes = MakeArchive({{"a.txt", "some text that is stored"}}, {"zip"});
  const size_t directory = bytes.rfind(std::string("PK\x01\x02", 4));
  bytes[directory + 16] = static_cast<char>(bytes[directory + 16] ^ 1);
  ExpectRefused(bytes, {"a.txt"});
}

TEST(UnpackArchive, PassesOnWhatProgressReturns) {
  const std::string bytes = MakeArchive(Sample(), {"ustar", "gzip"});
  int calls = 0;
  const auto count = [&](uint64_t done, uint64_t total) {
    ++calls;
    EXPECT_LE(done, total);
    EXPECT_EQ(total, bytes.size());
    return absl::OkStatus();
  };
  EXPECT_TRUE(Unpack(bytes, {}, count).ok());
  EXPECT_EQ(calls, 5);
  const auto cancel = [](uint64_t, uint64_t) { return absl::CancelledError("enough"); };
  EXPECT_EQ(Unpack(bytes, {}, cancel).status(), absl::CancelledError("enough"));
}

class BrokenReader final : public base::RandomAccessReader {
 public:
  uint64_t size() const override { return 1'000'000; }
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override {
    if (offset > 0 || out.size() < 512) return absl::DataLossError("the medium failed");
    const std::string header = TarHeader("a", 900'000);
    std::fill(out.begin(), out.end(), std::byte{0});
    std::copy_n(reinterpret_cast<const std::byte*>(header.data()), 512, out.begin());
    return absl::OkStatus();
  }
};

TEST(UnpackArchive, PassesOnWhatTheReaderReturns) {
  const testing::TempDir folder;
  const auto tree = UnpackArchive(BrokenReader(), folder.File("s"), {}, kNoProgress);
  EXPECT_EQ(tree.status(), absl::DataLossError("the medium failed"));
}

TEST(UnpackArchive, TellsWhereTheScratchFileCannotBe) {
  const std::string bytes = MakeArchive({{"a", "1"}}, {"ustar"});
  const auto tree = UnpackArchive(base::StringReader(bytes), "/no/such/folder/s", {}, kNoProgress);
  EXPECT_EQ(tree.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(tree.status().message()), HasSubstr("/no/such/folder/s"));
}

// What is cut anywhere is refused, or nothing that matters was cut off.
TEST(UnpackArchive, NeverTakesACutArchiveForAWholeOne) {
  const std::map<std::string, std::string> whole = SampleContent();
  for (const Shape& shape : AllShapes()) {
    const std::string bytes = MakeArchive(Sample(), shape);
    const size_t step = std::max<size_t>(1, bytes.size() / 60);
    for (size_t length = 0; length < bytes.size(); length += step) {
      const auto tree = Unpack(bytes.substr(0, length));
      if (!tree.ok()) {
        EXPECT_EQ(tree.status().code(), absl::StatusCode::kInvalidArgument) << tree.status();
        continue;
      }
      EXPECT_EQ(ContentOf(*tree), whole)
          << shape.format << " " << shape.filter << " cut to " << length << " of " << bytes.size();
    }
  }
}

// A plain tar that ends between two entries looks whole to libarchive.
TEST(UnpackArchive, RefusesATarThatEndsBetweenEntries) {
  const std::string tar = MakeArchive({{"a", std::string(700, 'x')}, {"b", "2"}}, {"ustar"});
  ExpectRefused(tar.substr(0, 512 + 1024), {"cut short", "'a'"});
  ExpectRefused(Compress(tar.substr(0, 512 + 1024), "gzip"), {"cut short", "'a'"});
}

TEST(UnpackArchive, SurvivesFlippedBytes) {
  constexpr uint64_t kSeed = 20'261'125;
  SCOPED_TRACE(base::StrCat("seed ", kSeed));
  base::Random random(kSeed);
  int refused = 0;
  int taken = 0;
  for (const Shape& shape : AllShapes()) {
    const std::string bytes = MakeArchive(Sample(), shape);
    for (int round = 0; round < 60; ++round) {
      std::string bad = bytes;
      const size_t flips = 1 + random.Below(4);
      for (size_t i = 0; i < flips; ++i) {
        // Half of them where names and sizes are.
        const size_t where = random.Chance(0.5F) ? random.Below(std::min<size_t>(2048, bad.size()))
                                                 : random.Below(bad.size());
        bad[where] = static_cast<char>(bad[where] ^ static_cast<char>(1 + random.Below(255)));
      }
      const auto tree = Unpack(bad);
      if (tree.ok()) ContentOf(*tree);
      ++(tree.ok() ? taken : refused);
    }
  }
  std::printf("seed %llu: %d refused, %d taken\n", static_cast<unsigned long long>(kSeed), refused,
              taken);
  EXPECT_GT(refused, taken / 4);
}

}  // namespace
}  // namespace lbw::dataset

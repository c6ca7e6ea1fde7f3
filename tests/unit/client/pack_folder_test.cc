#include "client/cpp/pack_folder.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/digest.h"
#include "base/io.h"
#include "gmock/gmock.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class PackFolderTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, const std::string& bytes) {
    const fs::path path = fs::path(folder) / name;
    fs::create_directories(path.parent_path());
    WriteText(path.string(), bytes);
  }
  absl::StatusOr<PackedFolder> Pack() {
    return PackFolder(folder, archive, {}, canceller, progress);
  }
  // Names and contents, in the archive's order; everything else must be neutral.
  std::vector<std::pair<std::string, std::string>> Entries() {
    std::vector<std::pair<std::string, std::string>> entries;
    struct archive* const reader = archive_read_new();
    archive_read_support_format_tar(reader);
    EXPECT_EQ(archive_read_open_filename(reader, archive.c_str(), 65536), ARCHIVE_OK);
    archive_entry* entry = nullptr;
    while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
      EXPECT_EQ(archive_entry_filetype(entry), static_cast<unsigned>(AE_IFREG));
      EXPECT_EQ(archive_entry_perm(entry), 0644U);
      EXPECT_EQ(archive_entry_mtime(entry), 0);
      EXPECT_EQ(archive_entry_uid(entry), 0);
      std::string bytes(static_cast<size_t>(archive_entry_size(entry)), '\0');
      archive_read_data(reader, bytes.data(), bytes.size());
      entries.emplace_back(archive_entry_pathname(entry), bytes);
    }
    archive_read_free(reader);
    return entries;
  }

  lbw::testing::TempDir dir;
  const std::string folder = dir.File("data");
  const std::string archive = dir.File("data.tar");
  Canceller canceller;
  NoProgress progress;
};

TEST_F(PackFolderTest, SortedNeutralAndTheSameBytesEveryTime) {
  Add("b/2.txt", "two");
  Add("b.txt", "b");
  Add("a/deep/er/1.txt", "one");
  Add("empty", "");
  const auto packed = Pack();
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ(packed->files, 4U);
  EXPECT_EQ(packed->bytes, 7U);
  EXPECT_THAT(Entries(), ElementsAre(Pair("a/deep/er/1.txt", "one"), Pair("b.txt", "b"),
                                     Pair("b/2.txt", "two"), Pair("empty", "")));
  const std::string first = base::Sha256Hex(base::AsBytes(ReadText(archive)));
  fs::last_write_time(folder + "/b.txt", fs::file_time_type::clock::now() - std::chrono::hours(9));
  ::chmod((folder + "/b.txt").c_str(), 0600);
  ASSERT_TRUE(Pack().ok());
  EXPECT_EQ(base::Sha256Hex(base::AsBytes(ReadText(archive))), first);
}

TEST_F(PackFolderTest, NamesThatUstarCannotHoldSurvive) {
  const std::string long_name = std::string(120, 'x') + "/" + std::string(200, 'y') + ".jpg";
  Add(long_name, "1");
  Add("Größe/人.jpg", "2");
  Add("latin1-\xe9.jpg", "3");
  ASSERT_TRUE(Pack().ok());
  EXPECT_THAT(Entries(), ElementsAre(Pair("Größe/人.jpg", "2"), Pair("latin1-\xe9.jpg", "3"),
                                     Pair(long_name, "1")));
}

TEST_F(PackFolderTest, HiddenFilesAndMacLeftoversStayOut) {
  Add("a.txt", "a");
  Add(".DS_Store", "x");
  Add(".git/config", "x");
  Add("__MACOSX/a.txt", "x");
  Add("sub/._a.txt", "x");
  const auto packed = Pack();
  ASSERT_TRUE(packed.ok());
  EXPECT_THAT(Entries(), ElementsAre(Pair("a.txt", "a")));
  EXPECT_EQ(packed->skipped_count, 0U);
}

TEST_F(PackFolderTest, LinksOnlyToFilesInside) {
  Add("a.txt", "a");
  Add("sub/b.txt", "b");
  WriteText(dir.File("secret"), "s");
  fs::create_symlink("../a.txt", folder + "/sub/inside.txt");
  fs::create_symlink(dir.File("secret"), folder + "/outside.txt");
  fs::create_symlink("nothing", folder + "/dangling.txt");
  fs::create_directory_symlink(".", folder + "/loop");
  ::mkfifo((folder + "/pipe").c_str(), 0600);
  const auto packed = Pack();
  ASSERT_TRUE(packed.ok());
  EXPECT_THAT(Entries(),
              ElementsAre(Pair("a.txt", "a"), Pair("sub/b.txt", "b"), Pair("sub/inside.txt", "a")));
  EXPECT_EQ(packed->skipped_count, 4U);
  EXPECT_THAT(packed->skipped, ::testing::Contains("outside.txt: a link out of the folder"));
}

TEST_F(PackFolderTest, AFolderBesideWithTheSameBeginningIsOutside) {
  Add("a.txt", "a");
  fs::create_directory(dir.File("data2"));
  WriteText(dir.File("data2/b.txt"), "b");
  fs::create_symlink("../data2/b.txt", folder + "/b.txt");
  ASSERT_TRUE(Pack().ok());
  EXPECT_THAT(Entries(), ElementsAre(Pair("a.txt", "a")));
}

TEST_F(PackFolderTest, WhatCannotBePacked) {
  EXPECT_EQ(Pack().status().code(), absl::StatusCode::kNotFound);
  fs::create_directory(folder);
  Add(".hidden", "x");
  const absl::Status empty = Pack().status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(empty.message()), HasSubstr("there are no files in"));
  Add("a", "1");
  Add("b", "2");
  const absl::Status many = PackFolder(folder, archive, {1}, canceller, progress).status();
  EXPECT_EQ(many.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(many.message()), HasSubstr("limit=1"));
  EXPECT_TRUE(PackFolder(folder, archive, {2}, canceller, progress).ok());
  EXPECT_FALSE(PackFolder(folder, dir.File("no/such/x.tar"), {}, canceller, progress).ok());
  canceller.Cancel();
  EXPECT_EQ(Pack().status().code(), absl::StatusCode::kCancelled);
}

TEST(TemporaryFile, IsGoneWithItsObject) {
  std::string path;
  {
    auto made = TemporaryFile::Create();
    ASSERT_TRUE(made.ok());
    const TemporaryFile moved = std::move(made).value();
    path = moved.path();
    EXPECT_TRUE(fs::exists(path));
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace lbw::client

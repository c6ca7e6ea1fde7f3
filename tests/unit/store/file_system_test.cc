#include "store/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <string>

#include "base/io.h"
#include "support/temp_dir.h"

namespace lbw::store {
namespace {

TEST(RealFileSystem, WritesReadsTruncatesAndSyncs) {
  const testing::TempDir folder;
  FileSystem& files = RealFileSystem();
  const auto file = files.OpenFile(folder.File("f"), FileSystem::Open::kCreateNew).value();
  ASSERT_TRUE(file->WriteAt(4, base::AsBytes("efgh")).ok());
  ASSERT_TRUE(file->WriteAt(0, base::AsBytes("abcd")).ok());
  EXPECT_EQ(file->Size().value(), 8u);
  std::string text(5, '?');
  const absl::Span<std::byte> out(reinterpret_cast<std::byte*>(text.data()), text.size());
  ASSERT_TRUE(file->ReadAt(2, out).ok());
  EXPECT_EQ(text, "cdefg");
  EXPECT_EQ(file->ReadAt(4, out).code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(file->Truncate(3).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(files.SyncFolder(folder.path()).ok());
  EXPECT_EQ(base::ReadAll(*files.OpenReader(folder.File("f")).value(), 100).value(), "abc");
}

TEST(RealFileSystem, OpenModes) {
  const testing::TempDir folder;
  FileSystem& files = RealFileSystem();
  EXPECT_EQ(files.OpenFile(folder.File("f"), FileSystem::Open::kExisting).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(files.OpenFile(folder.File("f"), FileSystem::Open::kCreate).ok());
  EXPECT_TRUE(files.OpenFile(folder.File("f"), FileSystem::Open::kCreate).ok());
  EXPECT_EQ(files.OpenFile(folder.File("f"), FileSystem::Open::kCreateNew).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(files.OpenReader(folder.File("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST(RealFileSystem, RenameReplacesAndRemoveTellsOfNothing) {
  const testing::TempDir folder;
  FileSystem& files = RealFileSystem();
  for (const char* name : {"a", "b"}) {
    const auto file = files.OpenFile(folder.File(name), FileSystem::Open::kCreate).value();
    ASSERT_TRUE(file->WriteAt(0, base::AsBytes(name)).ok());
  }
  ASSERT_TRUE(files.Rename(folder.File("a"), folder.File("b")).ok());
  EXPECT_EQ(base::ReadAll(*files.OpenReader(folder.File("b")).value(), 10).value(), "a");
  EXPECT_EQ(files.Rename(folder.File("a"), folder.File("b")).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(files.Remove(folder.File("b")).ok());
  EXPECT_EQ(files.Remove(folder.File("b")).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(RemoveIfThere(files, folder.File("b")).ok());
}

TEST(RealFileSystem, ListsFilesAndFolders) {
  const testing::TempDir folder;
  FileSystem& files = RealFileSystem();
  ASSERT_TRUE(files.MakeFolder(folder.File("x/y")).ok());
  ASSERT_TRUE(files.MakeFolder(folder.File("x/y")).ok());
  const auto file = files.OpenFile(folder.File("x/f"), FileSystem::Open::kCreate).value();
  ASSERT_TRUE(file->WriteAt(0, base::AsBytes("12345")).ok());
  const std::vector<FileInfo> entries = files.List(folder.File("x")).value();
  ASSERT_EQ(entries.size(), 2u);
  for (const FileInfo& entry : entries) {
    EXPECT_EQ(entry.is_folder, entry.name == "y");
    if (entry.name == "f") {
      EXPECT_EQ(entry.size_bytes, 5u);
    }
  }
  EXPECT_EQ(files.Stat(folder.File("x/f"))->size_bytes, 5u);
  EXPECT_TRUE(files.Stat(folder.File("x"))->is_folder);
  EXPECT_EQ(files.List(folder.File("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files.Stat(folder.File("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files.SyncFolder(folder.File("none")).code(), absl::StatusCode::kNotFound);
}

TEST(RealFileSystem, ALinkIsNotFollowedForWriting) {
  const testing::TempDir folder;
  std::filesystem::create_symlink(folder.File("target"), folder.File("link"));
  EXPECT_FALSE(RealFileSystem().OpenFile(folder.File("link"), FileSystem::Open::kCreate).ok());
  EXPECT_FALSE(std::filesystem::exists(folder.File("target")));
}

TEST(RealFileSystem, AFullDiskIsOutOfRoom) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const auto file = RealFileSystem().OpenFile("/dev/full", FileSystem::Open::kExisting);
  if (!file.ok()) GTEST_SKIP() << "/dev/full does not open: " << file.status();
  EXPECT_EQ((*file)->WriteAt(0, base::AsBytes("x")).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace lbw::store

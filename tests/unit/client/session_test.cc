#include "client/cpp/session.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "support/temp_dir.h"
#include "unit/client/transfer_fixture.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;

TEST(WriteFile, ReplacesAsAWhole) {
  const lbw::testing::TempDir dir;
  const std::string path = dir.File("report.json");
  for (const char* text : {"one", "two"}) {
    ASSERT_TRUE(WriteFile(path, text).ok());
    EXPECT_EQ(ReadText(path), text);
    EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  }
}

TEST(WriteFile, LeavesNoPartWhereItFails) {
  const lbw::testing::TempDir dir;
  const std::string folder = dir.File("folder");
  std::filesystem::create_directory(folder);
  EXPECT_FALSE(WriteFile(folder, "bytes").ok());
  EXPECT_FALSE(std::filesystem::exists(folder + ".part"));
}

TEST(CheckOutFile, NamesOptionPathAndWhy) {
  const lbw::testing::TempDir dir;
  EXPECT_TRUE(CheckOutFile(dir.File("new"), "--out").ok());
  EXPECT_TRUE(CheckOutFile("new-file-in-this-folder", "--out").ok());
  const absl::Status lost = CheckOutFile(dir.File("none/new"), "--report");
  EXPECT_EQ(lost.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(lost.message()), HasSubstr("--report: " + dir.File("none/new")));
  EXPECT_EQ(CheckOutFile(dir.path(), "--out").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lbw::client

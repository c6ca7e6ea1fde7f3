#include "dataset/file_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace lbw::dataset {
namespace {

using ::testing::HasSubstr;

TEST(FileTree, ReadsFilesByPath) {
  const FileTree tree = MakeFileTree({{"b/c.txt", "three"}, {"a.txt", "one"}, {"empty", ""}});
  ASSERT_EQ(tree.files().size(), 3U);
  EXPECT_EQ(tree.files().begin()->first, "a.txt");
  EXPECT_EQ(*tree.Read("b/c.txt", 100), "three");
  EXPECT_EQ(*tree.Read("a.txt", 100), "one");
  EXPECT_EQ(*tree.Read("empty", 0), "");
}

TEST(FileTree, HoldsTheLimitOfBytes) {
  const FileTree tree = MakeFileTree({{"a.txt", "12345"}});
  EXPECT_TRUE(tree.Read("a.txt", 5).ok());
  const absl::Status status = tree.Read("a.txt", 4).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::GetErrorDetails(status).reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("a.txt"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("bytes=5 limit=4"));
}

TEST(FileTree, TellsWhatIsNotThere) {
  const FileTree tree = MakeFileTree({});
  EXPECT_TRUE(tree.files().empty());
  EXPECT_EQ(tree.Read("a.txt", 5).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace lbw::dataset

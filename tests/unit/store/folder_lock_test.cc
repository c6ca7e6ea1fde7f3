#include "store/folder_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "base/status.h"
#include "support/temp_dir.h"

namespace lbw::store {
namespace {

TEST(FolderLock, ASecondOneIsRefusedAndNamesTheProcess) {
  const testing::TempDir folder;
  auto first = FolderLock::Acquire(folder.path());
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = FolderLock::Acquire(folder.path()).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::GetErrorDetails(second).reason, "IN_USE");
  EXPECT_THAT(std::string(second.message()),
              ::testing::HasSubstr("process " + std::to_string(::getpid())));
  EXPECT_THAT(std::string(second.message()), ::testing::HasSubstr(folder.path()));
  first->reset();
  EXPECT_TRUE(FolderLock::Acquire(folder.path()).ok());
}

TEST(FolderLock, EndsWithItsProcessHoweverThatDies) {
  const testing::TempDir folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FolderLock::Acquire(folder.path());
    const char answer = lock.ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  ASSERT_GT(child, 0);
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const absl::Status held = FolderLock::Acquire(folder.path()).status();
  EXPECT_THAT(std::string(held.message()),
              ::testing::HasSubstr("process " + std::to_string(child)));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(FolderLock::Acquire(folder.path()).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(FolderLock, AMissingFolderIsTold) {
  const testing::TempDir folder;
  EXPECT_EQ(FolderLock::Acquire(folder.File("none")).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace lbw::store

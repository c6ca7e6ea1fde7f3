#include "jobs/worker_slot.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "support/temp_dir.h"

namespace lbw::jobs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(WorkerSlot, WorkersHaveSlotsAndIdsOfTheirOwn) {
  const testing::TempDir dir;
  const auto first = WorkerSlot::Take(dir.path());
  const auto second = WorkerSlot::Take(dir.path());
  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_EQ((*first)->id().size(), 26U);
  EXPECT_NE((*first)->id(), (*second)->id());
  EXPECT_NE((*first)->scratch_dir(), (*second)->scratch_dir());
  EXPECT_TRUE(std::filesystem::exists(dir.File("workers/0")));
  EXPECT_TRUE(std::filesystem::exists(dir.File("workers/1")));
}

TEST(WorkerSlot, OneThatComesBackHasItsIdAgain) {
  const testing::TempDir dir;
  std::string id;
  {
    const auto slot = WorkerSlot::Take(dir.path());
    ASSERT_TRUE(slot.ok());
    id = (*slot)->id();
  }
  const auto again = WorkerSlot::Take(dir.path());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->id(), id);
}

TEST(WorkerSlot, ItsScratchFolderIsEmptyWhenItIsTaken) {
  const testing::TempDir dir;
  {
    const auto slot = WorkerSlot::Take(dir.path());
    ASSERT_TRUE(slot.ok());
    std::filesystem::create_directories((*slot)->scratch_dir() + "/job/deep");
    std::ofstream((*slot)->scratch_dir() + "/job/deep/file") << "left";
  }
  const auto again = WorkerSlot::Take(dir.path());
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(std::filesystem::is_directory((*again)->scratch_dir()));
  EXPECT_TRUE(std::filesystem::is_empty((*again)->scratch_dir()));
}

TEST(WorkerSlot, DeadWorkersAreThoseWithoutAHolder) {
  const testing::TempDir dir;
  EXPECT_THAT(*WorkerSlot::DeadWorkers(dir.path()), IsEmpty());
  auto first = WorkerSlot::Take(dir.path());
  auto second = WorkerSlot::Take(dir.path());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(*WorkerSlot::DeadWorkers(dir.path()), IsEmpty());
  const std::string id = (*first)->id();
  first->reset();
  EXPECT_THAT(*WorkerSlot::DeadWorkers(dir.path()), ElementsAre(id));
}

// A worker that is about to come back must not find its fresh lease freed by a neighbour.
TEST(WorkerSlot, ADeadWorkersSlotCannotBeTakenWhileItIsVisited) {
  const testing::TempDir dir;
  std::string dead;
  {
    const auto slot = WorkerSlot::Take(dir.path());
    ASSERT_TRUE(slot.ok());
    dead = (*slot)->id();
  }
  int visits = 0;
  const absl::Status visited = WorkerSlot::ForEachDead(dir.path(), [&](const std::string& id) {
    if (++visits > 1) return;  // the slot that the first visit made and left
    EXPECT_EQ(id, dead);
    const auto taken = WorkerSlot::Take(dir.path());
    ASSERT_TRUE(taken.ok());
    EXPECT_NE((*taken)->id(), dead);
  });
  EXPECT_TRUE(visited.ok()) << visited;
  EXPECT_GE(visits, 1);
  const auto after = WorkerSlot::Take(dir.path());
  ASSERT_TRUE(after.ok());
  EXPECT_EQ((*after)->id(), dead);
}

TEST(WorkerSlot, ASlotWhoseIdWasCutGetsANewOne) {
  const testing::TempDir dir;
  std::filesystem::create_directories(dir.File("workers"));
  std::ofstream(dir.File("workers/0")) << "01hx";
  EXPECT_THAT(*WorkerSlot::DeadWorkers(dir.path()), IsEmpty());
  const auto slot = WorkerSlot::Take(dir.path());
  ASSERT_TRUE(slot.ok());
  EXPECT_EQ((*slot)->id().size(), 26U);
}

TEST(WorkerSlot, KillNineFreesTheSlot) {
  const testing::TempDir dir;
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto slot = WorkerSlot::Take(dir.path());
    const std::string id = slot.ok() ? (*slot)->id() : "none";
    if (::write(ready[1], id.data(), id.size()) < 0) ::_exit(1);
    while (true) ::pause();
  }
  std::string id(26, '\0');
  ASSERT_EQ(::read(ready[0], id.data(), id.size()), 26);
  EXPECT_THAT(*WorkerSlot::DeadWorkers(dir.path()), IsEmpty());
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  EXPECT_THAT(*WorkerSlot::DeadWorkers(dir.path()), ElementsAre(id));
  ::close(ready[0]);
  ::close(ready[1]);
}

// Taken by hand: 1024 descriptors may be more than this process may have.
TEST(WorkerSlot, OneThousandAndTwentyFourAreTheMost) {
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  constexpr rlim_t kNeeded = 1100;
  if (files.rlim_max < kNeeded) GTEST_SKIP() << "at most " << files.rlim_max << " open files";
  const rlimit more = {std::max(files.rlim_cur, kNeeded), files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &more), 0);
  const testing::TempDir dir(testing::TempDir::Place::kMemory);
  std::vector<std::unique_ptr<WorkerSlot>> slots;
  for (int i = 0; i < 1024; ++i) {
    auto slot = WorkerSlot::Take(dir.path());
    ASSERT_TRUE(slot.ok()) << slot.status();
    slots.push_back(*std::move(slot));
  }
  EXPECT_EQ(WorkerSlot::Take(dir.path()).status().code(), absl::StatusCode::kResourceExhausted);
  slots.clear();
  ::setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace
}  // namespace lbw::jobs

#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/status.h"

namespace lbw::base {
namespace {

ThreadPool::Options Options(size_t threads, size_t max_queue) {
  ThreadPool::Options options;
  options.name = "a-pool";
  options.threads = threads;
  options.max_queue = max_queue;
  return options;
}

TEST(ThreadPool, OneThreadRunsTasksInOrder) {
  std::vector<int> order;
  {
    ThreadPool pool(Options(1, 1000));
    for (int i = 0; i < 500; ++i)
      ASSERT_TRUE(pool.Submit([i, &order] { order.push_back(i); }).ok());
  }
  ASSERT_EQ(order.size(), 500u);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(ThreadPool, QueueTakesItsLimitAndNotOneMore) {
  ThreadPool pool(Options(1, 3));
  absl::Notification started;
  absl::Notification release;
  std::atomic<int> ran{0};
  ASSERT_TRUE(pool.Submit([&] {
                    started.Notify();
                    release.WaitForNotification();
                  })
                  .ok());
  started.WaitForNotification();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.Submit([&ran] { ++ran; }).ok());
  EXPECT_EQ(pool.queued(), 3u);
  const absl::Status full = pool.Submit([&ran] { ++ran; });
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(GetErrorDetails(full).reason, "QUEUE_FULL");
  EXPECT_THAT(std::string(full.message()), ::testing::HasSubstr("limit=3"));
  release.Notify();
  pool.Shutdown();
  EXPECT_EQ(ran, 3);
}

TEST(ThreadPool, AfterShutdownNothingIsTaken) {
  ThreadPool pool(Options(2, 10));
  pool.Shutdown();
  pool.Shutdown();
  const absl::Status status = pool.Submit([] {});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrorDetails(status).reason, "DRAINING");
}

TEST(ThreadPool, ATaskMaySubmit) {
  std::atomic<int> ran{0};
  ThreadPool pool(Options(1, 10));
  absl::Notification done;
  ASSERT_TRUE(pool.Submit([&] {
                    ++ran;
                    EXPECT_TRUE(pool.Submit([&] {
                                      ++ran;
                                      done.Notify();
                                    })
                                    .ok());
                  })
                  .ok());
  done.WaitForNotification();
  EXPECT_EQ(ran, 2);
}

TEST(ThreadPool, ThreadsRunAtTheSameTimeAndCarryTheirNames) {
  ThreadPool pool(Options(2, 10));
  absl::Notification first;
  absl::Notification second;
  std::array<std::string, 2> names;
  const auto name = [] {
    std::array<char, 16> text{};
    ::pthread_getname_np(::pthread_self(), text.data(), text.size());
    return std::string(text.data());
  };
  ASSERT_TRUE(
      pool.Submit([&] {
            first.Notify();
            second.WaitForNotification();  // ends only if the other task runs beside this one
            names[0] = name();
          })
          .ok());
  ASSERT_TRUE(pool.Submit([&] {
                    first.WaitForNotification();
                    second.Notify();
                    names[1] = name();
                  })
                  .ok());
  pool.Shutdown();
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("a-pool-0", "a-pool-1"));
}

TEST(ThreadPool, AWithdrawnTaskNeverRunsAndFreesItsPlace) {
  ThreadPool pool(Options(1, 2));
  absl::Notification started;
  absl::Notification go;
  const auto running = pool.Enqueue([&] {
    started.Notify();
    go.WaitForNotification();
  });
  ASSERT_TRUE(running.ok());
  started.WaitForNotification();
  std::atomic<int> ran{0};
  const auto first = pool.Enqueue([&] { ran += 1; });
  const auto second = pool.Enqueue([&] { ran += 10; });
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(pool.Submit([] {}).ok());
  EXPECT_FALSE(pool.Withdraw(*running));
  EXPECT_TRUE(pool.Withdraw(*first));
  EXPECT_FALSE(pool.Withdraw(*first));
  EXPECT_TRUE(pool.Submit([&] { ran += 100; }).ok());
  go.Notify();
  pool.Shutdown();
  EXPECT_EQ(ran, 110);
  EXPECT_FALSE(pool.Withdraw(*second));
}

}  // namespace
}  // namespace lbw::base

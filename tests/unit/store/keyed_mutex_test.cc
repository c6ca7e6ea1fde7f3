#include "store/keyed_mutex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace lbw::store {
namespace {

TEST(KeyedMutex, OneKeyExcludesAndAnotherDoesNot) {
  KeyedMutex mutex;
  absl::Notification other_done;
  std::atomic<bool> same_entered{false};
  std::thread same;
  {
    const KeyedMutex::Guard held(mutex, "a");
    std::thread other([&] {
      const KeyedMutex::Guard guard(mutex, "b");  // would never end if keys shared a lock
      other_done.Notify();
    });
    other_done.WaitForNotification();
    other.join();
    same = std::thread([&] {
      const KeyedMutex::Guard guard(mutex, "a");
      same_entered = true;
    });
    EXPECT_FALSE(same_entered);
  }
  same.join();
  EXPECT_TRUE(same_entered);
}

TEST(KeyedMutex, HoldersOfOneKeyNeverOverlap) {
  KeyedMutex mutex;
  int inside = 0;  // unguarded on purpose: the key is its guard
  int64_t total = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 500; ++j) {
        const KeyedMutex::Guard guard(mutex, "key");
        EXPECT_EQ(++inside, 1);
        ++total;
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total, 2000);
}

}  // namespace
}  // namespace lbw::store

// File descriptors that close themselves, and one that wakes a poll() from another thread.
#ifndef LBW_JOBS_FD_H_
#define LBW_JOBS_FD_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "base/status.h"

namespace lbw::jobs {

// Owns a descriptor; -1 is none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

// An eventfd: readable from Wake until Drain. Threads: any.
class WakeFd {
 public:
  WakeFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { LBW_CHECK(fd_.get() >= 0); }
  int get() const { return fd_.get(); }
  void Wake() {
    const uint64_t one = 1;
    // It fails only where the counter is full, and then it is readable already.
    if (::write(fd_.get(), &one, sizeof(one)) < 0) return;
  }
  void Drain() {
    uint64_t count = 0;
    if (::read(fd_.get(), &count, sizeof(count)) < 0) return;
  }

 private:
  const UniqueFd fd_;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_FD_H_

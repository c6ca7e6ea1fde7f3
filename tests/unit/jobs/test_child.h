// This test binary as a job's process: it starts itself with a mode in its environment.
#ifndef LBW_TESTS_UNIT_JOBS_TEST_CHILD_H_
#define LBW_TESTS_UNIT_JOBS_TEST_CHILD_H_

#include <poll.h>

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "jobs/child_process.h"

namespace lbw::jobs {

// Modes:
//   run        RunChild with jobs that do what their spec says (test_child.cc)
//   sleep      says "ready" on its socket and sleeps; SIGTERM ends it
//   garbage    answers its assignment with a line that is no message, then sleeps
//   long_line  ... with a line longer than kMaxLineBytes
//   deaf       closes its socket and sleeps
//   exit_3, segv, kill_self
//   describe   writes what it was given (descriptors, arguments, signals) to its log and ends
//   orphan     starts a process that sleeps, says its id, and ends
//   worker     runs a Worker with a job that never ends, and says the id of that job's process
ChildOptions ChildInMode(std::string_view mode);

// Reads a descriptor until the text is in what was read, its end, or 20 s; everything read.
std::string ReadUntil(int fd, std::string_view text);
// True once it is readable; false after the timeout.
bool IsReadable(int fd, absl::Duration timeout);
// What ended it; fails the test after 20 s.
Outcome WaitForEnd(ChildProcess& child);

}  // namespace lbw::jobs

#endif  // LBW_TESTS_UNIT_JOBS_TEST_CHILD_H_

// A queue of jobs in memory, for tests of what reads it: only reading and waiting work.
#ifndef LBW_TESTS_UNIT_RPC_FAKE_QUEUE_H_
#define LBW_TESTS_UNIT_RPC_FAKE_QUEUE_H_

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "jobs/queue.h"

namespace lbw::rpc {

class FakeQueue final : public jobs::Queue {
 public:
  void Put(const std::string& id, jobs::JobState state) {
    absl::MutexLock lock(&mu_);
    Entry& entry = jobs_[id];
    entry.job.id = id;
    entry.job.kind = "evaluate";
    entry.job.state = state;
    ++version_;
  }
  void AddEvents(const std::string& id, int count, size_t text_bytes = 4) {
    absl::MutexLock lock(&mu_);
    Entry& entry = jobs_[id];
    for (int i = 0; i < count; ++i) {
      jobs::Event event;
      event.cursor = ++entry.job.last_cursor;
      event.json = R"({"message": {"text": ")" + std::string(text_bytes, 'x') + R"("}})";
      entry.events.push_back(event);
    }
    ++version_;
  }
  void Forget(const std::string& id) {
    absl::MutexLock lock(&mu_);
    jobs_.erase(id);
    ++version_;
  }
  int reads() const {
    absl::MutexLock lock(&mu_);
    return reads_;
  }
  size_t largest_page() const {
    absl::MutexLock lock(&mu_);
    return largest_page_;
  }

  absl::StatusOr<jobs::Job> Get(std::string_view id) override {
    absl::MutexLock lock(&mu_);
    const auto found = jobs_.find(std::string(id));
    if (found == jobs_.end()) return NotThere();
    return found->second.job;
  }
  absl::StatusOr<std::vector<jobs::Event>> EventsAfter(std::string_view id, int64_t cursor,
                                                       int limit) override {
    absl::MutexLock lock(&mu_);
    ++reads_;
    const auto found = jobs_.find(std::string(id));
    if (found == jobs_.end()) return NotThere();
    std::vector<jobs::Event> events;
    const std::vector<jobs::Event>& all = found->second.events;  // cursor 1 first
    for (size_t i = static_cast<size_t>(cursor); i < all.size(); ++i) {
      if (events.size() == static_cast<size_t>(limit)) break;
      events.push_back(all[i]);
    }
    largest_page_ = std::max(largest_page_, events.size());
    return events;
  }
  uint64_t WaitForChange(uint64_t token, absl::Duration timeout) override {
    absl::MutexLock lock(&mu_);
    const auto changed = [this, token]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return version_ != token; };
    mu_.AwaitWithTimeout(absl::Condition(&changed), timeout);
    return version_;
  }

  absl::StatusOr<jobs::Job> Create(const jobs::JobDraft&, const Record&) override { return No(); }
  absl::StatusOr<std::optional<jobs::Job>> FindByRequest(const Request&) override { return No(); }
  absl::StatusOr<Page> List(const jobs::JobFilter&, int, std::string_view) override { return No(); }
  absl::StatusOr<jobs::Job> Ask(std::string_view, jobs::Wish, const ApplyFailure&) override {
    return No();
  }
  absl::Status Delete(std::string_view) override { return No(); }
  absl::StatusOr<std::vector<jobs::CheckpointInfo>> Checkpoints(std::string_view) override {
    return No();
  }
  absl::StatusOr<Log> ReadLog(std::string_view) override { return No(); }
  absl::StatusOr<std::vector<std::string>> ActiveUsersOf(std::string_view) override { return No(); }
  absl::StatusOr<std::optional<jobs::Lease>> LeaseNext(std::string_view,
                                                       absl::Span<const std::string>) override {
    return No();
  }
  absl::StatusOr<jobs::JobState> Renew(const jobs::LeaseKey&) override { return No(); }
  absl::StatusOr<jobs::JobState> Peek(const jobs::LeaseKey&) override { return No(); }
  absl::Status Report(const jobs::LeaseKey&, const Progress&) override { return No(); }
  absl::Status AddCheckpoint(const jobs::LeaseKey&, const jobs::CheckpointInfo&) override {
    return No();
  }
  absl::StatusOr<jobs::Job> Finish(const jobs::LeaseKey&, const jobs::Outcome&, std::string_view,
                                   const ApplyResult&, const ApplyFailure&) override {
    return No();
  }
  absl::StatusOr<int64_t> ExpireLeases(const ApplyFailure&) override { return No(); }
  absl::StatusOr<int64_t> ReclaimLeases(std::string_view, const ApplyFailure&) override {
    return No();
  }
  absl::StatusOr<int64_t> Sweep() override { return No(); }
  absl::Status SeeWorker(const jobs::WorkerInfo&) override { return No(); }
  absl::Status ForgetWorker(std::string_view) override { return No(); }
  absl::StatusOr<std::vector<jobs::WorkerInfo>> Workers() override { return No(); }
  absl::StatusOr<std::vector<jobs::JobCount>> Counts() override { return No(); }
  absl::StatusOr<std::vector<CheckpointAge>> CheckpointAges() override { return No(); }

 private:
  struct Entry {
    jobs::Job job;
    std::vector<jobs::Event> events;
  };
  static absl::Status No() { return absl::UnimplementedError("not in this fake"); }
  static absl::Status NotThere() {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound, "no such job");
  }

  mutable absl::Mutex mu_;
  std::map<std::string, Entry> jobs_ ABSL_GUARDED_BY(mu_);
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 1;
  int reads_ ABSL_GUARDED_BY(mu_) = 0;
  size_t largest_page_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace lbw::rpc

#endif  // LBW_TESTS_UNIT_RPC_FAKE_QUEUE_H_

// The kind "test": what a worker's tests plug in for the kinds of the product.
#ifndef LBW_TESTS_UNIT_JOBS_TEST_KINDS_H_
#define LBW_TESTS_UNIT_JOBS_TEST_KINDS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "jobs/runner.h"
#include "jobs/worker.h"
#include "unit/jobs/test_child.h"

namespace lbw::jobs {

class TestKinds final : public JobKinds {
 public:
  std::vector<std::string> names() const override { return {"test"}; }
  absl::StatusOr<std::string> Prepare(const Job& job) override {
    if (job.spec_json == "unprepared") return absl::NotFoundError("no dataset d");
    if (job.spec_json == "long") return std::string(size_t{2} << 20, 'x');
    return "inputs of " + job.id;
  }
  absl::Status Apply(store::Session&, const Job& job, std::string& result) override {
    if (job.spec_json == "largest") result = std::to_string(result.size());
    result = "applied " + result;
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<store::BlobStore::Hold>> HoldBlob(std::string_view) override {
    absl::MutexLock lock(&mu_);
    return hold_.ok() ? nullptr : absl::StatusOr<std::unique_ptr<store::BlobStore::Hold>>(hold_);
  }
  // What holding a checkpoint's blob answers from now on.
  void AnswerHold(const absl::Status& status) {
    absl::MutexLock lock(&mu_);
    hold_ = status;
  }
  absl::Status ApplyFailure(store::Session&, const Job& job) override {
    absl::MutexLock lock(&mu_);
    failed_.push_back(job.id);
    return absl::OkStatus();
  }
  std::vector<std::string> failed() {
    absl::MutexLock lock(&mu_);
    return failed_;
  }

 private:
  absl::Mutex mu_;
  std::vector<std::string> failed_ ABSL_GUARDED_BY(mu_);
  absl::Status hold_ ABSL_GUARDED_BY(mu_);
};

inline WorkerOptions TestWorkerOptions(const std::string& folder,
                                       std::string_view child_mode = "run") {
  WorkerOptions options;
  options.info.id = "worker0";
  options.data_dir = folder;
  options.scratch_dir = folder + "/scratch";
  options.child = ChildInMode(child_mode);
  options.threads = 3;
  options.lease = absl::Seconds(20);
  options.poll = absl::Milliseconds(5);
  return options;
}

}  // namespace lbw::jobs

#endif  // LBW_TESTS_UNIT_JOBS_TEST_KINDS_H_

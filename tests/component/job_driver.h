// A worker by hand: leases jobs from a server's database on a connection of its own, as another
// process would, and ends them with results that a test makes up.
#ifndef LBW_TESTS_COMPONENT_JOB_DRIVER_H_
#define LBW_TESTS_COMPONENT_JOB_DRIVER_H_

#include <memory>
#include <string>

#include "component/server_fixture.h"
#include "jobs/queue.h"
#include "registry/datasets.h"
#include "registry/evaluations.h"
#include "store/sqlite_database.h"

namespace lbw::testing {

class JobDriver {
 public:
  explicit JobDriver(const std::string& data_dir);

  jobs::Queue& queue() { return *queue_; }
  // The next job of the kind, which must be due.
  jobs::Lease Take(const std::string& kind);
  // One event of progress.
  void Report(const jobs::Lease& lease, int64_t step, int64_t total_steps);
  // A note in the job's history.
  void Say(const jobs::Lease& lease, const std::string& text);
  jobs::Job End(const jobs::Lease& lease, jobs::Outcome::Kind kind);
  // The check found a dataset of detection: splits train (2 pictures) and val (1), classes red,
  // green, blue. pack: "artifacts/{sha256}".
  jobs::Job FinishCheck(const jobs::Lease& lease, const std::string& pack);
  // The same with what the check found.
  jobs::Job FinishCheckWith(const jobs::Lease& lease, const std::string& pack,
                            const v1::Dataset& summary);
  // The evaluation reached this map_50; every other figure is half of it.
  jobs::Job FinishEvaluation(const jobs::Lease& lease, double map_50);

 private:
  std::unique_ptr<store::SqliteDatabase> database_;
  std::unique_ptr<jobs::Queue> queue_;
  std::unique_ptr<registry::Datasets> datasets_;
  std::unique_ptr<registry::Evaluations> evaluations_;
};

// Three pictures of discs with their boxes, as a pack; seed makes other pictures.
std::string DiscPack(uint64_t seed = 1);
// Uploads an archive, creates the dataset and lets its check succeed with that pack.
v1::Dataset MakeDataset(ServerFixture& fixture, JobDriver& driver, const std::string& id,
                        uint64_t seed = 1);
// A job that evaluates; fails the test when it is refused.
v1::Job MakeEvaluateJob(ServerFixture& fixture, const v1::CreateJobRequest& request);
v1::CreateJobRequest EvaluateRequest(const std::string& version, const std::string& dataset);
// The whole of an evaluation; returns "evaluations/{id}".
std::string Evaluate(ServerFixture& fixture, JobDriver& driver, const std::string& version,
                     const std::string& dataset, double map_50);

}  // namespace lbw::testing

#endif  // LBW_TESTS_COMPONENT_JOB_DRIVER_H_

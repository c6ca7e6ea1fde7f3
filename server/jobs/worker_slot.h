// A worker's identity on its machine: FOLDER/workers/N, held by flock while the process lives. The
// kernel lets go of it when the process dies, kill -9 included.
//
// The id in the folder (a ULID) is the worker's name in leases: a worker that comes back takes a
// free slot and finds its own leases. Slots that are free but have an id belong to dead workers.
// Threads: one at a time.
#ifndef LBW_JOBS_WORKER_SLOT_H_
#define LBW_JOBS_WORKER_SLOT_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace lbw::jobs {

class WorkerSlot {
 public:
  // Takes the first free slot, or makes one. Errors: kResourceExhausted - 1024 are taken;
  // kInternal.
  static absl::StatusOr<std::unique_ptr<WorkerSlot>> Take(const std::string& data_dir);
  ~WorkerSlot();

  const std::string& id() const { return id_; }
  // Emptied when it is taken.
  const std::string& scratch_dir() const { return scratch_dir_; }
  // Ids of slots that nobody holds at this moment, not our own.
  static absl::StatusOr<std::vector<std::string>> DeadWorkers(const std::string& data_dir);
  // The same, each slot held during its call: no worker comes back under that id meanwhile.
  static absl::Status ForEachDead(const std::string& data_dir,
                                  const std::function<void(const std::string& id)>& visit);

 private:
  WorkerSlot(int fd, std::string id, std::string scratch_dir)
      : fd_(fd), id_(std::move(id)), scratch_dir_(std::move(scratch_dir)) {}
  const int fd_;
  const std::string id_;
  const std::string scratch_dir_;
};

}  // namespace lbw::jobs

#endif  // LBW_JOBS_WORKER_SLOT_H_

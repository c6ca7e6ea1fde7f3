#include "app/run_job.h"

#include <sys/resource.h>

#include <fstream>
#include <memory>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "engine/torch/torch_executor.h"
#include "jobs/child_main.h"
#include "store/file_system.h"
#include "store/folder_blob_store.h"
#include "tasks/tasks.h"

namespace lbw::app {
namespace {

void StandBack(int nice) {
  if (nice > 0 && ::setpriority(PRIO_PROCESS, 0, nice) != 0) base::LogWarning("nice_not_set");
  // Of 1000: rather than the server or the worker. Raising one's own needs no right.
  std::ofstream("/proc/self/oom_score_adj") << 600;
}

}  // namespace

int RunJobProcess(int fd, int nice) {
  base::ConfigureLog(base::LogLevel::kInfo, base::LogFormat::kText);
  StandBack(nice);
  const std::unique_ptr<engine::ExecutorFactory> engine = engine::NewTorchExecutorFactory();
  return jobs::RunChild(
      fd, [&](const jobs::Assignment& assignment) -> absl::StatusOr<jobs::ChildEnvironment> {
        jobs::ChildEnvironment environment;
        LBW_ASSIGN_OR_RETURN(environment.blobs, store::FolderBlobStore::Open(
                                                    store::RealFileSystem(), assignment.data_dir));
        environment.runner = tasks::NewJobRunner(*engine);
        return environment;
      });
}

}  // namespace lbw::app

// What tests of the room share: a link that gives orders by a script, a blob store of their own, a
// detector and pictures with known discs.
#ifndef LBW_TESTS_UNIT_TASKS_TASKS_FIXTURE_H_
#define LBW_TESTS_UNIT_TASKS_TASKS_FIXTURE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "dataset/dataset.h"
#include "engine/executor.h"
#include "jobs/runner.h"
#include "model/model.h"
#include "store/folder_blob_store.h"
#include "support/temp_dir.h"
#include "tasks/json.h"

namespace lbw::tasks {

// Threads: one.
class ScriptedLink final : public jobs::JobLink {
 public:
  // Asked with the number of the call, from 0; empty: go on.
  std::function<Order(size_t call)> script;

  Order order() override;
  void Report(const Progress& progress) override { progress_.push_back(progress); }
  void Say(Severity severity, std::string_view text) override;
  absl::Status Checkpoint(const jobs::CheckpointInfo& checkpoint) override;

  const std::vector<Progress>& progress() const { return progress_; }
  const std::vector<jobs::CheckpointInfo>& checkpoints() const { return checkpoints_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::vector<std::string>& infos() const { return infos_; }

 private:
  size_t calls_ = 0;
  std::vector<Progress> progress_;
  std::vector<jobs::CheckpointInfo> checkpoints_;
  std::vector<std::string> warnings_;
  std::vector<std::string> infos_;
};

class TaskRig {
 public:
  TaskRig();

  std::string AddBlob(std::string_view bytes);
  std::string ReadBlob(const std::string& sha256);
  std::string AddBundle(const model::Model& model);
  // pictures: encoded, as dataset.pictures; names, offsets and sizes are filled in.
  std::string AddPack(dataset::Dataset dataset, const std::vector<std::string>& pictures);

  struct Assignment {
    std::string spec;
    std::string inputs;
    std::string checkpoint = {};
    int threads = 1;
  };
  // Runs a job of the kind with a scratch folder of its own.
  absl::StatusOr<std::string> Run(std::string_view kind, const Assignment& assignment,
                                  ScriptedLink& link);

  store::FolderBlobStore& blobs() { return *blobs_; }

 private:
  testing::TempDir folder_{testing::TempDir::Place::kMemory};
  std::unique_ptr<store::FolderBlobStore> blobs_;
  std::unique_ptr<engine::ExecutorFactory> engine_;
  std::unique_ptr<jobs::JobRunner> runner_;
  int runs_ = 0;
};

// The disc detector as it is imported.
model::Model DiscModel();
// Scenes with seeds 1, 2, ... as PNG, and their discs: classes red, green, blue, one split "val".
struct DiscSet {
  dataset::Dataset dataset;
  std::vector<std::string> pictures;
};
DiscSet MakeDiscSet(int count);

// A tar of regular files.
std::string TarOf(const std::map<std::string, std::string>& files);
std::string ReadFileText(const std::string& path);

// A result's message ("evaluation", "dataset").
Json MessageOf(const std::string& result, const char* key);
// The text of an evaluation without what is measured by the clock.
std::string WithoutTimings(const std::string& result);

}  // namespace lbw::tasks

#endif  // LBW_TESTS_UNIT_TASKS_TASKS_FIXTURE_H_

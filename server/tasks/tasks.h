// The kinds of job that there are: what each needs, does and leaves behind.
//
//   kind           worker: Prepare                      child: Run                worker: Apply
//   evaluate       digests of bundle and pack           detections, figures       its row
//   check_dataset  digest of the archive                defects, the pack         the dataset READY
//   quantize       digests of bundle and packs          codes, ranges, figures    a version READY
//   compare        digests of both bundles and a pack   layers and boxes          nothing more
//   train          digests of bundle and packs          weights, in float         a version READY,
//   fine_tune      the same                             codes, on the grid        its evaluation
//
// Texts are protojson of lbw.v1's messages, read and written by hand: this room knows no protobuf.
#ifndef LBW_TASKS_TASKS_H_
#define LBW_TASKS_TASKS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "jobs/runner.h"
#include "registry/datasets.h"
#include "registry/evaluations.h"
#include "registry/registry.h"
#include "store/blob_store.h"

namespace lbw::tasks {

inline constexpr std::string_view kEvaluate = "evaluate";
inline constexpr std::string_view kCheckDataset = "check_dataset";
inline constexpr std::string_view kQuantize = "quantize";
inline constexpr std::string_view kCompare = "compare";
inline constexpr std::string_view kTrain = "train";
inline constexpr std::string_view kFineTune = "fine_tune";
constexpr bool IsTraining(std::string_view kind) { return kind == kTrain || kind == kFineTune; }

struct TaskContext {
  registry::Registry* registry = nullptr;  // all borrowed
  registry::Datasets* datasets = nullptr;
  registry::Evaluations* evaluations = nullptr;
  store::BlobStore* blobs = nullptr;
};
// The worker's side.
std::unique_ptr<jobs::JobKinds> NewJobKinds(const TaskContext& context);

// The child's side. engine is borrowed.
std::unique_ptr<jobs::JobRunner> NewJobRunner(engine::ExecutorFactory& engine);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_TASKS_H_

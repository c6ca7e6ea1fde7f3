// A version that is evaluated: its network, how its classes are the dataset's, and what its answers
// say about a picture.
//
// Threads:  one.
#ifndef LBW_TASKS_EVALUATE_CONTENDER_H_
#define LBW_TASKS_EVALUATE_CONTENDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/thread_pool.h"
#include "dataset/pack.h"
#include "engine/executor.h"
#include "store/blob_store.h"
#include "tasks/class_map.h"
#include "tasks/evaluate_spec.h"
#include "tasks/evaluate_state.h"
#include "tasks/evaluate_subject.h"
#include "tasks/predict.h"

namespace lbw::tasks {

// The files that an evaluation reads. Borrowed.
struct EvaluateFiles {
  store::BlobStore* blobs = nullptr;
  const dataset::Pack* pack = nullptr;
};

class Contender {
 public:
  // bundle: SHA-256. Errors: kFailedPrecondition, NOT_THE_RIGHT_HEAD - a detector on a dataset for
  // classifiers, or the reverse; those of Network::Load and MapClasses.
  static absl::StatusOr<std::unique_ptr<Contender>> Load(const EvaluateFiles& files,
                                                         const std::string& bundle,
                                                         const EvaluateOptions& options,
                                                         engine::ExecutorFactory& engine,
                                                         int threads);

  const Network& network() const { return *network_; }
  // What a person should know of the classes.
  const std::vector<std::string>& notes() const { return classes_.notes; }

  // The pictures as inputs, decoded by the threads of decoders.
  std::vector<PreparedPicture> Prepare(absl::Span<const size_t> pictures,
                                       base::ThreadPool& decoders) const;

  // Of pictures, the first of which is the first-th of the subject. What was found of those that
  // could be read goes to run; the others are answered with their reason.
  using Failures = std::vector<std::pair<int32_t, absl::Status>>;
  absl::StatusOr<Failures> Judge(absl::Span<const PreparedPicture> pictures, size_t first,
                                 const Subject& subject, RunState& run);
  // Of all that Judge did since it was last asked.
  StageSeconds TakeSeconds() { return std::exchange(seconds_, {}); }

 private:
  Contender(const dataset::Pack& pack, std::unique_ptr<Network> network, ClassMap classes,
            const detect::DecodeOptions& options)
      : pack_(pack),
        network_(std::move(network)),
        classes_(std::move(classes)),
        options_(options) {}

  const dataset::Pack& pack_;
  const std::unique_ptr<Network> network_;
  const ClassMap classes_;
  const detect::DecodeOptions options_;
  StageSeconds seconds_;
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_EVALUATE_CONTENDER_H_

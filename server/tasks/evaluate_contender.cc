#include "tasks/evaluate_contender.h"

#include <algorithm>

#include "absl/synchronization/blocking_counter.h"
#include "base/status.h"
#include "tasks/judge.h"

namespace lbw::tasks {
absl::StatusOr<std::unique_ptr<Contender>> Contender::Load(const EvaluateFiles& files,
                                                           const std::string& bundle,
                                                           const EvaluateOptions& options,
                                                           engine::ExecutorFactory& engine,
                                                           int threads) {
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<Network> network,
                       Network::Load(*files.blobs, bundle, engine, threads));
  LBW_RETURN_IF_ERROR(CheckTask(network->spec(), files.pack->dataset()));
  LBW_ASSIGN_OR_RETURN(ClassMap classes,
                       MapClasses(network->spec().classes, files.pack->dataset().classes));
  const detect::DecodeOptions decode = DecodeOptionsOf(network->spec(), options);
  return std::unique_ptr<Contender>(
      new Contender(*files.pack, std::move(network), std::move(classes), decode));
}

std::vector<PreparedPicture> Contender::Prepare(absl::Span<const size_t> pictures,
                                                base::ThreadPool& decoders) const {
  std::vector<PreparedPicture> prepared(pictures.size());
  absl::BlockingCounter left(static_cast<int>(pictures.size()));
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto work = [&, i] {
      prepared[i] = ReadPicture(pack_, pictures[i], network_->spec().input);
      left.DecrementCount();
    };
    if (!decoders.Submit(work).ok()) work();
  }
  left.Wait();
  return prepared;
}

absl::StatusOr<Contender::Failures> Contender::Judge(absl::Span<const PreparedPicture> pictures,
                                                     size_t first, const Subject& subject,
                                                     RunState& run) {
  Failures failures;
  const auto step = static_cast<size_t>(network_->batch());
  for (size_t begin = 0; begin < pictures.size(); begin += step) {
    const size_t count = std::min(step, pictures.size() - begin);
    LBW_ASSIGN_OR_RETURN(const std::vector<Predicted> predicted,
                         network_->Run(pictures.subspan(begin, count), options_, seconds_));
    for (size_t i = 0; i < count; ++i) {
      const auto index = static_cast<int32_t>(first + begin + i);
      if (!predicted[i].status.ok()) {
        failures.emplace_back(index, predicted[i].status);
      } else {
        TakePredicted(predicted[i], {network_->is_classifier(), classes_.to_dataset, subject},
                      index, run);
      }
    }
  }
  return failures;
}

}  // namespace lbw::tasks

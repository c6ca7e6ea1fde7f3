#include "tasks/train.h"

#include <utility>

#include "base/status.h"
#include "tasks/tasks.h"
#include "tasks/train_bench.h"

namespace lbw::tasks {

absl::StatusOr<std::string> RunTrain(const jobs::JobContext& context,
                                     engine::ExecutorFactory& engine) {
  LBW_ASSIGN_OR_RETURN(TrainJobSpec spec, context.kind == kFineTune
                                              ? ParseFineTuneSpec(context.spec_json)
                                              : ParseTrainSpec(context.spec_json));
  TrainBench bench(context, engine, std::move(spec));
  LBW_RETURN_IF_ERROR(bench.Open());
  LBW_RETURN_IF_ERROR(bench.Start());
  LBW_RETURN_IF_ERROR(bench.Train());
  return bench.Finish();
}

}  // namespace lbw::tasks

#include "tasks/quantize.h"

#include <utility>

#include "base/status.h"
#include "tasks/observe_ranges.h"
#include "tasks/quantize_bench.h"
#include "tasks/quantize_result.h"
#include "tasks/quantize_search.h"
#include "tasks/quantize_spec.h"

namespace lbw::tasks {
namespace {

absl::StatusOr<QuantizeFindings> Choose(QuantizeBench& bench) {
  QuantizeFindings findings;
  if (bench.spec().widths.has_value()) {
    LBW_ASSIGN_OR_RETURN(findings.widths, SearchWidths(bench));
  } else if (bench.spec().mu.has_value()) {
    LBW_ASSIGN_OR_RETURN(findings.mu, SearchMu(bench));
  } else {
    LBW_RETURN_IF_ERROR(bench.Calibrate({"", "", bench.Choices()}));
  }
  if (!bench.network().solved.empty()) return findings;
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kNothingToQuantize,
                     "the rules keep every weight float");
}

}  // namespace

absl::StatusOr<std::string> RunQuantize(const jobs::JobContext& context,
                                        engine::ExecutorFactory& engine) {
  LBW_ASSIGN_OR_RETURN(QuantizeSpec spec, ParseQuantizeSpec(context.spec_json));
  QuantizeBench bench(context, engine, std::move(spec));
  LBW_RETURN_IF_ERROR(bench.Resume());
  LBW_RETURN_IF_ERROR(bench.Open());
  LBW_ASSIGN_OR_RETURN(QuantizeFindings findings, Choose(bench));
  model::Model finished = bench.model();
  finished.constants = bench.network().constants;
  bench.steps().Begin(static_cast<int64_t>(bench.pictures().inputs.size()));
  LBW_ASSIGN_OR_RETURN(finished.activations,
                       ObserveRanges(finished, engine, bench.pictures().inputs, bench.Threads(),
                                     [&bench](size_t done) {
                                       bench.steps().Reach(static_cast<int64_t>(done));
                                       bench.Report("activation ranges");
                                       return bench.Obey();
                                     }));
  if (bench.measure() != nullptr) {
    LBW_ASSIGN_OR_RETURN(findings.measurements, MeasureResult(bench, finished, findings));
  }
  bench.steps().End();
  bench.Report("write the bundle");
  return WriteResult(bench, finished, findings);
}

}  // namespace lbw::tasks

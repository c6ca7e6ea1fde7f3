#include "tasks/quantize_result.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "tasks/cpu.h"
#include "tasks/job_files.h"
#include "tasks/observe_ranges.h"
#include "tasks/predict.h"
#include "tasks/quantize_report.h"
#include "tasks/report_size.h"

namespace lbw::tasks {
namespace {

constexpr char kCalibrated[] = "calibrated";

Json PointOf(const Attempt& attempt, bool chosen) {
  Json point;
  point["what"] = attempt.name;
  if (chosen) point["chosen"] = true;
  point["bytes"] = base::StrCat(attempt.bytes);
  point["predicted_error"] = attempt.predicted;
  if (attempt.output_error > 0) point["measured_error"] = attempt.output_error;
  if (!attempt.measured.has_value()) return point;
  const Json measured = ToJson(*attempt.measured);
  for (const char* key : {"value", "drop", "drop_interval"}) {
    if (measured.contains(key)) point[key] = measured[key];
  }
  return point;
}

// Uniform widths and what was tried, by bytes.
Json CurveOf(const WidthOutcome& outcome, const std::vector<int>& widths) {
  std::vector<Attempt> points = outcome.attempts;
  for (const int bits : widths) {
    Attempt uniform = UniformAttempt(outcome.free, bits);
    const auto same = [&](const Attempt& one) { return one.key == uniform.key; };
    if (uniform.bits.size() == outcome.free.size() &&
        std::none_of(points.begin(), points.end(), same)) {
      points.push_back(std::move(uniform));
    }
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const Attempt& a, const Attempt& b) { return a.bytes < b.bytes; });
  Json curve = Json::array();
  for (const Attempt& point : points) {
    curve.push_back(PointOf(point, point.key == outcome.chosen));
  }
  return curve;
}

Json PlanJson(const QuantizeBench& bench, const QuantizeFindings& findings) {
  const WidthOutcome& outcome = *findings.widths;
  const WidthsAsked& asked = *bench.spec().widths;
  Json plan;
  if (outcome.budget_bytes > 0) plan["budget_bytes"] = base::StrCat(outcome.budget_bytes);
  if (asked.max_drop) plan["max_drop"] = *asked.max_drop;
  for (const Attempt& attempt : outcome.attempts) {
    if (attempt.key != outcome.chosen) continue;
    plan["bytes"] = base::StrCat(attempt.bytes);
    plan["predicted_error"] = attempt.predicted;
    plan["measured_error"] = attempt.output_error;
  }
  plan["curve"] = CurveOf(outcome, asked.bits);
  for (const Json& measured : findings.measurements) {
    if (measured["what"] == kCalibrated && measured.contains("value")) {
      plan["measured_value"] = measured["value"];
    }
  }
  Put(plan, "predicted_value", outcome.predicted_value);
  plan["verdict"] = outcome.verdict;
  plan["reached"] = outcome.reached;
  return plan;
}

Json MuJson(const MuOutcome& outcome) {
  Json list = Json::array();
  for (const auto& [ratio, measured] : outcome.points) {
    Json point;
    point["ratio"] = ratio;
    Put(point, "value", measured.value);
    Put(point, "agreement", measured.agreement);
    point["chosen"] = ratio == outcome.ratio;
    list.push_back(std::move(point));
  }
  return list;
}

Json LayersJson(const QuantizeBench& bench, const QuantizeFindings& findings) {
  Json layers = CalibratedLayersJson(bench.layers(), bench.network());
  if (!findings.widths.has_value()) return layers;
  std::map<std::string, Json> widths;
  for (Json& layer : ToJson(findings.widths->free)) {
    widths[layer["name"].get<std::string>()] = std::move(layer["widths"]);
  }
  for (Json& layer : layers) {
    const auto it = widths.find(layer["name"].get<std::string>());
    if (it != widths.end()) layer["widths"] = std::move(it->second);
  }
  return layers;
}

Json TimingsJson(QuantizeBench& bench) {
  const QuantizeSeconds& seconds = bench.seconds();
  return {{"prepare_s", seconds.prepare},
          {"forward_s", seconds.forward},
          {"gram_s", seconds.gram},
          {"solve_s", seconds.solve},
          {"measure_s", seconds.measure},
          {"total_s", bench.ElapsedSeconds()},
          {"peak_memory_bytes", base::StrCat(PeakMemoryBytes())},
          {"threads", bench.Threads()},
          {"device", base::StrCat("cpu, ", CpuIsa())}};
}

Json WholeCalibrationJson(QuantizeBench& bench, const model::Model& finished,
                          const QuantizeFindings& findings) {
  Json out = CalibrationJson(bench.spec().calibration, bench.pack_sha256(), bench.pictures(),
                             finished.activations);
  out["layers"] = LayersJson(bench, findings);
  out["measurements"] = findings.measurements;
  if (const Measure* measure = bench.measure()) {
    out["metric"] = std::string(measure->metric());
    out["measured_dataset"] = base::DatasetName(bench.spec().measure.dataset);
    out["measured_split"] = measure->split();
  }
  if (findings.widths.has_value()) out["plan"] = PlanJson(bench, findings);
  if (findings.mu.has_value()) out["mu"] = MuJson(*findings.mu);
  out["notes"] = bench.notes();
  out["timings"] = TimingsJson(bench);
  return out;
}

Json RuleJson(const quant::LayerRule& rule) {
  Json json;
  json["match"] = rule.match;
  if (rule.bits) json["bits"] = *rule.bits;
  if (rule.code_book) {
    json["code_book"] =
        *rule.code_book == quant::CodeBook::kPaper ? "CODE_BOOK_PAPER" : "CODE_BOOK_FULL";
  }
  if (rule.granularity) {
    json["granularity"] = *rule.granularity == quant::Granularity::kTensor ? "GRANULARITY_TENSOR"
                                                                           : "GRANULARITY_CHANNEL";
  }
  if (rule.scheme) {
    json["scheme"] =
        *rule.scheme == quant::Scheme::kThreshold ? "SCHEME_THRESHOLD" : "SCHEME_EXACT";
  }
  if (rule.mu_ratio) json["mu_ratio"] = *rule.mu_ratio;
  if (rule.axis) json["axis"] = *rule.axis;
  return json;
}

absl::StatusOr<model::QuantizeOutcome> Outcome(const QuantizeBench& bench) {
  std::map<std::string, const quant::QuantizedTensor*> codes;
  for (const SolvedLayer& layer : bench.network().solved) codes[layer.weight] = &layer.tensor;
  return ReportCodes(bench.model(), bench.standing_options().quantize,
                     [&codes](const std::string& weight) -> const quant::QuantizedTensor* {
                       const auto it = codes.find(weight);
                       return it == codes.end() ? nullptr : it->second;
                     });
}

}  // namespace

absl::StatusOr<std::vector<Json>> MeasureResult(QuantizeBench& bench, const model::Model& finished,
                                                const QuantizeFindings& findings) {
  std::vector<Candidate> candidates;
  const auto add = [&](const std::string& what, model::Model model,
                       Network::Activations activations) {
    candidates.push_back({what, what, std::move(model), activations});
  };
  using Activations = Network::Activations;
  model::Model nearest = bench.model();
  LBW_RETURN_IF_ERROR(
      model::QuantizeModel(nearest, bench.standing_options().quantize, {}).status());
  add("nearest", std::move(nearest), Activations::kFloat);
  add(kCalibrated, finished, Activations::kFloat);
  if (!finished.activations.empty()) {
    add("calibrated, int8 activations", finished, Activations::kEmulated);
  }
  LBW_ASSIGN_OR_RETURN(const std::vector<Measured> all,
                       bench.MeasureAll("measure", std::move(candidates)));
  std::vector<Json> measurements;
  for (const Measured& one : all) {
    if (one.what == kCalibrated && findings.mu.has_value()) {
      const Attempt& exact = findings.mu->exact;
      measurements.push_back(ToJson(*exact.measured));
      measurements.back()["output_error"] = exact.output_error;
    }
    measurements.push_back(ToJson(one));
    if (one.what == kCalibrated) measurements.back()["output_error"] = bench.network().output_error;
  }
  return measurements;
}

Json UsedOptionsJson(const Json& asked, const ChoiceOptions& used, size_t added) {
  Json out = asked;
  out["bits"] = used.quantize.tensor.bits;
  if (used.quantize.tensor.scheme == quant::Scheme::kThreshold) {
    out["mu_ratio"] = used.quantize.tensor.mu_ratio;
  }
  Json rules = Json::array();
  for (size_t i = 0; i < added; ++i) rules.push_back(RuleJson(used.quantize.rules[i]));
  if (const auto it = asked.find("rules"); it != asked.end() && it->is_array()) {
    for (const Json& rule : *it) rules.push_back(rule);
  }
  if (!rules.empty()) out["rules"] = std::move(rules);
  return out;
}

absl::StatusOr<std::string> WriteResult(QuantizeBench& bench, const model::Model& finished,
                                        const QuantizeFindings& findings) {
  LBW_ASSIGN_OR_RETURN(const model::QuantizeOutcome outcome, Outcome(bench));
  store::BlobStore& blobs = *bench.context().blobs;
  LBW_ASSIGN_OR_RETURN(const auto hold, blobs.Acquire(store::BlobStore::Access::kName));
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo info, CommitBundle(blobs, finished));
  const ChoiceOptions& used = bench.standing_options();
  const std::vector<quant::LayerRule>& rules = used.quantize.rules;
  Json result;
  result["quantization"] = {{"report", ReportJson(outcome.reports)},
                            {"calibration", WholeCalibrationJson(bench, finished, findings)}};
  result["rule_matches"] = RuleMatchesJson(outcome.caught, rules);
  result["options"] = UsedOptionsJson(bench.spec().options_json, used,
                                      rules.size() - bench.spec().options.rules.size());
  result["bundle"] = info.sha256;
  result["bundle_bytes"] = base::StrCat(info.size_bytes);
  return ResultText(blobs, "quantization", std::move(result));
}

}  // namespace lbw::tasks

#include "tasks/quantize_report.h"

#include <cmath>
#include <map>
#include <utility>
#include <variant>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

std::string Count(int64_t value) { return base::StrCat(value); }
std::string Count(uint64_t value) { return base::StrCat(value); }

Json TensorJson(const quant::TensorReport& from) {
  Json out;
  out["name"] = from.name;
  out["node"] = from.node;
  Json shape = Json::array();
  for (const int64_t size : from.shape) shape.push_back(Count(size));
  out["shape"] = std::move(shape);
  out["source_dtype"] = std::string(base::Name(from.source_dtype));
  out["rule_index"] = from.rule_index;
  out["bytes_before"] = Count(from.bytes_before);
  out["bytes_after"] = Count(from.bytes_after);
  out["rows"] = Count(from.rows);
  if (!from.quantized) {
    out["bits"] = base::SizeOf(from.source_dtype) * 8;
    out["scheme"] = base::IsFloating(from.source_dtype) ? "float" : "integer";
    return out;
  }
  out["bits"] = from.options.bits;
  out["scheme"] = std::string(quant::Name(from.options.scheme));
  out["granularity"] = std::string(quant::Name(from.options.granularity));
  if (from.options.scheme != quant::Scheme::kUniform) {
    out["code_book"] = std::string(quant::Name(from.options.code_book));
  }
  out["exponent_min"] = from.exponent_min;
  out["exponent_max"] = from.exponent_max;
  out["zero_fraction"] = from.zero_fraction;
  out["mse"] = from.mse;
  Put(out, "sqnr_db", from.sqnr_db);
  Put(out, "cosine", from.cosine);
  out["dead_rows"] = Count(from.dead_rows);
  return out;
}

// lbw.v1.BiasPlace of what PlaceLayer answered.
std::string BiasPlace(const std::string& bias_in) {
  if (bias_in == "bias") return "BIAS_PLACE_BIAS";
  if (bias_in == "batch_norm") return "BIAS_PLACE_BATCH_NORM";
  if (bias_in == "stored") return "BIAS_PLACE_STORED";
  return "BIAS_PLACE_UNSPECIFIED";
}

double RelativeError(const SolvedLayer& solved) {
  const LayerFigures& figures = solved.figures;
  return figures.output_power > 0 ? figures.error / figures.output_power : 0;
}

}  // namespace

Json ReportJson(const std::vector<quant::TensorReport>& reports) {
  Json tensors = Json::array();
  for (const quant::TensorReport& report : reports) tensors.push_back(TensorJson(report));
  const quant::ReportTotals sums = quant::SumReports(reports);
  Json totals;
  totals["tensors"] = Count(sums.tensors);
  totals["tensors_quantized"] = Count(sums.tensors_quantized);
  totals["weights_quantized"] = Count(sums.weights_quantized);
  totals["bytes_before"] = Count(sums.bytes_before);
  totals["bytes_after"] = Count(sums.bytes_after);
  totals["zero_fraction"] = sums.zero_fraction;
  totals["mse"] = sums.mse;
  Put(totals, "sqnr_db", sums.sqnr_db);
  totals["dead_rows"] = Count(sums.dead_rows);
  totals["zero_fraction_live"] = sums.zero_fraction_live;
  totals["mse_live"] = sums.mse_live;
  Put(totals, "sqnr_db_live", sums.sqnr_db_live);
  Json out;
  out["tensors"] = std::move(tensors);
  out["totals"] = std::move(totals);
  return out;
}

Json RuleMatchesJson(const std::vector<std::vector<std::string>>& caught,
                     const std::vector<quant::LayerRule>& rules) {
  Json list = Json::array();
  for (size_t i = 0; i < caught.size(); ++i) {
    Json match;
    const bool is_rule = i < rules.size();
    match["rule_index"] = is_rule ? static_cast<int>(i) : -1;
    if (is_rule) match["match"] = rules[i].match;
    match["tensors"] = caught[i];
    list.push_back(std::move(match));
  }
  return list;
}

std::optional<double> OutputSqnr(double power, double error) {
  if (!(power > 0) || !(error > 0)) return std::nullopt;
  const double ratio = power / error;
  if (!std::isfinite(ratio)) return std::nullopt;
  return 10 * std::log10(ratio);
}

Json LayerJson(const LayerLine& line) {
  const LayerFigures& figures = line.solved->figures;
  const quant::QuantizedTensor& tensor = line.solved->tensor;
  const quant::RowLayout layout =
      quant::MakeRowLayout(tensor.shape, tensor.options.axis, tensor.options.groups);
  Json out;
  out["name"] = line.solved->weight;
  out["nodes"] = line.layer->weight.nodes;
  out["bits"] = tensor.options.bits;
  out["rows"] = Count(layout.rows);
  out["columns"] = Count(layout.row_elements);
  out["groups"] = Count(line.layer->uses.empty() ? int64_t{1} : line.layer->uses[0].groups);
  out["samples"] = Count(figures.samples);
  out["dead_rows"] = Count(figures.dead_rows);
  Put(out, "nearest_output_sqnr_db", OutputSqnr(figures.output_power, figures.nearest_error));
  Put(out, "output_sqnr_db", OutputSqnr(figures.output_power, figures.error));
  out["plain"] = figures.plain;
  out["bias_in"] = BiasPlace(line.bias_in);
  out["error_share"] = line.error_share;
  if (tensor.options.scheme != quant::Scheme::kUniform) {
    out["scale"] = tensor.scales.empty() ? "SCALE_KIND_POW2" : "SCALE_KIND_REAL";
  }
  return out;
}

Json CalibratedLayersJson(const std::vector<WalkLayer>& layers, const CalibratedNetwork& network) {
  std::map<std::string, const WalkLayer*> by_name;
  for (const WalkLayer& layer : layers) by_name[layer.weight.constant] = &layer;
  double sum = 0;
  for (const SolvedLayer& solved : network.solved) sum += RelativeError(solved);
  Json list = Json::array();
  for (size_t i = 0; i < network.solved.size(); ++i) {
    const SolvedLayer& solved = network.solved[i];
    list.push_back(LayerJson({by_name.at(solved.weight), &solved, network.bias_in[i],
                              sum > 0 ? RelativeError(solved) / sum : 0}));
  }
  return list;
}

Json CalibrationJson(const CalibrationAsked& asked, const std::string& pack,
                     const CalibrationPictures& pictures, const graph::Activations& activations) {
  Json out;
  out["dataset"] = base::DatasetName(asked.dataset);
  out["pack_artifact"] = base::ArtifactName(pack);
  out["split"] = asked.split;
  out["seed"] = base::StrCat(asked.seed);
  out["pictures"] = pictures.inputs.size();
  out["pictures_failed"] = pictures.failed.size();
  out["activations"] = Json::parse(graph::ActivationsToJson(activations));
  return out;
}

absl::StatusOr<model::QuantizeOutcome> ReportCodes(const model::Model& floating,
                                                   const model::QuantizeOptions& options,
                                                   const CodesOf& codes_of) {
  LBW_ASSIGN_OR_RETURN(model::QuantizeOutcome plan, model::PlanQuantization(floating, options));
  for (quant::TensorReport& report : plan.reports) {
    const quant::QuantizedTensor* codes = codes_of(report.name);
    if (codes == nullptr) continue;
    const auto& weights = std::get<base::Tensor>(floating.constants.find(report.name)->second);
    LBW_ASSIGN_OR_RETURN(quant::TensorReport made,
                         quant::ReportTensor(weights.view(), *codes, report.options));
    made.name = report.name;
    made.node = report.node;
    made.rule_index = report.rule_index;
    report = std::move(made);
  }
  return plan;
}

}  // namespace lbw::tasks

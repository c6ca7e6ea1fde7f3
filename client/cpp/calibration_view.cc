#include "client/cpp/calibration_view.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/view_parts.h"

namespace lbw::client {
namespace {

constexpr size_t kWorst = 5;

std::string Small(std::optional<double> value) { return value ? Measured(*value) : "-"; }

std::string Between(bool is_set, const v1::Interval& interval) {
  if (!is_set) return "-";
  return base::StrCat(Decimal(interval.low(), 4), " to ", Decimal(interval.high(), 4));
}

std::string HeadLine(const v1::CalibrationReport& report) {
  std::string text =
      base::StrCat("calibrated on ", Grouped(report.pictures()), " pictures of ",
                   OnWhat(report.dataset(), report.split()), ", seed ", report.seed());
  if (report.pictures_failed() > 0) {
    base::StrAppend(&text, "; ", Grouped(report.pictures_failed()), " could not be read");
  }
  return Printable(text) + "\n";
}

std::string ScaleWord(v1::ScaleKind scale) {
  if (scale == v1::SCALE_KIND_REAL) return "real";
  return scale == v1::SCALE_KIND_POW2 ? "pow2" : "-";
}

std::string PlaceWord(v1::BiasPlace place) {
  switch (place) {
    case v1::BIAS_PLACE_BIAS:
      return "bias";
    case v1::BIAS_PLACE_BATCH_NORM:
      return "batch_norm";
    case v1::BIAS_PLACE_STORED:
      return "stored";
    default:
      return "-";
  }
}

void AddLayerRow(const v1::CalibratedLayer& layer, bool is_worst, Table& table) {
  const std::string dead = layer.dead_rows() == 0 ? "-"
                                                  : base::StrCat(Grouped(layer.dead_rows()), " of ",
                                                                 Grouped(layer.rows()));
  table.AddRow({layer.name(), base::StrCat(layer.bits()), ScaleWord(layer.scale()),
                Decimal(LBW_OPTIONAL(layer, nearest_output_sqnr_db), 2),
                Decimal(LBW_OPTIONAL(layer, output_sqnr_db), 2), Percent(layer.error_share()), dead,
                PlaceWord(layer.bias_in()), is_worst ? kMark : "",
                layer.plain().empty() ? "" : "plain: " + layer.plain()});
}

Table LayerTable() {
  return Table({{"layer"},
                {"bits", Align::kRight},
                {"scale"},
                {"nearest dB", Align::kRight},
                {"-> calibrated", Align::kRight},
                {"error %", Align::kRight},
                {"dead rows", Align::kRight},
                {"bias in"},
                {""},
                {""}});
}

void AddAllLayers(const v1::CalibrationReport& report, std::string& out) {
  const std::vector<int> list = WorstLayers(report, kWorst);
  const std::set<int> worst(list.begin(), list.end());
  Table table = LayerTable();
  uint64_t dead = 0;
  uint64_t plain = 0;
  for (int i = 0; i < report.layers_size(); ++i) {
    AddLayerRow(report.layers(i), worst.count(i) > 0, table);
    dead += report.layers(i).dead_rows();
    plain += report.layers(i).plain().empty() ? 0 : 1;
  }
  if (table.empty()) return;
  out += "\n" + table.Render();
  base::StrAppend(&out, "SQNR is of the layer's outputs");
  if (!worst.empty()) base::StrAppend(&out, "; ", kMark, " hurts most");
  if (dead > 0) base::StrAppend(&out, "; ", Count(dead, "dead row"), " counted apart");
  if (plain > 0) base::StrAppend(&out, "; ", Count(plain, "layer"), " projected plainly");
  out += "\n";
}

void AddWorstLayers(const v1::CalibrationReport& report, std::string& out) {
  Table table = LayerTable();
  for (const int i : WorstLayers(report, kWorst)) AddLayerRow(report.layers(i), false, table);
  if (table.empty()) return;
  base::StrAppend(&out, "\nthe layers that hurt most, of ", report.layers_size(), "\n",
                  table.Render());
}

// Error of the network for each layer alone at each width; the chosen one stands in brackets.
void AddSensitivity(const v1::CalibrationReport& report, std::string& out) {
  std::set<uint32_t> widths;
  for (const v1::CalibratedLayer& layer : report.layers()) {
    for (const v1::WidthError& one : layer.widths()) widths.insert(one.bits());
  }
  if (widths.empty()) return;
  std::vector<Column> columns = {{"error of the outputs for this layer alone"}};
  for (const uint32_t bits : widths) {
    columns.push_back({base::StrCat(bits, " bits"), Align::kRight});
  }
  Table table(columns);
  for (const v1::CalibratedLayer& layer : report.layers()) {
    if (layer.widths().empty()) continue;
    std::map<uint32_t, std::string> cells;
    for (const v1::WidthError& one : layer.widths()) {
      cells[one.bits()] = one.bits() == layer.bits() ? base::StrCat("[", Measured(one.error()), "]")
                                                     : Measured(one.error());
    }
    std::vector<std::string> row = {layer.name()};
    for (const uint32_t bits : widths) row.push_back(cells.count(bits) > 0 ? cells[bits] : "-");
    table.AddRow(std::move(row));
  }
  out += "\n" + table.Render();
}

void AddMeasurements(const v1::CalibrationReport& report, std::string& out) {
  if (report.measurements().empty()) return;
  base::StrAppend(&out, "\n",
                  Printable(base::StrCat(
                      "measured on ", OnWhat(report.measured_dataset(), report.measured_split()))),
                  "\n");
  Table table({{""},
               {MetricWord(report), Align::kRight},
               {"interval"},
               {"drop", Align::kRight},
               {"interval"},
               {"agreement", Align::kRight},
               {"output error", Align::kRight},
               {"pictures", Align::kRight}});
  double level = 0.0;
  for (const v1::Measurement& one : report.measurements()) {
    level = std::max({level, one.interval().level(), one.drop_interval().level()});
    table.AddRow({one.what(), Decimal(LBW_OPTIONAL(one, value), 4),
                  Between(one.has_interval(), one.interval()), Decimal(LBW_OPTIONAL(one, drop), 4),
                  Between(one.has_drop_interval(), one.drop_interval()),
                  Decimal(LBW_OPTIONAL(one, agreement), 4), Small(LBW_OPTIONAL(one, output_error)),
                  Grouped(one.pictures())});
  }
  out += table.Render();
  if (level > 0.0) {
    base::StrAppend(&out, "intervals: ", Decimal(level * 100.0, 0),
                    " %, bootstrap over pictures\n");
  }
}

void AddVerdict(const v1::WidthPlan& plan, std::string& out) {
  base::StrAppend(&out, "\nwidths: ", HumanBytes(plan.bytes()));
  if (plan.budget_bytes() > 0) {
    base::StrAppend(&out, " of a budget of ", HumanBytes(plan.budget_bytes()));
  }
  if (plan.has_max_drop()) base::StrAppend(&out, " for a drop of at most ", plan.max_drop());
  base::StrAppend(&out, ", output error ", Measured(plan.predicted_error()), " predicted, ",
                  Small(LBW_OPTIONAL(plan, measured_error)), " measured");
  if (plan.has_measured_value()) {
    base::StrAppend(&out, "; value ");
    if (plan.has_predicted_value()) {
      base::StrAppend(&out, Decimal(plan.predicted_value(), 4), " predicted, ");
    }
    base::StrAppend(&out, Decimal(plan.measured_value(), 4), " measured");
  }
  out += "\n";
  if (!plan.verdict().empty()) {
    base::StrAppend(&out, "  ", DropMissed(plan) ? "MISSED: " : "", Printable(plan.verdict()),
                    "\n");
  }
}

void AddCurve(const v1::CalibrationReport& report, std::string& out) {
  const v1::WidthPlan& plan = report.plan();
  Table table({{""},
               {"bytes", Align::kRight},
               {"error predicted", Align::kRight},
               {"measured", Align::kRight},
               {MetricWord(report), Align::kRight},
               {"drop", Align::kRight},
               {"interval"},
               {""}});
  for (const v1::WidthCurvePoint& point : plan.curve()) {
    table.AddRow({point.what(), Grouped(point.bytes()), Measured(point.predicted_error()),
                  Small(LBW_OPTIONAL(point, measured_error)),
                  Decimal(LBW_OPTIONAL(point, value), 4), Decimal(LBW_OPTIONAL(point, drop), 4),
                  Between(point.has_drop_interval(), point.drop_interval()),
                  point.chosen() ? kMark : ""});
  }
  if (!table.empty()) out += table.Render(2);
}

void AddMu(const v1::CalibrationReport& report, std::string& out) {
  if (report.mu().empty()) return;
  Table table({{"mu / max|w|", Align::kRight},
               {MetricWord(report), Align::kRight},
               {"agreement", Align::kRight},
               {""}});
  for (const v1::MuPoint& point : report.mu()) {
    table.AddRow({Measured(point.ratio()), Decimal(LBW_OPTIONAL(point, value), 4),
                  Decimal(LBW_OPTIONAL(point, agreement), 4),
                  point.chosen() ? base::StrCat(kMark, " chosen") : ""});
  }
  out += "\n" + table.Render();
}

void AddTimings(const v1::CalibrationTimings& timings, std::string& out) {
  base::StrAppend(&out, "\n", Decimal(timings.total_s(), 1), " s: prepare ",
                  Decimal(timings.prepare_s(), 1), ", forward ", Decimal(timings.forward_s(), 1),
                  ", Gram matrices ", Decimal(timings.gram_s(), 1), ", solve ",
                  Decimal(timings.solve_s(), 1), ", measure ", Decimal(timings.measure_s(), 1));
  if (timings.peak_memory_bytes() > 0) {
    base::StrAppend(&out, "; at most ", HumanBytes(timings.peak_memory_bytes()), " of memory");
  }
  base::StrAppend(&out, "; ", Count(timings.threads(), "thread"));
  if (!timings.device().empty()) base::StrAppend(&out, ", ", Printable(timings.device()));
  out += "\n";
}

}  // namespace

std::string RenderCalibration(const v1::CalibrationReport& report, CalibrationDetail detail) {
  const bool is_whole = detail == CalibrationDetail::kWhole;
  std::string out = HeadLine(report);
  if (is_whole) {
    AddAllLayers(report, out);
    AddSensitivity(report, out);
  }
  AddMeasurements(report, out);
  if (!is_whole) AddWorstLayers(report, out);
  if (report.has_plan()) {
    AddVerdict(report.plan(), out);
    if (is_whole) AddCurve(report, out);
  }
  if (is_whole) AddMu(report, out);
  if (is_whole && report.has_timings()) AddTimings(report.timings(), out);
  for (const std::string& note : report.notes()) base::StrAppend(&out, Printable(note), "\n");
  return out;
}

bool DropMissed(const v1::WidthPlan& plan) { return plan.has_max_drop() && !plan.reached(); }

std::vector<int> WorstLayers(const v1::CalibrationReport& report, size_t most) {
  std::vector<int> places(static_cast<size_t>(report.layers_size()));
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](int a, int b) {
    return report.layers(a).error_share() > report.layers(b).error_share();
  });
  places.resize(std::min(most, (places.size() + 2) / 3));
  while (!places.empty() && !(report.layers(places.back()).error_share() > 0.0)) places.pop_back();
  return places;
}

std::string QuantizationWord(const v1::QuantizationResult& result) {
  std::string text = ShortName(result.version());
  for (const v1::Measurement& one : result.calibration().measurements()) {
    if (one.what() != "calibrated") continue;
    if (one.has_value()) {
      base::StrAppend(&text, ", ", MetricWord(result.calibration()), " ", Decimal(one.value(), 4));
    } else if (one.has_agreement()) {
      base::StrAppend(&text, ", agreement ", Decimal(one.agreement(), 4));
    }
  }
  return text;
}

}  // namespace lbw::client

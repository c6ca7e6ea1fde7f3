#include "client/cpp/training_view.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <vector>

#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/view_parts.h"

namespace lbw::client {
namespace {

constexpr int kMostEpochs = 40;

std::string MetricOf(const v1::TrainingReport& report) {
  return report.metric().empty() ? "value" : report.metric();
}

std::optional<double> LossOf(const v1::EpochReport& epoch) {
  const auto found = epoch.losses().find("loss");
  return found == epoch.losses().end() ? std::nullopt : std::optional<double>(found->second);
}

std::string Share(std::optional<double> share) { return share ? Percent(*share) : "-"; }

std::string HeadLine(const v1::TrainingReport& report) {
  std::string text =
      base::StrCat("trained on ", Grouped(report.pictures()), " pictures of ",
                   OnWhat(report.dataset(), report.split()), ": ", Count(report.epochs(), "epoch"),
                   ", ", Grouped(report.steps()), " steps of ", report.batch());
  if (report.pictures_failed() > 0) {
    base::StrAppend(&text, "; ", Grouped(report.pictures_failed()), " could not be read");
  }
  return Printable(text) + "\n";
}

// Places in the history that are shown: all, or an even choice with both ends.
std::vector<int> ShownEpochs(int count) {
  const int shown = std::min(count, kMostEpochs);
  std::vector<int> places;
  for (int i = 0; i < shown; ++i) {
    places.push_back(
        shown < 2 ? i : static_cast<int>(static_cast<int64_t>(i) * (count - 1) / (shown - 1)));
  }
  return places;
}

// The terms beside the sum, those that any epoch has.
std::set<std::string> Terms(const v1::TrainingReport& report) {
  constexpr size_t kMost = 6;
  std::set<std::string> terms;
  for (const v1::EpochReport& epoch : report.history()) {
    for (const auto& loss : epoch.losses()) {
      if (loss.first != "loss") terms.insert(loss.first);
    }
  }
  while (terms.size() > kMost) terms.erase(std::prev(terms.end()));
  return terms;
}

void AddEpochs(const v1::TrainingReport& report, std::string& out) {
  if (report.history().empty()) return;
  const auto any = [&](auto has) {
    return std::any_of(report.history().begin(), report.history().end(), has);
  };
  const bool has_codes = any([](const v1::EpochReport& one) { return one.has_codes_changed(); });
  const bool has_error =
      any([](const v1::EpochReport& one) { return one.has_quantization_error(); });
  const std::set<std::string> terms = Terms(report);
  std::vector<Column> columns = {{"epoch", Align::kRight}, {"loss", Align::kRight}};
  for (const std::string& term : terms) columns.push_back({term, Align::kRight});
  columns.push_back({MetricOf(report), Align::kRight});
  columns.push_back({"average", Align::kRight});
  if (has_codes) columns.push_back({"codes changed %", Align::kRight});
  if (has_error) columns.push_back({"error", Align::kRight});
  columns.push_back({"rate", Align::kRight});
  columns.push_back({"pictures/s", Align::kRight});
  Table table(columns);
  for (const int place : ShownEpochs(report.history_size())) {
    const v1::EpochReport& epoch = report.history(place);
    const auto loss = LossOf(epoch);
    std::vector<std::string> row = {Grouped(epoch.epoch()), loss ? Measured(*loss) : "-"};
    for (const std::string& term : terms) {
      const auto found = epoch.losses().find(term);
      row.push_back(found == epoch.losses().end() ? "-" : Measured(found->second));
    }
    row.push_back(Decimal(LBW_OPTIONAL(epoch, value), 4));
    row.push_back(Decimal(LBW_OPTIONAL(epoch, average_value), 4));
    if (has_codes) row.push_back(Share(LBW_OPTIONAL(epoch, codes_changed)));
    if (has_error) {
      row.push_back(epoch.has_quantization_error() ? Measured(epoch.quantization_error()) : "-");
    }
    row.push_back(Measured(epoch.rate()));
    row.push_back(Decimal(epoch.pictures_per_s(), 1));
    table.AddRow(std::move(row));
  }
  out += "\n" + table.Render();
  if (report.history_size() > kMostEpochs) {
    base::StrAppend(&out, kMostEpochs, " of ", report.history_size(), " epochs\n");
  }
}

void AddValues(const v1::TrainingReport& report, std::string& out) {
  const bool has_any = report.has_float_value() || report.has_start_value() || report.has_value();
  if (!has_any) return;
  Table table({{""}, {MetricOf(report), Align::kRight}, {""}});
  if (report.has_float_value()) {
    table.AddRow({"float version", Decimal(report.float_value(), 4)});
  }
  if (report.has_start_value()) {
    table.AddRow({"calibrated start", Decimal(report.start_value(), 4)});
  }
  if (report.has_value()) {
    const std::string chosen = report.chosen().empty() ? "" : base::StrCat(", ", report.chosen());
    table.AddRow({base::StrCat("trained", chosen), Decimal(report.value(), 4),
                  base::StrCat(kMark, " chosen")});
  }
  if (report.has_other_value()) {
    table.AddRow({report.chosen() == "average" ? "trained, raw" : "trained, average",
                  Decimal(report.other_value(), 4)});
  }
  out += "\n" + table.Render();
}

void AddLayers(const v1::TrainingReport& report, std::string& out) {
  if (report.layers().empty()) return;
  Table table({{"layer"},
               {"bits", Align::kRight},
               {"weights", Align::kRight},
               {"codes changed", Align::kRight},
               {"%", Align::kRight},
               {"frozen", Align::kRight},
               {"error", Align::kRight}});
  for (const v1::TrainedLayer& layer : report.layers()) {
    const double share = layer.weights() == 0 ? 0.0
                                              : static_cast<double>(layer.codes_changed()) /
                                                    static_cast<double>(layer.weights());
    table.AddRow({layer.name(), base::StrCat(layer.bits()), Grouped(layer.weights()),
                  Grouped(layer.codes_changed()), Percent(share), Grouped(layer.frozen()),
                  Measured(layer.quantization_error())});
  }
  out += "\n" + table.Render();
}

void AddPart(const std::string& what, double seconds, double whole, std::string& out) {
  if (!(seconds > 0.0)) return;
  base::StrAppend(&out, ", ", what, " ", Decimal(seconds, 1));
  if (whole > 0.0) base::StrAppend(&out, " (", Percent(seconds / whole), " % of the steps)");
}

void AddTimings(const v1::TrainingReport& report, std::string& out) {
  const v1::TrainingTimings& timings = report.timings();
  base::StrAppend(&out, "\n", Decimal(timings.total_s(), 1), " s: steps ",
                  Decimal(timings.train_s(), 1));
  AddPart("waiting for data", timings.wait_s(), timings.train_s(), out);
  AddPart("projection", timings.project_s(), timings.train_s(), out);
  AddPart("evaluation", timings.evaluate_s(), 0.0, out);
  AddPart("calibration", timings.calibrate_s(), 0.0, out);
  AddPart("checkpoints", timings.checkpoint_s(), 0.0, out);
  if (timings.epoch_s() > 0.0) {
    base::StrAppend(&out, "; ", Decimal(timings.epoch_s(), 1), " s an epoch");
  }
  if (timings.peak_memory_bytes() > 0) {
    base::StrAppend(&out, "; at most ", HumanBytes(timings.peak_memory_bytes()), " of memory");
  }
  base::StrAppend(&out, "; ", Count(timings.threads(), "thread"));
  if (!timings.device().empty()) base::StrAppend(&out, ", ", Printable(timings.device()));
  out += "\n";
  if (report.attempts() > 1) base::StrAppend(&out, Count(report.attempts(), "attempt"), "; ");
  if (!report.bit_exact()) {
    out += "parts of the run had other threads, instructions or devices: its bits are its own\n";
  } else if (report.attempts() > 1) {
    out += "the same bits as without interruption\n";
  }
}

}  // namespace

std::string RenderTraining(const v1::TrainingReport& report, TrainingDetail detail) {
  std::string out = HeadLine(report);
  if (detail == TrainingDetail::kWhole) {
    AddEpochs(report, out);
    AddLayers(report, out);
  }
  AddValues(report, out);
  if (report.has_timings()) AddTimings(report, out);
  for (const std::string& note : report.notes()) base::StrAppend(&out, Printable(note), "\n");
  return out;
}

std::string TrainingWord(const v1::TrainingResult& result) {
  std::string text = ShortName(result.version());
  if (result.training().has_value()) {
    base::StrAppend(&text, ", ", MetricOf(result.training()), " ",
                    Decimal(result.training().value(), 4));
  }
  return text;
}

}  // namespace lbw::client

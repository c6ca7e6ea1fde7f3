#include "client/cpp/evaluation_view.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/job_words.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/view_parts.h"

namespace lbw::client {
namespace {

// A matrix with more cells is no picture any more.
constexpr int kMaxHeatClasses = 200;

std::string HeadLine(const v1::Evaluation& evaluation) {
  std::string text =
      base::StrCat(ShortName(evaluation.version()), " on ", ShortName(evaluation.dataset()), " (",
                   evaluation.split(), "), ", Grouped(evaluation.pictures()), " pictures");
  if (evaluation.pictures_failed() > 0) {
    base::StrAppend(&text, ", ", Grouped(evaluation.pictures_failed()), " failed");
  }
  const v1::EvaluateOptions& options = evaluation.options();
  if (!evaluation.has_classification() && options.has_score_threshold()) {
    base::StrAppend(&text, ", score > ", Measured(options.score_threshold()));
  }
  return Printable(text);
}

void AddClasses(const google::protobuf::RepeatedPtrField<v1::VocClassScores>& classes,
                std::string& out) {
  Table table({{"class"},
               {"AP", Align::kRight},
               {"AP 11-point", Align::kRight},
               {"objects", Align::kRight},
               {"difficult", Align::kRight},
               {"found", Align::kRight},
               {"false", Align::kRight}});
  for (const v1::VocClassScores& one : classes) {
    table.AddRow({one.label(), Decimal(LBW_OPTIONAL(one, ap), 4),
                  Decimal(LBW_OPTIONAL(one, ap_11), 4), Grouped(one.truths()),
                  Grouped(one.not_counted()), Grouped(one.true_positives()),
                  Grouped(one.false_positives())});
  }
  if (!table.empty()) out += "\n" + table.Render();
}

void AddVoc(const v1::VocScores& voc, std::string& out) {
  Table table({{""}, {"", Align::kRight}, {""}});
  std::string interval;
  if (voc.has_map_50_interval()) {
    const v1::Interval& between = voc.map_50_interval();
    interval = base::StrCat(Decimal(between.low(), 4), " to ", Decimal(between.high(), 4), " (",
                            Decimal(between.level() * 100.0, 0), " %, bootstrap over pictures)");
  }
  table.AddRow({"mAP at 0.5, area", Decimal(LBW_OPTIONAL(voc, map_50), 4), interval});
  table.AddRow({"mAP at 0.5, 11-point", Decimal(LBW_OPTIONAL(voc, map_11), 4),
                voc.pixel_rule().empty() ? "" : base::StrCat(voc.pixel_rule(), " pixels")});
  out += "\n" + table.Render();
  AddClasses(voc.classes(), out);
  Table sizes({{"size"}, {"mAP at 0.5", Align::kRight}, {"11-point", Align::kRight}});
  for (const v1::SizeScores& one : voc.sizes()) {
    sizes.AddRow(
        {one.size(), Decimal(LBW_OPTIONAL(one, map_50), 4), Decimal(LBW_OPTIONAL(one, map_11), 4)});
  }
  if (!sizes.empty()) out += "\n" + sizes.Render();
}

void AddCoco(const v1::CocoScores& coco, std::string& out) {
  Table table({{"COCO"}, {"", Align::kRight}, {"  COCO"}, {"", Align::kRight}});
  const auto add = [&](const char* left, std::optional<double> ap, const char* right,
                       std::optional<double> ar) {
    table.AddRow({left, Decimal(ap, 4), base::StrCat("  ", right), Decimal(ar, 4)});
  };
  add("AP", LBW_OPTIONAL(coco, ap), "AR 1", LBW_OPTIONAL(coco, ar_1));
  add("AP 50", LBW_OPTIONAL(coco, ap_50), "AR 10", LBW_OPTIONAL(coco, ar_10));
  add("AP 75", LBW_OPTIONAL(coco, ap_75), "AR 100", LBW_OPTIONAL(coco, ar_100));
  add("AP small", LBW_OPTIONAL(coco, ap_small), "AR small", LBW_OPTIONAL(coco, ar_small));
  add("AP medium", LBW_OPTIONAL(coco, ap_medium), "AR medium", LBW_OPTIONAL(coco, ar_medium));
  add("AP large", LBW_OPTIONAL(coco, ap_large), "AR large", LBW_OPTIONAL(coco, ar_large));
  out += "\n" + table.Render();
}

void AddClassification(const v1::ClassificationScores& scores, std::string& out) {
  Table table({{""}, {"", Align::kRight}});
  table.AddRow({"top-1", Decimal(LBW_OPTIONAL(scores, top1), 4)});
  table.AddRow({base::StrCat("top-", scores.k()), Decimal(LBW_OPTIONAL(scores, top_k), 4)});
  out += "\n" + table.Render();
  Table classes({{"class"}, {"accuracy", Align::kRight}, {"pictures", Align::kRight}});
  for (const v1::ClassAccuracy& one : scores.classes()) {
    classes.AddRow({one.label(), Decimal(LBW_OPTIONAL(one, accuracy), 4), Grouped(one.pictures())});
  }
  if (!classes.empty()) out += "\n" + classes.Render();
}

void AddAgreement(const v1::AgreementScores& agreement, std::string& out) {
  base::StrAppend(&out, "\nagreement with ", Printable(ShortName(agreement.against())), ": ");
  if (agreement.has_same_top1()) {
    base::StrAppend(&out, "the same best class for ", Percent(agreement.same_top1()),
                    " % of the pictures\n");
    return;
  }
  base::StrAppend(&out, "mAP ", Decimal(LBW_OPTIONAL(agreement, map_50), 4),
                  " with its boxes as truth\n");
  Table table({{"class"}, {"AP", Align::kRight}, {"its boxes", Align::kRight}});
  for (const v1::VocClassScores& one : agreement.classes()) {
    table.AddRow({one.label(), Decimal(LBW_OPTIONAL(one, ap), 4), Grouped(one.truths())});
  }
  if (!table.empty()) out += table.Render(2);
}

// Of what was measured; nothing where nothing was.
std::optional<double> TotalMs(const v1::EvaluationTimings& timings) {
  const std::optional<double> parts[] = {
      LBW_OPTIONAL(timings, decode_ms), LBW_OPTIONAL(timings, preprocess_ms),
      LBW_OPTIONAL(timings, compute_ms), LBW_OPTIONAL(timings, postprocess_ms)};
  std::optional<double> total;
  for (const std::optional<double>& part : parts) {
    if (part) total = total.value_or(0.0) + *part;
  }
  return total;
}

void AddTimings(const v1::EvaluationTimings& timings, std::string& out) {
  base::StrAppend(&out, "\n", Decimal(TotalMs(timings), 2), " ms a picture: decode ",
                  Decimal(LBW_OPTIONAL(timings, decode_ms), 2), ", preprocess ",
                  Decimal(LBW_OPTIONAL(timings, preprocess_ms), 2), ", compute ",
                  Decimal(LBW_OPTIONAL(timings, compute_ms), 2), ", postprocess ",
                  Decimal(LBW_OPTIONAL(timings, postprocess_ms), 2), "; ",
                  Printable(timings.device()), ", ", Count(timings.threads(), "thread"), "\n");
}

plot::Chart UnitChart(const char* title, const char* x_label, const char* y_label) {
  plot::Chart chart;
  chart.title = title;
  chart.x_label = x_label;
  chart.y_label = y_label;
  chart.x_range = plot::Range{0.0, 1.0};
  chart.y_range = plot::Range{0.0, 1.0};
  return chart;
}

void AddCurves(const v1::VocScores& voc, plot::Figure& figure) {
  plot::Chart curves = UnitChart("Precision over recall", "recall", "precision");
  plot::Chart f1 = UnitChart("F1 over the score threshold", "score", "F1");
  for (const v1::VocClassScores& one : voc.classes()) {
    plot::Series curve;
    plot::Series harmonic;
    curve.label = base::StrCat(one.label(), "  AP ", Decimal(LBW_OPTIONAL(one, ap), 3));
    double best = 0.0;
    double best_score = 0.0;
    for (const v1::CurvePoint& point : one.curve()) {
      curve.points.push_back({point.recall(), point.precision()});
      const double sum = point.recall() + point.precision();
      const double value = sum > 0.0 ? 2.0 * point.recall() * point.precision() / sum : 0.0;
      harmonic.points.push_back({point.score(), value});
      if (value > best) {
        best = value;
        best_score = point.score();
      }
    }
    harmonic.label = one.curve().empty() ? base::StrCat(one.label(), "  -")
                                         : base::StrCat(one.label(), "  ", Decimal(best, 3), " at ",
                                                        Decimal(best_score, 2));
    curves.series.push_back(std::move(curve));
    f1.series.push_back(std::move(harmonic));
  }
  figure.panels.emplace_back(std::move(curves));
  figure.panels.emplace_back(std::move(f1));
  figure.columns = 2;
}

void AddAccuracies(const v1::ClassificationScores& scores, plot::Figure& figure) {
  std::vector<double> accuracies;
  for (const v1::ClassAccuracy& one : scores.classes()) {
    if (one.has_accuracy()) accuracies.push_back(one.accuracy());
  }
  std::sort(accuracies.rbegin(), accuracies.rend());
  plot::Chart chart;
  chart.title = "Accuracy of each class";
  chart.x_label = "classes, best first";
  chart.y_label = "accuracy";
  chart.y_range = plot::Range{0.0, 1.0};
  plot::Series series;
  for (size_t i = 0; i < accuracies.size(); ++i) {
    series.points.push_back({static_cast<double>(i + 1), accuracies[i]});
  }
  chart.series.push_back(std::move(series));
  figure.panels.emplace_back(std::move(chart));
}

void AddConfusion(const v1::ClassificationScores& scores, plot::Figure& figure) {
  const int classes = scores.classes_size();
  if (classes == 0 || classes > kMaxHeatClasses || scores.confusion_size() != classes * classes) {
    AddAccuracies(scores, figure);
    return;
  }
  plot::HeatMap map;
  map.title = "Confusion: pictures of each true class";
  map.row_axis = "true class";
  map.column_axis = "predicted class";
  for (int row = 0; row < classes; ++row) {
    map.rows.push_back(scores.classes(row).label());
    map.columns.push_back(scores.classes(row).label());
    uint64_t sum = 0;
    for (int i = 0; i < classes; ++i) sum += scores.confusion(row * classes + i);
    for (int i = 0; i < classes; ++i) {
      const uint64_t count = scores.confusion(row * classes + i);
      map.shares.push_back(sum == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(sum));
      map.texts.push_back(count == 0 ? "" : base::StrCat(count));
    }
  }
  figure.panels.emplace_back(std::move(map));
  figure.panel_width_px = 860.0;
  figure.panel_height_px = 760.0;
}

}  // namespace

std::string RenderEvaluation(const v1::Evaluation& evaluation) {
  std::string out = HeadLine(evaluation) + "\n";
  if (evaluation.has_voc()) AddVoc(evaluation.voc(), out);
  if (evaluation.has_coco()) AddCoco(evaluation.coco(), out);
  if (evaluation.has_classification()) AddClassification(evaluation.classification(), out);
  if (evaluation.has_agreement()) AddAgreement(evaluation.agreement(), out);
  if (evaluation.has_timings()) AddTimings(evaluation.timings(), out);
  return out;
}

plot::Figure EvaluationFigure(const v1::Evaluation& evaluation) {
  plot::Figure figure;
  figure.title = EvaluationWord(evaluation);
  figure.title = base::StrCat(ShortName(evaluation.version()), ": ", figure.title);
  figure.subtitle = HeadLine(evaluation);
  if (evaluation.has_classification()) {
    AddConfusion(evaluation.classification(), figure);
  } else {
    AddCurves(evaluation.voc(), figure);
  }
  return figure;
}

std::string EvaluationWord(const v1::Evaluation& evaluation) {
  return base::StrCat(evaluation.metric(), " ", Decimal(LBW_OPTIONAL(evaluation, value), 4), " on ",
                      OnWhat(evaluation.dataset(), evaluation.split()));
}

std::string RenderEvaluationList(const google::protobuf::RepeatedPtrField<v1::Evaluation>& list) {
  Table table({{"version"},
               {"dataset"},
               {"split"},
               {"metric"},
               {"value", Align::kRight},
               {"pictures", Align::kRight},
               {"score >", Align::kRight},
               {"ms", Align::kRight},
               {"created"},
               {"evaluation"}});
  for (const v1::Evaluation& one : list) {
    table.AddRow(
        {ShortName(one.version()), ShortName(one.dataset()), one.split(), one.metric(),
         Decimal(LBW_OPTIONAL(one, value), 4), Grouped(one.pictures()),
         one.options().has_score_threshold() ? Measured(one.options().score_threshold()) : "-",
         Decimal(TotalMs(one.timings()), 1),
         one.has_create_time() ? TimeText(ToTime(one.create_time()), absl::LocalTimeZone()) : "-",
         one.name()});
  }
  return table.Render();
}

}  // namespace lbw::client

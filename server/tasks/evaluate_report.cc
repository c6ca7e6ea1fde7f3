#include "tasks/evaluate_report.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/status.h"
#include "base/strings.h"
#include "eval/agreement.h"
#include "eval/average_precision.h"
#include "eval/bootstrap.h"
#include "eval/classification.h"
#include "eval/coco.h"

namespace lbw::tasks {
namespace {

constexpr int32_t kMostCurvePoints = 50;
constexpr int32_t kMostPointsInAll = 2'400;
constexpr int32_t kMostConfusionClasses = 32;
constexpr std::array<const char*, 3> kSizes = {"small", "medium", "large"};

// Five decimals: a curve is drawn, and is half as long as with all of them.
double Short(double value) { return std::round(value * 1e5) / 1e5; }

std::string CountText(int64_t count) { return base::StrCat(count); }

Json Sizes(const std::vector<std::optional<eval::AveragePrecision>>& by_area) {
  Json list = Json::array();
  for (size_t i = 0; i < by_area.size() && i < kSizes.size(); ++i) {
    Json size;
    size["size"] = kSizes[i];
    if (by_area[i].has_value()) {
      size["map_50"] = by_area[i]->area;
      size["map_11"] = by_area[i]->eleven_point;
    }
    list.push_back(std::move(size));
  }
  return list;
}

Json ClassScores(const eval::ClassPrecision& scores, const std::string& label) {
  Json out;
  out["label"] = label;
  out["truths"] = CountText(scores.truths);
  out["not_counted"] = CountText(scores.not_counted);
  out["true_positives"] = CountText(scores.true_positives);
  out["false_positives"] = CountText(scores.false_positives);
  if (scores.ap.has_value()) {
    out["ap"] = scores.ap->area;
    out["ap_11"] = scores.ap->eleven_point;
  }
  Json curve = Json::array();
  for (const eval::CurvePoint& point : scores.curve) {
    Json entry;
    entry["recall"] = Short(point.recall);
    entry["precision"] = Short(point.precision);
    entry["score"] = Short(static_cast<double>(point.score));
    curve.push_back(std::move(entry));
  }
  out["curve"] = std::move(curve);
  out["sizes"] = Sizes(scores.by_area);
  return out;
}

Json Classes(const eval::VocResult& result, const std::vector<std::string>& labels) {
  Json list = Json::array();
  for (size_t i = 0; i < result.classes.size(); ++i) {
    list.push_back(ClassScores(result.classes[i], labels[i]));
  }
  return list;
}

eval::VocOptions VocOptionsOf(const Truth& truth) {
  eval::VocOptions options;
  options.match.pixels = truth.pixels;
  options.areas = eval::CocoAreas();
  const auto classes = std::max<int32_t>(1, static_cast<int32_t>(truth.labels.size()));
  options.max_curve_points = std::clamp(kMostPointsInAll / classes, 2, kMostCurvePoints);
  return options;
}

eval::BoxSet SetOf(const Truth& truth, const RunState& run) {
  return {truth.boxes, run.found, truth.pictures, static_cast<int32_t>(truth.labels.size())};
}

absl::StatusOr<Json> Voc(const Truth& truth, const EvaluateState& state,
                         const base::CancelToken& cancel) {
  const eval::BoxSet set = SetOf(truth, state.main);
  const eval::VocOptions options = VocOptionsOf(truth);
  LBW_ASSIGN_OR_RETURN(const eval::VocResult result, eval::EvaluateVoc(set, options, cancel));
  Json voc;
  if (result.mean.has_value()) {
    voc["map_50"] = result.mean->area;
    voc["map_11"] = result.mean->eleven_point;
    eval::BootstrapOptions bootstrap;
    bootstrap.match = options.match;
    bootstrap.resamples = 200;
    const auto interval = eval::BootstrapMeanAp(set, bootstrap, cancel);
    // An invalid argument says that there is no interval.
    if (!interval.ok() && !absl::IsInvalidArgument(interval.status())) return interval.status();
    if (interval.ok()) {
      voc["map_50_interval"] = {
          {"low", interval->low}, {"high", interval->high}, {"level", bootstrap.level}};
    }
  }
  voc["classes"] = Classes(result, truth.labels);
  voc["sizes"] = Sizes(result.mean_by_area);
  voc["pixel_rule"] = std::string(Name(truth.pixels));
  return voc;
}

absl::StatusOr<Json> Coco(const Truth& truth, const EvaluateState& state,
                          const base::CancelToken& cancel) {
  LBW_ASSIGN_OR_RETURN(const eval::CocoResult result,
                       eval::EvaluateCoco(SetOf(truth, state.main), {}, cancel));
  const eval::CocoNumbers& numbers = result.numbers;
  Json coco = Json::object();
  Put(coco, "ap", numbers.ap);
  Put(coco, "ap_50", numbers.ap_50);
  Put(coco, "ap_75", numbers.ap_75);
  Put(coco, "ap_small", numbers.ap_small);
  Put(coco, "ap_medium", numbers.ap_medium);
  Put(coco, "ap_large", numbers.ap_large);
  Put(coco, "ar_1", numbers.ar[0]);
  Put(coco, "ar_10", numbers.ar[1]);
  Put(coco, "ar_100", numbers.ar[2]);
  Put(coco, "ar_small", numbers.ar_small);
  Put(coco, "ar_medium", numbers.ar_medium);
  Put(coco, "ar_large", numbers.ar_large);
  return coco;
}

absl::StatusOr<Json> Classification(const Truth& truth, const EvaluateSpec& spec,
                                    const RunState& run) {
  eval::ClassificationOptions options;
  options.class_count = static_cast<int32_t>(truth.labels.size());
  options.top_k = static_cast<int32_t>(spec.options.top_k);
  LBW_ASSIGN_OR_RETURN(const eval::ClassificationResult result,
                       eval::SummarizeClassification(run.judged, options));
  Json out;
  Put(out, "top1", result.top1);
  Put(out, "top_k", result.top_k);
  out["k"] = result.k;
  std::vector<int64_t> pictures(truth.labels.size(), 0);
  for (const eval::JudgedPicture& judged : run.judged) {
    ++pictures[static_cast<size_t>(judged.label)];
  }
  Json classes = Json::array();
  for (size_t i = 0; i < truth.labels.size(); ++i) {
    Json entry;
    entry["label"] = truth.labels[i];
    entry["pictures"] = CountText(pictures[i]);
    Put(entry, "accuracy", result.class_accuracy[i]);
    classes.push_back(std::move(entry));
  }
  out["classes"] = std::move(classes);
  if (options.class_count <= kMostConfusionClasses) {
    Json confusion = Json::array();
    for (const int64_t count : result.confusion) confusion.push_back(CountText(count));
    out["confusion"] = std::move(confusion);
  }
  return out;
}

// Over the pictures that both could judge: each may have failed at another.
std::optional<double> SameTop1(const RunState& main, const RunState& against) {
  std::map<int32_t, int32_t> predicted;
  for (size_t i = 0; i < against.judged.size(); ++i) {
    predicted[against.judged_pictures[i]] = against.judged[i].predicted;
  }
  int64_t both = 0;
  int64_t same = 0;
  for (size_t i = 0; i < main.judged.size(); ++i) {
    const auto other = predicted.find(main.judged_pictures[i]);
    if (other == predicted.end()) continue;
    ++both;
    same += other->second == main.judged[i].predicted ? 1 : 0;
  }
  if (both == 0) return std::nullopt;
  return static_cast<double>(same) / static_cast<double>(both);
}

absl::StatusOr<Json> Agreement(const Truth& truth, const EvaluateSpec& spec,
                               const EvaluateState& state, const base::CancelToken& cancel) {
  Json out;
  out["against"] = base::VersionName(spec.against->model, *spec.against->version);
  if (truth.task == dataset::Task::kClassification) {
    Put(out, "same_top1", SameTop1(state.main, state.against));
    return out;
  }
  eval::AgreementOptions options;
  options.voc.max_curve_points = 2;
  const eval::VersionPair pair{state.main.found, state.against.found, truth.pictures,
                               static_cast<int32_t>(truth.labels.size())};
  LBW_ASSIGN_OR_RETURN(const eval::VocResult result,
                       eval::EvaluateAgreement(pair, options, cancel));
  if (result.mean.has_value()) out["map_50"] = result.mean->area;
  Json classes = Classes(result, truth.labels);
  for (Json& entry : classes) entry.erase("curve");
  out["classes"] = std::move(classes);
  return out;
}

Json Timings(const EvaluateState& state) {
  const int64_t pictures = state.done - static_cast<int64_t>(state.failed.size());
  Json out = Json::object();
  if (pictures <= 0) return out;
  const double scale = 1e3 / static_cast<double>(pictures);
  out["decode_ms"] = state.seconds.decode * scale;
  out["preprocess_ms"] = state.seconds.preprocess * scale;
  out["compute_ms"] = state.seconds.compute * scale;
  out["postprocess_ms"] = state.seconds.postprocess * scale;
  return out;
}

// The main metric: the one that people quote for the dataset's kind.
void PutMetric(const Truth& truth, Json& report) {
  const bool coco = truth.format == dataset::Format::kCoco;
  const char* metric = coco ? "map_coco" : "map_50";
  if (truth.task == dataset::Task::kClassification) metric = "top1";
  const std::map<std::string, double> metrics = MetricsOf(report);
  report["metric"] = metric;
  const auto found = metrics.find(metric);
  if (found != metrics.end()) report["value"] = found->second;
}

void Collect(const Json& object, const char* key, const char* name,
             std::map<std::string, double>& metrics) {
  const auto found = object.find(key);
  if (found != object.end() && found->is_number()) metrics[name] = found->get<double>();
}

}  // namespace

absl::StatusOr<Json> Report(const Truth& truth, const EvaluateSpec& spec,
                            const EvaluateState& state, const base::CancelToken& cancel) {
  Json report;
  report["pictures"] = CountText(state.done - static_cast<int64_t>(state.failed.size()));
  report["pictures_failed"] = CountText(static_cast<int64_t>(state.failed.size()));
  if (truth.task == dataset::Task::kClassification) {
    LBW_ASSIGN_OR_RETURN(report["classification"], Classification(truth, spec, state.main));
  } else {
    LBW_ASSIGN_OR_RETURN(report["voc"], Voc(truth, state, cancel));
    LBW_ASSIGN_OR_RETURN(report["coco"], Coco(truth, state, cancel));
  }
  if (spec.against.has_value()) {
    LBW_ASSIGN_OR_RETURN(report["agreement"], Agreement(truth, spec, state, cancel));
  }
  report["timings"] = Timings(state);
  PutMetric(truth, report);
  return report;
}

std::optional<double> RunningMap(const Truth& truth, const EvaluateState& state,
                                 const base::CancelToken& cancel) {
  // Truths of pictures that were not looked at yet would count as missed.
  std::vector<eval::TruthBox> seen;
  for (const eval::TruthBox& box : truth.boxes) {
    if (box.image_index < state.done) seen.push_back(box);
  }
  eval::VocOptions options;
  options.match.pixels = truth.pixels;
  options.max_curve_points = 2;
  const auto result = eval::EvaluateVoc(
      {seen, state.main.found, truth.pictures, static_cast<int32_t>(truth.labels.size())}, options,
      cancel);
  if (!result.ok() || !result->mean.has_value()) return std::nullopt;
  return result->mean->area;
}

std::map<std::string, double> MetricsOf(const Json& evaluation) {
  std::map<std::string, double> metrics;
  const auto part = [&](const char* key) {
    const auto found = evaluation.find(key);
    return found == evaluation.end() ? Json::object() : *found;
  };
  const Json voc = part("voc");
  Collect(voc, "map_50", "map_50", metrics);
  Collect(voc, "map_11", "map_11", metrics);
  const Json coco = part("coco");
  Collect(coco, "ap", "map_coco", metrics);
  Collect(coco, "ap_75", "ap_75", metrics);
  const Json classification = part("classification");
  Collect(classification, "top1", "top1", metrics);
  Collect(classification, "top_k", "top_k", metrics);
  return metrics;
}

Json Summary(const Json& evaluation) {
  Json summary = evaluation;
  if (const auto voc = summary.find("voc"); voc != summary.end()) {
    for (Json& entry : (*voc)["classes"]) entry.erase("curve");
  }
  if (const auto scores = summary.find("classification"); scores != summary.end()) {
    scores->erase("confusion");
  }
  return summary;
}

}  // namespace lbw::tasks

#include "registry/promotion.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/evaluation_options.h"

namespace lbw::registry {
namespace {

constexpr std::array<std::string_view, 5> kMetrics = {"map_50", "map_11", "map_coco", "top1",
                                                      "top_k"};
// Of a difference of two fractions near 1, whose rounding is below 1e-15.
constexpr double kSlack = 1e-9;

absl::Status Bad(std::string_view rule_field, std::string_view field, std::string_view message) {
  const std::string path = base::StrCat(rule_field, ".", field);
  base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                    base::StrCat(path, " ", message));
  error.Field(path);
  return error;
}

absl::Status CheckNumber(std::string_view field, std::string_view name,
                         const std::optional<double>& value) {
  if (!value || std::isfinite(*value)) return absl::OkStatus();
  return Bad(field, name, base::StrCat("must be finite: ", name, "=", *value));
}

// "on datasets/faces (val)".
std::string Where(std::string_view dataset, std::string_view split) {
  std::string where = base::StrCat("on ", base::DatasetName(dataset));
  if (!split.empty()) base::StrAppend(&where, " (", split, ")");
  return where;
}

std::string HasNone(std::string_view version_name, std::string_view metric,
                    std::string_view where) {
  return base::StrCat(version_name, " has no evaluation ", metric.empty() ? "" : "with ", metric,
                      metric.empty() ? "" : " ", where);
}

// Six digits, and more where the two would look the same.
std::pair<std::string, std::string> Both(double left, double right) {
  std::pair<std::string, std::string> texts = {base::StrCat(left), base::StrCat(right)};
  if (texts.first != texts.second || left == right) return texts;
  return {absl::StrFormat("%.12g", left), absl::StrFormat("%.12g", right)};
}

// The command that makes the evaluation: "models/m/versions/3" is m/3 there.
std::string HowToMake(std::string_view version_name, std::string_view dataset,
                      std::string_view split) {
  constexpr std::string_view kModels = "models/";
  constexpr std::string_view kVersions = "/versions/";
  std::string version(version_name);
  const size_t versions = version.find(kVersions);
  if (version.rfind(kModels, 0) == 0 && versions != std::string::npos) {
    version = base::StrCat(version_name.substr(kModels.size(), versions - kModels.size()), "/",
                           version_name.substr(versions + kVersions.size()));
  }
  return base::StrCat("; make one with a job \"evaluate\" (lbw evaluate ", version, " --dataset ",
                      dataset, split.empty() ? "" : " --split ", split, ")");
}

base::Error Missing(std::string_view message) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kEvaluationMissing,
                     message);
}

// Why an evaluation on the rule's dataset does not count; "": it does.
std::string WhyNot(const Evaluation& evaluation, const PromotionRule& rule,
                   const std::string& content) {
  if (content.empty() || evaluation.pack_artifact != content) {
    return base::StrCat("is on other content (", evaluation.pack_artifact, ", now ", content, ")");
  }
  if (rule.split && evaluation.split != *rule.split) {
    return base::StrCat("is on split \"", evaluation.split, "\", not \"", *rule.split, "\"");
  }
  if (!rule.options_json) return "";
  const std::string difference = OptionsDifference(evaluation.options_json, *rule.options_json);
  return difference.empty() ? "" : base::StrCat("has ", difference);
}

// The version's evaluation that counts, and what was passed over on the way to it.
struct Choice {
  const Evaluation* evaluation = nullptr;
  std::string passed_over;  // for the end of a message; "": none
};

Choice NewestOf(const PromotionRule& rule, const std::vector<Evaluation>& evaluations,
                const std::string& content) {
  constexpr int kMostNamed = 4;
  Choice choice;
  int passed_over = 0;
  for (const Evaluation& evaluation : evaluations) {
    if (evaluation.dataset != rule.dataset) continue;
    const std::string why = WhyNot(evaluation, rule, content);
    if (why.empty()) {
      choice.evaluation = &evaluation;
      break;
    }
    if (++passed_over > kMostNamed) continue;
    base::StrAppend(&choice.passed_over, passed_over == 1 ? "; passed over: " : ", ",
                    base::EvaluationName(evaluation.id), " ", why);
  }
  if (passed_over > kMostNamed) {
    base::StrAppend(&choice.passed_over, " and ", passed_over - kMostNamed, " more");
  }
  return choice;
}

absl::StatusOr<Choice> Choose(const PromotionRule& rule, const Candidate& candidate) {
  Choice choice = NewestOf(rule, candidate.evaluations, candidate.content);
  if (choice.evaluation != nullptr) return choice;
  const std::string split = rule.split.value_or("");
  return Missing(
      base::StrCat(HasNone(candidate.version_name, rule.metric, Where(rule.dataset, split)),
                   choice.passed_over.empty() ? "" : " that counts", choice.passed_over,
                   HowToMake(candidate.version_name, rule.dataset, split)));
}

absl::StatusOr<double> FigureOf(const Evaluation& evaluation, std::string_view version_name,
                                std::string_view metric) {
  const auto found = evaluation.metrics.find(std::string(metric));
  if (found != evaluation.metrics.end() && std::isfinite(found->second)) return found->second;
  std::string known;
  for (const auto& entry : evaluation.metrics)
    base::StrAppend(&known, known.empty() ? "" : ", ", entry.first);
  return Missing(
      base::StrCat(HasNone(version_name, metric, Where(evaluation.dataset, evaluation.split)),
                   ": the newest, ", base::EvaluationName(evaluation.id), ", does not define ",
                   metric, " (it has ", known.empty() ? "no figures" : known, ")"));
}

// The other version's newest evaluation that the figure may be compared with: asked as this one.
absl::StatusOr<const Evaluation*> Comparable(const PromotionRule& rule, const Candidate& candidate,
                                             const Evaluation& evaluation) {
  PromotionRule like = rule;
  like.split = evaluation.split;
  like.options_json = evaluation.options_json;
  const Choice choice = NewestOf(like, candidate.against, evaluation.pack_artifact);
  if (choice.evaluation != nullptr) return choice.evaluation;
  return Missing(base::StrCat(
      HasNone(candidate.against_name, rule.metric, Where(evaluation.dataset, evaluation.split)),
      " to compare ", base::EvaluationName(evaluation.id), " of ", candidate.version_name, " with",
      choice.passed_over, HowToMake(candidate.against_name, evaluation.dataset, evaluation.split)));
}

base::Error Failed(std::string_view version_name, std::string_view found,
                   std::string_view passed_over) {
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kEvaluationFailed,
                     base::StrCat(version_name, " does not pass: ", found, passed_over));
}

absl::StatusOr<std::string> JudgeDrop(const PromotionRule& rule, const Candidate& candidate,
                                      const Choice& choice, std::string_view metric) {
  const Evaluation& evaluation = *choice.evaluation;
  LBW_ASSIGN_OR_RETURN(const double value, FigureOf(evaluation, candidate.version_name, metric));
  LBW_ASSIGN_OR_RETURN(const Evaluation* other, Comparable(rule, candidate, evaluation));
  LBW_ASSIGN_OR_RETURN(const double reference, FigureOf(*other, candidate.against_name, metric));
  const bool passes = reference - value <= *rule.max_drop + kSlack;
  const auto texts = Both(value, reference);
  const std::string found =
      base::StrCat(metric, " ", Where(evaluation.dataset, evaluation.split), ": ", texts.first,
                   passes ? " >= " : " < ", texts.second, " - ", *rule.max_drop, " (",
                   candidate.against_name, " less max_drop)");
  if (passes) return found;
  return Failed(candidate.version_name, found, choice.passed_over);
}

}  // namespace

absl::Status CheckRule(const PromotionRule& rule, std::string_view field) {
  if (!base::IsValidName(rule.dataset)) {
    return Bad(field, "dataset",
               base::StrCat("must be a dataset's name [a-z0-9]([a-z0-9_.-]{0,62}): bytes=",
                            rule.dataset.size()));
  }
  if (!rule.metric.empty() &&
      std::find(kMetrics.begin(), kMetrics.end(), rule.metric) == kMetrics.end()) {
    return Bad(field, "metric",
               "must be map_50, map_11, map_coco, top1 or top_k, or left out for the evaluation's "
               "own");
  }
  LBW_RETURN_IF_ERROR(CheckNumber(field, "min_value", rule.min_value));
  LBW_RETURN_IF_ERROR(CheckNumber(field, "max_drop", rule.max_drop));
  if (rule.min_value && rule.max_drop)
    return Bad(field, "max_drop", "excludes min_value: give one of them");
  if (!rule.min_value && !rule.max_drop)
    return Bad(field, "min_value", "is missing: give it, or max_drop and against");
  if (rule.max_drop && *rule.max_drop < 0)
    return Bad(field, "max_drop", base::StrCat("must not be negative: max_drop=", *rule.max_drop));
  if (rule.max_drop && !rule.against_version)
    return Bad(field, "against", "is missing: max_drop is below another version's figure");
  if (rule.min_value && rule.against_version)
    return Bad(field, "against", "goes with max_drop, not with min_value");
  if (rule.against_version && *rule.against_version < 1) {
    return Bad(field, "against",
               base::StrCat("must be a version's number from 1: against=", *rule.against_version));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Judge(const PromotionRule& rule, const Candidate& candidate) {
  LBW_ASSIGN_OR_RETURN(const Choice choice, Choose(rule, candidate));
  const Evaluation& evaluation = *choice.evaluation;
  const std::string& metric = rule.metric.empty() ? evaluation.metric : rule.metric;
  if (rule.max_drop) return JudgeDrop(rule, candidate, choice, metric);
  LBW_ASSIGN_OR_RETURN(const double value, FigureOf(evaluation, candidate.version_name, metric));
  const double least = rule.min_value.value_or(0);
  const bool passes = value >= least;
  const auto texts = Both(value, least);
  const std::string found = base::StrCat(metric, " ", Where(evaluation.dataset, evaluation.split),
                                         ": ", texts.first, passes ? " >= " : " < ", texts.second);
  if (passes) return found;
  return Failed(candidate.version_name, found, choice.passed_over);
}

}  // namespace lbw::registry

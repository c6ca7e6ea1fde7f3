#include "client/cpp/promotion.h"

#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "google/protobuf/util/message_differencer.h"

namespace lbw::client {
namespace {

absl::Status BadRule(std::string_view text, const std::string& why) {
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
      base::StrCat(
          "--require '", Printable(text), "': ", why,
          "; write dataset=NAME,min=0.85 or dataset=NAME,max-drop=0.01,against=VERSION, "
          "with metric=map_50, split=val, score=0.05, iou=0.5 and pictures=500 where wanted"));
}

absl::StatusOr<double> Fraction(std::string_view text, const std::string& key,
                                const std::string& value) {
  double number = 0.0;
  if (!absl::SimpleAtod(value, &number) || !std::isfinite(number) || number < 0.0 || number > 1.0) {
    return BadRule(text, base::StrCat(key, " must be a fraction 0..1: '", value, "'"));
  }
  return number;
}

absl::StatusOr<std::string> Against(std::string_view model, const std::string& value) {
  if (value.find_first_of("/@") != std::string::npos) {
    LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(value));
    return ResourceName(ref);
  }
  if (const auto version = ParseVersionOf(model, value); version.ok()) {
    return base::VersionName(model, *version);
  }
  if (base::IsValidName(value)) return base::AliasName(model, value);
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
      base::StrCat("against must be a version or an alias: '", Printable(value), "'"));
}

absl::StatusOr<uint32_t> Pictures(std::string_view text, const std::string& value) {
  uint32_t number = 0;
  if (!absl::SimpleAtoi(value, &number) || number == 0) {
    return BadRule(text, base::StrCat("pictures must be a number from 1: '", value, "'"));
  }
  return number;
}

// How fast and how safely it ran changes no score.
bool AskAlike(v1::EvaluateOptions one, const v1::EvaluateOptions& other) {
  one.set_checkpoint_pictures(other.checkpoint_pictures());
  one.set_threads(other.threads());
  return google::protobuf::util::MessageDifferencer::Equals(one, other);
}

absl::Status TakeOption(std::string_view text, const std::string& key, const std::string& value,
                        v1::EvaluateOptions& options) {
  if (key == "pictures") {
    LBW_ASSIGN_OR_RETURN(const uint32_t number, Pictures(text, value));
    options.set_max_pictures(number);
    return absl::OkStatus();
  }
  if (key != "score" && key != "iou") {
    return BadRule(text, base::StrCat("'", Printable(key), "' is not known"));
  }
  LBW_ASSIGN_OR_RETURN(const double number, Fraction(text, key, value));
  if (key == "score") options.set_score_threshold(static_cast<float>(number));
  if (key == "iou") options.set_iou_threshold(static_cast<float>(number));
  return absl::OkStatus();
}

absl::Status Take(std::string_view model, std::string_view text,
                  const std::pair<std::string, std::string>& item, v1::PromotionRule& rule) {
  const std::string& key = item.first;
  const std::string& value = item.second;
  if (value.empty()) return BadRule(text, base::StrCat("'", Printable(key), "' has no value"));
  if (key == "dataset") {
    LBW_ASSIGN_OR_RETURN(*rule.mutable_dataset(), ParseDatasetArgument(value));
  } else if (key == "split") {
    rule.set_split(value);
  } else if (key == "metric") {
    rule.set_metric(value);
  } else if (key == "min") {
    LBW_ASSIGN_OR_RETURN(const double number, Fraction(text, key, value));
    rule.set_min_value(number);
  } else if (key == "max-drop") {
    LBW_ASSIGN_OR_RETURN(const double number, Fraction(text, key, value));
    rule.set_max_drop(number);
  } else if (key == "against") {
    LBW_ASSIGN_OR_RETURN(*rule.mutable_against(), Against(model, value));
  } else {
    return TakeOption(text, key, value, *rule.mutable_options());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::PromotionRule> ParsePromotionRule(std::string_view model,
                                                     std::string_view text) {
  v1::PromotionRule rule;
  const std::vector<std::string> parts = absl::StrSplit(base::Absl(text), ',', absl::SkipEmpty());
  for (const std::string& part : parts) {
    const std::pair<std::string, std::string> item = absl::StrSplit(part, absl::MaxSplits('=', 1));
    LBW_RETURN_IF_ERROR(Take(model, text, item, rule));
  }
  if (rule.dataset().empty()) return BadRule(text, "a dataset is wanted");
  if (rule.has_min_value() == rule.has_max_drop()) {
    return BadRule(text, "either min or max-drop is wanted");
  }
  if (rule.has_max_drop() == rule.against().empty()) {
    return BadRule(text, "max-drop and against go together");
  }
  return rule;
}

v1::EvaluateSpec WantedBy(const v1::PromotionRule& rule, const std::string& version) {
  v1::EvaluateSpec spec;
  spec.set_version(version);
  spec.set_dataset(rule.dataset());
  spec.set_split(rule.split());
  *spec.mutable_options() = rule.options();
  return spec;
}

const v1::Evaluation* NewestFor(const v1::EvaluateSpec& wanted, const std::string& pack_artifact,
                                const google::protobuf::RepeatedPtrField<v1::Evaluation>& list) {
  for (const v1::Evaluation& one : list) {
    if (one.dataset() == wanted.dataset() && one.pack_artifact() == pack_artifact &&
        one.split() == wanted.split() && AskAlike(one.options(), wanted.options())) {
      return &one;
    }
  }
  return nullptr;
}

const v1::Evaluation* NewestLike(const v1::Evaluation& like,
                                 const google::protobuf::RepeatedPtrField<v1::Evaluation>& list) {
  for (const v1::Evaluation& one : list) {
    if (one.pack_artifact() == like.pack_artifact() && one.split() == like.split() &&
        AskAlike(one.options(), like.options())) {
      return &one;
    }
  }
  return nullptr;
}

}  // namespace lbw::client

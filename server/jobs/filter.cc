#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue.h"

namespace lbw::jobs {
namespace {

using Condition = JobFilter::Condition;
using Field = Condition::Field;

constexpr size_t kMostFilterBytes = 2048;
constexpr size_t kMostConditions = 16;
constexpr std::string_view kLabel = "label.";
constexpr std::array<std::pair<std::string_view, Field>, 5> kFields = {
    {{"state", Field::kState},
     {"kind", Field::kKind},
     {"submitter", Field::kSubmitter},
     {"model", Field::kModel},
     {"dataset", Field::kDataset}}};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsBare(char c) { return !IsSpace(c) && c != '=' && c != '!' && c != '"' && c != '\''; }

std::string ToUpper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<JobFilter> Parse() {
    if (text_.size() > kMostFilterBytes) {
      return Refuse(
          base::StrCat("filter is too long: bytes=", text_.size(), " limit=", kMostFilterBytes));
    }
    JobFilter filter;
    SkipSpace();
    while (at_ < text_.size()) {
      if (!filter.conditions.empty()) LBW_RETURN_IF_ERROR(ReadAnd());
      if (filter.conditions.size() == kMostConditions) {
        return Refuse(base::StrCat("filter has too many conditions: limit=", kMostConditions));
      }
      LBW_ASSIGN_OR_RETURN(Condition condition, ReadCondition());
      filter.conditions.push_back(std::move(condition));
      SkipSpace();
    }
    return filter;
  }

 private:
  static absl::Status Refuse(std::string_view message) {
    base::Error error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
    error.Field("filter");
    return error;
  }
  absl::Status Expected(std::string_view what, size_t at) const {
    constexpr size_t kMostShown = 32;
    const std::string_view rest = text_.substr(std::min(at, text_.size())).substr(0, kMostShown);
    return Refuse(base::StrCat("filter: expected ", what, " at character ", at + 1, ", found ",
                               rest.empty() ? "its end" : base::StrCat("\"", rest, "\"")));
  }

  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  std::string_view ReadBare() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsBare(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  absl::Status ReadAnd() {
    const size_t begin = at_;
    if (ToUpper(ReadBare()) != "AND") return Expected("AND", begin);
    SkipSpace();
    return absl::OkStatus();
  }

  absl::StatusOr<Condition> ReadCondition() {
    Condition condition;
    LBW_RETURN_IF_ERROR(ReadField(condition));
    SkipSpace();
    if (text_.substr(at_, 2) == "!=") {
      condition.negated = true;
      at_ += 2;
    } else if (text_.substr(at_, 1) == "=") {
      ++at_;
    } else {
      return Expected("= or !=", at_);
    }
    SkipSpace();
    const size_t begin = at_;
    LBW_RETURN_IF_ERROR(ReadValue(condition));
    LBW_RETURN_IF_ERROR(Normalise(condition, begin));
    return condition;
  }

  absl::Status ReadField(Condition& condition) {
    const size_t begin = at_;
    const std::string_view name = ReadBare();
    if (name.size() > kLabel.size() && name.substr(0, kLabel.size()) == kLabel) {
      condition.field = Field::kLabel;
      condition.key = std::string(name.substr(kLabel.size()));
      return absl::OkStatus();
    }
    for (const auto& [known, field] : kFields) {
      if (known != name) continue;
      condition.field = field;
      return absl::OkStatus();
    }
    return Expected("one of state, kind, submitter, model, dataset, label.KEY", begin);
  }

  absl::Status ReadValue(Condition& condition) {
    const size_t begin = at_;
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote == '"' || quote == '\'') {
      const size_t end = text_.find(quote, at_ + 1);
      if (end == std::string_view::npos) return Expected("a closing quote", text_.size());
      condition.value = std::string(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
      return absl::OkStatus();
    }
    condition.value = std::string(ReadBare());
    return condition.value.empty() ? Expected("a value", begin) : absl::OkStatus();
  }

  // The value as rows have it.
  absl::Status Normalise(Condition& condition, size_t begin) const {
    switch (condition.field) {
      case Field::kState:
        return NormaliseState(condition, begin);
      case Field::kModel:
        return NormaliseModel(condition, begin);
      case Field::kDataset:
        if (base::IsValidName(condition.value)) {
          condition.value = base::DatasetName(condition.value);
        }
        return base::ParseDatasetName(condition.value, "filter").ok()
                   ? absl::OkStatus()
                   : Expected("a dataset's name", begin);
      case Field::kKind:
      case Field::kSubmitter:
      case Field::kLabel:
        break;
    }
    return absl::OkStatus();
  }

  absl::Status NormaliseState(Condition& condition, size_t begin) const {
    constexpr std::string_view kPrefix = "JOB_STATE_";
    std::string upper = ToUpper(condition.value);
    if (upper.rfind(kPrefix, 0) == 0) upper.erase(0, kPrefix.size());
    if (upper == "ACTIVE") {
      condition.value = "active";
      return absl::OkStatus();
    }
    if (!ParseState(upper)) {
      std::string known = "one of active";
      for (int i = 0; i < kJobStates; ++i) {
        base::StrAppend(&known, ", ", Name(static_cast<JobState>(i)));
      }
      return Expected(known, begin);
    }
    condition.value = upper;
    return absl::OkStatus();
  }

  absl::Status NormaliseModel(Condition& condition, size_t begin) const {
    if (base::IsValidName(condition.value)) condition.value = base::ModelName(condition.value);
    const absl::StatusOr<base::ModelRef> ref = base::ParseModelRef(condition.value, "filter");
    if (!ref.ok() || ref->alias) {
      return Expected("a model's name, models/NAME or models/NAME/versions/N", begin);
    }
    return absl::OkStatus();
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<JobFilter> ParseFilter(std::string_view text) { return Parser(text).Parse(); }

}  // namespace lbw::jobs

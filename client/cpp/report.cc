#include "client/cpp/report.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_format.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/rules.h"
#include "client/cpp/table.h"

namespace lbw::client {
namespace {

bool IsFloat(const v1::TensorReport& tensor) { return tensor.scheme() == "float"; }

std::string Exponents(const v1::TensorReport& tensor) {
  // A uniform tensor has real scales and no exponents.
  if (IsFloat(tensor) || tensor.scheme() == "uniform") return "-";
  if (tensor.exponent_min() == tensor.exponent_max()) return base::StrCat(tensor.exponent_min());
  return base::StrCat(tensor.exponent_min(), "..", tensor.exponent_max());
}

std::string Book(const v1::TensorReport& tensor) {
  if (!tensor.code_book().empty()) return tensor.code_book();
  return IsFloat(tensor) ? "float" : tensor.scheme();
}

std::string Ratio(uint64_t before, uint64_t after) {
  if (after == 0) return "-";
  return absl::StrFormat("%.2fx", static_cast<double>(before) / static_cast<double>(after));
}

std::string RuleCell(const v1::TensorReport& tensor) {
  return tensor.rule_index() < 0 ? "-" : base::StrCat(tensor.rule_index());
}

std::optional<double> IfSet(bool is_set, double value) {
  return is_set ? std::optional<double>(value) : std::nullopt;
}

// Biases, batch norms and the like: nothing was to be done to them, so only their number is told.
bool IsBeside(const v1::TensorReport& tensor) { return IsFloat(tensor) && tensor.rule_index() < 0; }

std::string BesideLine(const v1::QuantizationReport& report) {
  uint64_t tensors = 0;
  uint64_t bytes = 0;
  for (const v1::TensorReport& tensor : report.tensors()) {
    if (!IsBeside(tensor)) continue;
    ++tensors;
    bytes += tensor.bytes_before();
  }
  if (tensors == 0) return "";
  return base::StrCat(Count(tensors, "other tensor"), tensors == 1 ? " stays" : " stay",
                      " as before, ", HumanBytes(bytes), "\n");
}

std::string TotalsTitle(const v1::ReportTotals& totals) {
  return base::StrCat("total: ", totals.tensors_quantized(), " of ",
                      Count(totals.tensors(), "tensor"), " quantized, ",
                      Count(totals.weights_quantized(), "weight"));
}

void AddMeasured(const v1::QuantizationReport& report, Table& table) {
  for (const v1::TensorReport& tensor : report.tensors()) {
    if (IsBeside(tensor)) continue;
    table.AddRow({tensor.name(), Shape(tensor.shape()), base::StrCat(tensor.bits()), Book(tensor),
                  Exponents(tensor), IsFloat(tensor) ? "-" : Percent(tensor.zero_fraction()),
                  Decimal(IfSet(tensor.has_sqnr_db() && !IsFloat(tensor), tensor.sqnr_db()), 2),
                  HumanBytes(tensor.bytes_before()), HumanBytes(tensor.bytes_after()),
                  Ratio(tensor.bytes_before(), tensor.bytes_after()), RuleCell(tensor)});
  }
  const v1::ReportTotals& totals = report.totals();
  table.AddSeparator();
  table.AddRow({TotalsTitle(totals), "", "", "", "", Percent(totals.zero_fraction()),
                Decimal(IfSet(totals.has_sqnr_db(), totals.sqnr_db()), 2),
                HumanBytes(totals.bytes_before()), HumanBytes(totals.bytes_after()),
                Ratio(totals.bytes_before(), totals.bytes_after())});
  if (totals.dead_rows() > 0) {
    table.AddRow({base::StrCat("without its ", Count(totals.dead_rows(), "dead row")), "", "", "",
                  "", Percent(totals.zero_fraction_live()),
                  Decimal(IfSet(totals.has_sqnr_db_live(), totals.sqnr_db_live()), 2)});
  }
}

std::string RuleSuffix(const std::string& description) {
  return description.empty() ? "" : base::StrCat(" ", description);
}

void AddNames(const v1::RuleMatch& match, std::vector<std::string>& lines) {
  for (const std::string& name : match.tensors()) {
    lines.push_back(base::StrCat("  ", Printable(name)));
  }
}

}  // namespace

std::string RenderReport(const v1::QuantizationReport& report, ReportKind kind) {
  if (kind == ReportKind::kMeasured) {
    Table table({{"name"},
                 {"shape"},
                 {"bits", Align::kRight},
                 {"book"},
                 {"exponents", Align::kRight},
                 {"zeros %", Align::kRight},
                 {"SQNR dB", Align::kRight},
                 {"before", Align::kRight},
                 {"-> after", Align::kRight},
                 {"ratio", Align::kRight},
                 {"rule", Align::kRight}});
    AddMeasured(report, table);
    return table.Render() + BesideLine(report);
  }
  Table table({{"name"},
               {"shape"},
               {"bits", Align::kRight},
               {"book"},
               {"granularity"},
               {"scheme"},
               {"before", Align::kRight},
               {"rule", Align::kRight}});
  for (const v1::TensorReport& tensor : report.tensors()) {
    if (IsBeside(tensor)) continue;
    table.AddRow({tensor.name(), Shape(tensor.shape()), base::StrCat(tensor.bits()), Book(tensor),
                  tensor.granularity().empty() ? "-" : tensor.granularity(), tensor.scheme(),
                  HumanBytes(tensor.bytes_before()), RuleCell(tensor)});
  }
  return table.Render() + BesideLine(report);
}

RuleText RenderRuleMatches(const google::protobuf::RepeatedPtrField<v1::RuleMatch>& matches,
                           const v1::QuantizationOptions& options, RuleDetail detail) {
  RuleText text;
  for (int i = 0; i < options.rules_size(); ++i) {
    const v1::LayerRule& rule = options.rules(i);
    const v1::RuleMatch* caught = nullptr;
    for (const v1::RuleMatch& match : matches) {
      if (match.rule_index() == i) caught = &match;
    }
    const auto count = static_cast<uint64_t>(caught == nullptr ? 0 : caught->tensors_size());
    const std::string title = base::StrCat("rule ", i, " '", Printable(rule.match()), "'",
                                           RuleSuffix(DescribeRule(rule)));
    text.lines.push_back(base::StrCat(title, ": ", Count(count, "tensor")));
    if (count == 0) text.warnings.push_back(base::StrCat(title, " caught nothing"));
    if (caught != nullptr && detail == RuleDetail::kNames) AddNames(*caught, text.lines);
  }
  for (const v1::RuleMatch& match : matches) {
    if (match.rule_index() >= 0) continue;
    const auto count = static_cast<uint64_t>(match.tensors_size());
    if (options.rules_size() == 0 && detail == RuleDetail::kCounts) continue;
    text.lines.push_back(
        base::StrCat("no rule, ", DescribeOptions(options), ": ", Count(count, "tensor")));
    if (detail == RuleDetail::kNames) AddNames(match, text.lines);
  }
  return text;
}

namespace {

std::string Describe(const std::string& bits, const v1::QuantizationOptions& options) {
  const auto word_or = [](const std::string& word, const char* fallback) {
    return word.empty() ? std::string(fallback) : word;
  };
  if (options.scheme() == v1::SCHEME_UNIFORM) {
    return base::StrCat(bits, ", uniform, per ",
                        word_or(GranularityWord(options.granularity()), "channel"));
  }
  std::string text =
      base::StrCat(bits, ", ", word_or(CodeBookWord(options.code_book()), "full"), ", per ",
                   word_or(GranularityWord(options.granularity()), "channel"), ", ",
                   word_or(SchemeWord(options.scheme()), "exact"));
  if (options.has_mu_ratio()) base::StrAppend(&text, " mu ", options.mu_ratio());
  return text;
}

std::string BitsWord(const v1::QuantizationOptions& options) {
  return options.bits() == 0 ? "bits of each layer's own" : base::StrCat(options.bits(), " bits");
}

}  // namespace

std::string DescribeOptions(const v1::QuantizationOptions& options) {
  return Describe(BitsWord(options), options);
}

std::string DescribeWeights(const v1::QuantizationOptions& options) {
  uint32_t least = options.bits();
  uint32_t most = options.bits();
  for (const v1::LayerRule& rule : options.rules()) {
    if (rule.keep_float() || !rule.has_bits()) continue;
    least = least == 0 ? rule.bits() : std::min(least, rule.bits());
    most = std::max(most, rule.bits());
  }
  if (least == most) return Describe(BitsWord(options), options);
  return Describe(base::StrCat("mixed ", least, "-", most, " bits"), options);
}

}  // namespace lbw::client

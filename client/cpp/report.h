// The quantization report and what each rule caught, as text. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_REPORT_H_
#define LBW_CLIENT_REPORT_H_

#include <string>
#include <vector>

#include "google/protobuf/repeated_ptr_field.h"
#include "lbw/v1/common.pb.h"

namespace lbw::client {

// One line a tensor: name, shape, bits, book, exponents, zeros %, SQNR dB, bytes before and after,
// ratio, rule ("-": the call's own options); then the totals over the quantized tensors, and where
// there are dead rows the same without them. Float tensors that no rule decided (biases, batch
// norms) are one line at the end. A dry run has no statistics; their columns are left out.
enum class ReportKind { kMeasured, kDryRun };
std::string RenderReport(const v1::QuantizationReport& report, ReportKind kind);

struct RuleText {
  std::vector<std::string> lines;     // "rule 0 '*conv1.weight' keep float: 1 tensor"
  std::vector<std::string> warnings;  // a rule that caught nothing
};
// kNames: the caught tensors follow each line, indented (what a dry run prints).
enum class RuleDetail { kCounts, kNames };
RuleText RenderRuleMatches(const google::protobuf::RepeatedPtrField<v1::RuleMatch>& matches,
                           const v1::QuantizationOptions& options, RuleDetail detail);

// "4 bits, full, per channel, exact", with defaults spelled out. Bits 0: widths were chosen.
std::string DescribeOptions(const v1::QuantizationOptions& options);
// The same of a whole version: "mixed 2-6 bits, ..." where its rules have other widths.
std::string DescribeWeights(const v1::QuantizationOptions& options);

}  // namespace lbw::client

#endif  // LBW_CLIENT_REPORT_H_

// Layer rules and quantization flags as people write them -> QuantizationOptions. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_RULES_H_
#define LBW_CLIENT_RULES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lbw/v1/common.pb.h"

namespace lbw::client {

// A YAML (or JSON) list of rules, the first match wins:
//
//   - {match: "*conv1.weight", keep: float}
//   - {match: "@outputs", bits: 8, scheme: uniform}
//   - {match: "*", bits: 4, code_book: full, granularity: channel}
//
// Keys: match (required), keep: float | bits, code_book: paper | full, granularity: tensor |
// channel, scheme: exact | threshold | uniform, mu, axis. `keep` stands alone with `match`. source:
// the file's name, for messages. Errors: kInvalidArgument, BAD_OPTIONS - not YAML, over 1 MiB, an
// unknown or repeated key or a bad
//         value; the message names source, line, key and what is allowed.
absl::StatusOr<std::vector<v1::LayerRule>> ParseRules(std::string_view yaml,
                                                      std::string_view source);

// "keep float"; "4 bits, full, per channel"; fields left out are left out. "" when all are.
std::string DescribeRule(const v1::LayerRule& rule);

// The words of the command line and of reports. Empty text is UNSPECIFIED.
// Errors: kInvalidArgument, BAD_OPTIONS - the message names `what`, the text and the allowed words.
absl::StatusOr<v1::CodeBook> ParseCodeBook(std::string_view text, std::string_view what);
absl::StatusOr<v1::Granularity> ParseGranularity(std::string_view text, std::string_view what);
absl::StatusOr<v1::Scheme> ParseScheme(std::string_view text, std::string_view what);
// "" for UNSPECIFIED.
std::string CodeBookWord(v1::CodeBook value);
std::string GranularityWord(v1::Granularity value);
std::string SchemeWord(v1::Scheme value);

// What a person said on the command line.
struct QuantizeFlags {
  uint32_t bits = 0;
  std::string code_book = {};    // empty: the server's default, full
  std::string granularity = {};  // empty: the server's default, channel
  std::string scheme = {};       // empty: the server's default, exact
  std::optional<double> mu = {};
  std::string rules_file = {};               // its path, for messages
  std::string rules_text = {};               // its content; empty: none
  std::vector<std::string> keep_float = {};  // globs; they become the first rules
  bool chooses_bits = false;                 // bits may be 0: every layer's are searched
};

// Checked here and not only by the server, so that a typing error does not cost an upload.
// Errors: kInvalidArgument, BAD_OPTIONS.
absl::StatusOr<v1::QuantizationOptions> BuildOptions(const QuantizeFlags& flags);

}  // namespace lbw::client

#endif  // LBW_CLIENT_RULES_H_

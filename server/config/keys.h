// The one table of keys: it drives parsing, help, documentation and provenance.
#ifndef LBW_CONFIG_KEYS_H_
#define LBW_CONFIG_KEYS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "config/config.h"

namespace lbw::config {

enum class Kind : uint8_t { kText, kAddress, kChoice, kCount, kBytes, kDuration, kSwitch };

// Where a value lives in Config.
using Member = std::variant<std::string Config::*, int64_t Config::*, absl::Duration Config::*,
                            bool Config::*>;

struct Key {
  std::string_view name;  // "limits.queue_calls"
  Kind kind = Kind::kText;
  Member member;
  int64_t min = 0;           // kCount; kBytes: bytes; kDuration: milliseconds
  int64_t max = 0;           // inclusive
  std::string_view choices;  // kChoice: "info|warning"
  std::string_view meaning;
};

// In the documentation's order; lives for ever.
absl::Span<const Key> KeyTable();
// nullptr where there is none.
const Key* FindKey(std::string_view name);

// "--limits-queue-calls"
std::string FlagOf(const Key& key);
// "LBW_LIMITS_QUEUE_CALLS"
std::string EnvironmentOf(const Key& key);

// Parses and checks text and stores it. Errors: kInvalidArgument, BAD_ARGUMENT - names key, value,
// what is expected and source; config is as it was.
absl::Status SetValue(const Key& key, std::string_view text, std::string_view source,
                      Config& config);
// As SetValue reads it back.
std::string ValueText(const Key& key, const Config& config);

}  // namespace lbw::config

#endif  // LBW_CONFIG_KEYS_H_

// A YAML file as a flat list of keys and values.
#ifndef LBW_CONFIG_YAML_FILE_H_
#define LBW_CONFIG_YAML_FILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace lbw::config {

struct FileValue {
  std::string key;  // "limits.queue_calls"
  std::string value;
  int line = 0;  // from 1
};

// Maps nest or are written with dots: `limits: {models: 5}` and `limits.models: 5` are the same.
// file: its name, for messages. Errors: kInvalidArgument, BAD_FILE - not YAML, a list or an empty
// value where one value belongs, a key twice, too deep or too many; names file and line.
absl::StatusOr<std::vector<FileValue>> ParseYaml(std::string_view text, std::string_view file);

}  // namespace lbw::config

#endif  // LBW_CONFIG_YAML_FILE_H_

#include "config/config.h"

#include <string_view>

#include "absl/strings/str_replace.h"
#include "base/io.h"
#include "base/status.h"
#include "config/keys.h"
#include "config/nearest.h"
#include "config/yaml_file.h"

namespace lbw::config {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 20;

base::Error Unknown(std::string_view what, std::string_view given, std::string_view nearest,
                    std::string_view source) {
  std::string message = base::StrCat("unknown ", what, " ", given, " (", source, ")");
  if (!nearest.empty()) base::StrAppend(&message, "; did you mean ", nearest, "?");
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

class Merger {
 public:
  Merger() {
    for (const Key& key : KeyTable()) {
      loaded_.values.push_back(
          Provenance{std::string(key.name), ValueText(key, loaded_.config), "default"});
    }
  }

  absl::Status Set(const Key& key, std::string_view value, const std::string& source) {
    LBW_RETURN_IF_ERROR(SetValue(key, value, source, loaded_.config));
    for (Provenance& entry : loaded_.values) {
      if (entry.key != key.name) continue;
      entry.value = ValueText(key, loaded_.config);
      entry.source = source;
    }
    return absl::OkStatus();
  }

  Loaded Release() { return std::move(loaded_); }

 private:
  Loaded loaded_;
};

absl::Status TakeFile(const std::string& file, Merger& merger) {
  const auto context = [&file](const absl::Status& status) {
    return base::WithContext(status, base::StrCat("configuration file ", file));
  };
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> reader = base::OpenFileReader(file);
  if (!reader.ok()) return context(reader.status());
  const absl::StatusOr<std::string> text = base::ReadAll(**reader, kMaxFileBytes);
  if (!text.ok()) return context(text.status());
  LBW_ASSIGN_OR_RETURN(const std::vector<FileValue> values, ParseYaml(*text, file));
  std::vector<std::string_view> names;
  for (const Key& key : KeyTable()) names.push_back(key.name);
  for (const FileValue& entry : values) {
    const std::string source = base::StrCat("file ", file, ":", entry.line);
    const Key* key = FindKey(entry.key);
    if (key == nullptr) return Unknown("key", entry.key, Nearest(entry.key, names), source);
    LBW_RETURN_IF_ERROR(merger.Set(*key, entry.value, source));
  }
  return absl::OkStatus();
}

absl::Status TakeEnvironment(const std::map<std::string, std::string>& environment,
                             Merger& merger) {
  std::map<std::string, const Key*> known;
  for (const Key& key : KeyTable()) known.emplace(EnvironmentOf(key), &key);
  std::vector<std::string_view> names;
  for (const auto& entry : known) names.emplace_back(entry.first);
  for (const auto& [variable, value] : environment) {
    const auto found = known.find(variable);
    if (found == known.end()) {
      return Unknown("variable", variable, Nearest(variable, names), "environment");
    }
    LBW_RETURN_IF_ERROR(merger.Set(*found->second, value, base::StrCat("environment ", variable)));
  }
  return absl::OkStatus();
}

absl::Status TakeFlags(const std::map<std::string, std::string>& flags, Merger& merger) {
  std::vector<std::string_view> names;
  for (const Key& key : KeyTable()) names.push_back(key.name);
  for (const auto& [name, value] : flags) {
    const Key* key = FindKey(name);
    if (key == nullptr) return Unknown("key", name, Nearest(name, names), "flag");
    LBW_RETURN_IF_ERROR(merger.Set(*key, value, base::StrCat("flag ", FlagOf(*key))));
  }
  return absl::OkStatus();
}

// What no single key can say.
absl::Status CheckTogether(const Config& config) {
  const auto bad = [](std::string_view message, std::string_view field) -> absl::Status {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
        .Field(field);
  };
  if (config.data_dir.empty()) return bad("data_dir must name a folder: value=(empty)", "data_dir");
  if (config.tls_cert.empty() != config.tls_key.empty()) {
    return bad(base::StrCat("tls.cert and tls.key go together: tls.cert=",
                            config.tls_cert.empty() ? "(empty)" : config.tls_cert,
                            " tls.key=", config.tls_key.empty() ? "(empty)" : config.tls_key),
               config.tls_cert.empty() ? "tls.cert" : "tls.key");
  }
  if (!config.tls_client_ca.empty() && config.tls_cert.empty()) {
    return bad(base::StrCat("tls.client_ca needs tls.cert and tls.key: tls.client_ca=",
                            config.tls_client_ca),
               "tls.client_ca");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Loaded> Load(const Sources& sources) {
  Merger merger;
  if (!sources.file.empty()) LBW_RETURN_IF_ERROR(TakeFile(sources.file, merger));
  LBW_RETURN_IF_ERROR(TakeEnvironment(sources.environment, merger));
  LBW_RETURN_IF_ERROR(TakeFlags(sources.flags, merger));
  Loaded loaded = merger.Release();
  LBW_RETURN_IF_ERROR(CheckTogether(loaded.config));
  return loaded;
}

std::vector<KeyDoc> Keys() {
  const Config defaults;
  std::vector<KeyDoc> docs;
  for (const Key& key : KeyTable()) {
    docs.push_back(KeyDoc{std::string(key.name), FlagOf(key), ValueText(key, defaults),
                          std::string(key.meaning)});
  }
  return docs;
}

std::vector<std::string> ToFlags(const Config& config) {
  std::vector<std::string> flags;
  for (const Key& key : KeyTable()) {
    const std::string value = ValueText(key, config);
    if (!value.empty()) flags.push_back(base::StrCat(FlagOf(key), "=", value));
  }
  return flags;
}

}  // namespace lbw::config

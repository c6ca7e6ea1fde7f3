#include "config/keys.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "config/values.h"

namespace lbw::config {
namespace {

constexpr int64_t kKiB = int64_t{1} << 10;
constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kTiB = int64_t{1} << 40;
constexpr int64_t kSecondMs = 1'000;
constexpr int64_t kHourMs = 3'600 * kSecondMs;

Key Text(std::string_view name, std::string Config::*member, std::string_view meaning) {
  return Key{name, Kind::kText, member, 0, 0, "", meaning};
}
Key At(std::string_view name, std::string Config::*member, std::string_view meaning) {
  return Key{name, Kind::kAddress, member, 0, 0, "", meaning};
}
Key Choice(std::string_view name, std::string Config::*member, std::string_view choices,
           std::string_view meaning) {
  return Key{name, Kind::kChoice, member, 0, 0, choices, meaning};
}
Key Switch(std::string_view name, bool Config::*member, std::string_view meaning) {
  return Key{name, Kind::kSwitch, member, 0, 0, "", meaning};
}

struct Range {
  int64_t min;
  int64_t max;
};
Key Count(std::string_view name, int64_t Config::*member, Range range, std::string_view meaning) {
  return Key{name, Kind::kCount, member, range.min, range.max, "", meaning};
}
Key Size(std::string_view name, int64_t Config::*member, Range range, std::string_view meaning) {
  return Key{name, Kind::kBytes, member, range.min, range.max, "", meaning};
}
Key Time(std::string_view name, absl::Duration Config::*member, Range range_ms,
         std::string_view meaning) {
  return Key{name, Kind::kDuration, member, range_ms.min, range_ms.max, "", meaning};
}

std::vector<Key> MakeTable() {
  return {
      At("listen", &Config::listen, "Where gRPC listens; port 0 picks a free one"),
      At("admin", &Config::admin,
         "Where the admin HTTP port listens: /metrics, /livez, /readyz. It is not authenticated"),
      Text("data_dir", &Config::data_dir,
           "Folder of everything that lasts; made when missing, used by one server at a time"),
      Text("port_file", &Config::port_file,
           "File that receives {\"grpc\": N, \"admin\": N} once the server is ready"),
      Text("tls.cert", &Config::tls_cert,
           "PEM file of the server's certificate chain; with tls.key it turns TLS on"),
      Text("tls.key", &Config::tls_key, "PEM file of the certificate's private key"),
      Text(
          "tls.client_ca", &Config::tls_client_ca,
          "PEM file of authorities; a client must then show a certificate that one of them signed"),
      Choice("log.level", &Config::log_level, "debug|info|warning|error",
             "The least that is logged"),
      Choice("log.format", &Config::log_format, "auto|text|json",
             "Lines of text or of JSON on stderr; auto: text on a terminal"),
      Size("limits.message_bytes", &Config::max_message_bytes, {kMiB, 2047 * kMiB},
           "Largest gRPC message, either way"),
      Size("limits.upload_bytes", &Config::max_upload_bytes, {kKiB, 64 * kTiB}, "Largest upload"),
      Count("limits.unfinished_uploads", &Config::max_unfinished_uploads, {1, 100'000},
            "Uploads that may be unfinished at a time"),
      Time("limits.upload_lifetime", &Config::upload_lifetime, {60 * kSecondMs, 720 * kHourMs},
           "How long an unfinished upload is kept"),
      Count("limits.models", &Config::max_models, {1, 1'000'000}, "Models in the registry"),
      Size("limits.import_bytes", &Config::max_import_bytes, {kKiB, 64 * kGiB},
           "Largest file that a model is imported from"),
      Size("limits.image_bytes", &Config::max_image_bytes, {kKiB, kGiB}, "Largest encoded picture"),
      Count("limits.image_pixels", &Config::max_image_pixels, {1'024, 1'000'000'000},
            "Largest picture in pixels, width times height"),
      Count("limits.images_per_call", &Config::max_images_per_call, {1, 1'024},
            "Pictures in one call"),
      Count("serving.queue_calls", &Config::queue_calls, {1, 65'536},
            "Calls that wait for one version; more are refused with a time to retry"),
      Size("serving.queue_bytes", &Config::queue_bytes, {kMiB, kTiB},
           "Bytes of pictures and network inputs that wait for one version"),
      Size("serving.loaded_bytes", &Config::loaded_bytes, {kKiB, 64 * kTiB},
           "Bytes of all loaded versions; the least recently used make room"),
      Count("serving.threads", &Config::threads, {0, 1'024},
            "Threads that one run of a network may use; 0 = the machine's cores"),
      Count("quantize.concurrency", &Config::quantize_concurrency, {1, 64},
            "Long calls (quantize, import, export) that run at a time"),
      Count("quantize.queue", &Config::quantize_queue, {1, 10'000},
            "Long calls that wait; more are refused"),
      Time("drain_delay", &Config::drain_delay, {0, kHourMs},
           "How long calls are still taken after SIGTERM while health and /readyz say no, so that "
           "load balancers turn away"),
      Time("drain_timeout", &Config::drain_timeout, {0, kHourMs},
           "How long calls in work may take after SIGTERM"),
      Switch("reflection", &Config::reflection, "Offer gRPC reflection, for grpcurl and friends"),
      Count("limits.datasets", &Config::max_datasets, {1, 1'000'000}, "Datasets in the registry"),
      Count("workers", &Config::workers, {0, 64},
            "Worker processes that serve starts to run jobs, one job each at a time; 0 = none, for "
            "workers of their own"),
      At("worker.admin", &Config::worker_admin,
         "Where lbw-server worker serves /metrics, /livez and /readyz"),
      Count("jobs.threads", &Config::job_threads, {0, 1'024},
            "Threads that a job may use; 0 = the machine's cores"),
      Count("jobs.nice", &Config::job_nice, {0, 19},
            "How much a job's process stands back behind serving where cores are short"),
      Time("jobs.lease", &Config::job_lease, {2 * kSecondMs, kHourMs},
           "How long a worker that is not heard of keeps its job"),
      Time("jobs.stall_timeout", &Config::job_stall_timeout, {kSecondMs, 24 * kHourMs},
           "A job whose step does not move for so long is ended and tried again"),
      Time("jobs.obey_timeout", &Config::job_obey_timeout, {kSecondMs, kHourMs},
           "How long a job may take to pause, cancel or stop before its process is killed"),
      Count("jobs.max_attempts", &Config::job_max_attempts, {1, 100},
            "Attempts that may fail in a row without a new checkpoint"),
      Time("jobs.backoff", &Config::job_backoff, {0, kHourMs},
           "How long a job waits after an attempt that failed or was lost; doubled by each further "
           "one, to 5 minutes at most"),
      Count("jobs.max_active", &Config::max_active_jobs, {1, 10'000'000},
            "Jobs that have not ended; more are refused"),
      Count("jobs.max_events", &Config::max_job_events, {100, 10'000'000},
            "Events kept a job; the oldest go first"),
      Time("jobs.retention", &Config::job_retention, {60 * kSecondMs, 24 * 3660 * kHourMs},
           "How long jobs that ended are kept, with their logs and checkpoints"),
      Switch("jobs.warm_child", &Config::job_warm_child,
             "Keep a process started for the next job: it begins at once, for some memory"),
  };
}

std::string Expectation(const Key& key) {
  switch (key.kind) {
    case Kind::kText:
      return "text without control characters";
    case Kind::kAddress:
      return "HOST:PORT, such as 127.0.0.1:8500 or [::1]:0";
    case Kind::kChoice:
      return absl::StrCat("one of ", absl::StrReplaceAll(base::Absl(key.choices), {{"|", ", "}}));
    case Kind::kCount:
      return absl::StrCat("a whole number in ", key.min, "..", key.max);
    case Kind::kBytes:
      return absl::StrCat("a size in ", FormatBytes(key.min), "..", FormatBytes(key.max),
                          ", such as 512KiB, 48MiB or 4GiB");
    case Kind::kDuration:
      return absl::StrCat("a duration in ", absl::FormatDuration(absl::Milliseconds(key.min)), "..",
                          absl::FormatDuration(absl::Milliseconds(key.max)),
                          ", such as 250ms, 30s or 24h");
    case Kind::kSwitch:
      return "true or false";
  }
  return "";
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool IsChoice(const Key& key, std::string_view text) {
  const std::vector<std::string> choices = absl::StrSplit(base::Absl(key.choices), '|');
  return std::find(choices.begin(), choices.end(), text) != choices.end();
}

// Whether text is a value of the key; then it stands in config.
bool Store(const Key& key, std::string_view text, Config& config) {
  switch (key.kind) {
    case Kind::kText:
    case Kind::kAddress:
    case Kind::kChoice: {
      const bool fits = key.kind == Kind::kText      ? !HasControl(text)
                        : key.kind == Kind::kAddress ? ParseAddress(text).has_value()
                                                     : IsChoice(key, text);
      if (fits) config.*std::get<std::string Config::*>(key.member) = std::string(text);
      return fits;
    }
    case Kind::kCount:
    case Kind::kBytes: {
      const std::optional<int64_t> number =
          key.kind == Kind::kCount ? ParseCount(text) : ParseBytes(text);
      if (!number.has_value() || *number < key.min || *number > key.max) return false;
      config.*std::get<int64_t Config::*>(key.member) = *number;
      return true;
    }
    case Kind::kDuration: {
      const std::optional<absl::Duration> duration = ParseDuration(text);
      if (!duration.has_value() || *duration < absl::Milliseconds(key.min) ||
          *duration > absl::Milliseconds(key.max)) {
        return false;
      }
      config.*std::get<absl::Duration Config::*>(key.member) = *duration;
      return true;
    }
    case Kind::kSwitch: {
      const std::optional<bool> on = ParseSwitch(text);
      if (on.has_value()) config.*std::get<bool Config::*>(key.member) = *on;
      return on.has_value();
    }
  }
  return false;
}

}  // namespace

absl::Span<const Key> KeyTable() {
  static const std::vector<Key>* const table = new std::vector<Key>(MakeTable());
  return *table;
}

const Key* FindKey(std::string_view name) {
  for (const Key& key : KeyTable()) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::string FlagOf(const Key& key) {
  return absl::StrCat("--", absl::StrReplaceAll(base::Absl(key.name), {{".", "-"}, {"_", "-"}}));
}

std::string EnvironmentOf(const Key& key) {
  const std::string name = absl::StrReplaceAll(base::Absl(key.name), {{".", "_"}});
  return absl::StrCat("LBW_", absl::AsciiStrToUpper(name));
}

absl::Status SetValue(const Key& key, std::string_view text, std::string_view source,
                      Config& config) {
  if (Store(key, text, config)) return absl::OkStatus();
  constexpr size_t kMostShown = 200;
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(key.name, " must be ", Expectation(key),
                                  ": value=", text.empty() ? "(empty)" : text.substr(0, kMostShown),
                                  " (", source, ")"))
      .Field(key.name);
}

std::string ValueText(const Key& key, const Config& config) {
  switch (key.kind) {
    case Kind::kText:
    case Kind::kAddress:
    case Kind::kChoice:
      return config.*std::get<std::string Config::*>(key.member);
    case Kind::kCount:
      return absl::StrCat(config.*std::get<int64_t Config::*>(key.member));
    case Kind::kBytes:
      return FormatBytes(config.*std::get<int64_t Config::*>(key.member));
    case Kind::kDuration:
      return absl::FormatDuration(config.*std::get<absl::Duration Config::*>(key.member));
    case Kind::kSwitch:
      return config.*std::get<bool Config::*>(key.member) ? "true" : "false";
  }
  return "";
}

}  // namespace lbw::config

// The server's configuration: typed, from defaults, a YAML file, the environment and flags, with
// where each value came from.
//
// Order: a flag beats the environment (LBW_<KEY> in capitals, dots as underscores), which beats the
// file, which beats the default. An unknown key or variable that starts with LBW_ is an error that
// names the nearest known one. The only place that reads the environment.
#ifndef LBW_CONFIG_CONFIG_H_
#define LBW_CONFIG_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace lbw::config {

struct Config {
  // Where
  std::string data_dir = "lbw-data";
  std::string listen = "127.0.0.1:8500";
  std::string admin = "127.0.0.1:8501";
  std::string port_file;
  // TLS (all empty: plain text)
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  // Log
  std::string log_level = "info";   // debug | info | warning | error
  std::string log_format = "auto";  // auto | text | json
  // Limits
  int64_t max_message_bytes = int64_t{48} << 20;
  int64_t max_upload_bytes = int64_t{64} << 30;
  int64_t max_unfinished_uploads = 256;
  absl::Duration upload_lifetime = absl::Hours(24);
  int64_t max_models = 10'000;
  int64_t max_import_bytes = int64_t{2} << 30;
  int64_t max_image_bytes = int64_t{32} << 20;
  int64_t max_image_pixels = 40'000'000;
  int64_t max_images_per_call = 64;
  int64_t queue_calls = 256;
  int64_t queue_bytes = int64_t{512} << 20;
  int64_t loaded_bytes = int64_t{4} << 30;
  int64_t quantize_concurrency = 2;  // long calls (quantize, import, export) that run at a time
  int64_t quantize_queue = 32;       // that wait
  int64_t threads = 0;               // a Run may use; 0 = the machine's cores
  absl::Duration drain_delay = absl::ZeroDuration();
  absl::Duration drain_timeout = absl::Seconds(30);
  bool reflection = true;
  // Jobs
  int64_t workers = 1;                          // processes that serve starts
  std::string worker_admin = "127.0.0.1:8502";  // of `lbw-server worker`
  int64_t job_threads = 0;                      // a job may use; 0 = the machine's cores
  int64_t job_nice = 5;                         // of its process
  absl::Duration job_lease = absl::Seconds(30);
  absl::Duration job_stall_timeout = absl::Minutes(5);
  absl::Duration job_obey_timeout = absl::Seconds(60);
  int64_t job_max_attempts = 5;
  absl::Duration job_backoff =
      absl::Seconds(2);  // after the first attempt that fails; then doubled
  int64_t max_active_jobs = 100'000;
  int64_t max_job_events = 100'000;
  absl::Duration job_retention = absl::Hours(24 * 30);
  bool job_warm_child = true;
  int64_t max_datasets = 10'000;
};

// One value in force: key ("limits.queue_calls"), value as text, source ("default", "file
// lbw.yaml:3", "environment LBW_LISTEN", "flag --listen").
struct Provenance {
  std::string key;
  std::string value;
  std::string source;
};

struct Loaded {
  Config config;
  std::vector<Provenance> values;  // every key, in the documentation's order
};

// What was given: flags as key -> value (the command line's parser made them), the file's name or
// "", and environment variables.
struct Sources {
  std::map<std::string, std::string> flags;
  std::string file;
  std::map<std::string, std::string> environment;
};

// Errors: kInvalidArgument - names key, value, limit and source; kNotFound - the file.
absl::StatusOr<Loaded> Load(const Sources& sources);
// Every LBW_ variable of this process but those of the client, the tests and the build (LBW_SERVER,
// LBW_TEST_DATA, LBW_JOBS) and those that Kubernetes makes for a Service (LBW_..._SERVICE_HOST).
std::map<std::string, std::string> ReadEnvironment();
// Gives a variable of this process a value where it has none; true where it did. For libraries that
// are told by variables alone. Called before any other thread exists.
bool SetVariableIfUnset(const std::string& name, const std::string& value);
// The variables of this process as they are, for the start of another program. Borrowed.
char** InheritedEnvironment();
// Every key with its flag, default and meaning, for --help and the documentation.
struct KeyDoc {
  std::string key;
  std::string flag;
  std::string default_value;
  std::string meaning;
};
std::vector<KeyDoc> Keys();
// Flags that give another process of this program the same configuration:
// "--listen=127.0.0.1:8500", ...
std::vector<std::string> ToFlags(const Config& config);

}  // namespace lbw::config

#endif  // LBW_CONFIG_CONFIG_H_

#include "jobs/protocol.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/digest.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::jobs {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<Command, std::string_view>, 4> kCommands = {
    {{Command::kCheckpoint, "checkpoint"},
     {Command::kPause, "pause"},
     {Command::kCancel, "cancel"},
     {Command::kStop, "stop"}}};
constexpr std::array<std::pair<Obeyed, std::string_view>, 3> kObeyed = {
    {{Obeyed::kPaused, "paused"},
     {Obeyed::kStopped, "stopped"},
     {Obeyed::kCancelled, "cancelled"}}};

template <typename T, size_t N>
std::string_view NameOf(const std::array<std::pair<T, std::string_view>, N>& table, T value) {
  for (const auto& [known, name] : table) {
    if (known == value) return name;
  }
  base::CheckFailed("a value of the table", __FILE__, __LINE__);
}

template <typename T, size_t N>
std::optional<T> ValueOf(const std::array<std::pair<T, std::string_view>, N>& table,
                         std::string_view name) {
  for (const auto& [value, known] : table) {
    if (known == name) return value;
  }
  return std::nullopt;
}

base::Error BadLine(std::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("a line of the job protocol is wrong: ", what));
}

// --- Writing -------------------------------------------------------------------------------------

Json ToJson(const Assignment& a) {
  return {{"type", "assignment"},
          {"job", a.job},
          {"kind", a.kind},
          {"spec", a.spec_json},
          {"inputs", a.inputs_json},
          {"checkpoint", a.checkpoint},
          {"checkpoint_step", a.checkpoint_step},
          {"attempt", a.attempt},
          {"data_dir", a.data_dir},
          {"scratch_folder", a.scratch_folder},
          {"threads", a.threads}};
}
Json ToJson(Command command) { return {{"type", std::string(NameOf(kCommands, command))}}; }
Json ToJson(const Committed& c) { return {{"type", "committed"}, {"sha256", c.sha256}}; }

Json ToJson(const Hello& hello) { return {{"type", "hello"}, {"pid", hello.pid}}; }
Json ToJson(const EventLine& event) {
  Json json = {{"type", "event"}, {"json", event.json}};
  if (event.step) json["step"] = *event.step;
  if (event.total_steps) json["total_steps"] = *event.total_steps;
  return json;
}
Json ToJson(const Heartbeat& beat) { return {{"type", "heartbeat"}, {"step", beat.step}}; }
Json ToJson(const CheckpointLine& line) {
  const CheckpointInfo& info = line.info;
  Json json = {{"type", "checkpoint"},
               {"sha256", info.sha256},
               {"size_bytes", info.size_bytes},
               {"step", info.step},
               {"epoch", info.epoch},
               {"create_us", absl::ToUnixMicros(info.create_time)},
               {"best", info.best}};
  // JSON has no NaN: a measure that is none is left out.
  if (info.metric && std::isfinite(*info.metric)) json["metric"] = *info.metric;
  return json;
}
Json ToJson(const ResultLine& result) { return {{"type", "result"}, {"json", result.json}}; }
Json ToJson(const ErrorLine& line) {
  return {{"type", "error"},
          {"code", static_cast<int>(line.error.code)},
          {"reason", line.error.reason},
          {"message", line.error.message}};
}
Json ToJson(Obeyed obeyed) { return {{"type", std::string(NameOf(kObeyed, obeyed))}}; }

template <typename Message>
absl::StatusOr<std::string> Write(const Message& message) {
  const Json json = std::visit([](const auto& one) { return ToJson(one); }, message);
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (line.size() > kMaxLineBytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("a message between a job and its worker is too long: type=",
                                    json["type"].get_ref<const std::string&>(),
                                    " bytes=", line.size(), " limit=", kMaxLineBytes));
  }
  return line;
}

// --- Reading -------------------------------------------------------------------------------------

// Reads keys of one object; the first one that is wrong is kept.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  std::string Text(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) return Fail(key, "a string"), std::string();
    return value->get<std::string>();
  }
  std::string Sha256(const char* key) {
    std::string text = Text(key);
    if (status_.ok() && !base::IsSha256Hex(text)) Fail(key, "64 characters of 0-9a-f");
    return text;
  }
  int64_t Int(const char* key, int64_t least, int64_t most = std::numeric_limits<int64_t>::max()) {
    const Json* value = Find(key);
    return value == nullptr ? 0 : IntOf(key, *value, least, most);
  }
  std::optional<int64_t> OptionalInt(const char* key, int64_t least) {
    const auto at = json_.find(key);
    if (at == json_.end()) return std::nullopt;
    return IntOf(key, *at, least, std::numeric_limits<int64_t>::max());
  }
  uint64_t Unsigned(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned()) return Fail(key, "an integer from 0"), 0;
    return value->get<uint64_t>();
  }
  bool Bool(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return Fail(key, "true or false"), false;
    return value->get<bool>();
  }
  std::optional<double> OptionalNumber(const char* key) {
    const auto at = json_.find(key);
    if (at == json_.end()) return std::nullopt;
    if (!at->is_number()) return Fail(key, "a number"), std::nullopt;
    return at->get<double>();
  }
  const absl::Status& status() const { return status_; }

 private:
  const Json* Find(const char* key) {
    const auto at = json_.find(key);
    if (at != json_.end()) return &*at;
    Fail(key, "there");
    return nullptr;
  }
  int64_t IntOf(const char* key, const Json& value, int64_t least, int64_t most) {
    const bool too_large =
        value.is_number_unsigned() &&
        value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!value.is_number_integer() || too_large || value.get<int64_t>() < least ||
        value.get<int64_t>() > most) {
      return Fail(key, base::StrCat("an integer from ", least, " to ", most)), 0;
    }
    return value.get<int64_t>();
  }
  void Fail(const char* key, std::string_view expected) {
    if (status_.ok()) status_ = BadLine(base::StrCat(key, " must be ", expected));
  }

  const Json& json_;
  absl::Status status_;
};

absl::StatusOr<Json> ParseObject(std::string_view line) {
  if (line.size() > kMaxLineBytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("a line of the job protocol is too long: bytes=", line.size(),
                                    " limit=", kMaxLineBytes));
  }
  Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return BadLine("it is no JSON object");
  const auto type = json.find("type");
  if (type == json.end() || !type->is_string()) return BadLine("type must be a string");
  return json;
}

// The value, or what was wrong with its keys.
template <typename Message, typename T>
absl::StatusOr<Message> Checked(const Reader& read, T value) {
  if (!read.status().ok()) return read.status();
  return Message(std::move(value));
}

absl::StatusOr<Down> ReadAssignment(const Json& json) {
  Reader read(json);
  Assignment a;
  a.job = read.Text("job");
  a.kind = read.Text("kind");
  a.spec_json = read.Text("spec");
  a.inputs_json = read.Text("inputs");
  a.checkpoint = read.Text("checkpoint");
  if (!a.checkpoint.empty()) a.checkpoint = read.Sha256("checkpoint");
  a.checkpoint_step = read.Int("checkpoint_step", 0);
  a.attempt = read.Int("attempt", 0);
  a.data_dir = read.Text("data_dir");
  a.scratch_folder = read.Text("scratch_folder");
  a.threads = static_cast<int>(read.Int("threads", 0, std::numeric_limits<int>::max()));
  return Checked<Down>(read, std::move(a));
}

absl::StatusOr<Up> ReadEvent(const Json& json) {
  Reader read(json);
  EventLine event;
  event.json = read.Text("json");
  event.step = read.OptionalInt("step", 0);
  event.total_steps = read.OptionalInt("total_steps", 0);
  return Checked<Up>(read, std::move(event));
}

absl::StatusOr<Up> ReadCheckpoint(const Json& json) {
  Reader read(json);
  CheckpointInfo info;
  info.sha256 = read.Sha256("sha256");
  info.size_bytes = read.Unsigned("size_bytes");
  info.step = read.Int("step", 0);
  info.epoch = read.Int("epoch", 0);
  info.create_time =
      absl::FromUnixMicros(read.Int("create_us", std::numeric_limits<int64_t>::min()));
  info.best = read.Bool("best");
  info.metric = read.OptionalNumber("metric");
  return Checked<Up>(read, CheckpointLine{std::move(info)});
}

absl::StatusOr<Up> ReadError(const Json& json) {
  Reader read(json);
  JobError error;
  error.code = static_cast<absl::StatusCode>(
      read.Int("code", static_cast<int64_t>(absl::StatusCode::kCancelled),
               static_cast<int64_t>(absl::StatusCode::kUnauthenticated)));
  error.reason = read.Text("reason");
  error.message = read.Text("message");
  return Checked<Up>(read, ErrorLine{std::move(error)});
}

}  // namespace

absl::StatusOr<std::string> TryEncode(const Down& message) { return Write(message); }
absl::StatusOr<std::string> TryEncode(const Up& message) { return Write(message); }

std::string Encode(const Down& message) {
  absl::StatusOr<std::string> line = TryEncode(message);
  LBW_CHECK(line.ok());
  return *std::move(line);
}

std::string Encode(const Up& message) {
  absl::StatusOr<std::string> line = TryEncode(message);
  LBW_CHECK(line.ok());
  return *std::move(line);
}

absl::StatusOr<Down> DecodeDown(std::string_view line) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(line));
  const std::string& type = json["type"].get_ref<const std::string&>();
  if (type == "assignment") return ReadAssignment(json);
  Reader read(json);
  if (type == "committed") {
    Committed committed{read.Sha256("sha256")};
    return Checked<Down>(read, std::move(committed));
  }
  const std::optional<Command> command = ValueOf(kCommands, type);
  if (command) return Down(*command);
  return BadLine(base::StrCat("no message to a job has the type \"", type, "\""));
}

absl::StatusOr<Up> DecodeUp(std::string_view line) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(line));
  const std::string& type = json["type"].get_ref<const std::string&>();
  if (type == "event") return ReadEvent(json);
  if (type == "checkpoint") return ReadCheckpoint(json);
  if (type == "error") return ReadError(json);
  Reader read(json);
  if (type == "heartbeat") {
    const Heartbeat beat{read.Int("step", 0)};
    return Checked<Up>(read, beat);
  }
  if (type == "hello") {
    const Hello hello{read.Int("pid", 0)};
    return Checked<Up>(read, hello);
  }
  if (type == "result") {
    ResultLine result{read.Text("json")};
    return Checked<Up>(read, std::move(result));
  }
  const std::optional<Obeyed> obeyed = ValueOf(kObeyed, type);
  if (obeyed) return Up(*obeyed);
  return BadLine(base::StrCat("no message of a job has the type \"", type, "\""));
}

absl::Status LineSplitter::Feed(std::string_view bytes, std::vector<std::string>& lines) {
  while (!bytes.empty() && !failed_) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (piece.size() > kMaxLineBytes - pending_.size()) {
      failed_ = true;
      pending_.clear();
      break;
    }
    pending_.append(piece);
    if (end == std::string_view::npos) break;
    lines.push_back(std::exchange(pending_, {}));
    bytes.remove_prefix(end + 1);
  }
  if (!failed_) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
      base::StrCat("a line of the job protocol is too long: limit=", kMaxLineBytes, " bytes"));
}

}  // namespace lbw::jobs

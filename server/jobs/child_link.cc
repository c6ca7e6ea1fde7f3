#include "jobs/child_link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "base/utf8.h"
#include "jobs/log_buffer.h"

namespace lbw::jobs {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kProgressEvery = absl::Milliseconds(200);
constexpr absl::Duration kBeatEvery = absl::Seconds(1);
constexpr size_t kMostTextBytes = size_t{16} << 10;
constexpr size_t kMostNameBytes = 200;
constexpr size_t kMostValues = 64;

absl::Duration Steady() { return absl::Nanoseconds(base::RealClock().SteadyNs()); }

// The worker is gone, or is no worker: whatever is under way would be recorded by nobody.
[[noreturn]] void EndAtOnce(std::string_view why) {
  if (!why.empty()) std::fprintf(stderr, "job ended: %.*s\n", int(why.size()), why.data());
  ::_exit(1);
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Protojson writes 64-bit integers as strings, and so numbers that JSON does not have.
Json Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

// "12.345s"
std::string DurationText(absl::Duration duration) {
  constexpr int64_t kLongestMs = int64_t{315'576'000'000} * 1000;  // google.protobuf.Duration's
  const int64_t ms = std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 0, kLongestMs);
  std::array<char, 48> text;
  std::snprintf(text.data(), text.size(), "%lld.%03llds", static_cast<long long>(ms / 1000),
                static_cast<long long>(ms % 1000));
  return text.data();
}

std::string_view Name(JobLink::Severity severity) {
  switch (severity) {
    case JobLink::Severity::kInfo:
      return "info";
    case JobLink::Severity::kWarning:
      return "warning";
    case JobLink::Severity::kError:
      return "error";
  }
  return "error";
}

std::string Text(std::string_view text, size_t most) {
  if (text.size() <= most) return CleanUtf8(text);
  return CleanUtf8(base::CutUtf8(text, most)) + "...";
}

}  // namespace

std::string ProgressEventJson(const JobLink::Progress& progress) {
  Json json = {{"step", std::to_string(progress.step)},
               {"total_steps", std::to_string(progress.total_steps)}};
  if (!progress.stage.empty()) json["stage"] = Text(progress.stage, kMostNameBytes);
  Json values = Json::object();
  for (const auto& [name, value] : progress.values) {
    if (values.size() == kMostValues) break;
    values[Text(name, kMostNameBytes)] = Number(value);
  }
  if (!values.empty()) json["values"] = std::move(values);
  if (progress.eta) json["eta"] = DurationText(*progress.eta);
  return Dump({{"progress", std::move(json)}});
}

std::string MessageEventJson(JobLink::Severity severity, std::string_view text) {
  return Dump(
      {{"message",
        {{"severity", std::string(Name(severity))}, {"text", Text(text, kMostTextBytes)}}}});
}

ChildLink::ChildLink(int socket_fd) : fd_(socket_fd) {
  Send(Hello{::getpid()});
  reader_ = std::thread([this] { ReadOrders(); });
  beater_ = std::thread([this] { Beat(); });
}

ChildLink::~ChildLink() {
  {
    absl::MutexLock lock(&mu_);
    finishing_ = true;
  }
  // What was sent still arrives; the reader wakes up.
  ::shutdown(fd_, SHUT_RDWR);
  reader_.join();
  beater_.join();
}

void ChildLink::ReadOrders() {
  base::SetThreadName("job-orders");
  LineSplitter splitter;
  std::array<char, 4096> piece;
  while (true) {
    const ssize_t got = ::recv(fd_, piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      absl::MutexLock lock(&mu_);
      if (finishing_) return;
      EndAtOnce("");
    }
    std::vector<std::string> lines;
    const absl::Status fed = splitter.Feed({piece.data(), static_cast<size_t>(got)}, lines);
    for (const std::string& line : lines) {
      absl::StatusOr<Down> message = DecodeDown(line);
      if (!message.ok()) EndAtOnce(base::Std(message.status().message()));
      Obey(*std::move(message));
    }
    if (!fed.ok()) EndAtOnce(base::Std(fed.message()));
  }
}

void ChildLink::Obey(Down message) {
  absl::MutexLock lock(&mu_);
  if (auto* assignment = std::get_if<Assignment>(&message)) {
    if (assignment_) EndAtOnce("a second assignment");
    step_ = assignment->checkpoint_step;
    assignment_ = std::move(*assignment);
    return;
  }
  if (auto* committed = std::get_if<Committed>(&message)) {
    committed_.insert(std::move(committed->sha256));
    return;
  }
  switch (std::get<Command>(message)) {
    case Command::kCheckpoint:
      checkpoint_wanted_ = true;
      return;
    case Command::kPause:
      pause_wanted_ = true;
      return;
    case Command::kStop:
      stop_wanted_ = true;
      return;
    case Command::kCancel:
      cancel_wanted_ = true;
      return;
  }
}

Assignment ChildLink::WaitForAssignment() {
  absl::MutexLock lock(&mu_);
  const auto assigned = [this]()
                            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return assignment_.has_value(); };
  mu_.Await(absl::Condition(&assigned));
  return *assignment_;
}

JobLink::Order ChildLink::order() {
  absl::MutexLock lock(&mu_);
  if (cancel_wanted_) return Order::kCancel;
  // A job that is to be paused is, whether its worker goes away meanwhile or not.
  if (pause_wanted_) return Order::kPause;
  if (stop_wanted_) return Order::kStop;
  return checkpoint_wanted_ ? Order::kCheckpoint : Order::kGoOn;
}

void ChildLink::Report(const Progress& progress) {
  bool due = false;
  {
    absl::MutexLock lock(&mu_);
    step_ = progress.step;
    waiting_ = progress;
    due = Steady() - sent_at_ >= kProgressEvery;
  }
  if (due) Flush();
}

void ChildLink::Say(Severity severity, std::string_view text) {
  Flush();
  Send(EventLine{MessageEventJson(severity, text), std::nullopt, std::nullopt});
}

absl::Status ChildLink::Checkpoint(const CheckpointInfo& checkpoint) {
  if (!base::IsSha256Hex(checkpoint.sha256) || checkpoint.step < 0 || checkpoint.epoch < 0) {
    return base::Error(
        absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
        base::StrCat("a checkpoint needs the digest of its blob, a step and an "
                     "epoch: sha256=",
                     checkpoint.sha256, " step=", checkpoint.step, " epoch=", checkpoint.epoch));
  }
  Flush();
  CheckpointLine line{checkpoint};
  if (line.info.create_time == absl::Time()) line.info.create_time = base::RealClock().Now();
  {
    absl::MutexLock lock(&mu_);
    committed_.erase(checkpoint.sha256);
    checkpoint_wanted_ = false;
  }
  Send(line);
  absl::MutexLock lock(&mu_);
  const auto committed = [this, &checkpoint]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return committed_.count(checkpoint.sha256) > 0;
  };
  mu_.Await(absl::Condition(&committed));
  committed_.erase(checkpoint.sha256);
  return absl::OkStatus();
}

void ChildLink::Finish(const Up& last_word) {
  Flush();
  // Whatever the job printed belongs before its end.
  std::fflush(stdout);
  std::fflush(stderr);
  Send(last_word);
}

void ChildLink::Beat() {
  base::SetThreadName("job-heartbeat");
  absl::Duration beaten_at = -absl::InfiniteDuration();
  while (true) {
    bool flush = false;
    std::optional<Heartbeat> beat;
    {
      absl::MutexLock lock(&mu_);
      const auto finishing = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return finishing_; };
      if (mu_.AwaitWithTimeout(absl::Condition(&finishing), kProgressEvery)) return;
      const absl::Duration now = Steady();
      flush = waiting_ && now - sent_at_ >= kProgressEvery;
      if (assignment_ && now - beaten_at >= kBeatEvery) {
        beat = Heartbeat{step_};
        beaten_at = now;
      }
    }
    if (flush) Flush();
    if (beat) Send(*beat);
  }
}

void ChildLink::Flush() {
  absl::MutexLock send_lock(&send_mu_);
  std::optional<Progress> progress;
  {
    absl::MutexLock lock(&mu_);
    progress = std::exchange(waiting_, std::nullopt);
    if (progress) sent_at_ = Steady();
  }
  if (!progress) return;
  SendLocked(EventLine{ProgressEventJson(*progress), std::max<int64_t>(progress->step, 0),
                       std::max<int64_t>(progress->total_steps, 0)});
}

void ChildLink::Send(const Up& message) {
  absl::MutexLock lock(&send_mu_);
  SendLocked(message);
}

void ChildLink::SendLocked(const Up& message) {
  std::string line = Encode(message);
  line.push_back('\n');
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) EndAtOnce("");
    rest.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace lbw::jobs

#include "client/cpp/job_words.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/errors.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/view_parts.h"

namespace lbw::client {

std::string JobStateWord(v1::JobState state) {
  constexpr std::string_view kPrefix = "JOB_STATE_";
  const std::string name = v1::JobState_Name(state);
  if (state == v1::JOB_STATE_UNSPECIFIED || name.size() <= kPrefix.size()) return "-";
  return name.substr(kPrefix.size());
}

std::string JobStateMark(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_QUEUED:
      return "○";
    case v1::JOB_STATE_RUNNING:
      return "●";
    case v1::JOB_STATE_PAUSING:
    case v1::JOB_STATE_PAUSED:
      return "‖";
    case v1::JOB_STATE_SUCCEEDED:
      return "✔";
    case v1::JOB_STATE_FAILED:
      return "✘";
    case v1::JOB_STATE_CANCELLING:
    case v1::JOB_STATE_CANCELLED:
      return "■";
    default:
      return "-";
  }
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

namespace {

std::string QuantizeSubject(const v1::QuantizeSpec& spec) {
  std::string text = base::StrCat(ShortName(spec.version()), " to ");
  if (spec.has_widths()) {
    text += spec.widths().has_max_drop()
                ? base::StrCat("a drop of at most ", spec.widths().max_drop())
                : base::StrCat("at most ", HumanBytes(spec.widths().budget_bytes()));
  } else {
    base::StrAppend(&text, spec.options().bits(), " bits");
  }
  if (spec.has_mu()) base::StrAppend(&text, ", ", spec.mu().ratios_size(), " values of mu");
  return base::StrCat(text, " on ",
                      OnWhat(spec.calibration().dataset(), spec.calibration().split()));
}

std::string CompareSubject(const v1::CompareSpec& spec) {
  std::string text = ShortName(spec.version());
  if (!spec.reference().empty()) {
    base::StrAppend(&text, " against ", ShortName(spec.reference()));
  }
  return base::StrCat(text, " on ", OnWhat(spec.dataset(), spec.split()));
}

std::string TrainSubject(const v1::TrainSpec& spec) {
  return base::StrCat(ShortName(spec.version()), " on ",
                      OnWhat(spec.data().dataset(), spec.data().split()), ", ",
                      Count(spec.options().epochs(), "epoch"));
}

std::string FineTuneSubject(const v1::FineTuneSpec& spec) {
  return base::StrCat(ShortName(spec.version()), " to ", spec.options().bits(), " bits on ",
                      OnWhat(spec.data().dataset(), spec.data().split()), ", ",
                      Count(spec.training().epochs(), "epoch"));
}

}  // namespace

std::string JobSubject(const v1::Job& job) {
  if (job.spec().has_evaluate()) {
    const v1::EvaluateSpec& spec = job.spec().evaluate();
    std::string text =
        base::StrCat(ShortName(spec.version()), " on ", OnWhat(spec.dataset(), spec.split()));
    if (!spec.against().empty()) base::StrAppend(&text, " against ", ShortName(spec.against()));
    return Printable(text);
  }
  if (job.spec().has_check_dataset()) {
    return Printable(base::StrCat("dataset ", ShortName(job.spec().check_dataset().dataset())));
  }
  if (job.spec().has_quantize()) return Printable(QuantizeSubject(job.spec().quantize()));
  if (job.spec().has_train()) return Printable(TrainSubject(job.spec().train()));
  if (job.spec().has_fine_tune()) return Printable(FineTuneSubject(job.spec().fine_tune()));
  if (job.spec().has_compare()) return Printable(CompareSubject(job.spec().compare()));
  return "-";
}

absl::Status JobOutcome(const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_CANCELLED) {
    return base::Error(absl::StatusCode::kCancelled, base::reason::kCancelled,
                       base::StrCat(job.name(), " was cancelled"));
  }
  if (job.state() != v1::JOB_STATE_FAILED) return absl::OkStatus();
  const absl::Status status = FromRpcStatus(job.error());
  if (!status.ok()) return status;
  return absl::UnknownError(base::StrCat(job.name(), " failed and does not say why"));
}

int ValueRank(std::string_view name) {
  constexpr std::string_view kFirst[] = {"map",  "map_50", "top1", "value",         "agreement",
                                         "loss", "lr",     "rate", "pictures_per_s"};
  const auto found = std::find(std::begin(kFirst), std::end(kFirst), name);
  return static_cast<int>(found - std::begin(kFirst));
}

std::string StepUnit(const v1::Job& job) { return job.kind() == "evaluate" ? "pictures" : "steps"; }

std::string DescribeStateChange(const v1::JobStateChange& change) {
  std::string text = JobStateWord(change.state());
  if (change.attempt() > 1) base::StrAppend(&text, ", attempt ", change.attempt());
  if (!change.worker().empty()) base::StrAppend(&text, " on ", change.worker());
  if (!change.reason().empty()) base::StrAppend(&text, ": ", change.reason());
  return text;
}

std::string DescribeMessage(const v1::JobMessage& message) {
  if (message.severity().empty() || message.severity() == "info") return message.text();
  return base::StrCat(message.severity(), ": ", message.text());
}

std::string DescribeCheckpoint(const v1::JobCheckpoint& checkpoint) {
  std::string text = base::StrCat("checkpoint at step ", Grouped(checkpoint.step()));
  if (checkpoint.size_bytes() > 0) {
    base::StrAppend(&text, ", ", HumanBytes(checkpoint.size_bytes()));
  }
  if (checkpoint.best()) text += ", the best so far";
  return text;
}

std::string DescribeProgress(const v1::JobProgress& progress) {
  std::string text = progress.stage().empty() ? "step" : progress.stage();
  base::StrAppend(&text, " ", Grouped(progress.step()));
  if (progress.total_steps() > 0) base::StrAppend(&text, " of ", Grouped(progress.total_steps()));
  std::vector<std::string> values;
  for (const auto& value : progress.values()) {
    values.push_back(base::StrCat(", ", value.first, " ", Measured(value.second)));
  }
  // A map has no order of its own.
  std::sort(values.begin(), values.end());
  for (const std::string& value : values) text += value;
  if (progress.has_eta()) {
    base::StrAppend(&text, ", ", HumanDuration(ToDuration(progress.eta())), " left");
  }
  return text;
}

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return absl::InfinitePast();
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace lbw::client

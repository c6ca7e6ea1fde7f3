#include "client/cpp/job_view.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"

namespace lbw::client {
namespace {

constexpr size_t kMaxPoints = 4096;
constexpr size_t kMaxValues = 64;
constexpr size_t kMaxMessages = 32;
constexpr size_t kMaxRecent = 256;
constexpr absl::Duration kRateWindow = absl::Seconds(30);
constexpr int kBarColumns = 30;
constexpr int kSparkColumns = 40;

void AddPoint(std::vector<plot::Point>& points, plot::Point point) {
  while (!points.empty() && points.back().x >= point.x) points.pop_back();
  points.push_back(point);
  if (points.size() <= kMaxPoints) return;
  size_t kept = 0;
  for (size_t i = 0; i < points.size(); i += 2) points[kept++] = points[i];
  points.resize(kept);
}

// A bar in eighths of a column.
std::string Bar(double share, int columns) {
  static constexpr std::array<const char*, 8> kParts = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = std::clamp(static_cast<int>(share * columns * 8.0), 0, columns * 8);
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kParts.at(static_cast<size_t>(eighths % 8));
  const int drawn = eighths / 8 + (eighths % 8 != 0 ? 1 : 0);
  for (int i = drawn; i < columns; ++i) bar += "░";
  return bar;
}

std::string ClockText(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%H:%M:%S", time, zone);
}

std::vector<double> ValuesOf(const std::vector<plot::Point>& points) {
  std::vector<double> values;
  values.reserve(points.size());
  for (const plot::Point& point : points) values.push_back(point.y);
  return values;
}

// "map_50         0.8957  ▁▃▅▇"
std::vector<std::string> ValueLines(const std::map<std::string, std::vector<plot::Point>>& values,
                                    const google::protobuf::Map<std::string, double>& newest,
                                    int columns) {
  size_t name_width = 0;
  for (const auto& entry : values) {
    name_width = std::max(name_width, std::min<size_t>(24, DisplayWidth(entry.first)));
  }
  std::vector<const std::pair<const std::string, std::vector<plot::Point>>*> ordered;
  for (const auto& entry : values) ordered.push_back(&entry);
  // What has no room is at the end.
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* left, const auto* right) {
    return ValueRank(left->first) < ValueRank(right->first);
  });
  std::vector<std::string> lines;
  for (const auto* one : ordered) {
    const auto& entry = *one;
    const auto found = newest.find(entry.first);
    const std::string value =
        Measured(found == newest.end() ? entry.second.back().y : found->second);
    std::string name = CutColumns(Printable(entry.first), static_cast<int>(name_width));
    name += std::string(name_width - std::min(name_width, DisplayWidth(name)), ' ');
    const std::string padding(value.size() < 10 ? 10 - value.size() : 0, ' ');
    const int room = std::min(kSparkColumns, columns - static_cast<int>(name_width) - 16);
    lines.push_back(
        base::StrCat("  ", name, padding, value, "  ", Sparkline(ValuesOf(entry.second), room)));
  }
  return lines;
}

}  // namespace

std::string Sparkline(absl::Span<const double> values, int width) {
  static constexpr std::array<const char*, 8> kLevels = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (width < 1 || values.empty()) return "";
  const size_t columns = std::min(values.size(), static_cast<size_t>(width));
  std::vector<double> means;
  for (size_t i = 0; i < columns; ++i) {
    const size_t begin = i * values.size() / columns;
    const size_t end = (i + 1) * values.size() / columns;
    double sum = 0.0;
    int count = 0;
    for (size_t k = begin; k < end; ++k) {
      if (!std::isfinite(values[k])) continue;
      sum += values[k];
      ++count;
    }
    means.push_back(count == 0 ? std::nan("") : sum / count);
  }
  double low = HUGE_VAL;
  double high = -HUGE_VAL;
  for (const double mean : means) {
    if (!std::isfinite(mean)) continue;
    low = std::min(low, mean);
    high = std::max(high, mean);
  }
  std::string line;
  for (const double mean : means) {
    if (!std::isfinite(mean)) {
      line += ' ';
    } else if (high - low <= 1e-12 * std::max(std::abs(high), std::abs(low))) {
      line += kLevels[3];
    } else {
      const double share = (mean - low) / (high - low);
      line += kLevels.at(static_cast<size_t>(std::clamp(share * 7.999, 0.0, 7.0)));
    }
  }
  return line;
}

void JobView::Apply(const v1::WatchJobResponse& response) {
  connection_note_.clear();
  if (response.has_job()) job_ = response.job();
  for (const v1::JobEvent& event : response.events()) {
    if (event.cursor() <= cursor_) continue;
    cursor_ = event.cursor();
    ApplyEvent(event);
  }
}

void JobView::ApplyEvent(const v1::JobEvent& event) {
  const absl::Time time = ToTime(event.time());
  // History that the snapshot already tells the end of does not take it back.
  const bool is_new = event.cursor() > job_.last_cursor();
  switch (event.kind_case()) {
    case v1::JobEvent::kState:
      if (is_new) job_.set_state(event.state().state());
      recent_.clear();
      AddMessage(time, DescribeStateChange(event.state()));
      return;
    case v1::JobEvent::kProgress:
      if (is_new) TakeProgress(event.progress());
      AddValues(time, event.progress());
      return;
    case v1::JobEvent::kMessage:
      AddMessage(time, DescribeMessage(event.message()));
      return;
    case v1::JobEvent::kCheckpoint:
      if (!is_new) return;
      job_.set_checkpoint_step(event.checkpoint().step());
      *job_.mutable_checkpoint_time() = event.time();
      return;
    default:
      return;
  }
}

void JobView::TakeProgress(const v1::JobProgress& progress) {
  job_.set_step(progress.step());
  job_.set_total_steps(progress.total_steps());
  job_.clear_eta();
  if (progress.has_eta()) *job_.mutable_eta() = progress.eta();
  for (const auto& value : progress.values()) {
    (*job_.mutable_values())[value.first] = value.second;
  }
}

void JobView::AddValues(absl::Time time, const v1::JobProgress& progress) {
  for (const auto& value : progress.values()) {
    if (values_.size() >= kMaxValues && values_.count(value.first) == 0) continue;
    AddPoint(values_[value.first], {static_cast<double>(progress.step()), value.second});
  }
  const bool goes_back = !recent_.empty() && progress.step() < recent_.back().second;
  if (goes_back || progress.stage() != stage_) recent_.clear();
  stage_ = progress.stage();
  recent_.emplace_back(time, progress.step());
  while (recent_.size() > 2 &&
         (recent_.size() > kMaxRecent || time - recent_.front().first > kRateWindow)) {
    recent_.pop_front();
  }
}

void JobView::AddMessage(absl::Time time, std::string text) {
  messages_.push_back({time, std::move(text)});
  if (messages_.size() > kMaxMessages) messages_.pop_front();
}

std::optional<double> JobView::Rate() const {
  if (recent_.size() < 2) return std::nullopt;
  const double seconds = absl::ToDoubleSeconds(recent_.back().first - recent_.front().first);
  const uint64_t first = recent_.front().second;
  const uint64_t last = recent_.back().second;
  if (seconds <= 0.0 || last <= first) return std::nullopt;
  return static_cast<double>(last - first) / seconds;
}

std::string JobView::HeadLine(const Frame& frame) const {
  std::string line = base::StrCat(JobStateMark(job_.state()), " ", JobStateWord(job_.state()), "  ",
                                  job_.kind(), "  ", ShortName(job_.name()));
  if (job_.attempts() > 1) base::StrAppend(&line, "  attempt ", job_.attempts());
  if (job_.has_start_time()) {
    const absl::Time end = job_.has_end_time() ? ToTime(job_.end_time()) : frame.now;
    base::StrAppend(&line, "  ",
                    HumanDuration(std::max(absl::ZeroDuration(), end - ToTime(job_.start_time()))));
  } else if (job_.has_create_time()) {
    base::StrAppend(
        &line, "  waiting for ",
        HumanDuration(std::max(absl::ZeroDuration(), frame.now - ToTime(job_.create_time()))));
  }
  return line;
}

std::string JobView::BarLine(const Frame& frame) const {
  const uint64_t total = job_.total_steps();
  std::string line;
  if (total > 0) {
    const double share = static_cast<double>(job_.step()) / static_cast<double>(total);
    const int columns = std::clamp(frame.size.columns / 3, 8, kBarColumns);
    line = base::StrCat(Bar(share, columns), "  ", Percent(std::min(1.0, share)), " %  ",
                        Grouped(job_.step()), " of ", Grouped(total));
  } else {
    line = Grouped(job_.step());
  }
  base::StrAppend(&line, " ", StepUnit(job_));
  if (HasEnded(job_.state())) return line;
  if (const auto rate = Rate()) base::StrAppend(&line, "  ", Measured(*rate), "/s");
  if (job_.has_eta()) {
    base::StrAppend(&line, "  ", HumanDuration(ToDuration(job_.eta())), " left");
  }
  if (!stage_.empty()) base::StrAppend(&line, "  ", Printable(stage_));
  return line;
}

std::string JobView::CheckpointLine(const Frame& frame) const {
  return base::StrCat("  checkpoint at step ", Grouped(job_.checkpoint_step()), ", ",
                      ClockText(ToTime(job_.checkpoint_time()), frame.zone));
}

std::vector<std::string> JobView::Render(const Frame& frame) const {
  const auto budget = static_cast<size_t>(std::max(3, frame.size.rows - 1));
  std::vector<std::string> lines = {HeadLine(frame), "  " + JobSubject(job_), BarLine(frame)};
  std::string last;
  if (const absl::Status outcome = JobOutcome(job_); !outcome.ok()) {
    last = base::StrCat("  ", Printable(base::Std(outcome.message())));
  } else if (!connection_note_.empty()) {
    last = base::StrCat("  ", Printable(connection_note_));
  } else if (job_.state() == v1::JOB_STATE_PAUSED) {
    last = base::StrCat("  paused; lbw job resume ", ShortName(job_.name()));
  } else if (!HasEnded(job_.state())) {
    last = "  Ctrl-C leaves the job running";
  }
  const size_t reserved = lines.size() + (last.empty() ? 0 : 1);
  size_t room = budget > reserved ? budget - reserved : 0;
  for (std::string& line : ValueLines(values_, job_.values(), frame.size.columns)) {
    // Two lines are kept for what the job says.
    if (room <= 2) break;
    lines.push_back(std::move(line));
    --room;
  }
  if (room > 1 && job_.has_checkpoint_time()) {
    lines.push_back(CheckpointLine(frame));
    --room;
  }
  const size_t shown = std::min({room, messages_.size(), size_t{6}});
  for (size_t i = messages_.size() - shown; i < messages_.size(); ++i) {
    lines.push_back(base::StrCat("  ", ClockText(messages_[i].time, frame.zone), "  ",
                                 Printable(messages_[i].text)));
  }
  if (!last.empty()) lines.push_back(std::move(last));
  if (lines.size() > budget) lines.resize(budget);
  for (std::string& line : lines) line = CutColumns(line, std::max(20, frame.size.columns - 1));
  return lines;
}

plot::Figure JobView::Curves() const {
  plot::Figure figure;
  figure.title = base::StrCat(job_.kind(), " ", JobSubject(job_));
  figure.subtitle = base::StrCat(job_.name(), ", ", JobStateWord(job_.state()), ", ",
                                 Grouped(job_.step()), " ", StepUnit(job_));
  for (const auto& entry : values_) {
    plot::Chart chart;
    chart.title = entry.first;
    chart.x_label = StepUnit(job_);
    chart.series.push_back({"", entry.second});
    figure.panels.emplace_back(std::move(chart));
  }
  figure.columns = figure.panels.size() > 1 ? 2 : 1;
  figure.panel_height_px = figure.panels.size() > 2 ? 320.0 : 420.0;
  return figure;
}

std::vector<std::string> JobLog::Apply(const v1::WatchJobResponse& response) {
  std::vector<std::string> lines;
  for (const v1::JobEvent& event : response.events()) {
    if (event.cursor() <= cursor_) continue;
    cursor_ = event.cursor();
    if (auto line = Line(event)) {
      lines.push_back(base::StrCat(ClockText(ToTime(event.time()), zone_), "  ", Printable(*line)));
    }
  }
  return lines;
}

std::optional<std::string> JobLog::Line(const v1::JobEvent& event) {
  switch (event.kind_case()) {
    case v1::JobEvent::kState:
      progress_time_.reset();
      return DescribeStateChange(event.state());
    case v1::JobEvent::kMessage:
      return DescribeMessage(event.message());
    case v1::JobEvent::kCheckpoint:
      return DescribeCheckpoint(event.checkpoint());
    case v1::JobEvent::kProgress: {
      const v1::JobProgress& progress = event.progress();
      const absl::Time time = ToTime(event.time());
      const bool is_last = progress.total_steps() > 0 && progress.step() >= progress.total_steps();
      const bool is_soon = progress_time_ && time - *progress_time_ < absl::Seconds(5);
      if (!is_last && is_soon) return std::nullopt;
      progress_time_ = time;
      return DescribeProgress(progress);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace lbw::client

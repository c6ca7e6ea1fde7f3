#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "base/clock.h"
#include "base/log_format.h"

namespace lbw::base {
namespace {

// What a line looks like is the process's own property, like its stderr: the only mutable state of
// its kind here.
std::atomic<LogLevel> minimum_level{LogLevel::kInfo};
std::atomic<LogFormat> line_format{LogFormat::kText};

// Never destroyed, so that threads which outlive main may still log. The sink writes a line with
// one call under its own mutex.
spdlog::logger& Sink() {
  static spdlog::logger* const logger = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto* made = new spdlog::logger("lbw", std::move(sink));
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
    made->set_level(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

}  // namespace

void ConfigureLog(LogLevel minimum, LogFormat format) {
  minimum_level.store(minimum);
  line_format.store(format);
}

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  static const LogColor color = ::isatty(STDERR_FILENO) == 1 ? LogColor::kYes : LogColor::kNo;
  const LogEvent entry{level, RealClock().Now(), event, {fields.begin(), fields.size()}};
  const std::string line =
      line_format.load() == LogFormat::kJson ? FormatLogJson(entry) : FormatLogText(entry, color);
  Sink().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace lbw::base

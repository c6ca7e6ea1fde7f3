#include "client/cpp/live_screen.h"

#include <pthread.h>

#include <utility>

#include "base/strings.h"

namespace lbw::client {
namespace {

constexpr absl::Duration kFrame = absl::Milliseconds(250);

}  // namespace

std::string RedrawText(const std::vector<std::string>& lines, size_t previous) {
  std::string text;
  if (previous > 0) text = base::StrCat("\r\x1b[", previous, "A");
  for (const std::string& line : lines) base::StrAppend(&text, line, "\x1b[K\n");
  // A frame with fewer lines leaves none of the older one.
  if (previous > lines.size()) text += "\x1b[J";
  return text;
}

LiveScreen::LiveScreen(std::ostream& out, std::function<std::vector<std::string>()> render)
    : out_(out), render_(std::move(render)), thread_([this] { Loop(); }) {}

LiveScreen::~LiveScreen() {
  {
    const absl::MutexLock lock(&mu_);
    is_over_ = true;
  }
  thread_.join();
  Paint();
}

void LiveScreen::Loop() {
  ::pthread_setname_np(::pthread_self(), "lbw-screen");
  for (;;) {
    Paint();
    const absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&is_over_), kFrame)) return;
  }
}

void LiveScreen::Paint() {
  const std::vector<std::string> lines = render_();
  out_ << RedrawText(lines, drawn_lines_) << std::flush;
  drawn_lines_ = lines.size();
}

}  // namespace lbw::client

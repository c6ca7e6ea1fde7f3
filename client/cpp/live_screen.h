// A few lines at the bottom of a terminal that are redrawn in place.
#ifndef LBW_CLIENT_LIVE_SCREEN_H_
#define LBW_CLIENT_LIVE_SCREEN_H_

#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace lbw::client {

// Writes `lines` over the `previous` ones that were written last. Pure.
std::string RedrawText(const std::vector<std::string>& lines, size_t previous);

// Paints four times a second from a thread of its own ("lbw-screen") until it is destroyed, which
// paints once more and leaves the last frame standing.
class LiveScreen {
 public:
  // render: called from the screen's thread and, at the end, from the caller's; never two at once.
  // Lines must fit the terminal. out is borrowed; nobody else may write to it meanwhile.
  LiveScreen(std::ostream& out, std::function<std::vector<std::string>()> render);
  ~LiveScreen();
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

 private:
  void Loop();
  void Paint();

  std::ostream& out_;
  const std::function<std::vector<std::string>()> render_;
  size_t drawn_lines_ = 0;  // of the painting thread
  absl::Mutex mu_;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_LIVE_SCREEN_H_

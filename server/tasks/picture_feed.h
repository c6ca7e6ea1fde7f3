// Pictures of a pack, decoded and made into network inputs by threads of its own, a bounded number
// ahead, handed out in order.
//
// Lifetime: the destructor ends and joins its threads. Threads: Take on one.
#ifndef LBW_TASKS_PICTURE_FEED_H_
#define LBW_TASKS_PICTURE_FEED_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "dataset/pack.h"
#include "detect/decoder.h"
#include "detect/spec.h"

namespace lbw::tasks {

struct PreparedPicture {
  // What is wrong with the picture: it is left out, the others go on.
  absl::Status picture;
  // The pack could not be read, or memory is short: nothing goes on.
  absl::Status medium;
  std::vector<std::vector<float>> inputs;  // one an input spec, [channels, height, width]
  std::vector<detect::Placement> placements;
  double decode_ms = 0;
  double preprocess_ms = 0;  // of all input specs
};

struct FeedSource {
  const dataset::Pack* pack = nullptr;    // borrowed
  absl::Span<const size_t> pictures;      // indices in the pack; borrowed
  std::vector<detect::InputSpec> inputs;  // at least one
};

class PictureFeed {
 public:
  struct Options {
    int threads = 1;
    size_t ahead = 16;                            // pictures that are ready or in the making
    uint64_t ahead_bytes = uint64_t{256} << 20;  // of network inputs; one picture always goes
  };
  PictureFeed(FeedSource source, const Options& options);
  ~PictureFeed();
  PictureFeed(const PictureFeed&) = delete;
  PictureFeed& operator=(const PictureFeed&) = delete;

  // The next one. Aborts behind the last.
  PreparedPicture Take() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Work() ABSL_LOCKS_EXCLUDED(mu_);
  bool MayBegin() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const FeedSource source_;
  const size_t ahead_;

  absl::Mutex mu_;
  size_t taken_ ABSL_GUARDED_BY(mu_) = 0;
  size_t begun_ ABSL_GUARDED_BY(mu_) = 0;  // of source_.pictures
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<std::optional<PreparedPicture>> ready_ ABSL_GUARDED_BY(mu_);  // taken_ .. begun_-1

  std::vector<std::thread> threads_;
};

// What a feed's thread does with one picture. Pure but for reading.
PreparedPicture PreparePicture(const dataset::Pack& pack, size_t index,
                               absl::Span<const detect::InputSpec> inputs);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_PICTURE_FEED_H_

#include "dataset/look_at_pictures.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/thread_pool.h"
#include "detect/image/image.h"

namespace lbw::dataset {
namespace {

constexpr size_t kMostThreads = 64;
// RGB, and a progressive JPEG's coefficients of two bytes.
constexpr uint64_t kBytesAPixel = 9;

struct Slot {
  LookedAt looked;
  uint64_t cost_bytes = 0;
  absl::Notification done;
};

class Looker {
 public:
  Looker(const FileTree& tree, const DatasetLimits& limits, size_t threads)
      : tree_(tree), limits_(limits), most_slots_(2 * threads) {
    if (threads < 2) return;
    pool_ = std::make_unique<base::ThreadPool>(
        base::ThreadPool::Options{.name = "check", .threads = threads, .max_queue = most_slots_});
  }

  // Begins with pictures as long as there is room for them.
  void Fill(const std::vector<const RawPicture*>& pictures) {
    while (true) {
      if (next_ == nullptr && position_ < pictures.size()) next_ = Read(*pictures[position_++]);
      if (next_ == nullptr) return;
      const bool fits =
          slots_.size() < most_slots_ && cost_bytes_ + next_->cost_bytes <= kDecodingBytes;
      if (!slots_.empty() && !fits) return;
      cost_bytes_ += next_->cost_bytes;
      Slot* const slot = next_.get();
      slots_.push_back(std::move(next_));
      const auto work = [this, slot] {
        Decode(slot->looked);
        slot->done.Notify();
      };
      if (pool_ == nullptr || !pool_->Submit(work).ok()) work();
    }
  }

  // The oldest; there must be one.
  LookedAt Take() {
    Slot& slot = *slots_.front();
    slot.done.WaitForNotification();
    LookedAt looked = std::move(slot.looked);
    cost_bytes_ -= slot.cost_bytes;
    slots_.pop_front();
    return looked;
  }

 private:
  std::unique_ptr<Slot> Read(const RawPicture& raw) const {
    auto slot = std::make_unique<Slot>();
    LookedAt& looked = slot->looked;
    looked.raw = &raw;
    if (raw.png.has_value()) {
      looked.encoded = *raw.png;
    } else {
      looked.encoded = tree_.Read(raw.path, limits_.max_picture_bytes);
    }
    if (!looked.encoded.ok()) return slot;
    looked.facts = LookAtPicture(*looked.encoded);
    // What claims more pixels is refused before anything is allocated for it.
    const auto most = static_cast<uint64_t>(std::max<int64_t>(limits_.max_picture_pixels, 0));
    const uint64_t pixels = base::CheckedMul(static_cast<uint64_t>(looked.facts.stored_width),
                                             static_cast<uint64_t>(looked.facts.stored_height))
                                .value_or(most);
    const uint64_t decoded =
        base::CheckedMul(std::min(pixels, most), kBytesAPixel).value_or(kDecodingBytes);
    slot->cost_bytes = looked.encoded->size() + decoded;
    return slot;
  }

  void Decode(LookedAt& looked) const {
    if (!looked.encoded.ok() || looked.facts.kind == PictureFacts::Kind::kOther) return;
    const absl::Span<const std::byte> bytes = base::AsBytes(*looked.encoded);
    detect::ImageLimits limits;
    limits.max_bytes = limits_.max_picture_bytes;
    limits.max_pixels = limits_.max_picture_pixels;
    const absl::StatusOr<detect::Image> image = detect::DecodeImage(bytes, limits);
    looked.decoded = image.status();
    if (!image.ok()) return;
    looked.width = image->width;
    looked.height = image->height;
    looked.sha256 = base::Sha256Hex(bytes);
  }

  const FileTree& tree_;
  const DatasetLimits& limits_;
  const size_t most_slots_;
  size_t position_ = 0;
  uint64_t cost_bytes_ = 0;
  std::unique_ptr<Slot> next_;  // read, and waiting for room
  std::deque<std::unique_ptr<Slot>> slots_;
  std::unique_ptr<base::ThreadPool> pool_;  // last: its tasks end before what they write to
};

}  // namespace

absl::Status LookAtPictures(const FileTree& tree, const DatasetLimits& limits, int threads,
                            const std::vector<const RawPicture*>& pictures,
                            const std::function<absl::Status(LookedAt looked)>& take) {
  const auto wanted = static_cast<size_t>(std::max(1, threads));
  // More threads than pictures would only be started.
  Looker looker(tree, limits, std::min({wanted, kMostThreads, pictures.size()}));
  for (size_t i = 0; i < pictures.size(); ++i) {
    looker.Fill(pictures);
    absl::Status status = take(looker.Take());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace lbw::dataset

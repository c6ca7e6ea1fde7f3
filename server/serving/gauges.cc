#include "serving/gauges.h"

namespace lbw::serving {

void Gauges::Report(absl::Span<const LoadedInfo> versions) {
  if (observer_ == nullptr) return;
  std::map<Name, size_t> now;
  size_t loaded = 0;
  uint64_t bytes = 0;
  for (const LoadedInfo& info : versions) {
    // Checkpoints of several jobs of a model are its version 0 together.
    now[Name(info.model, info.version)] += info.queue_length;
    if (info.bytes > 0) ++loaded;
    bytes += info.bytes;
  }
  for (const auto& entry : now) {
    const auto before = queue_lengths_.find(entry.first);
    if (before == queue_lengths_.end() || before->second != entry.second) {
      observer_->QueueLength(entry.first.first, entry.first.second, entry.second);
    }
  }
  for (const auto& before : queue_lengths_) {
    if (now.count(before.first) == 0) {
      observer_->Unloaded(before.first.first, before.first.second);
    }
  }
  queue_lengths_.swap(now);
  if (loaded == loaded_ && bytes == loaded_bytes_) return;
  loaded_ = loaded;
  loaded_bytes_ = bytes;
  observer_->LoadedChanged(loaded, bytes);
}

}  // namespace lbw::serving

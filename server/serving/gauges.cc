#include "serving/gauges.h"

namespace lbw::serving {

void Gauges::Report(absl::Span<const LoadedInfo> versions) {
  if (observer_ == nullptr) return;
  std::map<Name, size_t> now;
  size_t loaded = 0;
  uint64_t bytes = 0;
  for (const LoadedInfo& info : versions) {
    const auto entry = now.emplace(Name(info.model, info.version), info.queue_length).first;
    const auto before = queue_lengths_.find(entry->first);
    if (before == queue_lengths_.end() || before->second != info.queue_length) {
      observer_->QueueLength(info.model, info.version, info.queue_length);
    }
    if (info.bytes > 0) ++loaded;
    bytes += info.bytes;
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

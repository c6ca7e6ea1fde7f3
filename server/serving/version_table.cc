#include "serving/version_table.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "serving/policy.h"

namespace lbw::serving {

VersionTable::VersionTable(uint64_t budget_bytes, const base::Clock& clock, Make make)
    : budget_bytes_(budget_bytes), clock_(clock), make_(std::move(make)) {}

VersionTable::Acquired VersionTable::Acquire(const ServedName& name, std::string_view bundle) {
  const absl::Time now = clock_.Now();
  Acquired acquired;
  Entry older;  // dropped behind the lock
  absl::MutexLock lock(&mu_);
  Entry& entry = entries_[name];
  if (!name.job.empty() && entry.bundle != bundle) older = std::exchange(entry, Entry());
  if (entry.version == nullptr) {
    entry.version = make_(name);
    entry.bundle = std::string(bundle);
    acquired.is_new = true;
  }
  entry.last_used = now;
  // Under the lock, so that Settle never takes out what somebody is about to use.
  acquired.use = VersionUse(entry.version);
  return acquired;
}

absl::Status VersionTable::Settle(const ServedVersion& version, uint64_t bytes) {
  const ServedName& name = version.name();
  const std::string resource = ResourceName(name);
  std::vector<std::shared_ptr<ServedVersion>> evicted;  // dropped behind the lock
  absl::MutexLock lock(&mu_);
  const auto own = entries_.find(name);
  const bool listed = own != entries_.end() && own->second.version.get() == &version;
  std::vector<ServedName> names;
  std::vector<Resident> residents;
  uint64_t held = 0;
  for (const auto& [other, entry] : entries_) {
    if (entry.bytes == 0) continue;
    names.push_back(other);
    residents.push_back(Resident{entry.bytes, entry.last_used, entry.version->in_use()});
    held += entry.bytes;
  }
  const EvictionPlan plan = PlanEviction(residents, bytes, budget_bytes_);
  if (plan.verdict == RoomVerdict::kNeverFits) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       base::StrCat(resource, " is larger than all loaded versions may be: bytes=",
                                    bytes, " limit=", budget_bytes_));
  }
  if (plan.verdict == RoomVerdict::kBusy) {
    constexpr int64_t kRetryMs = 1'000;
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       base::StrCat("no room for ", resource,
                                    " while other versions are in use: bytes=", bytes,
                                    " loaded=", held, " limit=", budget_bytes_))
        .RetryAfterMs(kRetryMs);
  }
  for (const size_t index : plan.evict) {
    const auto victim = entries_.find(names[index]);
    evicted.push_back(std::move(victim->second.version));
    entries_.erase(victim);
  }
  // At least 1: 0 says that it is not settled.
  if (listed) own->second.bytes = std::max<uint64_t>(bytes, 1);
  return absl::OkStatus();
}

bool VersionTable::Remove(const ServedName& name) {
  std::shared_ptr<ServedVersion> removed;  // dropped behind the lock
  absl::MutexLock lock(&mu_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return false;
  removed = std::move(found->second.version);
  entries_.erase(found);
  return true;
}

void VersionTable::RemoveExactly(const ServedVersion& version) {
  std::shared_ptr<ServedVersion> removed;  // dropped behind the lock
  absl::MutexLock lock(&mu_);
  const auto found = entries_.find(version.name());
  if (found == entries_.end() || found->second.version.get() != &version) return;
  removed = std::move(found->second.version);
  entries_.erase(found);
}

void VersionTable::Clear() {
  std::map<ServedName, Entry> removed;  // dropped behind the lock
  absl::MutexLock lock(&mu_);
  removed.swap(entries_);
}

std::vector<LoadedInfo> VersionTable::List() const {
  std::vector<LoadedInfo> list;
  absl::MutexLock lock(&mu_);
  list.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) {
    LoadedInfo info;
    info.model = name.model;
    info.version = name.number;
    info.job = name.job;
    info.bytes = entry.bytes;
    info.queue_length = entry.version->queue().calls;
    info.pictures = entry.version->pictures();
    info.last_used = entry.last_used;
    list.push_back(std::move(info));
  }
  return list;
}

}  // namespace lbw::serving

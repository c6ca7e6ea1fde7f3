#include "tasks/value_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

base::Error FileError(std::string_view what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return base::Error(full ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal,
                     full ? base::reason::kOutOfRoom : base::reason::kInternal,
                     base::StrCat("scratch file: ", what, ": ", std::strerror(error)));
}

}  // namespace

ValueCache::~ValueCache() {
  for (auto& [key, entry] : entries_) {
    if (entry.fd >= 0) ::close(entry.fd);
  }
}

absl::Status ValueCache::Declare(const std::string& key, const base::Shape& shape) {
  if (Has(key)) return absl::OkStatus();
  Entry entry;
  entry.shape = shape;
  entry.bytes = sizeof(float);
  for (const int64_t size : shape) entry.bytes *= static_cast<uint64_t>(size);
  const uint64_t all = entry.bytes * options_.pictures;
  if (memory_bytes_ + all <= options_.max_memory_bytes) {
    memory_bytes_ += all;
    entry.memory.resize(options_.pictures);
  } else {
    std::string path = base::StrCat(options_.folder, "/values.XXXXXX");
    entry.fd = ::mkostemp(path.data(), O_CLOEXEC);
    if (entry.fd < 0) return FileError(path, errno);
    ::unlink(path.c_str());
  }
  entries_.emplace(key, std::move(entry));
  return absl::OkStatus();
}

void ValueCache::Borrow(const std::string& key, const base::Shape& shape,
                        const std::vector<std::vector<float>>& values) {
  LBW_CHECK(!Has(key) && values.size() == options_.pictures);
  Entry entry;
  entry.shape = shape;
  entry.borrowed = &values;
  entries_.emplace(key, std::move(entry));
}

absl::Status ValueCache::Put(std::string_view key, size_t picture, base::Tensor value) {
  const auto it = entries_.find(key);
  LBW_CHECK(it != entries_.end() && it->second.borrowed == nullptr);
  LBW_CHECK(value.size_bytes() == it->second.bytes);
  Entry& entry = it->second;
  if (entry.fd < 0) {
    entry.memory[picture] = std::move(value);
    return absl::OkStatus();
  }
  const absl::Span<const std::byte> bytes = value.bytes();
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::pwrite(entry.fd, bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(picture * entry.bytes + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return FileError("writing", wrote < 0 ? errno : ENOSPC);
    done += static_cast<size_t>(wrote);
  }
  return absl::OkStatus();
}

absl::StatusOr<base::TensorView> ValueCache::View(std::string_view key, size_t picture,
                                                  base::Tensor& room) const {
  const auto it = entries_.find(key);
  LBW_CHECK(it != entries_.end());
  const Entry& entry = it->second;
  if (entry.borrowed != nullptr) {
    const std::vector<float>& value = (*entry.borrowed)[picture];
    const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(value.data()),
                                            value.size() * sizeof(float));
    return base::TensorView{base::DType::kF32, entry.shape, bytes};
  }
  if (entry.fd < 0) return entry.memory[picture].view();
  room = base::Tensor(base::DType::kF32, entry.shape);
  const absl::Span<std::byte> bytes = room.mutable_bytes();
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t got = ::pread(entry.fd, bytes.data() + done, bytes.size() - done,
                                static_cast<off_t>(picture * entry.bytes + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return FileError("reading", got < 0 ? errno : EIO);
    done += static_cast<size_t>(got);
  }
  return room.view();
}

void ValueCache::Drop(std::string_view key) {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  if (it->second.fd >= 0) {
    ::close(it->second.fd);
  } else {
    memory_bytes_ -= it->second.bytes * options_.pictures;
  }
  entries_.erase(it);
}

std::vector<std::string> ValueCache::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, entry] : entries_) keys.push_back(key);
  return keys;
}

}  // namespace lbw::tasks

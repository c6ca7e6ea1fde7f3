// Values of a network for many pictures: in memory up to a bound, in files of a scratch folder
// beyond it.
//
// A key is declared once; then every picture's value may be put and viewed from any thread, a
// picture by one thread at a time. Files have no name any more once they are open: nothing is left
// behind whatever happens.
#ifndef LBW_TASKS_VALUE_CACHE_H_
#define LBW_TASKS_VALUE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tensor.h"

namespace lbw::tasks {

struct ValueCacheOptions {
  size_t pictures = 0;
  uint64_t max_memory_bytes = uint64_t{1} << 30;
  std::string folder;  // exists
};

class ValueCache {
 public:
  explicit ValueCache(ValueCacheOptions options) : options_(std::move(options)) {}
  ~ValueCache();
  ValueCache(const ValueCache&) = delete;
  ValueCache& operator=(const ValueCache&) = delete;

  // shape: of one picture's value, f32. Not while other threads are at work. Declaring a key again
  // changes nothing. Errors: kResourceExhausted, OUT_OF_ROOM - no file could be made.
  absl::Status Declare(const std::string& key, const base::Shape& shape);
  // The same for values that the caller has: one a picture, borrowed until the key is dropped, of
  // shape's size. They are viewed only, and count as no memory of this.
  void Borrow(const std::string& key, const base::Shape& shape,
              const std::vector<std::vector<float>>& values);
  bool Has(std::string_view key) const { return entries_.find(key) != entries_.end(); }
  // The key is not borrowed. Errors: kResourceExhausted, OUT_OF_ROOM - the disk is full.
  absl::Status Put(std::string_view key, size_t picture, base::Tensor value);
  // Valid while the key is declared and `room`, which takes what comes from a file, lives.
  // Errors: kInternal - the file cannot be read.
  absl::StatusOr<base::TensorView> View(std::string_view key, size_t picture,
                                        base::Tensor& room) const;
  // Not while other threads are at work.
  void Drop(std::string_view key);
  std::vector<std::string> keys() const;
  uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Entry {
    base::Shape shape;
    uint64_t bytes = 0;                // a picture
    std::vector<base::Tensor> memory;  // empty where it lies in a file
    int fd = -1;
    const std::vector<std::vector<float>>* borrowed = nullptr;
  };
  const ValueCacheOptions options_;
  std::map<std::string, Entry, std::less<>> entries_;
  uint64_t memory_bytes_ = 0;
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_VALUE_CACHE_H_

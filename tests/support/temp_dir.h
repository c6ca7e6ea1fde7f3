// A folder of a test's own that goes away with the object.
#ifndef LBW_TESTS_SUPPORT_TEMP_DIR_H_
#define LBW_TESTS_SUPPORT_TEMP_DIR_H_

#include <string>
#include <string_view>

namespace lbw::testing {

// Aborts when it cannot be made.
class TempDir {
 public:
  // kDisk: where the system keeps temporary files. kMemory: /dev/shm where it exists, for tests
  // that sync thousands of times and whose subject is not the disk.
  enum class Place { kDisk, kMemory };
  explicit TempDir(Place place = Place::kDisk);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  // Absolute, without a slash at the end.
  const std::string& path() const { return path_; }
  // path() + "/" + name.
  std::string File(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace lbw::testing

#endif  // LBW_TESTS_SUPPORT_TEMP_DIR_H_

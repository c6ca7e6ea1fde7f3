#include "support/temp_dir.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/status.h"

namespace lbw::testing {

TempDir::TempDir(Place place) {
  const std::filesystem::path disk = std::filesystem::temp_directory_path();
  std::string pattern =
      ((place == Place::kMemory ? std::filesystem::path("/dev/shm") : disk) / "lbw-test-XXXXXX")
          .string();
  if (place == Place::kMemory && ::mkdtemp(pattern.data()) != nullptr) {
    path_ = pattern;
    return;
  }
  pattern = (disk / "lbw-test-XXXXXX").string();
  LBW_CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::File(std::string_view name) const { return path_ + "/" + std::string(name); }

}  // namespace lbw::testing

#include "support/test_data.h"

#include <cstdlib>

namespace lbw::testing {

std::optional<std::string> TestDataDir() {
  const char* folder = std::getenv("LBW_TEST_DATA");
  if (folder == nullptr || *folder == '\0') return std::nullopt;
  return folder;
}

}  // namespace lbw::testing

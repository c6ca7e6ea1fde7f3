// Real weights and pictures that tests may use where the person who runs them has some.
#ifndef LBW_TESTS_SUPPORT_TEST_DATA_H_
#define LBW_TESTS_SUPPORT_TEST_DATA_H_

#include <optional>
#include <string>

namespace lbw::testing {

// The folder that the environment variable LBW_TEST_DATA names; nullopt when it is unset or empty.
// A test that needs it skips then.
std::optional<std::string> TestDataDir();

}  // namespace lbw::testing

#endif  // LBW_TESTS_SUPPORT_TEST_DATA_H_

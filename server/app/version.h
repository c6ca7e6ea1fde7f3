// The program's version, as CMake's project() says.
#ifndef LBW_APP_VERSION_H_
#define LBW_APP_VERSION_H_

#include <string_view>

namespace lbw::app {

inline constexpr std::string_view kVersion = LBW_VERSION;

}  // namespace lbw::app

#endif  // LBW_APP_VERSION_H_

// The names of a call for metrics and logs, from its path.
#ifndef LBW_RPC_METHOD_NAME_H_
#define LBW_RPC_METHOD_NAME_H_

#include <string>
#include <string_view>

namespace lbw::rpc {

struct MethodName {
  std::string service;
  std::string method;
};

// "/lbw.v1.DetectionService/Detect" -> {"lbw.v1.DetectionService", "Detect"}. A service or a method
// that this server does not have is "unknown": names that clients make up would use up the labels
// that are kept for real ones. Threads: safe to call concurrently.
MethodName NameOfMethod(std::string_view path);

}  // namespace lbw::rpc

#endif  // LBW_RPC_METHOD_NAME_H_

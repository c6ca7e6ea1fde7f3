#include "rpc/method_name.h"

#include <array>

#include "google/protobuf/descriptor.h"

namespace lbw::rpc {
namespace {

constexpr std::string_view kUnknown = "unknown";

// gRPC's own services, whose descriptors are not linked in.
struct Own {
  std::string_view service;
  std::string_view method;
};
constexpr std::array<Own, 3> kOwn = {{
    {"grpc.health.v1.Health", "Check"},
    {"grpc.health.v1.Health", "Watch"},
    {"grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo"},
}};

bool IsOurs(std::string_view service) {
  constexpr std::string_view kPackage = "lbw.v1.";
  return service.substr(0, kPackage.size()) == kPackage;
}

}  // namespace

MethodName NameOfMethod(std::string_view path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  const size_t slash = path.rfind('/');
  const std::string_view service = slash == path.npos ? "" : path.substr(0, slash);
  const std::string_view method = slash == path.npos ? path : path.substr(slash + 1);
  for (const Own& own : kOwn) {
    if (own.service == service && own.method == method) {
      return {std::string(service), std::string(method)};
    }
  }
  if (IsOurs(service)) {
    const auto* pool = google::protobuf::DescriptorPool::generated_pool();
    const auto* found = pool->FindServiceByName(std::string(service));
    if (found != nullptr) {
      const bool known = found->FindMethodByName(std::string(method)) != nullptr;
      return {std::string(service), std::string(known ? method : kUnknown)};
    }
  }
  return {std::string(kUnknown), std::string(kUnknown)};
}

}  // namespace lbw::rpc

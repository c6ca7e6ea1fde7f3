#include "rpc/request_digest.h"

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/io.h"
#include "rpc/json.h"

namespace lbw::rpc {

std::string DigestOf(const v1::CreateJobRequest& request) {
  v1::CreateJobRequest asked = request;
  asked.clear_submitter();
  asked.clear_request_id();
  asked.clear_validate_only();
  // protobuf prints a map in any order; parsed, its keys are sorted.
  using Json = nlohmann::json;
  const Json sorted = Json::parse(ToJson(asked), nullptr, /*allow_exceptions=*/false);
  const std::string text = sorted.dump(-1, ' ', false, Json::error_handler_t::replace);
  return base::Sha256Hex(base::AsBytes(text));
}

}  // namespace lbw::rpc

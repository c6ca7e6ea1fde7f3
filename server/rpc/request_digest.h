// What a caller sent, as one digest: equal requests have equal ones, whatever the server would make
// of them by now. Pure.
#ifndef LBW_RPC_REQUEST_DIGEST_H_
#define LBW_RPC_REQUEST_DIGEST_H_

#include <string>

#include "lbw/v1/job.pb.h"

namespace lbw::rpc {

// SHA-256 of the request's fields that are set, as JSON with its keys sorted, without those that
// say whose request it is and whether it is meant (submitter, request_id, validate_only). A field
// that a later version of the API adds changes nothing while it is not set.
std::string DigestOf(const v1::CreateJobRequest& request);

}  // namespace lbw::rpc

#endif  // LBW_RPC_REQUEST_DIGEST_H_

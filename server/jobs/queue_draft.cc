#include "jobs/queue_draft.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::jobs {
namespace {

constexpr int32_t kMostPriority = 100;
constexpr size_t kMostNameBytes = 64;
constexpr size_t kMostLabels = 16;
constexpr size_t kMostUses = 64;  // resources, and artifacts
constexpr size_t kMostResourceBytes = 256;
constexpr size_t kMostSpecBytes = size_t{1} << 20;
constexpr size_t kMostEstimateBytes = size_t{64} << 10;

absl::Status Refuse(std::string_view field, base::Reason reason, std::string_view message) {
  base::Error error(absl::StatusCode::kInvalidArgument, reason, message);
  error.Field(field);
  return error;
}

absl::Status CheckSize(std::string_view field, size_t size, size_t most) {
  if (size <= most) return absl::OkStatus();
  return Refuse(field, base::reason::kLimitExceeded,
                base::StrCat(field, " is too large: size=", size, " limit=", most));
}

// As a filter can name it.
bool IsLabelKey(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  });
}

absl::Status CheckLabels(const JobDraft& draft) {
  LBW_RETURN_IF_ERROR(CheckSize("labels", draft.labels.size(), kMostLabels));
  for (const auto& [key, value] : draft.labels) {
    if (!IsLabelKey(key)) {
      return Refuse("labels", base::reason::kBadArgument,
                    base::StrCat("a label's key must be of [A-Za-z0-9_./-]: \"", key, "\""));
    }
    LBW_RETURN_IF_ERROR(CheckSize("labels", key.size(), kMostNameBytes));
    LBW_RETURN_IF_ERROR(CheckSize("labels", value.size(), kMostNameBytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDraft(const JobDraft& draft) {
  if (draft.kind.empty()) {
    return Refuse("spec", base::reason::kBadArgument, "spec must tell a kind of job");
  }
  LBW_RETURN_IF_ERROR(CheckSize("spec.kind", draft.kind.size(), kMostNameBytes));
  LBW_RETURN_IF_ERROR(CheckSize("spec", draft.spec_json.size(), kMostSpecBytes));
  LBW_RETURN_IF_ERROR(CheckSize("submitter", draft.submitter.size(), kMostNameBytes));
  LBW_RETURN_IF_ERROR(CheckSize("request_id", draft.request_id.size(), kMostNameBytes));
  LBW_RETURN_IF_ERROR(CheckSize("request_digest", draft.request_digest.size(), kMostNameBytes));
  if (draft.priority < -kMostPriority || draft.priority > kMostPriority) {
    return Refuse("priority", base::reason::kBadArgument,
                  base::StrCat("priority must be -100..100: priority=", draft.priority));
  }
  LBW_RETURN_IF_ERROR(CheckLabels(draft));
  LBW_RETURN_IF_ERROR(CheckSize("estimate", draft.estimate_json.size(), kMostEstimateBytes));
  LBW_RETURN_IF_ERROR(CheckSize("uses", draft.uses.size(), kMostUses));
  for (const std::string& resource : draft.uses) {
    LBW_RETURN_IF_ERROR(CheckSize("uses", resource.size(), kMostResourceBytes));
  }
  LBW_RETURN_IF_ERROR(CheckSize("artifacts", draft.artifacts.size(), kMostUses));
  for (const std::string& sha256 : draft.artifacts) {
    if (base::IsSha256Hex(sha256)) continue;
    return Refuse("artifacts", base::reason::kBadArgument,
                  "artifacts must be 64 lower-case hexadecimal digits");
  }
  return absl::OkStatus();
}

bool IsSameRequest(const Job& job, const JobDraft& draft) {
  if (!job.request_digest.empty() && !draft.request_digest.empty()) {
    return job.request_digest == draft.request_digest;
  }
  return job.kind == draft.kind && job.spec_json == draft.spec_json &&
         job.priority == draft.priority && job.labels == draft.labels;
}

}  // namespace lbw::jobs
